//! What the SIP side tells the session core, and what the session core tells the SIP side.
//!
//! The contract: every [`Event::Offered`] and [`Event::Reoffered`] is answered by exactly one [`Command::Accept`] or
//! [`Command::Refuse`] for the same dialog; 100 Trying has left by then, the final answer waits for the command.
//! [`Event::Ended`] is the last word about a dialog. What signaling turns away by itself (405, 420, 481, ...) is never
//! offered; an INVITE that it turns away is told as [`Event::TurnedAway`], so that every attempt leaves a trace.

mod media;
mod metadata;

use std::{collections::BTreeMap, fmt, net::SocketAddr};

pub use media::{Dtls, Fingerprint, Line, LineState, Offer, OwnKey, Payload, Sdes};
pub use metadata::{CommunicationSession, Confidence, GenesysCall, Metadata, MetadataStream, Participant, StreamTimes};
use serde::{Deserialize, Serialize};

/// One recording session: a SIP dialog. Never reused while the process lives, nor after a crash that it survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId(pub u64);

/// What happened on the wire.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum Event {
    /// A new recording session wants to begin.
    Offered(Box<Offered>),
    /// A re-INVITE or UPDATE with an offer in an established session. Also the answer in the ACK of a delayed offer.
    Reoffered { dialog: DialogId, offer: Offer, metadata: Option<Metadata>, warnings: Vec<Warning> },
    /// Metadata without an offer (already answered 200).
    MetadataReceived { dialog: DialogId, metadata: Metadata, warnings: Vec<Warning> },
    /// The ACK came: the session is established. For a restored session: the peer spoke in it, so it lives.
    Established { dialog: DialogId },
    /// What else a message inside the session brought: parts to be kept but not understood, tolerances it needed.
    PartsReceived { dialog: DialogId, attachments: Vec<Attachment>, warnings: Vec<Warning> },
    /// The peer asks for a pause, a resumption or the end by a header that its profile knows (AudioCodes).
    Controlled { dialog: DialogId, action: Action },
    /// The session is over. `metadata` came with the BYE (RFC 8068 3.2.4), `reason` is its `Reason` as it came (RFC 3326).
    Ended { dialog: DialogId, cause: Ended, reason: Option<String>, metadata: Option<Metadata> },
    /// The peer was asked whether it is still there ([`Command::CheckPeer`]): no answer, or it knows no such session.
    Unreachable { dialog: DialogId },
    /// An INVITE outside any dialog was turned away by rule; nothing more comes of it.
    TurnedAway { call_id: String, peer: Peer, status: u16, cause: String },
}

/// What a peer asks of its own recording in the middle of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Keep nothing from here.
    Pause,
    /// Keep again.
    Resume,
    /// End it.
    Stop,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// BYE from the peer.
    Bye,
    /// We sent BYE.
    HungUp,
    /// CANCEL, or no ACK within 64*T1 (RFC 3261 13.3.1.4).
    NotEstablished,
    /// The session timer ran out (RFC 4028 10).
    SessionTimer,
}

/// What the session core wants said.
#[derive(Clone, PartialEq)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum Command {
    /// 200 OK with an SDP answer: one grant per offered m-line, in order.
    Accept { dialog: DialogId, lines: Vec<Grant> },
    /// Turn the open offer down with this status. An established session continues unchanged (RFC 3261 14.2).
    Refuse { dialog: DialogId, status: u16, retry_after_s: Option<u32>, warning: Option<String> },
    /// Send BYE.
    HangUp { dialog: DialogId },
    /// Ask for a metadata snapshot in an UPDATE of its own (RFC 7866 9.2); at most one per session is sent.
    RequestSnapshot { dialog: DialogId },
    /// Ask the peer whether it still knows the session; [`Event::Unreachable`] when it does not.
    CheckPeer { dialog: DialogId },
}

/// What the answer says about one m-line.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum Grant {
    /// Port 0.
    Reject,
    /// Our RTP port; our own key for the line where the offer was SDES.
    Accept { port: u16, key_salt: Option<Vec<u8>> },
}

/// A new recording session.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// Its handle from now on.
    pub dialog: DialogId,
    /// Call-ID as it came.
    pub call_id: String,
    /// Who sent it.
    pub peer: Peer,
    /// The profile that accepted it: `rfc7866`, `rfc7866-strict`, `genesys-msr`, ...
    pub profile: String,
    /// The media offered; with an INVITE that carries no offer, the media that we are going to offer.
    pub offer: Offer,
    /// The dialogs of one call find each other by this, where one dialog is not the whole call.
    pub join: Option<Join>,
    /// The session that this one takes over (RFC 3891): its recording goes on here.
    pub replaces: Option<DialogId>,
    /// A metadata snapshot may be asked for when none came (RFC 7866 9.2).
    pub wants_snapshot: bool,
    /// Genesys Request-URI metadata, when the INVITE came that way.
    pub genesys: Option<GenesysCall>,
    /// SIPREC metadata, when there was any.
    pub metadata: Option<Metadata>,
    /// Parts of the body to be kept but not understood.
    pub attachments: Vec<Attachment>,
    /// Correlation keys from SIP headers (quirks section 3): `genesys_uuid`, `ucid`, `cisco_guid`, `session_id`, ...
    pub correlation: BTreeMap<String, String>,
    /// Header fields that the profile keeps as they came.
    pub headers: BTreeMap<String, String>,
    /// Tolerances that were needed, once per name.
    pub warnings: Vec<Warning>,
}

/// Several dialogs, one call: a Genesys leg per party, the near and the far end of a built-in bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Equal for the dialogs of one call.
    pub key: (String, Option<String>),
    /// Which of them this is, as long as its peer says so; two make a pair.
    pub legs: Vec<String>,
}

/// The other end of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// `udp`, `tcp` or `tls`.
    pub transport: Transport,
    /// Its address.
    pub address: SocketAddr,
    /// Subject name of its client certificate, when it showed one.
    pub identity: Option<String>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.address)
    }
}

/// SIP transports of this product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// RFC 3261 18 over UDP.
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TLS (SIPS).
    Tls,
}

impl Transport {
    /// Lower-case name, as in `;transport=`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The token of the Via header.
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether messages arrive whole and in order without our retransmission.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept { dialog, lines } => write!(f, "Accept({dialog:?}, {} lines)", lines.len()),
            Self::Refuse { dialog, status, .. } => write!(f, "Refuse({dialog:?}, {status})"),
            Self::HangUp { dialog } => write!(f, "HangUp({dialog:?})"),
            Self::RequestSnapshot { dialog } => write!(f, "RequestSnapshot({dialog:?})"),
            Self::CheckPeer { dialog } => write!(f, "CheckPeer({dialog:?})"),
        }
    }
}

/// A part of a body that is kept but not understood.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Media type, lower case, without parameters.
    pub content_type: String,
    /// `Content-Disposition` as it came.
    pub disposition: Option<String>,
    /// The octets, transfer encoding undone.
    pub octets: Vec<u8>,
}

/// Its content is none of the log's business.
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {} octets)", self.content_type, self.octets.len())
    }
}

/// A named warning: a tolerance that was needed, or something odd. The name is stable, e.g. `no_require_siprec`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Stable name.
    pub name: &'static str,
    /// Where or what, without personal data.
    pub detail: Option<String>,
}

impl Warning {
    /// A warning without detail.
    pub const fn new(name: &'static str) -> Self {
        Self { name, detail: None }
    }
}
