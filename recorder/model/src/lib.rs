//! The words every room shares: identities, time, facts, orders, reports and receipts.
//!
//! Nothing here decides or touches. A *fact* is past tense and never edited; an *order* is imperative and carried out
//! by a shell; a *report* tells the core what a shell saw; a *receipt* proves what the disk holds.

mod command;
mod fact;
mod gap;
mod id;
mod order;
mod personal;
mod time;

pub use command::{Actor, Command, CommandError, CommandKind, Role};
pub use fact::{
    Audit, AuditResult, EndCause, Fact, MediaObject, Party, RecordingOpened, Refused, ToldTimes, TrackClosed,
    TrackOpened, TrackTimes,
};
pub use gap::{Gap, GapCause, TrackCounters};
pub use id::{RecordingId, RsId, TrackId, TrackNo};
pub use order::{
    Codec, CodecKind, LineGrant, MediaSource, OpenTrack, Order, Receipt, Report, RetuneTrack, SrtpKeys, TrackTotals,
};
pub use personal::{Personal, Secret};
pub use time::Timestamp;

/// Randomness as an argument: pure crates receive it, the shell that calls them owns the source.
pub trait Entropy {
    /// Fills `buffer` with bytes nobody can predict.
    fn fill(&mut self, buffer: &mut [u8]);
}
