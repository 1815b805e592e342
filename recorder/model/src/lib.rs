//! The words every room shares: identities, time, facts, orders, reports and receipts.
//!
//! Nothing here decides or touches. A *fact* is past tense and never edited; an *order* is imperative and carried out
//! by a shell; a *report* tells the core what a shell saw; a *receipt* proves what the disk holds.

mod assurance;
mod audit;
mod command;
mod contributor;
mod cti;
mod fact;
mod gap;
mod id;
mod order;
mod personal;
mod policy;
mod small;
mod time;

pub use assurance::{
    CallDirection, CallSeen, Cdr, CdrBatch, CdrImported, DayReported, Expectation, IncidentCause, IncidentNote,
    UnrecordedCall,
};
pub use audit::{Audit, AuditResult};
pub use command::{Actor, CallCommand, CallControl, Command, CommandError, CommandKind, Role};
pub use contributor::Contributor;
pub use cti::{CallTold, HistoryLine};
pub use fact::{
    Confidence, EndCause, Fact, MediaObject, Party, RecordingOpened, Refused, ToldSession, ToldTimes, TrackClosed,
    TrackOpened, TrackTimes,
};
pub use gap::{Gap, GapCause, TrackCounters};
pub use id::{RecordingId, RsId, TrackId, TrackNo};
pub use order::{
    AskRecording, Codec, CodecKind, DtlsTerms, LineGrant, MediaSource, OpenTrack, Order, Receipt, Report, RetuneTrack,
    SrtpKeys, TrackKeys, TrackTotals,
};
pub use personal::{Personal, Secret};
pub use policy::{Ruling, Treatment};
pub use small::{SmallMap, SmallSet};
pub use time::Timestamp;

/// Randomness as an argument: pure crates receive it, the shell that calls them owns the source.
pub trait Entropy {
    /// Fills `buffer` with bytes nobody can predict.
    fn fill(&mut self, buffer: &mut [u8]);
}
