//! SRTP and SRTCP in place (RFC 3711, 6188, 7714), the keys given by SDES (RFC 4568).
//!
//! Contract: one [`Inbound`] per direction of one m-line and per key; give it every datagram of that line, look at the
//! packet only after `Ok(plain_len)`. On an error the octets of the packet are unspecified. Nothing that fails
//! authentication leaves a trace in the state.
//!
//! Chosen by measurement (172-octet payload, one core, this crate's style of use, nothing allocated): counter mode by
//! `aes` 0.8 + `ctr` 0.9 + `sha1` 0.10: 289 ns a packet with SHA extensions (0.9 family 349, aws-lc-rs CTR + HMAC 447);
//! AEAD by aws-lc-rs: 111 ns (ring 120, `aes-gcm` 0.11: 281). Without SHA extensions the tag alone costs 500 to 900 ns:
//! there a [`Foresight`] computes those of many packets at once, and what was 670 to 1,600 ns a packet, decryption
//! included, is 280 to 410 (`make bench`, stage packets, side by side, on a busy and a very busy machine).
//!
//! Octets at rest: [`Inbound`] 1,136, [`Outbound`] 992, [`RtcpOutbound`] 72. In the first 704 are the AES schedule, or
//! rather the room for the one in software; to expand the key for each packet instead would cost it 80 ns. The RTCP keys
//! are kept as they are derived.

mod aead;
mod auth;
mod cipher;
mod counter;
mod foresight;
#[cfg(test)]
mod foresight_tests;
mod inbound;
mod kdf;
mod lanes;
mod late;
#[cfg(test)]
mod late_tests;
mod outbound;
mod rtcp;
#[cfg(target_arch = "x86_64")]
mod sha1;
mod sources;
mod suite;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod way;
mod wire;

pub use foresight::{Foresight, Foretold};
pub use inbound::Inbound;
pub use outbound::{Outbound, RtcpOutbound};
pub use suite::Suite;
use thiserror::Error;

/// Why a packet or a key is turned away; each variant is another reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SrtpError {
    /// Key and salt do not have the suite's length (RFC 4568 6.1): the line is unusable.
    #[error("{suite} needs {expected} octets of key and salt, not {got}")]
    KeyLength {
        /// Name of the suite.
        suite: &'static str,
        /// Octets it needs.
        expected: usize,
        /// Octets there are.
        got: usize,
    },
    /// The MKI is longer than RFC 4568 6.1 allows.
    #[error("an MKI of {0} octets is longer than 128")]
    MkiLength(usize),
    /// Not an RTP or RTCP packet, or too short to be protected: count as garbage.
    #[error("not a protected RTP or RTCP packet")]
    Malformed,
    /// The tag is wrong: another key, another sender, or altered on the way.
    #[error("authentication failed")]
    Unauthentic,
    /// Its index was seen already: a duplicate.
    #[error("replayed packet")]
    Replayed,
    /// Its index lies before the replay window: too late.
    #[error("older than the replay window")]
    TooOld,
    /// An [`Outbound`] sends for as many SSRCs as it can remember.
    #[error("too many SSRCs under one key")]
    TooManySources,
    /// The key has protected all packets it may (2^48 SRTP, 2^31 SRTCP).
    #[error("key exhausted")]
    Exhausted,
}
