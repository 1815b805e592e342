//! What the client side is asked for and what it tells.

use crate::sip::{Headers, write::Body};

/// One call of a [`super::Client`]. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A call to be placed.
#[derive(Debug, Clone, Default)]
pub struct InviteSpec {
    /// Request-URI, and To when [`Self::to`] is empty.
    pub request_uri: String,
    /// To without tag, as name-addr: `<sip:srs@host>`; empty for the Request-URI.
    pub to: String,
    /// From without tag, as name-addr: `<sip:src@host>`.
    pub from: String,
    /// User part of our Contact URI.
    pub contact_user: String,
    /// What follows our Contact URI: `;+sip.src` makes a SIPREC client.
    pub contact_params: String,
    /// `Call-ID`; made up when `None`.
    pub call_id: Option<String>,
    /// Further headers: `Require`, `X-...`.
    pub headers: Headers,
    /// The body: an offer, or multipart with metadata.
    pub body: Option<Body>,
    /// Ask for a session timer of this many seconds, refreshed by us (RFC 4028).
    pub session_expires_s: Option<u32>,
}

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// BYE from the peer.
    PeerHungUp,
    /// Our BYE was answered, or got no answer.
    HungUp,
    /// A session refresh failed (RFC 4028 10).
    SessionTimer,
    /// The connection under it is gone.
    ConnectionLost,
}

/// A request inside a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The first INVITE or one inside the dialog.
    Invite,
    /// UPDATE.
    Update,
    /// INFO.
    Info,
    /// BYE.
    Bye,
}

/// Something to be asked inside a call.
#[derive(Debug, Clone)]
pub struct Question {
    /// By which method.
    pub kind: Kind,
    /// Further headers.
    pub headers: Headers,
    /// Body.
    pub body: Option<Body>,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// A provisional answer.
    Ringing {
        /// Which call.
        call: CallId,
        /// 101-199.
        status: u16,
    },
    /// The first INVITE was answered 2xx; ACK has left.
    Answered {
        /// Which call.
        call: CallId,
        /// Status.
        status: u16,
        /// Headers of the answer.
        headers: Headers,
        /// Its body.
        body: Vec<u8>,
    },
    /// The first INVITE failed; the call is over. 408 also stands for no answer at all.
    Failed {
        /// Which call.
        call: CallId,
        /// Status.
        status: u16,
        /// Reason phrase.
        reason: String,
        /// Retry-After, in seconds.
        retry_after_s: Option<u32>,
        /// Warning header.
        warning: Option<String>,
    },
    /// A later request of ours has its final answer (408 for none).
    Response {
        /// Which call.
        call: CallId,
        /// What was asked.
        kind: Kind,
        /// Status.
        status: u16,
        /// Headers.
        headers: Headers,
        /// Body.
        body: Vec<u8>,
    },
    /// The call is over.
    Ended {
        /// Which call.
        call: CallId,
        /// Why.
        cause: EndCause,
        /// Reason header of the peer's BYE.
        reason: Option<String>,
    },
    /// The peer sent a request inside the call; it is answered already.
    RequestReceived {
        /// Which call.
        call: CallId,
        /// Method.
        method: String,
        /// Headers.
        headers: Headers,
        /// Body.
        body: Vec<u8>,
    },
}
