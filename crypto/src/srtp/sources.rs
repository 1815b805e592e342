//! What one direction remembers of each SSRC: the highest index and the replay window. Only authenticated packets enter.

use super::SrtpError;
use crate::limits::{DOUBTFUL_JUMP, REPLAY_WINDOW, SRTP_SOURCES};

/// The replay window of one SSRC (RFC 3711 3.3.2) over packet indices: 48 bits for SRTP, 31 for SRTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    highest: u64,
    seen: Seen,
}

/// Bit n: index `highest - n` was accepted. As two halves, because a `u128` wants to be aligned and there are eight a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen([u64; 2]);

impl Seen {
    fn bits(self) -> u128 {
        u128::from(self.0[1]) << 64 | u128::from(self.0[0])
    }
}

impl From<u128> for Seen {
    fn from(bits: u128) -> Self {
        Self([bits as u64, (bits >> 64) as u64])
    }
}

impl Window {
    /// A window whose first accepted packet has this index.
    pub(super) const fn begin(index: u64) -> Self {
        Self { highest: index, seen: Seen([1, 0]) }
    }

    /// Whether a packet of this index may still be accepted.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        match self.highest.checked_sub(index) {
            Some(age) if age >= REPLAY_WINDOW => Err(SrtpError::TooOld),
            Some(age) if self.seen.bits() >> age & 1 == 1 => Err(SrtpError::Replayed),
            Some(_) | None => Ok(()),
        }
    }

    /// The window after a packet that was checked and authenticated.
    pub(super) fn accept(self, index: u64) -> Self {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                let shifted = if ahead < REPLAY_WINDOW { self.seen.bits() << ahead } else { 0 };
                Self { highest: index, seen: Seen::from(shifted | 1) }
            }
            None => Self { seen: Seen::from(self.seen.bits() | 1 << (self.highest - index)), ..self },
        }
    }

    /// The most likely index of a sequence number: the one next to the highest (RFC 3711 3.3.1, appendix A). Before the
    /// first roll-over there is nothing to roll back to, so a low ROC stays 0.
    pub(super) fn estimate(&self, sequence: u16) -> u64 {
        let (roc, last) = (self.highest >> 16, self.highest as u16);
        let ahead = i32::from(sequence) - i32::from(last);
        let roc = match ahead {
            ..-0x8000 => roc + 1,
            0x8001.. => roc.saturating_sub(1),
            _ => roc,
        };
        roc << 16 | u64::from(sequence)
    }

    /// Whether the index is so far from the highest that its roll-over counter is doubtful.
    pub(super) fn is_doubtful(&self, index: u64) -> bool {
        self.highest.abs_diff(index) > DOUBTFUL_JUMP
    }
}

/// The SSRCs of one direction, heard most recently first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sources {
    // Apart, so that nothing is spent on alignment; beyond `known` they mean nothing.
    ssrcs: [u32; SRTP_SOURCES],
    windows: [Window; SRTP_SOURCES],
    known: u32,
}

impl Sources {
    pub(super) const fn none() -> Self {
        Self { ssrcs: [0; SRTP_SOURCES], windows: [Window::begin(0); SRTP_SOURCES], known: 0 }
    }

    /// What is known of an SSRC.
    pub(super) fn find(&self, ssrc: u32) -> Option<Window> {
        self.position(ssrc).map(|at| self.windows[at])
    }

    /// Whether another SSRC would push one out.
    pub(super) fn is_full(&self) -> bool {
        self.known as usize == SRTP_SOURCES
    }

    /// Keeps what is now known of an SSRC; pushes out the one unheard for longest when there is no room.
    pub(super) fn keep(&mut self, ssrc: u32, window: Window) {
        let at = self.position(ssrc).unwrap_or_else(|| {
            if !self.is_full() {
                self.known += 1;
            }
            self.known as usize - 1
        });
        self.ssrcs[..=at].rotate_right(1);
        self.windows[..=at].rotate_right(1);
        (self.ssrcs[0], self.windows[0]) = (ssrc, window);
    }

    fn position(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs[..self.known as usize].iter().position(|known| *known == ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_takes_each_index_once_and_none_that_is_too_old() {
        let mut window = Window::begin(1000);
        for index in [1003, 1001, 1002, 1130] {
            assert_eq!(window.check(index), Ok(()));
            window = window.accept(index);
            assert_eq!(window.check(index), Err(SrtpError::Replayed));
        }
        assert_eq!(window.check(1130 - 127), Err(SrtpError::Replayed));
        assert_eq!(window.check(1130 - 126), Ok(()));
        assert_eq!(window.check(1130 - 128), Err(SrtpError::TooOld));
        assert_eq!(window.accept(1130 + 128).seen.bits(), 1);
    }

    #[test]
    fn the_index_rolls_over_forward_and_back() {
        let before = Window::begin(0x4_fffe);
        assert_eq!(before.estimate(0xffff), 0x4_ffff);
        assert_eq!(before.estimate(0x0002), 0x5_0002);
        let after = Window::begin(0x5_0002);
        assert_eq!(after.estimate(0xfffe), 0x4_fffe);
        assert_eq!(Window::begin(2).estimate(0xfffe), 0xfffe);
    }

    #[test]
    fn the_source_unheard_for_longest_goes_first() {
        let mut sources = Sources::none();
        for ssrc in 1..=4 {
            sources.keep(ssrc, Window::begin(0));
        }
        sources.keep(1, Window::begin(7));
        assert!(sources.is_full());
        sources.keep(5, Window::begin(0));
        assert_eq!(sources.find(2), None);
        assert_eq!(sources.find(1), Some(Window::begin(7)));
    }
}
