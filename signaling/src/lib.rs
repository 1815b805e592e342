//! The sockets of SIP (UDP, TCP, TLS) and of the T-Library link, and the tasks that own them; every decision is made in
//! `signaling-core`.
//!
//! [`Signaling`] is the recording side: one task owns the endpoint, listeners and connections feed it through one
//! bounded queue. [`client`] drives the calling side for `replication`. [`tlib`] and [`gws`] hold the links to CTI servers.

mod asked;
pub mod client;
mod config;
mod connection;
mod ear;
mod erasing;
pub mod gws;
mod limits;
mod listen;
mod metrics;
mod owner;
mod revival;
mod start;
pub mod tlib;
mod world;

pub use config::{Config, StartError};
pub use ear::Ear;
pub use revival::{Keep, Revival};
pub use start::{Addresses, Signaling, SignalingParts};
