//! Answers to our requests, the silence in their place, and the session timer.

use super::{Asked, CallId, Client, ClientEvent, EndCause, Kind, State};
use crate::{
    endpoint::Moment,
    flow::Transmit,
    limits::MIN_SESSION_EXPIRES_S,
    session_timer::{self, SessionTimer},
    sip::{Headers, Method, Response, layer::ClientId},
};

impl Client {
    pub(super) fn on_answer(&mut self, client: ClientId, response: &Response, at: &mut Moment<'_>) {
        let Some(&asked) = self.asked.get(&client) else {
            self.repeat_ack(response);
            return;
        };
        if response.status < 200 {
            self.on_provisional(asked, response, at);
            return;
        }
        self.asked.remove(&client);
        match asked {
            Asked::Call(id) => self.on_call_answer(id, response, at),
            Asked::Kind(id, kind) => self.on_kind_answer(id, kind, response, at),
            Asked::Refresh(id) => self.refreshed(id, response.status, Some(&response.headers), at),
            Asked::Cancel => {}
        }
    }

    fn on_provisional(&mut self, asked: Asked, response: &Response, at: &mut Moment<'_>) {
        let Asked::Call(id) = asked else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let State::Calling { has_provisional, wants_cancel, .. } = &mut call.state else { return };
        let cancels_now = !std::mem::replace(has_provisional, true) && *wants_cancel;
        if response.status > 100 {
            self.events.push_back(ClientEvent::Ringing { call: id, status: response.status });
        }
        if cancels_now {
            self.send_cancel(id, at);
        }
    }

    pub(super) fn send_cancel(&mut self, id: CallId, at: &mut Moment<'_>) {
        let Some(call) = self.calls.get(&id) else { return };
        let State::Calling { invite, .. } = call.state else { return };
        let Some(invite) = self.layer.sent_request(invite) else { return };
        let sent = call.cancel(invite);
        let client = self.layer.send(&call.flow, Box::new(sent.request), sent.octets, at.now);
        self.asked.insert(client, Asked::Cancel);
    }

    fn on_call_answer(&mut self, id: CallId, response: &Response, at: &mut Moment<'_>) {
        if response.status >= 300 {
            self.bury(id);
            self.events.push_back(ClientEvent::Failed {
                call: id,
                status: response.status,
                reason: response.reason.clone(),
                retry_after_s: retry_after(&response.headers),
                warning: response.headers.get("Warning").map(str::to_owned),
            });
            return;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let is_cancelled = matches!(call.state, State::Calling { wants_cancel: true, .. });
        call.state = State::Live;
        self.acknowledge(id, response, at);
        self.events.push_back(ClientEvent::Answered {
            call: id,
            status: response.status,
            headers: response.headers.clone(),
            body: response.body.clone(),
        });
        if is_cancelled {
            self.hang_up(id, at);
        }
    }

    fn acknowledge(&mut self, id: CallId, response: &Response, at: &mut Moment<'_>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let octets = call.answered(response, at);
        call.timer = session_timer::agreed_by_peer(&response.headers, at.now);
        self.layer.send_raw(Transmit { flow: call.flow.clone(), octets });
        self.reschedule(id);
    }

    fn repeat_ack(&mut self, response: &Response) {
        let Some(call) = response.from.tag().and_then(|tag| self.tags.get(tag)).and_then(|id| self.calls.get(id))
        else {
            return;
        };
        if let Some((cseq, octets)) = &call.ack
            && *cseq == response.cseq
            && response.method == Method::Invite
        {
            self.layer.send_raw(Transmit { flow: call.flow.clone(), octets: octets.clone() });
        }
    }

    fn on_kind_answer(&mut self, id: CallId, kind: Kind, response: &Response, at: &mut Moment<'_>) {
        if let Some(call) = self.calls.get_mut(&id) {
            let is_accepted = response.status < 300;
            match kind {
                Kind::Invite => {
                    call.has_open_invite = false;
                    if is_accepted {
                        self.acknowledge(id, response, at);
                    }
                }
                Kind::Update if is_accepted => {
                    call.timer = session_timer::agreed_by_peer(&response.headers, at.now).or(call.timer);
                    self.reschedule(id);
                }
                Kind::Update | Kind::Info | Kind::Bye => {}
            }
        }
        self.events.push_back(ClientEvent::Response {
            call: id,
            kind,
            status: response.status,
            headers: response.headers.clone(),
            body: response.body.clone(),
        });
        self.after(id, kind, response.status);
    }

    /// BYE ends the call whatever comes back; 481 and silence say that the peer has ended it (RFC 3261 12.2.1.2).
    fn after(&mut self, id: CallId, kind: Kind, status: u16) {
        let cause = match (kind, status) {
            (Kind::Bye, _) => EndCause::HungUp,
            (_, 408 | 481) => EndCause::PeerHungUp,
            _ => return,
        };
        if self.bury(id).is_some() {
            self.events.push_back(ClientEvent::Ended { call: id, cause, reason: None });
        }
    }

    pub(super) fn on_silence(&mut self, client: ClientId, at: &mut Moment<'_>) {
        match self.asked.remove(&client) {
            Some(Asked::Call(call)) => {
                self.bury(call);
                let reason = "no answer".to_owned();
                self.events.push_back(ClientEvent::Failed {
                    call,
                    status: 408,
                    reason,
                    retry_after_s: None,
                    warning: None,
                });
            }
            Some(Asked::Kind(call, kind)) => {
                let (headers, body) = (Headers::new(), Vec::new());
                self.events.push_back(ClientEvent::Response { call, kind, status: 408, headers, body });
                self.after(call, kind, 408);
            }
            Some(Asked::Refresh(call)) => self.refreshed(call, 408, None, at),
            Some(Asked::Cancel) | None => {}
        }
    }

    /// Ends a call without the caller having asked for it.
    pub(super) fn hang_up(&mut self, id: CallId, at: &mut Moment<'_>) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.state = State::Ending;
        }
        let _ = self.send(id, Asked::Kind(id, Kind::Bye), (Headers::new(), None), at);
    }

    fn refreshed(&mut self, id: CallId, status: u16, headers: Option<&Headers>, at: &mut Moment<'_>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(timer) = call.timer else { return };
        match status {
            200..300 => call.timer = headers.and_then(|headers| session_timer::agreed_by_peer(headers, at.now)),
            408 | 481 => return self.expire(id, at),
            _ => {
                let left = timer.expires_at.saturating_duration_since(at.now);
                call.timer = Some(SessionTimer { refresh_at: at.now + left / 2, ..timer });
            }
        }
        self.reschedule(id);
    }

    fn expire(&mut self, id: CallId, at: &mut Moment<'_>) {
        self.hang_up(id, at);
        self.bury(id);
        self.events.push_back(ClientEvent::Ended { call: id, cause: EndCause::SessionTimer, reason: None });
    }

    pub(super) fn session_timer(&mut self, id: CallId, at: &mut Moment<'_>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(timer) = call.timer.filter(|_| call.state == State::Live) else { return };
        if timer.expires_at <= at.now {
            return self.expire(id, at);
        }
        if timer.is_ours && timer.refresh_at <= at.now {
            call.timer = Some(SessionTimer { refresh_at: timer.expires_at, ..timer });
            let headers = Headers::new()
                .with("Session-Expires", format!("{};refresher=uac", timer.interval_s))
                .with("Min-SE", MIN_SESSION_EXPIRES_S.to_string());
            let _ = self.send(id, Asked::Refresh(id), (headers, None), at);
        }
        self.reschedule(id);
    }

    pub(super) fn reschedule(&mut self, id: CallId) {
        self.schedule.set(id, self.calls.get(&id).and_then(|call| call.timer.as_ref().map(SessionTimer::due)));
    }
}

/// Seconds of Retry-After; comments and parameters are not for us.
fn retry_after(headers: &Headers) -> Option<u32> {
    let value = headers.get("Retry-After")?;
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
