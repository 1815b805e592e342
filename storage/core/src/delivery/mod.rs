//! Delivery: what is handed over to subscribers, in which order, when it is tried again, and under which signature.
//!
//! ```text
//!  notices (a table, by number) --admit--> Queue --next--> on the wire --settle--> gone | again later | dead letter
//! ```
//!
//! A notice says only *that* something is to be told; the document is made of what is known when it is sent. So a newer
//! notice about the same thing takes the place of an older one, and what was destroyed meanwhile is not told.
//!
//! What goes over the wire stands in `DELIVERY.md` beside this file.

mod event;
mod queue;
mod schedule;
mod sign;
#[cfg(test)]
mod tests;

pub use event::{Kind, Notice, RecordingEvent, envelope};
pub use queue::{Outcome, Parcel, Queue, Verdict};
pub use schedule::{Schedule, retry_after_s};
pub use sign::{BadSecret, read_secret, signature, signatures};

use model::{Audit, Timestamp};

use crate::{
    interaction::{Gathered, Revision},
    ports::{BoxFuture, CatalogError},
};

/// How a subscriber is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberView {
    /// Its name in the configuration.
    pub name: String,
    /// Since when it wants nothing any more (it answered 410), until somebody says `retry`.
    pub disabled_at: Option<Timestamp>,
    /// Handed over since the table was made.
    pub delivered: u64,
    /// Waiting for another attempt.
    pub waiting: u64,
    /// Not looked at yet.
    pub behind: u64,
    /// Given up.
    pub dead: u64,
    /// When the oldest that is not handed over was raised.
    pub oldest: Option<Timestamp>,
}

/// Something that could not be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whom it was for.
    pub subscriber: String,
    /// Its number: what `retry` takes.
    pub number: u64,
    /// What it was about.
    pub notice: Notice,
    /// Attempts so far.
    pub attempts: u32,
    /// Why it was given up; never what the subscriber wrote.
    pub error: String,
}

/// The read side of consolidation and delivery, for API and command line. Implemented by the storage shell.
pub trait Delivery: Send + Sync {
    /// The recordings of an interaction, by any spelling of its id, and which revision was handed over last. `None`: there
    /// is none of that id.
    fn interaction<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Known>, CatalogError>>;
    /// All subscribers of the configuration.
    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<SubscriberView>, CatalogError>>;
    /// Dead letters by number, after `after`.
    fn dead_letters(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, CatalogError>>;
    /// Tries dead letters again: of one subscriber or all, one number or all. A disabled subscriber is asked again. Returns
    /// how many.
    fn retry(&self, subscriber: Option<String>, number: Option<u64>) -> BoxFuture<'_, Result<u64, CatalogError>>;
}

/// Where it is put on record that something leaves. Implemented by the root.
pub trait Witness: Send + Sync {
    /// Writes the fact and waits until it is durable; false when it cannot be written.
    fn witness(&self, audit: Audit) -> BoxFuture<'_, bool>;
}

/// What is known of an interaction.
pub struct Known {
    /// Its id as it is written.
    pub id: String,
    /// Its recordings.
    pub gathered: Gathered,
    /// Its last revision.
    pub revision: Revision,
    /// Where its recordings went, when it has none left.
    pub merged_into: Option<String>,
}
