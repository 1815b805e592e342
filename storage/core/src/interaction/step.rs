//! What a fact says of belonging together: which interaction a recording is of, and whether it is finished.

use model::{EndCause, Fact, RecordingId};

use super::normal;

/// How good a name of an interaction is; a better one replaces a worse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// The recording alone.
    Recording,
    /// A ConnID.
    ConnId,
    /// A CallUUID.
    CallUuid,
    /// The session core said so; it may say another one later, when calls are joined.
    Said,
}

impl Rank {
    /// The number in a table.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// A name of the interaction that a recording is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    /// Normalised.
    pub key: String,
    /// How good it is.
    pub rank: Rank,
}

impl Naming {
    /// Whether it takes the place of a name of that rank number: the first of a kind counts, of what was said the last.
    pub fn replaces(&self, rank: i64) -> bool {
        self.rank.number() > rank || self.rank == Rank::Said
    }
}

/// What a fact means for the interaction of its recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A recording begins.
    Opened(Naming),
    /// It may be of another interaction than was known.
    Named(Naming),
    /// Nothing more is awaited of it: archived, failed, destroyed, or it never came to be.
    Closed,
    /// What is known of it changed.
    Changed,
}

/// Reads a fact. `None`: it is about no recording, or says who asked, which changes nothing.
pub fn step(fact: &Fact) -> Option<(RecordingId, Step)> {
    if matches!(fact, Fact::Audited(_)) {
        return None;
    }
    let recording = fact.recording()?;
    let step = match fact {
        Fact::RecordingOpened(opened) => {
            let ids = [(&opened.call_uuid, Rank::CallUuid), (&opened.conn_id, Rank::ConnId)];
            let named = ids.into_iter().find_map(|(id, rank)| Some(Naming { key: normal(id.as_ref()?), rank }));
            Step::Opened(named.unwrap_or(Naming { key: recording.to_string(), rank: Rank::Recording }))
        }
        Fact::CorrelationLearned { keys, .. } => {
            let names = [("interaction", Rank::Said), ("call_uuid", Rank::CallUuid), ("conn_id", Rank::ConnId)];
            let named =
                names.into_iter().find_map(|(name, rank)| Some(Naming { key: normal(keys.get(name)?.reveal()), rank }));
            named.map_or(Step::Changed, Step::Named)
        }
        Fact::RecordingArchived { .. }
        | Fact::RecordingFailed { .. }
        | Fact::RecordingDeleted { .. }
        | Fact::RecordingEnded { cause: EndCause::NotEstablished, .. } => Step::Closed,
        _ => Step::Changed,
    };
    Some((recording, step))
}
