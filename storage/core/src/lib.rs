//! Formats, folding of facts, queries, and the ports that storage fills and others use.
//!
//! Nothing here touches the world: octets, facts and time come in as arguments, and what should be written or was
//! found goes out as values.

pub mod assurance;
pub mod conformance;
pub mod delivery;
pub mod fold;
pub mod interaction;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod memory;
pub mod names;
pub mod ports;
pub mod query;
pub mod reason;
pub mod spoolfile;
pub mod view;
