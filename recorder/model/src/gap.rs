//! Gaps and counters: what a track did not keep, why, and what the network did to it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Why nothing is kept for a span of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GapCause {
    /// Packets that the network lost: sequence numbers that never came.
    Loss,
    /// Recording was paused by a control request or an inactive line.
    Paused,
    /// The communication session was on hold.
    Hold,
    /// One media source ended and its continuation had not begun.
    Failover,
    /// This node dropped packets: kernel buffer, memory budget or disk.
    Overload,
    /// This process was not running.
    Crash,
}

/// A span of a track where nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Where it begins, on the node's clock.
    pub from: Timestamp,
    /// Where it ends; equal to `from` when its end is not known yet.
    pub to: Timestamp,
    /// Why.
    pub cause: GapCause,
}

/// What happened to the packets of one track. All are packets; `received` includes late, reordered and duplicate ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackCounters {
    /// Accepted RTP packets (authenticated where the line is SRTP, from the right source).
    pub received: u64,
    /// Sequence numbers that never arrived.
    pub lost: u64,
    /// Arrived after their place on the timeline had passed by more than the reordering window.
    pub late: u64,
    /// Arrived again with a sequence number already seen.
    pub duplicate: u64,
    /// Arrived after a packet with a higher sequence number.
    pub reordered: u64,
    /// Changes of SSRC.
    pub ssrc_changes: u64,
    /// Dropped by the kernel before we read them (SO_RXQ_OVFL).
    pub kernel_drops: u64,
    /// Refused: wrong source, failed authentication, replayed, or not RTP.
    pub refused: u64,
    /// Interarrival jitter at the end (RFC 3550 6.4.1), in RTP timestamp units of the track's clock.
    pub jitter_ticks: u32,
}
