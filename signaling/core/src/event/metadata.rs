//! What was said of a call: by a Genesys Request-URI, or by recording metadata in whatever dialect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// How sure it is who speaks where. The order is that of trust.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess by the order of things.
    Low,
    /// Said, but something had to be filled in or repaired.
    Medium,
    /// Said by the peer, and nothing contradicts it.
    #[default]
    High,
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
    /// How far what it says of senders can be trusted at most.
    #[serde(default)]
    pub trust: Confidence,
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
    /// `caller`, `agent`, ... as the profile reads it from the document; `None` when nothing says so.
    #[serde(default)]
    pub role: Option<String>,
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

/// One stream of the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataStream {
    /// Opaque id; may be empty (a placeholder).
    pub id: String,
    /// The SDP label it is bound to.
    pub label: Option<String>,
    /// The m-line it is bound to, from 0, in dialects that count instead of naming.
    #[serde(default)]
    pub line: Option<u16>,
    /// The session it belongs to.
    pub session_id: Option<String>,
    /// Since when somebody sends it, where the document tells; nanoseconds since 1970.
    pub opened_ns: Option<u64>,
    /// Nobody sends it any more.
    pub is_closed: bool,
    /// Since when.
    pub closed_ns: Option<u64>,
}
