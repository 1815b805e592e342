//! Media stream replication, the client side: an honest SRC that knows of the recorder only what is on the wire.
//!
//! [`call::run`] places one call in real time; [`load::run`] places many at low cost; [`serve::run`] plays the switch of a
//! scenario. The binary `replicator` is a command line around the three.

pub mod call;
pub mod cli;
pub mod error;
pub mod identity;
pub mod limits;
pub mod load;
pub mod serve;
pub mod stream;
pub mod tape;
mod world;

#[cfg(test)]
mod journeys;
