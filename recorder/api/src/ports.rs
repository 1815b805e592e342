//! What the API needs from the rest of the house beside storage's read ports: control of recordings and the audit
//! trail. The root implements both.

use model::{Actor, Audit, CallCommand, Command, CommandError, IncidentNote, RecordingId};
use storage_core::{
    assurance::{Day, JudgedCall, Key, Outcome, SilentUser, Summary, Verdict, cdr::Imported},
    ports::BoxFuture,
    query::Pattern,
};
use thiserror::Error;

/// Changes to recordings. Law 4: the API changes nothing but through here or by an audit fact.
pub trait Control: Send + Sync {
    /// Hands a command to the session core and waits until its facts are durable.
    fn command(&self, command: Command) -> BoxFuture<'_, Result<(), CommandError>>;

    /// The same for whatever is recorded of a call, by its name.
    fn call_command(&self, command: CallCommand) -> BoxFuture<'_, Result<(), CommandError>>;

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

/// Recording assurance: verdicts on calls, what people say of them, and call detail records.
pub trait Assurance: Send + Sync {
    /// The figures of every day that is held, the latest first.
    fn days(&self) -> BoxFuture<'_, Result<Vec<Summary>, AssuranceError>>;

    /// One day with its DNs and incidents.
    fn day(&self, day: Day) -> BoxFuture<'_, Result<Outcome, AssuranceError>>;

    /// Calls of one day, by beginning.
    fn calls(&self, asked: CallsAsked) -> BoxFuture<'_, Result<Vec<JudgedCall>, AssuranceError>>;

    /// The last signed report of a day, as it was signed: opened from the archive and checked.
    fn report(&self, day: Day) -> BoxFuture<'_, Result<SignedReport, AssuranceError>>;

    /// Users without a recording for long.
    fn silent(&self) -> BoxFuture<'_, Result<Vec<SilentUser>, AssuranceError>>;

    /// Writes down what somebody says of an incident; waits until the fact is durable.
    fn annotate(&self, note: IncidentNote) -> BoxFuture<'_, Result<(), AssuranceError>>;

    /// Takes a file of call detail records of that source in; waits until its facts are durable.
    fn import(&self, source: String, file: Vec<u8>, by: Actor) -> BoxFuture<'_, Result<Imported, AssuranceError>>;
}

/// Which calls of a day are asked for.
#[derive(Debug, Clone)]
pub struct CallsAsked {
    /// The day, UTC.
    pub day: Day,
    /// Of this verdict.
    pub verdict: Option<Verdict>,
    /// Of this DN or agent.
    pub dn: Option<Pattern>,
    /// Behind the call that began then and has this name.
    pub after: Option<(String, Key)>,
    /// At most so many.
    pub limit: u32,
}

/// A signed report of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReport {
    /// 1 for the first one of the day.
    pub revision: u32,
    /// Two lines of JSON, the second one signs the first.
    pub document: Vec<u8>,
}

/// Why assurance says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssuranceError {
    /// No such incident, source or report.
    #[error("{0}")]
    Unknown(String),
    /// The file as a whole cannot be read.
    #[error("{0}")]
    Bad(String),
    /// It is still reading, busy, or the ledger or the archive cannot be reached.
    #[error("{0}")]
    Unavailable(&'static str),
    /// What the archive holds is not what was signed.
    #[error("{0}")]
    Damaged(String),
}
