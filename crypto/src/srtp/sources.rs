//! What one direction remembers of each SSRC: the highest index and the replay window. Only authenticated packets enter.

use super::SrtpError;
use crate::limits::{DOUBTFUL_JUMP, REPLAY_WINDOW, SRTP_SOURCES};

/// The replay window of one SSRC (RFC 3711 3.3.2) over packet indices: 48 bits for SRTP, 31 for SRTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    highest: u64,
    // Bit n: index `highest - n` was accepted.
    seen: u128,
}

impl Window {
    /// A window whose first accepted packet has this index.
    pub(super) fn begin(index: u64) -> Self {
        Self { highest: index, seen: 1 }
    }

    /// Whether a packet of this index may still be accepted.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        match self.highest.checked_sub(index) {
            Some(age) if age >= REPLAY_WINDOW => Err(SrtpError::TooOld),
            Some(age) if self.seen >> age & 1 == 1 => Err(SrtpError::Replayed),
            Some(_) | None => Ok(()),
        }
    }

    /// The window after a packet that was checked and authenticated.
    pub(super) fn accept(self, index: u64) -> Self {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                let shifted = if ahead < REPLAY_WINDOW { self.seen << ahead } else { 0 };
                Self { highest: index, seen: shifted | 1 }
            }
            None => Self { seen: self.seen | 1 << (self.highest - index), ..self },
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
    slots: [Option<(u32, Window)>; SRTP_SOURCES],
}

impl Sources {
    pub(super) const fn none() -> Self {
        Self { slots: [None; SRTP_SOURCES] }
    }

    /// What is known of an SSRC.
    pub(super) fn find(&self, ssrc: u32) -> Option<Window> {
        self.slots.iter().flatten().find(|(known, _)| *known == ssrc).map(|(_, window)| *window)
    }

    /// Whether another SSRC would push one out.
    pub(super) fn is_full(&self) -> bool {
        self.slots.iter().all(Option::is_some)
    }

    /// Keeps what is now known of an SSRC; pushes out the one unheard for longest when there is no room.
    pub(super) fn keep(&mut self, ssrc: u32, window: Window) {
        let known = self.slots.iter().position(|slot| slot.is_none_or(|(known, _)| known == ssrc));
        let at = known.unwrap_or(SRTP_SOURCES - 1);
        self.slots[..=at].rotate_right(1);
        self.slots[0] = Some((ssrc, window));
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
        assert_eq!(window.accept(1130 + 128).seen, 1);
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
