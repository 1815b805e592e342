//! The calling side of SIP (UAC), for an honest SIPREC client: no socket and no clock.
//!
//! Call [`Client::invite`] and its kin, [`Client::receive`] with each whole message, [`Client::timeout`] when
//! [`Client::next_timeout`] has come; after each, drain [`Client::transmit`] and [`Client::event`].

mod answers;
mod call;
mod peer;
mod types;

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use call::{Call, State};
pub use types::{CallId, ClientEvent, EndCause, InviteSpec, Kind, Question};

use crate::{
    endpoint::Moment,
    flow::{Entropy, Flow, Transmit, token},
    limits,
    sip::{
        Headers, Method,
        layer::{ClientId, Layer},
        message::Message,
        parse,
        schedule::Schedule,
        write::Body,
    },
};

/// Why a call could not be placed or asked anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientError {
    /// Too many calls ([`limits::CLIENT_CALLS`]).
    Full,
    /// No such call, or it is over.
    Gone,
    /// Not now: an INVITE of this call has no answer yet (RFC 3261 14.1), or the call is not established.
    Busy,
}

/// Every call of one user agent client.
pub struct Client {
    product: String,
    layer: Layer,
    calls: HashMap<CallId, Call>,
    /// By local tag.
    tags: HashMap<String, CallId>,
    asked: HashMap<ClientId, Asked>,
    schedule: Schedule<CallId>,
    events: VecDeque<ClientEvent>,
    next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The first INVITE.
    Call(CallId),
    /// A request of the caller.
    Kind(CallId, Kind),
    /// Our own session refresh.
    Refresh(CallId),
    /// CANCEL: nobody waits for its answer.
    Cancel,
}

impl Asked {
    const fn method(self) -> Method {
        match self {
            Self::Call(_) | Self::Kind(_, Kind::Invite) => Method::Invite,
            Self::Kind(_, Kind::Update) | Self::Refresh(_) => Method::Update,
            Self::Kind(_, Kind::Info) => Method::Info,
            Self::Kind(_, Kind::Bye) => Method::Bye,
            Self::Cancel => Method::Cancel,
        }
    }
}

/// Methods this client takes.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO";

impl Client {
    /// A client without calls; `product` is its User-Agent.
    pub fn new(product: impl Into<String>) -> Self {
        Self {
            product: product.into(),
            layer: Layer::default(),
            calls: HashMap::new(),
            tags: HashMap::new(),
            asked: HashMap::new(),
            schedule: Schedule::default(),
            events: VecDeque::new(),
            next: 0,
        }
    }

    /// Places a call on a flow, which everything in its dialog takes. Its outcome is [`ClientEvent::Answered`] or [`ClientEvent::Failed`].
    ///
    /// # Errors
    /// [`ClientError::Full`].
    pub fn invite(
        &mut self,
        flow: &Flow,
        spec: InviteSpec,
        now: Instant,
        entropy: Entropy<'_>,
    ) -> Result<CallId, ClientError> {
        if self.calls.len() >= limits::CLIENT_CALLS {
            return Err(ClientError::Full);
        }
        self.next += 1;
        let id = CallId(self.next);
        let at = &mut Moment { now, entropy };
        let mut call = Call::new(flow, &spec, at);
        let mut further = spec.headers;
        if let Some(seconds) = spec.session_expires_s {
            further.push("Session-Expires", format!("{seconds};refresher=uac"));
        }
        let sent = call.request(&Method::Invite, &self.product, (further, spec.body), at);
        let client = self.layer.send(&call.flow, Box::new(sent.request), sent.octets, now);
        call.state = State::Calling { invite: client, has_provisional: false, wants_cancel: false };
        self.asked.insert(client, Asked::Call(id));
        self.tags.insert(call.local_tag.clone(), id);
        self.calls.insert(id, call);
        Ok(id)
    }

    /// Sends a request inside an established call; [`ClientEvent::Response`] tells its outcome. ACK for an INVITE
    /// leaves by itself; BYE ends with [`ClientEvent::Ended`] as well.
    ///
    /// # Errors
    /// [`ClientError::Gone`], [`ClientError::Busy`].
    pub fn ask(
        &mut self,
        call: CallId,
        question: Question,
        now: Instant,
        entropy: Entropy<'_>,
    ) -> Result<(), ClientError> {
        let Question { kind, headers, body } = question;
        let at = &mut Moment { now, entropy };
        let state = self.calls.get(&call).ok_or(ClientError::Gone)?;
        let is_ready = matches!(state.state, State::Live) && (kind != Kind::Invite || !state.has_open_invite);
        if !is_ready {
            return Err(ClientError::Busy);
        }
        self.send(call, Asked::Kind(call, kind), (headers, body), at).ok_or(ClientError::Gone)?;
        if let Some(state) = self.calls.get_mut(&call) {
            match kind {
                Kind::Invite => state.has_open_invite = true,
                Kind::Bye => state.state = State::Ending,
                Kind::Update | Kind::Info => {}
            }
        }
        Ok(())
    }

    /// Takes an unanswered call back: CANCEL as soon as a provisional answer allows it (RFC 3261 9.1).
    /// The outcome is [`ClientEvent::Failed`] with 487, or the answer and a BYE where both crossed.
    pub fn cancel(&mut self, call: CallId, now: Instant, entropy: Entropy<'_>) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let State::Calling { wants_cancel, has_provisional, .. } = &mut state.state else { return };
        let is_now = !std::mem::replace(wants_cancel, true) && *has_provisional;
        if is_now {
            self.send_cancel(call, &mut Moment { now, entropy });
        }
    }

    fn send(&mut self, id: CallId, asked: Asked, content: (Headers, Option<Body>), at: &mut Moment<'_>) -> Option<()> {
        let call = self.calls.get_mut(&id)?;
        let sent = call.request(&asked.method(), &self.product, content, at);
        let client = self.layer.send(&call.flow, Box::new(sent.request), sent.octets, at.now);
        self.asked.insert(client, asked);
        Some(())
    }

    /// One whole message that came on a flow.
    pub fn receive(&mut self, flow: &Flow, octets: &[u8], now: Instant, entropy: Entropy<'_>) {
        let at = &mut Moment { now, entropy };
        match parse::parse(octets) {
            Ok(Message::Response(response)) => {
                if let Some(client) = self.layer.response(&response, now) {
                    self.on_answer(client, &response, at);
                }
            }
            Ok(Message::Request(request)) => {
                let tag = token(at.entropy);
                self.on_request(flow, request, tag, at);
            }
            // An honest client has nothing to say to noise.
            Err(_) => {}
        }
    }

    /// The connection is gone, and with it every call on it.
    pub fn flow_lost(&mut self, flow: u64) {
        self.lost(flow, |_| true);
    }

    /// The connection is gone and is being made anew: calls that stand go on (RFC 5923 3: a dialog is bound to no
    /// connection), those that wait for their answer or for that of a BYE have failed.
    pub fn flow_broken(&mut self, flow: u64) {
        self.lost(flow, |state| *state != State::Live);
    }

    fn lost(&mut self, flow: u64, is_lost: impl Fn(&State) -> bool) {
        let is_it = |(_, call): &(&CallId, &Call)| call.flow.id == flow && is_lost(&call.state);
        let lost: Vec<CallId> = self.calls.iter().filter(is_it).map(|(id, _)| *id).collect();
        for id in lost {
            let Some(call) = self.bury(id) else { continue };
            self.events.push_back(match call.state {
                State::Calling { .. } => ClientEvent::Failed {
                    call: id,
                    status: 503,
                    reason: "connection lost".into(),
                    retry_after_s: None,
                    warning: None,
                },
                State::Live | State::Ending => {
                    ClientEvent::Ended { call: id, cause: EndCause::ConnectionLost, reason: None }
                }
            });
        }
    }

    /// Runs what is due.
    pub fn timeout(&mut self, now: Instant, entropy: Entropy<'_>) {
        let at = &mut Moment { now, entropy };
        while let Some((client, _)) = self.layer.timeout(now) {
            self.on_silence(client, at);
        }
        while let Some(id) = self.schedule.pop(now) {
            self.session_timer(id, at);
        }
    }

    /// When [`Self::timeout`] must be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.layer.next_timeout(), self.schedule.next()].into_iter().flatten().min()
    }

    /// The next message that must leave.
    pub fn transmit(&mut self) -> Option<Transmit> {
        self.layer.transmit()
    }

    /// The next thing that happened.
    pub fn event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// No call stands or is being placed.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    /// Call-ID header of a call.
    pub fn sip_call_id(&self, call: CallId) -> Option<&str> {
        self.calls.get(&call).map(|call| call.call_id.as_str())
    }

    fn bury(&mut self, id: CallId) -> Option<Call> {
        self.schedule.set(id, None);
        let call = self.calls.remove(&id)?;
        self.tags.remove(&call.local_tag);
        Some(call)
    }
}

#[cfg(test)]
mod tests;
