//! Our own requests inside dialogs (BYE, UPDATE), their answers, and what dialogs do when time passes.

use super::{
    Endpoint, Moment,
    dialog::{OpenKind, Phase},
};
use crate::{
    event::{DialogId, Ended, Event},
    flow::token,
    limits::MIN_SESSION_EXPIRES_S,
    session_timer::{self as timer, SessionTimer},
    sip::{
        Headers, Method, NameAddr, Request, Response,
        layer::ClientId,
        typed::Via,
        write::{self, Body},
    },
};

/// Why we asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Session refresh.
    Refresh,
    /// Metadata snapshot.
    Snapshot,
    /// Whether the peer is still there.
    Check,
    /// The end.
    Bye,
}

impl Purpose {
    const fn method(self) -> Method {
        match self {
            Self::Refresh | Self::Snapshot => Method::Update,
            Self::Check => Method::Options,
            Self::Bye => Method::Bye,
        }
    }
}

impl Endpoint {
    /// Sends a request inside a dialog over the dialog's flow.
    pub(super) fn ask(
        &mut self,
        id: DialogId,
        purpose: Purpose,
        (further, body): (Headers, Option<Body>),
        at: &mut Moment<'_>,
    ) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let method = &purpose.method();
        let branch = format!("z9hG4bK{}", token(at.entropy));
        let (uri, mut headers) = dialog.request_head(method, &branch);
        headers.push("User-Agent", &*self.config.product);
        headers.push("Supported", super::SUPPORTED);
        headers.push("Allow", super::ALLOW);
        headers.extend(further);
        let octets = write::request(method, &uri, &headers, body.as_ref());
        let name_addr = |value: &str| NameAddr::parse(value).unwrap_or_default();
        let request = Request {
            method: method.clone(),
            uri,
            via: Via { host: String::new(), port: None, branch, has_rport: true },
            from: name_addr(&dialog.local),
            to: name_addr(&dialog.remote),
            call_id: dialog.call_id.clone(),
            cseq: dialog.local_seq,
            headers,
            body: Vec::new(),
        };
        let flow = dialog.flow.clone();
        let client = self.layer.send(&flow, Box::new(request), octets, at.now);
        self.asked.insert(client, (id, purpose));
    }

    /// An answer to one of our requests.
    pub(super) fn on_answer(&mut self, client: ClientId, response: &Response, at: &mut Moment<'_>) {
        if response.status < 200 {
            return;
        }
        if let Some((id, purpose)) = self.asked.remove(&client) {
            self.concluded(id, purpose, Some(response), at);
        }
    }

    /// One of our requests got no answer: as 408.
    pub(super) fn on_silence(&mut self, client: ClientId, at: &mut Moment<'_>) {
        if let Some((id, purpose)) = self.asked.remove(&client) {
            self.concluded(id, purpose, None, at);
        }
    }

    fn concluded(&mut self, id: DialogId, purpose: Purpose, response: Option<&Response>, at: &mut Moment<'_>) {
        let (status, headers) = response.map_or((408, None), |response| (response.status, Some(&response.headers)));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if purpose == Purpose::Check {
            dialog.is_asked = false;
        }
        // A restored session over a stream may have no way to the peer before the peer comes back.
        let has_no_way = status == 408 && dialog.is_unheard && dialog.flow.transport.is_reliable();
        // RFC 3261 12.2.1.2. What it means is decided where it is known whether anything is heard.
        if purpose == Purpose::Check && matches!(status, 408 | 481) && !has_no_way {
            self.events.push_back(Event::Unreachable { dialog: id });
        }
        // A snapshot that is refused costs nothing; a BYE ends the session whatever comes back.
        let Some(timer) = dialog.timer.filter(|_| purpose == Purpose::Refresh) else { return };
        if response.is_some() && std::mem::take(&mut dialog.is_unheard) && status < 300 {
            self.events.push_back(Event::Established { dialog: id });
        }
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match status {
            200..300 => dialog.timer = headers.and_then(|headers| timer::agreed_by_peer(headers, at.now)),
            // RFC 4028 10, RFC 3261 12.2.1.2: the peer is gone or knows nothing of the session.
            408 | 481 if !has_no_way => return self.hang_up(id, Ended::SessionTimer, at),
            422 => {
                let least = headers.and_then(|headers| headers.get("Min-SE")?.parse().ok());
                let interval_s = least.unwrap_or(timer.interval_s).max(MIN_SESSION_EXPIRES_S);
                dialog.timer = Some(SessionTimer { interval_s, refresh_at: at.now, ..timer });
            }
            // Glare or a peer without UPDATE: it lives; try again at half of what is left.
            _ => {
                let left = timer.expires_at.saturating_duration_since(at.now);
                dialog.timer = Some(SessionTimer { refresh_at: at.now + left / 2, ..timer });
            }
        }
        self.reschedule(id);
    }

    /// OPTIONS changes nothing in a session, and whoever does not know the session has to say so.
    pub(super) fn check_peer(&mut self, id: DialogId, at: &mut Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.phase == Phase::Established && !std::mem::replace(&mut dialog.is_asked, true) {
            self.ask(id, Purpose::Check, (Headers::new(), None), at);
        }
    }

    /// A dialog's own timers: the repeated 200, the decision that did not come, the session timer.
    pub(super) fn dialog_timer(&mut self, id: DialogId, at: &mut Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if let Some(unacked) = &mut dialog.unacked {
            if unacked.ends <= at.now {
                // RFC 3261 13.3.1.4.
                dialog.unacked = None;
                let is_first = dialog.phase != Phase::Established;
                return self.hang_up(id, if is_first { Ended::NotEstablished } else { Ended::HungUp }, at);
            }
            if unacked.next <= at.now {
                let transmit = unacked.repeat();
                self.layer.send_raw(transmit);
            }
        }
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.open.as_ref().is_some_and(|open| open.decide_by <= at.now) {
            return self.undecided(id, at);
        }
        if let Some(timer) = dialog.timer.filter(|_| dialog.phase == Phase::Established) {
            self.session_timer(id, timer, at);
        } else if let Some(timer) = &mut dialog.timer {
            // Not yet acknowledged: the 200's own wait rules.
            *timer = timer.again(at.now);
        }
    }

    fn undecided(&mut self, id: DialogId, at: &Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.open.take_if(|open| open.kind == OpenKind::AckAnswer).is_some() {
            return;
        }
        let is_new = dialog.phase == Phase::Offered;
        let reply = self.reply(500);
        self.refuse(id, &reply, at);
        if is_new {
            self.ended(id, Ended::NotEstablished);
        }
    }

    fn session_timer(&mut self, id: DialogId, timer: SessionTimer, at: &mut Moment<'_>) {
        if timer.expires_at <= at.now {
            return self.hang_up(id, Ended::SessionTimer, at);
        }
        if !timer.is_ours || timer.refresh_at > at.now {
            return;
        }
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            // One refresh at a time: its answer sets the next one.
            dialog.timer = Some(SessionTimer { refresh_at: timer.expires_at, ..timer });
        }
        let headers = Headers::new()
            .with("Session-Expires", format!("{};refresher=uac", timer.interval_s))
            .with("Min-SE", MIN_SESSION_EXPIRES_S.to_string());
        self.ask(id, Purpose::Refresh, (headers, None), at);
    }
}
