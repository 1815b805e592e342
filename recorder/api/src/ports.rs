//! What the API needs from the rest of the house beside storage's read ports: control of recordings and the audit
//! trail. The root implements both.

use model::{Actor, Audit, Command, CommandError, RecordingId};
use storage_core::ports::BoxFuture;
use thiserror::Error;

/// Changes to recordings. Law 4: the API changes nothing but through here or by an audit fact.
pub trait Control: Send + Sync {
    /// Hands a command to the session core and waits until its facts are durable.
    fn command(&self, command: Command) -> BoxFuture<'_, Result<(), CommandError>>;

    /// Sets or lifts a legal hold, or destroys the recording; waits until the fact is durable.
    fn mark<'a>(
        &'a self,
        recording: RecordingId,
        mark: Mark,
        actor: &'a Actor,
        reason: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), MarkError>>;
}

/// What can be done to a recording that need not be live. All are idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Set a legal hold.
    Hold,
    /// Lift it.
    Release,
    /// Destroy the recording.
    Delete,
}

impl Mark {
    /// The word in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Delete => "delete",
        }
    }
}

/// Why a mark changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MarkError {
    /// No such recording.
    #[error("no such recording")]
    Unknown,
    /// A legal hold or its retention forbids it (invariant 9).
    #[error("the recording is under legal hold or retention")]
    Held,
    /// It is live or being archived, or already destroyed.
    #[error("the recording is not in a state that allows this")]
    NotReady,
    /// The node is stopping, or the ledger cannot be written.
    #[error("not possible now")]
    Unavailable,
}

/// The audit trail.
pub trait AuditLog: Send + Sync {
    /// Writes the fact and waits until it is durable (invariant 2). Only then may the answer leave.
    fn record(&self, audit: Audit) -> BoxFuture<'_, Result<(), AuditError>>;
}

/// The audit trail cannot be written: nothing may be answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the audit trail cannot be written: {0}")]
pub struct AuditError(pub String);
