//! Audit facts: who asked or did what, written before the answer leaves.

use serde::{Deserialize, Serialize};

use crate::{Actor, Personal, RecordingId, Timestamp};

/// Somebody asked or did something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What: `search`, `play`, `pause`, `login`, ...
    pub action: String,
    /// The recording it was about, if one.
    pub recording: Option<RecordingId>,
    /// Query, byte range, name of the thing changed.
    pub detail: Option<Personal<String>>,
    /// Source address.
    pub source: Option<String>,
    /// Allowed or not.
    pub result: AuditResult,
}

/// How an audited request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditResult {
    /// It was carried out.
    Allowed,
    /// The actor has not the right.
    Denied,
    /// It could not be carried out.
    Failed,
}
