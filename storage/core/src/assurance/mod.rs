//! Recording assurance: every call that a source knows of gets a verdict on how it was recorded.
//!
//! ```text
//! CallSeen, CdrsRead ----> told rows  --+
//! RecordingOpened, ... --> recordings --+-- join --> calls --> verdicts --> summary, incidents, report
//! CtiLinkChanged --------> coverage   --+
//! ```
//! [`Book::apply`] takes the facts of the ledger in order; [`Book::judge`] gives the verdicts of one UTC day as of a time.
//! A day is judged as a whole and from its rows alone, so that the order in which sources told of it makes no difference.

mod book;
pub mod cdr;
mod day;
mod join;
mod judge;
mod key;
mod recorded;
mod report;
mod settings;
mod sources;
mod summary;
#[cfg(test)]
mod tests;
mod told;
mod users;
mod verdict;

pub use book::{Book, Stats};
pub use day::Day;
pub use key::Key;
pub use report::{Report, ReportFault};
pub use settings::Settings;
pub use summary::{Counts, DnShare, Outcome, Share, Summary};
pub use users::SilentUser;
pub use verdict::{JudgedCall, Severity, Verdict, Why};
