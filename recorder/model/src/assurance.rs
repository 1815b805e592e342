//! Calls as sources outside this recorder know them, so that every call can be held against what was recorded of it.

use serde::{Deserialize, Serialize};

use crate::{Actor, Personal, RecordingId, Timestamp};

/// What the policy wanted of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Nobody said: the scope of the assurance decides.
    #[default]
    Unknown,
    /// It was not to be recorded.
    Never,
    /// It was to be recorded, and kept only if somebody asked.
    Provisional,
    /// It was to be recorded.
    Record,
}

impl Expectation {
    /// Whether nobody said.
    pub fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// Which way a call went, seen from the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// From outside.
    Inbound,
    /// To the outside.
    Outbound,
    /// Between two of the house.
    Internal,
}

impl CallDirection {
    /// The direction of that name; `in`, `out` and the words of CDRs count too.
    pub fn by_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "inbound" | "in" | "incoming" | "terminating" => Some(Self::Inbound),
            "outbound" | "out" | "outgoing" | "originating" => Some(Self::Outbound),
            "internal" | "int" => Some(Self::Internal),
            _ => None,
        }
    }
}

/// One call as a source knows it: written once, when the call has ended for that source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallSeen {
    /// Genesys CallUUID (or another key of the interaction).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_uuid: Option<String>,
    /// Genesys ConnID, 16 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_id: Option<String>,
    /// DNs of the house that took part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<Personal<String>>,
    /// Agents who sat there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Personal<String>>,
    /// Who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ani: Option<Personal<String>>,
    /// What was dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnis: Option<Personal<String>>,
    /// Which way it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<CallDirection>,
    /// When it began to ring or dial.
    pub started_at: Timestamp,
    /// When it was answered; none when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// When it ended; none while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What the policy wanted of it.
    #[serde(skip_serializing_if = "Expectation::is_unknown")]
    pub expectation: Expectation,
    /// The rule of the policy that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Recordings that the source knows to be of this call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recordings: Vec<RecordingId>,
    /// Which source: `tlib:0`, `gws:desk`, `cdr:NAME`.
    pub source: String,
}

/// One line of a call detail record file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cdr {
    /// Its identity within its source: what the file says, or a digest of the line.
    pub id: String,
    /// SIP Call-ID, UCID or another key that the recording may carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Identity of the recording at the client, where the switch knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<String>,
    /// What it says of the call.
    pub call: CallSeen,
}

/// Some lines of an imported file: as many as stand in one line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrBatch {
    /// SHA-256 of the whole file, lower-case hex.
    pub batch: String,
    /// `cdr:NAME`.
    pub source: String,
    /// The lines that were new.
    pub cdrs: Vec<Cdr>,
}

/// A file of call detail records was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrImported {
    /// SHA-256 of the whole file, lower-case hex.
    pub batch: String,
    /// `cdr:NAME`.
    pub source: String,
    /// Lines with a call on them.
    pub lines: u64,
    /// Of these: new.
    pub added: u64,
    /// Of these: known already.
    pub known: u64,
    /// Of these: not to be read.
    pub bad: u64,
    /// Who brought it.
    pub by: Actor,
}

/// A call that should have been recorded was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnrecordedCall {
    /// Its name among the incidents, 32 hex digits.
    pub incident: String,
    /// CallUUID.
    pub call_uuid: Option<String>,
    /// ConnID.
    pub conn_id: Option<String>,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// When it was found missing.
    pub found_at: Timestamp,
    /// The name of the reason: `no_recording`, `no_audio`.
    pub why: String,
}

/// Why a call was not recorded as expected, in the judgement of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentCause {
    /// The switch did not replicate the call.
    Switch,
    /// This recorder failed.
    Recorder,
    /// The network in between failed.
    Network,
    /// Somebody configured it so.
    Config,
    /// Announced work was going on.
    Maintenance,
    /// It was a test call.
    Test,
    /// There is nothing wrong with the call.
    FalsePositive,
    /// It is known, and nothing will be done.
    NoAction,
}

impl IncidentCause {
    /// Every cause, in the order of the manual.
    pub const ALL: [Self; 8] = [
        Self::Switch,
        Self::Recorder,
        Self::Network,
        Self::Config,
        Self::Maintenance,
        Self::Test,
        Self::FalsePositive,
        Self::NoAction,
    ];

    /// The name in the API and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Recorder => "recorder",
            Self::Network => "network",
            Self::Config => "config",
            Self::Maintenance => "maintenance",
            Self::Test => "test",
            Self::FalsePositive => "false_positive",
            Self::NoAction => "no_action",
        }
    }

    /// The cause of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

/// Somebody said what was behind an incident; replaces what was said of it before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentNote {
    /// The incident, 32 hex digits.
    pub incident: String,
    /// What was behind it.
    pub cause: IncidentCause,
    /// Who says so.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// In their words.
    pub note: Option<Personal<String>>,
}

/// The signed report of a day is in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayReported {
    /// `2026-11-21`, UTC.
    pub day: String,
    /// 1 for the first; a further one where something of the day became known later.
    pub revision: u32,
    /// The object in the archive.
    pub object: String,
    /// SHA-256 of the signed document in clear, lower-case hex.
    pub sha256: String,
    /// SHA-256 of what it says of the calls: a report that says the same is not written again.
    pub content: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_what_it_says_and_prints_no_number() {
        let call = CallSeen {
            call_uuid: Some("U".into()),
            dns: vec![Personal::new("7001".to_owned())],
            expectation: Expectation::Never,
            started_at: Timestamp::from_millis(5),
            source: "tlib:0".into(),
            ..CallSeen::default()
        };
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<CallSeen>(&text).unwrap(), call);
        assert!(!format!("{call:?}").contains("7001"));
        assert!(!text.contains("answered_at"), "what is not known takes no room: {text}");
    }

    #[test]
    fn names_lead_back_and_a_wrong_one_leads_nowhere() {
        for cause in IncidentCause::ALL {
            assert_eq!(IncidentCause::by_name(cause.name()), Some(cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        }
        assert_eq!(IncidentCause::by_name("weather"), None);
        assert_eq!(CallDirection::by_name("IN"), Some(CallDirection::Inbound));
        assert_eq!(CallDirection::by_name("sideways"), None);
    }
}
