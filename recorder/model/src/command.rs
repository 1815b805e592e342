//! Run-time control of a live recording: who asks, what for, and why it may be refused.

use serde::{Deserialize, Serialize};

use crate::RecordingId;

/// Built-in roles (DESIGN section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Configures, cannot listen.
    Administrator,
    /// Search, play, export, hold.
    ComplianceOfficer,
    /// Own scope, live.
    Supervisor,
    /// Audit and verification, no audio.
    Auditor,
    /// Own calls.
    Agent,
    /// Control of live recordings, metadata, no audio.
    Integration,
}

impl Role {
    /// Every role, in the order of the manual.
    pub const ALL: [Self; 6] =
        [Self::Administrator, Self::ComplianceOfficer, Self::Supervisor, Self::Auditor, Self::Agent, Self::Integration];

    /// The name on the command line, in the API and in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::ComplianceOfficer => "compliance-officer",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Agent => "agent",
            Self::Integration => "integration",
        }
    }

    /// The role of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Who acts: a user, a token or the system itself. Never a person's number or name of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// User name or token id; `system` for the recorder itself.
    pub id: String,
    /// The role it acted in; none for the system.
    pub role: Option<Role>,
}

impl Actor {
    /// The recorder itself.
    pub fn system() -> Self {
        Self { id: "system".into(), role: None }
    }
}

/// An order from outside to the session core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The recording it is about.
    pub recording: RecordingId,
    /// What to do.
    pub kind: CommandKind,
    /// Who asks.
    pub actor: Actor,
    /// Why, in the actor's words.
    pub reason: Option<String>,
}

/// What can be asked of a live recording. All are idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandKind {
    /// Keep nothing from now on, until resumed.
    Pause,
    /// Keep again.
    Resume,
    /// End the recording; the call goes on.
    Stop,
    /// Keep a provisional recording.
    Keep,
    /// Throw a provisional recording away.
    Discard,
}

impl CommandKind {
    /// The word in the API path and in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Keep => "keep",
            Self::Discard => "discard",
        }
    }
}

/// An order from outside about whatever is recorded of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCommand {
    /// A CallUUID, ConnID or recording id.
    pub call: String,
    /// What to do.
    pub kind: CallControl,
    /// Who asks.
    pub actor: Actor,
    /// Why, in the actor's words.
    pub reason: Option<String>,
}

/// What can be asked of a call. All are idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallControl {
    /// Have the CTI source begin a recording of it. Accepted is not recording: only SIP and RTP say that.
    Start,
    /// Keep nothing from now on, until resumed.
    Pause,
    /// Keep again.
    Resume,
    /// End its recordings; the call goes on.
    Stop,
    /// Keep its provisional recordings.
    Keep,
}

impl CallControl {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Start, Self::Pause, Self::Resume, Self::Stop, Self::Keep];

    /// The word in the API path and in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Keep => "keep",
        }
    }
}

/// Why a command changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// No such recording.
    Unknown,
    /// The recording is no longer live.
    NotLive,
    /// The recording is not provisional, so there is nothing to discard.
    NotProvisional,
    /// The node is stopping or overloaded.
    Unavailable,
}
