//! What a CTI source told of the call that a recording is of.

use serde::{Deserialize, Serialize};

use crate::{Personal, RecordingId, Timestamp};

/// One line of the history of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTold {
    /// The recording of that call.
    pub recording: RecordingId,
    /// What happened.
    pub line: HistoryLine,
}

/// What happened at one DN of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// When, by the clock of the source; where it did not say, when we heard of it.
    pub at: Timestamp,
    /// `ringing`, `dialing`, `established`, `held`, `retrieved`, `released`, `abandoned`, `party_added`, `party_deleted`,
    /// `party_changed`, `record_start`, `record_stop`, `record_pause`, `record_resume`.
    pub event: String,
    /// The DN that said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dn: Option<Personal<String>>,
    /// The other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Personal<String>>,
    /// The third party of a transfer or conference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub third: Option<Personal<String>>,
    /// The agent at the DN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Personal<String>>,
    /// The DN's role as the source has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Which source: `tlib:0`, `gws:desk`.
    pub source: String,
}
