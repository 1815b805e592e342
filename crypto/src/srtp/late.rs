//! Joining a stream whose roll-over counter nobody told: after a crash the sender goes on, the receiver has forgotten.
//!
//! RFC 3711 3.3.1 wants the counter from outside; we have none and search for it, from low to high. What a search may
//! cost is bounded, because anybody can send packets that fail: a failing search over all candidates is 133 tags,
//! 30 to 40 us, and a line affords [`LATE_SEARCHES`] of them. Afterwards every packet is tried with one candidate, the
//! next one each time: a flood costs two tags a packet, and the true sender is still found within as many packets of
//! its own as there are candidates. Nothing is remembered of a packet that fails but that it was tried.
//!
//! Before the crash the packets had a replay window, which is lost with the counter: a packet recorded on the way may be
//! played once more. Since it may carry an old counter, the search goes on upwards until [`LATE_PROOF`] packets in a row
//! were authentic.

use super::{Inbound, SrtpError, wire::RtpClear};
use crate::limits::{LATE_PROOF, LATE_ROLL_OVERS, LATE_SEARCHES, SECOND_GUESS_OCTETS};

/// What a direction that joined late still has to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late {
    /// Whole searches that may still fail.
    searches: u16,
    /// Packets in a row still to be authentic.
    proof: u16,
    /// The candidate of the next packet, once no whole search is left.
    next: u32,
}

impl Late {
    pub(super) const fn new() -> Self {
        Self { searches: LATE_SEARCHES, proof: LATE_PROOF, next: 0 }
    }

    /// The counters to try, beginning with `from`.
    fn candidates(&self, from: u32) -> std::ops::RangeInclusive<u32> {
        if self.searches > 0 {
            return from..=LATE_ROLL_OVERS;
        }
        let one = from.max(self.next);
        one..=one
    }

    /// Every candidate failed.
    fn failed(&mut self) {
        self.searches = self.searches.saturating_sub(1);
        self.next = if self.next >= LATE_ROLL_OVERS { 0 } else { self.next + 1 };
        self.proof = LATE_PROOF;
    }
}

impl Inbound {
    /// As [`Inbound::unprotect_rtp`] while the roll-over counter is being found.
    #[cold]
    pub(super) fn unprotect_late(
        &mut self,
        packet: &mut [u8],
        clear: RtpClear,
        index: u64,
        mut late: Late,
    ) -> Result<usize, SrtpError> {
        let mut kept = [0; SECOND_GUESS_OCTETS];
        let Some(kept) = kept.get_mut(..packet.len()) else {
            return self.try_index(packet, clear, index, None);
        };
        kept.copy_from_slice(packet);
        let first = self.try_index(packet, clear, index, None);
        // What was seen already needs no other index.
        let mut outcome = first;
        if matches!(first, Err(SrtpError::Unauthentic | SrtpError::TooOld)) {
            let tried = (index >> 16) as u32;
            let higher = if self.knows(clear.ssrc) { tried + 1 } else { 0 };
            for roc in late.candidates(higher).filter(|roc| *roc != tried) {
                packet.copy_from_slice(kept);
                let found = self.try_index(packet, clear, u64::from(roc) << 16 | u64::from(clear.sequence), None);
                if found.is_ok() {
                    outcome = found;
                    break;
                }
            }
            if outcome.is_err() {
                late.failed();
            }
        }
        if outcome.is_ok() {
            late.proof -= 1;
        }
        self.late = (late.proof > 0).then_some(late);
        outcome
    }
}
