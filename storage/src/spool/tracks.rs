//! What was written of each live track, and whether all of it can be believed: what receipts are made of.

use std::collections::HashMap;

use model::{Receipt, RecordingId, TrackId};

use super::ids::IdHash;

#[derive(Default)]
struct Written {
    chunks: u32,
    octets: u64,
    is_damaged: bool,
    /// The round of syncing in which it was written last.
    round: u64,
}

/// The tracks that have written and are not closed.
#[derive(Default)]
pub(super) struct Tracks {
    written: HashMap<TrackId, Written, IdHash>,
    round: u64,
}

impl Tracks {
    pub(super) fn wrote(&mut self, track: TrackId, octets: usize) {
        let written = self.written.entry(track).or_default();
        written.chunks += 1;
        written.octets += octets as u64;
        written.round = self.round;
    }

    pub(super) fn lost(&mut self, track: TrackId) {
        self.written.entry(track).or_default().is_damaged = true;
    }

    /// A sync begins: what is written from here on belongs to the next round. The round that it ends.
    pub(super) fn next_round(&mut self) -> u64 {
        self.round += 1;
        self.round - 1
    }

    /// Nobody knows what became of what was written in that round, and while its sync ran.
    pub(super) fn doubt(&mut self, round: u64) {
        for written in self.written.values_mut().filter(|written| written.round >= round) {
            written.is_damaged = true;
        }
    }

    /// The track is over after so many chunks were taken from the packet threads.
    pub(super) fn close(&mut self, track: TrackId, chunks: u32) -> Receipt {
        let written = self.written.remove(&track).unwrap_or_default();
        let complete = !written.is_damaged && written.chunks == chunks;
        Receipt { track, chunks: written.chunks, octets: written.octets, complete }
    }

    pub(super) fn forget(&mut self, recordings: &[RecordingId]) {
        if !recordings.is_empty() {
            self.written.retain(|track, _| !recordings.contains(&track.recording));
        }
    }

    /// How many there are.
    pub(super) fn live(&self) -> u64 {
        self.written.len() as u64
    }
}
