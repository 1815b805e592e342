//! One call as its caller sees it.

use super::{ALLOW, InviteSpec};
use crate::{
    endpoint::Moment,
    event::Transport,
    flow::{Flow, token},
    session_timer::SessionTimer,
    sip::{
        Headers, Method, NameAddr, Request, Response,
        layer::ClientId,
        typed::{self, Via},
        write::{self, Body},
    },
};

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// INVITE has left.
    Calling { invite: ClientId, has_provisional: bool, wants_cancel: bool },
    /// Answered and acknowledged.
    Live,
    /// BYE has left.
    Ending,
}

/// One call.
pub(super) struct Call {
    pub(super) state: State,
    pub(super) flow: Flow,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    /// From, with tag.
    local: String,
    /// To, with tag once there is one.
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    local_seq: u32,
    pub(super) remote_seq: Option<u32>,
    pub(super) contact: String,
    sent_by: String,
    pub(super) has_open_invite: bool,
    /// Sequence number and octets of the last ACK for a 2xx, for its repetitions.
    pub(super) ack: Option<(u32, Vec<u8>)>,
    pub(super) timer: Option<SessionTimer>,
}

/// A request ready to leave.
pub(super) struct Outgoing {
    pub(super) request: Request,
    pub(super) octets: Vec<u8>,
}

impl Call {
    pub(super) fn new(flow: &Flow, spec: &InviteSpec, at: &mut Moment<'_>) -> Self {
        let local_tag = token(at.entropy);
        let host = std::net::SocketAddr::new(flow.local.ip().to_canonical(), flow.local.port()).to_string();
        let (scheme, transport) = match flow.transport {
            Transport::Tls => ("sips", "tcp"),
            other => ("sip", other.name()),
        };
        let (user, params) = (&spec.contact_user, &spec.contact_params);
        let to = if spec.to.is_empty() { format!("<{}>", spec.request_uri) } else { spec.to.clone() };
        Self {
            state: State::Ending,
            flow: flow.clone(),
            call_id: spec.call_id.clone().unwrap_or_else(|| token(at.entropy)),
            local: format!("{};tag={local_tag}", spec.from),
            local_tag,
            remote_tag: String::new(),
            remote: to,
            target: spec.request_uri.clone(),
            routes: Vec::new(),
            local_seq: 0,
            remote_seq: None,
            contact: format!("<{scheme}:{user}@{host};transport={transport}>{params}"),
            sent_by: host,
            has_open_invite: false,
            ack: None,
            timer: None,
        }
    }

    /// Builds the next request of this call.
    pub(super) fn request(
        &mut self,
        method: &Method,
        product: &str,
        (further, body): (Headers, Option<Body>),
        at: &mut Moment<'_>,
    ) -> Outgoing {
        self.local_seq += 1;
        let branch = format!("z9hG4bK{}", token(at.entropy));
        let mut headers = self.head(method, self.local_seq, &branch);
        headers.push("Contact", &*self.contact);
        headers.push("Supported", "timer");
        headers.push("Allow", ALLOW);
        headers.push("User-Agent", product);
        headers.extend(further);
        let octets = write::request(method, &self.target, &headers, body.as_ref());
        Outgoing { request: self.stored(method, self.local_seq, branch, headers), octets }
    }

    fn head(&self, method: &Method, cseq: u32, branch: &str) -> Headers {
        let mut headers = Headers::new()
            .with("Via", typed::via_text(self.flow.transport, &self.sent_by, branch))
            .with("Max-Forwards", "70")
            .with("From", &*self.local)
            .with("To", &*self.remote)
            .with("Call-ID", &*self.call_id)
            .with("CSeq", typed::cseq_text(cseq, method));
        self.routes.iter().for_each(|route| headers.push("Route", &**route));
        headers
    }

    fn stored(&self, method: &Method, cseq: u32, branch: String, headers: Headers) -> Request {
        Request {
            method: method.clone(),
            uri: self.target.clone(),
            via: Via { host: String::new(), port: None, branch, has_rport: true },
            from: NameAddr::parse(&self.local).unwrap_or_default(),
            to: NameAddr::parse(&self.remote).unwrap_or_default(),
            call_id: self.call_id.clone(),
            cseq,
            headers,
            body: Vec::new(),
        }
    }

    /// The dialog that a 2xx to INVITE makes or refreshes (RFC 3261 12.1.2), and its ACK.
    pub(super) fn answered(&mut self, response: &Response, at: &mut Moment<'_>) -> Vec<u8> {
        if self.remote_tag.is_empty() {
            self.remote_tag = response.to.tag().unwrap_or_default().to_owned();
            self.remote = response.headers.get("To").unwrap_or_default().to_owned();
            self.routes = response.headers.all("Record-Route").map(str::to_owned).collect();
            self.routes.reverse();
        }
        if let Some(contact) = response.headers.list("Contact").next().and_then(NameAddr::parse) {
            self.target = contact.uri;
        }
        let branch = format!("z9hG4bK{}", token(at.entropy));
        let headers = self.head(&Method::Ack, response.cseq, &branch);
        let octets = write::request(&Method::Ack, &self.target, &headers, None);
        self.ack = Some((response.cseq, octets.clone()));
        octets
    }

    /// CANCEL of the first INVITE: its branch, number and Request-URI (RFC 3261 9.1).
    pub(super) fn cancel(&self, invite: &Request) -> Outgoing {
        let headers = self.head(&Method::Cancel, invite.cseq, &invite.via.branch);
        let octets = write::request(&Method::Cancel, &invite.uri, &headers, None);
        Outgoing { request: self.stored(&Method::Cancel, invite.cseq, invite.via.branch.clone(), headers), octets }
    }
}
