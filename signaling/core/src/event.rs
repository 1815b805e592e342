//! What the SIP side tells the session core, and what the session core tells the SIP side.
//!
//! The contract: every [`Event::Offered`] and [`Event::Reoffered`] is answered by exactly one [`Command::Accept`] or
//! [`Command::Refuse`] for the same dialog; 100 Trying has left by then, the final answer waits for the command.
//! [`Event::Ended`] is the last word about a dialog. What signaling turns away by itself (405, 420, 481, ...) is never
//! offered; an INVITE that it turns away is told as [`Event::TurnedAway`], so that every attempt leaves a trace.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

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
    /// The session is over. `metadata` came with the BYE (RFC 8068 3.2.4), `reason` is its `Reason` as it came (RFC 3326).
    Ended { dialog: DialogId, cause: Ended, reason: Option<String>, metadata: Option<Metadata> },
    /// An INVITE outside any dialog was turned away by rule; nothing more comes of it.
    TurnedAway { call_id: String, peer: Peer, status: u16, cause: String },
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
    /// The media offered.
    pub offer: Offer,
    /// Genesys Request-URI metadata, when the INVITE came that way.
    pub genesys: Option<GenesysCall>,
    /// SIPREC metadata, when there was any.
    pub metadata: Option<Metadata>,
    /// Parts of the body to be kept but not understood.
    pub attachments: Vec<Attachment>,
    /// Correlation keys from SIP headers (quirks section 3): `genesys_uuid`, `ucid`, `cisco_guid`, `session_id`, ...
    pub correlation: BTreeMap<String, String>,
    /// Tolerances that were needed, once per name.
    pub warnings: Vec<Warning>,
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

/// The media of an offer, after negotiation rules were applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Every m-line, in order.
    pub lines: Vec<Line>,
}

/// One m-line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `audio`, `video`, ... as written.
    pub media: String,
    /// `a=label`, byte for byte.
    pub label: Option<String>,
    /// What we can do with it.
    pub state: LineState,
    /// Where its media comes from: connection address if it is usable, and port.
    pub address: Option<IpAddr>,
    /// Offered RTP port; possibly a placeholder.
    pub port: u16,
    /// Where our receiver reports go.
    pub rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux` was offered; we accept it.
    pub rtcp_mux: bool,
    /// The chosen crypto line; `None` on a plain RTP line.
    pub sdes: Option<Sdes>,
    /// Payload types in the order of preference, every one that was offered.
    pub payloads: Vec<Payload>,
}

/// What we can do with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineState {
    /// The peer sends: we answer `recvonly`.
    Active,
    /// `a=inactive` or `a=recvonly`: we answer `inactive`, keep nothing, keep the port.
    Inactive,
    /// Held by a zero connection address (RFC 3264 8.4): as inactive.
    Hold,
    /// The offer itself has port 0.
    Removed,
    /// Beyond us, and why: no common codec, not audio, no usable crypto. Port 0 in the answer.
    Unusable(&'static str),
}

impl LineState {
    /// Whether the answer gives the line a port.
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::Active | Self::Inactive | Self::Hold)
    }
}

/// The chosen SDES crypto line (RFC 4568). Keys have no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdes {
    /// Its tag, echoed in the answer.
    pub tag: u32,
    /// Suite name, e.g. `AES_CM_128_HMAC_SHA1_80`.
    pub suite: String,
    /// The peer's master key || salt.
    pub key_salt: Vec<u8>,
    /// MKI value and its length in octets, when the peer uses one.
    pub mki: Option<(Vec<u8>, u8)>,
}

impl fmt::Debug for Sdes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sdes(tag {}, {})", self.tag, self.suite)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept { dialog, lines } => write!(f, "Accept({dialog:?}, {} lines)", lines.len()),
            Self::Refuse { dialog, status, .. } => write!(f, "Refuse({dialog:?}, {status})"),
            Self::HangUp { dialog } => write!(f, "HangUp({dialog:?})"),
            Self::RequestSnapshot { dialog } => write!(f, "RequestSnapshot({dialog:?})"),
        }
    }
}

/// One payload type of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// RTP payload type.
    pub payload_type: u8,
    /// Encoding name as in rtpmap (or of the static table, RFC 3551).
    pub encoding: String,
    /// Clock rate in Hz.
    pub clock_hz: u32,
    /// Channels, 1 unless rtpmap says otherwise.
    pub channels: u8,
}

/// What the Request-URI of a Genesys Media Server says (reference: genesys-msr).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenesysCall {
    /// `record=`: the recording id.
    pub record_id: String,
    /// `calluuid`.
    pub call_uuid: Option<String>,
    /// `connid`, when present.
    pub conn_id: Option<String>,
    /// `dn`: the recorded party of this session.
    pub dn: Option<String>,
    /// `recordDN`: the party that initiated the recording.
    pub record_dn: Option<String>,
    /// `otherDN`: the far party, in the single-session layout.
    pub other_dn: Option<String>,
    /// Every other parameter, name as written, value percent-decoded.
    pub other: BTreeMap<String, String>,
}

/// SIPREC metadata, reduced to what a recorder needs, whatever the dialect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Media type it came with.
    pub content_type: String,
    /// The octets as received.
    #[serde(skip)]
    pub raw: Vec<u8>,
    /// False for a partial document (RFC 7866 9.1).
    pub complete: bool,
    /// `session_id` of the first session.
    pub session_id: Option<String>,
    /// Every communication session, in document order.
    pub sessions: Vec<CommunicationSession>,
    /// When the communication session group began; nanoseconds since 1970.
    pub grouped_ns: Option<u64>,
    /// Group ids.
    pub groups: Vec<String>,
    /// `sipSessionID`s.
    pub sip_session_ids: Vec<String>,
    /// Participants, in document order.
    pub participants: Vec<Participant>,
    /// Streams, in document order.
    pub streams: Vec<MetadataStream>,
    /// What the associations say of streams, also of such as the document does not describe (RFC 7866 9.1).
    pub stream_times: Vec<StreamTimes>,
    /// Correlation keys found in it or in its extensions.
    pub correlation: BTreeMap<String, String>,
    /// Known key/value extension data.
    pub user_data: BTreeMap<String, String>,
}

/// One participant of the communication session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Opaque, scoped to this recording session.
    pub id: String,
    /// Addresses of record, first is primary; empty for a placeholder.
    pub aors: Vec<String>,
    /// Display name of the first nameID that has one.
    pub name: Option<String>,
    /// Ids of streams it contributes to; `None` when the document says nothing about its streams.
    pub sends: Option<Vec<String>>,
    /// Ids of streams it receives.
    pub receives: Option<Vec<String>>,
    /// `disassociate-time` was present: it left.
    pub has_left: bool,
    /// An association that is not over was present: it takes part.
    pub has_joined: bool,
    /// When it joined, as the document tells; nanoseconds since 1970.
    pub joined_ns: Option<u64>,
    /// When it left.
    pub left_ns: Option<u64>,
}

/// One communication session. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunicationSession {
    /// Opaque id; empty where the document gives none.
    pub id: String,
    /// `start-time`.
    pub started_ns: Option<u64>,
    /// `stop-time`.
    pub stopped_ns: Option<u64>,
}

/// When a stream was contributed to, as `participantstreamassoc` tells. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTimes {
    /// The stream.
    pub id: String,
    /// Since when the first participant sends it.
    pub opened_ns: Option<u64>,
    /// Every participant that sent it has ceased.
    pub is_closed: bool,
    /// When the last of them did.
    pub closed_ns: Option<u64>,
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

/// One stream of the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataStream {
    /// Opaque id; may be empty (a placeholder).
    pub id: String,
    /// The SDP label it is bound to.
    pub label: Option<String>,
    /// The session it belongs to.
    pub session_id: Option<String>,
    /// Since when somebody sends it, where the document tells; nanoseconds since 1970.
    pub opened_ns: Option<u64>,
    /// Nobody sends it any more.
    pub is_closed: bool,
    /// Since when.
    pub closed_ns: Option<u64>,
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
