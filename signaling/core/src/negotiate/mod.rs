//! Offer and answer (RFC 3264) as a recorder does it: what of an offer we keep, and what the answer says.
//!
//! Call [`offer`] on what came, hand its result up, and call [`answer`] with the grants that come back. [`own_offer`]
//! repeats the current local description for an INVITE that carries none; the first of a session is made by [`ask`] and
//! written by [`first_offer`]. [`read_answer`] is for the client side.

mod accept;
mod answer;
mod first_offer;
mod read_answer;

use std::net::IpAddr;

pub use accept::offer;
pub use answer::{LocalSession, answer, own_offer};
pub use first_offer::{Wish, ask, first_offer, is_opportunistic, with_own_keys};
pub use read_answer::{AnswerError, AnsweredLine, read_answer};

/// The local rules of negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What the `c=` line of our answers says. When it is a loopback address, loopback peers are usable sources.
    pub media_address: IpAddr,
    /// `[media] srtp = "required"`: plain RTP lines are beyond us.
    pub srtp_required: bool,
    /// What to do about keys that came in the clear.
    pub sdes_over_clear: SdesOverClear,
    /// `a=crypto` on an RTP/AVP line makes it SRTP: outside RFC 4568 (K14), so only where a profile says so.
    pub best_effort_srtp: bool,
    /// SHA-256 of our certificate for DTLS-SRTP; `None` refuses lines that ask for it.
    pub dtls: Option<[u8; 32]>,
}

/// `[media] sdes_over_clear_signaling` (RFC 4568 8.3: keys only over protected signaling).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdesOverClear {
    /// 488 with Warning 399.
    Refuse,
    /// Accept, with the warning `sdes_over_clear_signaling`.
    Warn,
}

/// Why an offer is turned down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the final response.
    pub status: u16,
    /// The whole value of a Warning header (RFC 3261 20.43).
    pub warning: Option<String>,
}

#[cfg(test)]
mod tests;
