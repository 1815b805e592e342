//! The capture shell: RTP and RTCP sockets, and the pinned threads that drain them into sealed chunks.
//!
//! ```text
//! datagram -> source -> unprotect -> view -> count -> chunk -> seal -> spool
//! ```
//!
//! [`Capture::open`] binds a port pair and hands it to a worker; from then on a packet is touched by that one thread
//! only. A worker never waits: what nobody takes from it becomes a recorded gap. What happened is told through the
//! `reports` closure given to [`Capture::start`].

#![deny(unsafe_op_in_unsafe_fn)]

mod affinity;
mod ahead;
mod bodies;
mod bpf;
mod cadence;
pub mod clock;
mod config;
mod control;
mod descriptors;
mod dtls;
mod envelope;
mod epoll;
mod gaps;
mod gathering;
mod handshake;
mod hotloop;
mod intake;
mod keeping;
mod limits;
mod load;
mod mailbox;
mod metrics;
mod opening;
mod options;
mod prefetch;
mod progress;
mod receive;
mod reception;
mod recvmmsg;
mod rtcp;
mod slice;
mod slots;
mod socket;
mod source;
mod srtp;
mod sweep;
#[cfg(test)]
mod tests;
mod track;
mod urgent;
mod uring;

mod worker;

pub use config::{ClearSdes, Config, ConfigError, PortRange, Receive, SrtpPolicy};
pub use control::{Capture, CaptureError};
pub use hotloop::{HotCounts, HotLoop};
pub use reception::Reception;
