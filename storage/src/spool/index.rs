//! Where the octets of each recording stand: an index in memory, derived from the tables of the blocks (invariant 10).

mod moves;
mod pieces;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use model::RecordingId;
use storage_core::spoolfile::{Run, Segment};

pub(super) use moves::{Group, Plan};
use pieces::Pieces;

use super::ids::IdHash;
use crate::disk::DiskFile;

/// A segment file, open for as long as somebody reads or writes it: its name may be gone before.
pub(super) struct Stored {
    pub(super) segment: Segment,
    pub(super) path: PathBuf,
    pub(super) file: DiskFile,
    /// So many octets, and its name, are durable; what stands behind may be gone after a failed sync.
    durable: AtomicU64,
}

impl Stored {
    /// A file that is durable, or was checked.
    pub(super) fn new(segment: Segment, path: PathBuf, file: DiskFile) -> Self {
        Self { segment, path, file, durable: AtomicU64::new(u64::MAX) }
    }

    /// A file of which nothing is durable yet.
    pub(super) fn begun(segment: Segment, path: PathBuf, file: DiskFile) -> Self {
        Self { segment, path, file, durable: AtomicU64::new(0) }
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Relaxed)
    }

    pub(super) fn is_durable_to(&self, octets: u64) {
        self.durable.fetch_max(octets, Ordering::Relaxed);
    }

    pub(super) fn is_doubtful(&self, piece: &Piece) -> bool {
        u64::from(piece.at) >= self.durable()
    }
}

/// One run of a recording in a segment. At full load there are 45,000 new ones a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Handle of the segment in the index.
    pub(super) segment: u32,
    pub(super) at: u32,
    pub(super) octets: u32,
    /// The lower half of the sum in the table: what is in it, chunk or state, is authenticated besides. `None` when it was
    /// durable before anybody asked.
    pub(super) sum: Option<u16>,
}

impl Piece {
    pub(super) fn of(run: &Run, segment: u32, at: u64) -> Self {
        Self { segment, at: at as u32, octets: run.octets, sum: Some(run.sum as u16) }
    }

    /// Whether they are one and the same.
    fn is_same(&self, other: &Self) -> bool {
        (self.segment, self.at, self.octets) == (other.segment, other.at, other.octets)
    }
}

#[derive(Default)]
struct Kept {
    pieces: Pieces,
    state: Option<Piece>,
}

struct Held {
    stored: Arc<Stored>,
    /// Octets of the file.
    octets: u64,
    /// Pieces and their octets that somebody still needs.
    pieces: u64,
    live: u64,
}

/// Which recordings there are and where; segments by the order of writing.
#[derive(Default)]
pub(super) struct Index {
    recordings: HashMap<RecordingId, Kept, IdHash>,
    segments: BTreeMap<u32, Held>,
    next: u32,
    octets: u64,
}

/// Tells what no failed sync can have taken.
fn is_durable(segments: &BTreeMap<u32, Held>) -> impl Fn(&Piece) -> bool {
    |piece| segments.get(&piece.segment).is_none_or(|held| !held.stored.is_doubtful(piece))
}

impl Index {
    /// Takes a segment in; it comes behind all others.
    pub(super) fn begin(&mut self, stored: Arc<Stored>) -> u32 {
        let handle = self.next;
        self.next += 1;
        self.segments.insert(handle, Held { stored, octets: 0, pieces: 0, live: 0 });
        handle
    }

    /// The file grew to so many octets.
    pub(super) fn grew(&mut self, segment: u32, octets: u64) {
        if let Some(held) = self.segments.get_mut(&segment) {
            held.octets = octets;
        }
    }

    /// Chunks of a recording, behind those it has.
    pub(super) fn add(&mut self, recording: RecordingId, piece: Piece) {
        self.count(piece);
        self.octets += u64::from(piece.octets);
        let is_durable = is_durable(&self.segments);
        self.recordings.entry(recording).or_default().pieces.push(piece, is_durable);
    }

    /// The state of a recording, in the place of the one before.
    pub(super) fn set_state(&mut self, recording: RecordingId, piece: Piece) {
        self.count(piece);
        if let Some(before) = self.recordings.entry(recording).or_default().state.replace(piece) {
            self.discount(before);
        }
    }

    /// Forgets a recording; whether there was one.
    pub(super) fn free(&mut self, recording: RecordingId) -> bool {
        let Some(kept) = self.recordings.remove(&recording) else { return false };
        for piece in kept.pieces.iter() {
            self.octets -= u64::from(piece.octets);
            self.discount(piece);
        }
        kept.state.into_iter().for_each(|piece| self.discount(piece));
        true
    }

    fn count(&mut self, piece: Piece) {
        if let Some(held) = self.segments.get_mut(&piece.segment) {
            held.pieces += 1;
            held.live += u64::from(piece.octets);
        }
    }

    fn discount(&mut self, piece: Piece) {
        if let Some(held) = self.segments.get_mut(&piece.segment) {
            held.pieces -= 1;
            held.live -= u64::from(piece.octets);
        }
    }

    /// Whether nobody needs anything.
    pub(super) fn is_empty(&self) -> bool {
        self.recordings.is_empty()
    }

    /// Takes the segments out that nobody needs, except the one that is being written, and those that are moved from.
    pub(super) fn take_spent(&mut self, busy: impl Fn(u32) -> bool) -> Vec<Arc<Stored>> {
        let spent = |(handle, held): (&u32, &Held)| (held.pieces == 0 && !busy(*handle)).then_some(*handle);
        let spent: Vec<u32> = self.segments.iter().filter_map(spent).collect();
        spent.iter().filter_map(|handle| self.segments.remove(handle)).map(|held| held.stored).collect()
    }

    /// Whether nobody needs anything in it.
    pub(super) fn is_spent(&self, segment: u32) -> bool {
        self.segments.get(&segment).is_none_or(|held| held.pieces == 0)
    }

    /// The recordings, oldest first.
    pub(super) fn list(&self) -> Vec<RecordingId> {
        let mut found: Vec<_> = self.recordings.keys().copied().collect();
        found.sort();
        found
    }

    /// The pieces of a recording with their files, in order; none when there are no chunks of it.
    pub(super) fn pieces(&self, recording: RecordingId) -> Option<Vec<(Arc<Stored>, Piece)>> {
        let kept = self.recordings.get(&recording).filter(|kept| !kept.pieces.is_empty())?;
        Some(kept.pieces.iter().filter_map(|piece| self.with_file(piece)).collect())
    }

    /// Recordings that have a state, and where it is.
    pub(super) fn states(&self) -> Vec<(RecordingId, Arc<Stored>, Piece)> {
        let state = |(id, kept): (&RecordingId, &Kept)| {
            let (stored, piece) = self.with_file(kept.state?)?;
            Some((*id, stored, piece))
        };
        self.recordings.iter().filter_map(state).collect()
    }

    /// The state of a recording, if it has one, and where it is.
    pub(super) fn state(&self, recording: RecordingId) -> Option<(Arc<Stored>, Piece)> {
        self.with_file(self.recordings.get(&recording)?.state?)
    }

    fn with_file(&self, piece: Piece) -> Option<(Arc<Stored>, Piece)> {
        self.segments.get(&piece.segment).map(|held| (Arc::clone(&held.stored), piece))
    }

    /// Octets of chunks that somebody needs.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Segments, and octets of their files.
    pub(super) fn files(&self) -> (usize, u64) {
        (self.segments.len(), self.segments.values().map(|held| held.octets).sum())
    }
}
