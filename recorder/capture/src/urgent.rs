//! Tracks that are read between the sweeps: their handshake is under way, and every flight that waits for a sweep is sound
//! that is not heard.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use model::TrackId;

use crate::limits;

/// Contract: [`Urgent::read`] when [`Urgent::due`] has come.
pub(crate) struct Urgent {
    tracks: VecDeque<TrackId>,
    read: Instant,
}

impl Urgent {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tracks: VecDeque::new(), read: now }
    }

    pub(crate) fn add(&mut self, track: TrackId) {
        // More than a worker has tracks cannot be urgent.
        if self.tracks.len() < limits::TRACKS_PER_WORKER && !self.tracks.contains(&track) {
            self.tracks.push_back(track);
        }
    }

    /// When to read next; `None` while nothing is urgent.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.tracks.is_empty()).then(|| self.read + Duration::from_millis(limits::DTLS_READ_MS))
    }

    /// Gives some of the tracks to `reader`, each in its turn; those it says false of are not urgent any more.
    pub(crate) fn read(&mut self, now: Instant, mut reader: impl FnMut(TrackId) -> bool) {
        self.read = now;
        for _ in 0..self.tracks.len().min(limits::DTLS_READ_AT_ONCE) {
            if let Some(track) = self.tracks.pop_front()
                && reader(track)
            {
                self.tracks.push_back(track);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{RecordingId, TrackNo};

    use super::*;

    #[test]
    fn everyone_gets_a_turn_and_leaves_when_done() {
        let now = crate::clock::instant();
        let mut urgent = Urgent::new(now);
        assert_eq!(urgent.due(), None);
        let track = |no| TrackId { recording: RecordingId::from_bytes([1; 16]), no: TrackNo(no) };
        let all = limits::DTLS_READ_AT_ONCE as u16 + 10;
        (0..all).chain(0..3).for_each(|no| urgent.add(track(no)));
        assert_eq!(urgent.due(), Some(now + Duration::from_millis(limits::DTLS_READ_MS)));
        let mut read = Vec::new();
        for _ in 0..2 {
            urgent.read(now, |track| {
                read.push(track.no.0);
                track.no.0 >= 5
            });
        }
        let expected: Vec<u16> = (0..all).chain(5..).take(2 * limits::DTLS_READ_AT_ONCE).collect();
        assert_eq!(read, expected);
        assert_eq!(urgent.tracks.len(), usize::from(all) - 5);
    }
}
