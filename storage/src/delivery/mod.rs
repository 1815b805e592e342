//! Consolidation and delivery: follows the ledger, puts recordings of one interaction together, and hands what is new to
//! subscribers over HTTP. Nobody waits for it; it can be down for days and catches up.
//!
//! ```text
//!  ledger -> Consolidator -> delivery.db (members, revisions, notices) -> Courier (one a subscriber) -> POST
//!                                 ^ catalog (what is known of a recording)      ^ playback (its sound)
//! ```
//!
//! `delivery.db` is derived: without it everything of the last `give_up_days` is handed over once more, under the same ids.

mod attempt;
mod config;
mod consolidate;
mod courier;
mod desk;
mod follow;
mod parcels;
mod send;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use config::{AudioDelivery, DeliveryConfig, SubscriberConfig};
pub use consolidate::Consolidator;
pub use courier::{Courier, CourierParts, couriers};
pub use desk::DeliveryDesk;
pub use store::DeliveryStore;

use model::Timestamp;

/// The clock of facts.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// A source of random numbers.
pub type Chance = Arc<dyn Fn() -> u64 + Send + Sync>;
