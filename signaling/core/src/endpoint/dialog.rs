//! One recording session as SIP sees it: identity, route, media state, the open offer, the unacknowledged answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::detect;
use crate::{
    event::{DialogId, Grant, Offer, Transport},
    flow::{Flow, Transmit},
    limits::{T1, T2, TRANSACTION},
    negotiate::LocalSession,
    profile::Profile,
    sdp::{SessionDescription, packed::Packed},
    session_timer::SessionTimer,
    sip::{Headers, Method, Request, layer::ServerId, typed},
};

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first INVITE waits for its final answer.
    Offered,
    /// 200 has left, ACK has not come.
    Accepted,
    /// ACK came.
    Established,
}

/// An offer that the session core has not decided yet.
pub(super) struct OpenOffer {
    pub(super) kind: OpenKind,
    pub(super) sdp: SessionDescription,
    pub(super) offer: Offer,
    /// What the answer will say about the session timer.
    pub(super) timer: Option<SessionTimer>,
    /// Without a decision by then: 500.
    pub(super) decide_by: Instant,
}

/// Where an offer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenKind {
    /// INVITE, first or later.
    Invite(ServerId),
    /// A first INVITE without an offer: the 200 carries ours, the ACK the answer.
    Delayed(ServerId),
    /// UPDATE.
    Update(ServerId),
    /// The answer in an ACK: the decision changes nothing on the wire.
    AckAnswer,
}

impl OpenKind {
    /// The transaction that waits for the decision.
    pub(super) const fn transaction(self) -> Option<ServerId> {
        match self {
            Self::Invite(tx) | Self::Delayed(tx) | Self::Update(tx) => Some(tx),
            Self::AckAnswer => None,
        }
    }
}

/// A 2xx to INVITE that waits for its ACK (RFC 3261 13.3.1.4): repeated on every transport.
pub(super) struct Unacked {
    pub(super) cseq: u32,
    pub(super) transmit: Transmit,
    /// It carried our offer: the ACK brings the answer.
    pub(super) is_own_offer: bool,
    pub(super) next: Instant,
    pub(super) interval: Duration,
    pub(super) ends: Instant,
}

impl Unacked {
    pub(super) fn new(cseq: u32, transmit: Transmit, is_own_offer: bool, now: Instant) -> Box<Self> {
        Box::new(Self { cseq, transmit, is_own_offer, next: now + T1, interval: T1, ends: now + TRANSACTION })
    }

    pub(super) fn repeat(&mut self) -> Transmit {
        self.interval = (self.interval * 2).min(T2);
        self.next += self.interval;
        self.transmit.clone()
    }
}

/// Media as last agreed.
pub(super) struct Agreed {
    pub(super) sdp: Packed,
    pub(super) offer: Offer,
    pub(super) grants: Vec<Grant>,
}

impl Agreed {
    /// To be kept for as long as the dialog lives: with no more room than it needs.
    pub(super) fn new(sdp: &SessionDescription, mut offer: Offer, grants: Vec<Grant>) -> Self {
        offer.lines.iter_mut().for_each(|line| line.payloads.shrink_to_fit());
        Self { sdp: Packed::from(sdp), offer, grants }
    }
}

/// One dialog.
pub(super) struct Dialog {
    pub(super) id: DialogId,
    pub(super) phase: Phase,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    /// From of our requests, with tag.
    pub(super) local: String,
    /// To of our requests, with tag.
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) local_seq: u32,
    pub(super) remote_seq: u32,
    pub(super) flow: Flow,
    /// Our Contact, as header value.
    pub(super) contact: String,
    /// Host and port of our Via.
    pub(super) sent_by: String,
    /// How its messages are read.
    pub(super) profile: Arc<Profile>,
    // Boxed, as both are there for moments of a dialog's life.
    pub(super) open: Option<Box<OpenOffer>>,
    pub(super) unacked: Option<Box<Unacked>>,
    pub(super) agreed: Option<Agreed>,
    pub(super) local_sdp: LocalSession,
    pub(super) timer: Option<SessionTimer>,
    pub(super) has_asked_snapshot: bool,
    pub(super) wants_hangup: bool,
    /// The peer was asked whether it is still there, and has not answered yet.
    pub(super) is_asked: bool,
    /// The dialog that this one takes over (RFC 3891), until it is accepted.
    pub(super) replaces: Option<DialogId>,
    /// Restored, and the peer has said nothing in it since.
    pub(super) is_unheard: bool,
    /// Our first offer has no answer yet.
    pub(super) awaits_answer: bool,
}

/// Identity of a dialog that an INVITE begins.
pub(super) struct Birth<'a> {
    pub(super) id: DialogId,
    pub(super) request: &'a Request,
    pub(super) flow: &'a Flow,
    pub(super) local_tag: String,
    pub(super) local_sdp: LocalSession,
    pub(super) host: &'a str,
    pub(super) profile: Arc<Profile>,
}

impl Dialog {
    /// A dialog in phase [`Phase::Offered`].
    pub(super) fn new(birth: Birth<'_>) -> Self {
        let Birth { id, request, flow, local_tag, local_sdp, host, profile } = birth;
        let to = request.headers.get("To").unwrap_or_default();
        // A Contact beyond repair costs nothing while the flow lives: our requests go over that anyway.
        let target = detect::remote_target(request).unwrap_or_else(|| format!("sip:{}", flow.remote));
        Self {
            id,
            phase: Phase::Offered,
            call_id: request.call_id.clone(),
            remote_tag: request.from.tag().unwrap_or_default().to_owned(),
            local: format!("{to};tag={local_tag}"),
            remote: request.headers.get("From").unwrap_or_default().to_owned(),
            local_tag,
            target,
            routes: request.headers.all("Record-Route").map(str::to_owned).collect(),
            local_seq: 0,
            remote_seq: request.cseq,
            flow: flow.clone(),
            contact: contact(flow, host),
            sent_by: host.to_owned(),
            profile,
            open: None,
            unacked: None,
            agreed: None,
            local_sdp,
            timer: None,
            has_asked_snapshot: false,
            wants_hangup: false,
            is_asked: false,
            replaces: None,
            is_unheard: false,
            awaits_answer: false,
        }
    }

    /// Whether a request belongs here (RFC 3261 12.2.2). A peer without a From tag is RFC 2543's.
    pub(super) fn matches(&self, request: &Request) -> bool {
        self.call_id == request.call_id && self.remote_tag == request.from.tag().unwrap_or_default()
    }

    /// Target refresh (RFC 3261 12.2.2) and the flow that the peer uses now.
    pub(super) fn refresh(&mut self, request: &Request, flow: &Flow) {
        self.remote_seq = request.cseq;
        self.flow = flow.clone();
        if matches!(request.method, Method::Invite | Method::Update)
            && let Some(target) = detect::remote_target(request)
        {
            self.target = target;
        }
    }

    /// Headers of our next request, and its Request-URI (RFC 3261 12.2.1.1: a strict router first in the set changes
    /// places with the target).
    pub(super) fn request_head(&mut self, method: &Method, branch: &str) -> (String, Headers) {
        self.local_seq += 1;
        let mut headers = Headers::new()
            .with("Via", typed::via_text(self.flow.transport, &self.sent_by, branch))
            .with("Max-Forwards", "70")
            .with("From", &*self.local)
            .with("To", &*self.remote)
            .with("Call-ID", &*self.call_id)
            .with("CSeq", typed::cseq_text(self.local_seq, method))
            .with("Contact", &*self.contact);
        let mut routes = self.routes.clone();
        let mut uri = self.target.clone();
        let is_loose = |route: &str| crate::sip::NameAddr::parse(route).is_some_and(|r| r.uri.contains(";lr"));
        if routes.first().is_some_and(|route| !is_loose(route)) {
            let first = routes.remove(0);
            routes.push(format!("<{uri}>"));
            let strict = crate::sip::NameAddr::parse(&first).map(|route| route.uri);
            uri = strict.filter(|route| typed::is_request_uri(route)).unwrap_or(uri);
        }
        routes.into_iter().for_each(|route| headers.push("Route", route));
        (uri, headers)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.next.min(unacked.ends));
        let open = self.open.as_ref().map(|open| open.decide_by);
        let timer = self.timer.as_ref().map(SessionTimer::due);
        [unacked, open, timer].into_iter().flatten().min()
    }
}

/// Our Contact on a flow: the address that the peer reached us at, and the feature tag of a recorder (RFC 7866 6.2).
pub(super) fn contact(flow: &Flow, host: &str) -> String {
    match flow.transport {
        // RFC 5630 3.1.4: `transport=tls` is no more; a sips URI says it.
        Transport::Tls => format!("<sips:srs@{host};transport=tcp>;+sip.srs"),
        other => format!("<sip:srs@{host};transport={}>;+sip.srs", other.name()),
    }
}
