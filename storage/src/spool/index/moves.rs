//! Which segments are worth rewriting, what is still needed in them, and the change of the index when that was done.

use std::sync::Arc;

use model::RecordingId;
use storage_core::spoolfile::Segment;

use super::{Held, Index, Piece, Stored, is_durable};
use crate::limits::{SPOOL_MOVE_AT_ONCE, SPOOL_SLACK_OCTETS};

/// Pieces of one recording that follow each other, and become one.
pub(in crate::spool) struct Group {
    pub(in crate::spool) recording: RecordingId,
    pub(in crate::spool) pieces: Vec<Piece>,
    pub(in crate::spool) is_state: bool,
}

/// Segments that follow each other, and become one.
pub(in crate::spool) struct Plan {
    pub(in crate::spool) from: Vec<(u32, Arc<Stored>)>,
    pub(in crate::spool) to: Segment,
    pub(in crate::spool) groups: Vec<Group>,
}

impl Index {
    /// The next move, if there is one worth it. `fine` is how many octets may stand in segments as they were written.
    pub(in crate::spool) fn plan(&self, fine: u64) -> Option<Plan> {
        let mut segments: Vec<_> = self.segments.iter().collect();
        segments.sort_by_key(|(_, held)| held.stored.segment);
        // The last one of this life is being written.
        let active =
            segments.iter().rev().find(|(_, held)| held.stored.segment.generation == 0).map(|(handle, _)| **handle);
        // What nobody needs is removed as it is.
        segments.retain(|(handle, held)| Some(**handle) != active && held.pieces > 0);
        let is_fine = |held: &Held| held.stored.segment.generation == 0;
        let octets: u64 = segments.iter().filter(|(_, held)| is_fine(held)).map(|(_, held)| held.octets).sum();
        let from: Vec<_> = if octets > fine {
            let first = segments.iter().position(|(_, held)| is_fine(held))?;
            segments[first..].iter().take_while(|(_, held)| is_fine(held)).take(SPOOL_MOVE_AT_ONCE).copied().collect()
        } else {
            let all: u64 = segments.iter().map(|(_, held)| held.octets).sum();
            let live: u64 = segments.iter().map(|(_, held)| held.live).sum();
            if all <= 2 * live + SPOOL_SLACK_OCTETS {
                return None;
            }
            segments.into_iter().max_by_key(|(_, held)| held.octets.saturating_sub(held.live)).into_iter().collect()
        };
        let from: Vec<(u32, Arc<Stored>)> =
            from.into_iter().map(|(handle, held)| (*handle, Arc::clone(&held.stored))).collect();
        let (first, last) = (from.first()?.1.segment, from.last()?.1.segment);
        let generation = from.iter().map(|(_, stored)| stored.segment.generation).max()? + 1;
        let groups = self.groups(&from);
        Some(Plan { from, to: Segment { rank: first.rank, last: last.last, generation }, groups })
    }

    fn groups(&self, from: &[(u32, Arc<Stored>)]) -> Vec<Group> {
        let is_from = |piece: &Piece| from.iter().any(|(handle, _)| *handle == piece.segment);
        let mut groups = Vec::new();
        for (recording, kept) in &self.recordings {
            let pieces: Vec<Piece> = kept.pieces.iter().collect();
            for pieces in pieces.chunk_by(|one, next| is_from(one) == is_from(next)) {
                if is_from(&pieces[0]) {
                    groups.push(Group { recording: *recording, pieces: pieces.to_vec(), is_state: false });
                }
            }
            if let Some(state) = kept.state.filter(is_from) {
                groups.push(Group { recording: *recording, pieces: vec![state], is_state: true });
            }
        }
        groups.sort_by_key(|group| group.recording);
        groups
    }

    /// Takes the new segment in, and puts each moved group in the place of its pieces. What was freed meanwhile is not
    /// there any more, and a newer state stays.
    pub(in crate::spool) fn moved(&mut self, stored: Arc<Stored>, octets: u64, moved: Vec<(Group, Option<Piece>)>) {
        let handle = self.begin(stored);
        self.grew(handle, octets);
        for (group, piece) in moved {
            let piece = piece.map(|piece| Piece { segment: handle, ..piece });
            let Some(kept) = self.recordings.get_mut(&group.recording) else { continue };
            let is_there = if group.is_state {
                let is_same = kept.state.zip(group.pieces.first()).is_some_and(|(state, piece)| state.is_same(piece));
                if is_same {
                    kept.state = piece;
                }
                is_same
            } else {
                kept.pieces.replace(&group.pieces, piece, is_durable(&self.segments))
            };
            if is_there {
                let before: u64 = group.pieces.iter().map(|piece| u64::from(piece.octets)).sum();
                let after = piece.map_or(0, |piece| u64::from(piece.octets));
                if !group.is_state {
                    self.octets = self.octets - before + after;
                }
                group.pieces.iter().for_each(|piece| self.discount(*piece));
                piece.into_iter().for_each(|piece| self.count(piece));
            }
        }
    }
}
