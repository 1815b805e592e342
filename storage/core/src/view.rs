//! A recording as it is searched and shown: the fold of its facts. The JSON shape is the API's (DESIGN section 5).

use model::{
    Contributor, EndCause, Gap, HistoryLine, MediaObject, Party, Personal, RecordingId, RsId, SmallMap, Timestamp,
    ToldSession, TrackCounters, TrackNo,
};
use serde::{Deserialize, Serialize};

use crate::reason::Reason;

/// Where a recording is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Sessions feed it.
    Live,
    /// Ended; being rendered and archived.
    Finalizing,
    /// In the archive, read back and compared.
    Archived,
    /// Could not be finished.
    Failed,
    /// Destroyed.
    Deleted,
}

impl State {
    /// The word in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Finalizing => "finalizing",
            Self::Archived => "archived",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }

    /// The state of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Live, Self::Finalizing, Self::Archived, Self::Failed, Self::Deleted]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A recording as the catalog holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingView {
    /// Identity.
    pub id: RecordingId,
    /// Identity at the client.
    pub record_id: Option<String>,
    /// Genesys CallUUID.
    pub call_uuid: Option<String>,
    /// Genesys ConnID.
    pub conn_id: Option<String>,
    /// Peer profile that accepted it.
    pub profile: String,
    /// Where it is in its life.
    pub state: State,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Length of its timeline, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Who takes part.
    pub parties: Vec<Party>,
    /// Its tracks.
    pub tracks: Vec<TrackView>,
    /// The recording sessions that fed it, in the order in which they joined.
    #[serde(default)]
    pub sessions: Vec<SessionView>,
    /// Parts of SIP bodies that were kept without being understood.
    #[serde(default)]
    pub attachments: Vec<AttachmentView>,
    /// Why it ended.
    #[serde(default)]
    pub end_cause: Option<EndCause>,
    /// Objects in the archive.
    pub media: Vec<MediaObject>,
    /// `paused`, `crash`, `one_way`, `no_audio`, `hold`, ...
    pub flags: Vec<String>,
    /// Named warnings.
    pub warnings: Vec<WarningView>,
    /// Keys of other systems.
    pub correlation: SmallMap<String, String>,
    /// User data.
    pub user_data: SmallMap<String, String>,
    /// The same as it came: who told which value when, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_data_told: Vec<ToldValue>,
    /// What CTI sources told of its call, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryLine>,
    /// Labels set by people.
    #[serde(default)]
    pub labels: Vec<String>,
    /// When the first sample of the rendering was spoken; positions in the sound count from here.
    #[serde(default)]
    pub audio_from: Option<Timestamp>,
    /// Under legal hold.
    pub is_held: bool,
    /// Paused right now.
    pub is_paused: bool,
    /// It is kept only if somebody asks for it in time.
    #[serde(default)]
    pub is_provisional: bool,
}

impl RecordingView {
    /// The ConnID that it heard of first, and those that its call got on its way: `conn_id`, `conn_id#2`, ...
    pub fn conn_ids(&self) -> impl Iterator<Item = &str> {
        let is_one =
            |name: &str| name.strip_prefix("conn_id").is_some_and(|rest| rest.is_empty() || rest.starts_with('#'));
        let told = self.correlation.iter().filter(move |(name, _)| is_one(name)).map(|(_, id)| id.as_str());
        self.conn_id.as_deref().into_iter().chain(told)
    }

    /// The agent who sat at a DN last, as CTI told.
    pub fn agent_at(&self, address: &str) -> Option<&str> {
        let at = |line: &&HistoryLine| line.dn.as_ref().is_some_and(|dn| is_dn(address, dn.reveal()));
        let agents = self.history.iter().rev().filter(at).filter_map(|line| line.agent.as_ref());
        agents.map(|agent| agent.reveal().as_str()).next()
    }

    /// Where position 0 of its timeline lies: its first sample, or its beginning while there is no rendering.
    pub fn zero(&self) -> Timestamp {
        self.audio_from.unwrap_or(self.started_at)
    }

    /// Whether all its sound is one line on which several speak: no rendering can tell them apart.
    pub fn is_mixed(&self) -> bool {
        self.flags.iter().any(|flag| flag == "mixed") && self.tracks.iter().all(|track| track.channel == 0)
    }

    /// The `Reason` that the last session to give one gave, as it came.
    pub fn end_reason(&self) -> Option<&str> {
        self.sessions.iter().rev().find_map(|session| session.reason.as_deref())
    }
}

/// Whether an address of a party is that DN: as it is, or as the user part of a URI.
fn is_dn(address: &str, dn: &str) -> bool {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    address == dn || rest.split(['@', ';']).next() == Some(dn)
}

/// A value of user data as it was told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ToldValue {
    /// When, by the clock of the source; where it did not say, when it was heard of.
    pub at: Timestamp,
    /// Its key.
    pub key: String,
    /// The value from then on.
    pub value: Personal<String>,
    /// Who told it: `tlib:0`, `gws:desk`, `sip`.
    pub source: String,
}

/// How much metadata a session has brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataState {
    /// None.
    #[default]
    None,
    /// Some, but never all of it in one document that could be read.
    Partial,
    /// A complete document.
    Complete,
}

/// One recording session (SIP dialog) of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its number in the life of the process it began in.
    pub session: RsId,
    /// Call-ID.
    pub call_id: String,
    /// Where it came from, `transport:address:port`.
    pub peer: String,
    /// The peer profile that accepted it.
    pub profile: String,
    /// When the group of communication sessions began, as the metadata tells.
    pub grouped_at: Option<Timestamp>,
    /// When the communication session began, as the metadata tells.
    pub started_at: Option<Timestamp>,
    /// When it stopped, as the metadata tells.
    pub stopped_at: Option<Timestamp>,
    /// Each communication session, where it carried several.
    #[serde(default)]
    pub communication: Vec<ToldSession>,
    /// What came of metadata: what the recording says of people is incomplete until a snapshot was read.
    #[serde(default)]
    pub metadata: MetadataState,
    /// Why the recording session ended; none while it goes on.
    pub ended: Option<EndCause>,
    /// The `Reason` header of its BYE as it came.
    pub reason: Option<String>,
    /// The same taken apart.
    pub reasons: Vec<Reason>,
}

impl SessionView {
    /// A session of which nothing more is known.
    pub(crate) const fn new(session: RsId) -> Self {
        Self {
            session,
            call_id: String::new(),
            peer: String::new(),
            profile: String::new(),
            grouped_at: None,
            started_at: None,
            stopped_at: None,
            communication: Vec::new(),
            metadata: MetadataState::None,
            ended: None,
            reason: None,
            reasons: Vec::new(),
        }
    }
}

/// A part of a SIP body that was kept without being understood; its octets are in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// Media type.
    pub content_type: String,
    /// `Content-Disposition` as it came.
    pub disposition: Option<String>,
    /// Octets.
    pub bytes: u64,
}

/// One track of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackView {
    /// Its number.
    pub no: TrackNo,
    /// The SDP label.
    pub label: Option<String>,
    /// Which channel of the rendering it belongs to, from 0.
    pub channel: u8,
    /// Primary address of the party it carries.
    pub party: Option<String>,
    /// Preferred codec.
    pub codec: String,
    /// Payload types as negotiated.
    pub payloads: Vec<(u8, String, u32, u8)>,
    /// Whether it came as SRTP.
    pub srtp: bool,
    /// When it began.
    pub opened_at: Timestamp,
    /// RTP port at which it is received; 0 where an older fact was folded.
    #[serde(default)]
    pub port: u16,
    /// Since when its stream was sent, as the metadata tells.
    #[serde(default)]
    pub stream_from: Option<Timestamp>,
    /// When its stream was closed, as the metadata tells.
    #[serde(default)]
    pub stream_to: Option<Timestamp>,
    /// Its counters, once closed.
    pub counters: Option<TrackCounters>,
    /// Where nothing was kept.
    pub gaps: Vec<Gap>,
    /// The sources that a mixer named in its packets, once they were rendered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributors: Vec<Contributor>,
    /// Chunks in the spool, once closed.
    pub chunks: Option<u32>,
}

/// One named warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningView {
    /// Stable name.
    pub name: String,
    /// Where or what.
    pub detail: Option<String>,
}
