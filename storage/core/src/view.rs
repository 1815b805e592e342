//! A recording as it is searched and shown: the fold of its facts. The JSON shape is the API's (DESIGN section 5).

use std::collections::BTreeMap;

use model::{Gap, MediaObject, Party, RecordingId, Timestamp, TrackCounters, TrackNo};
use serde::{Deserialize, Serialize};

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
    /// Objects in the archive.
    pub media: Vec<MediaObject>,
    /// `paused`, `crash`, `one_way`, `no_audio`, `hold`, ...
    pub flags: Vec<String>,
    /// Named warnings.
    pub warnings: Vec<WarningView>,
    /// Keys of other systems.
    pub correlation: BTreeMap<String, String>,
    /// User data.
    pub user_data: BTreeMap<String, String>,
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
}

impl RecordingView {
    /// Where position 0 of its timeline lies: its first sample, or its beginning while there is no rendering.
    pub fn zero(&self) -> Timestamp {
        self.audio_from.unwrap_or(self.started_at)
    }
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
    /// Its counters, once closed.
    pub counters: Option<TrackCounters>,
    /// Where nothing was kept.
    pub gaps: Vec<Gap>,
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
