//! The pieces of one recording in the order of writing, packed: a live call has seven new ones a second, and thousands of
//! live calls must not need room for as many again.
//!
//! ```text
//! piece   = place | octets, varint | sum, 2
//! place   = octets since the end of the piece before, times two, varint           in the same segment
//!         | octets since the beginning of the segment, times two and one, varint | segment, varint
//! varint  = seven bits an octet, the lowest first; the highest bit says that more follow
//! ```
//! Seven or eight octets where a [`Piece`] has sixteen, in blocks of one size: a list that grows as a whole has a quarter
//! of slack, and leaves its former places behind in the heap (5.8 kB a call after a minute, where this is 3.5).

use super::Piece;

/// Packed pieces.
#[derive(Default)]
pub(super) struct Pieces {
    /// Each block is full but for less than a piece, except the last one.
    #[expect(clippy::vec_box, reason = "a list of the blocks themselves would be moved, and have slack, as a whole")]
    blocks: Vec<Box<Block>>,
    /// Where the last one ends; what the next one counts from.
    end: Place,
}

/// Whole packed pieces.
struct Block {
    filled: u8,
    octets: [u8; BLOCK],
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    segment: u32,
    at: u32,
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn push(&mut self, piece: Piece) {
        let mut packed = Packed::default();
        if self.is_empty() || piece.segment != self.end.segment {
            packed.number(u64::from(piece.at) << 1 | 1);
            packed.number(u64::from(piece.segment));
        } else {
            packed.number(u64::from(piece.at.wrapping_sub(self.end.at)) << 1);
        }
        packed.number(u64::from(piece.octets));
        packed.put(&piece.sum.to_le_bytes());
        self.append(packed.octets());
        self.end = Place { segment: piece.segment, at: piece.at.wrapping_add(piece.octets) };
    }

    fn append(&mut self, octets: &[u8]) {
        if self.blocks.last().is_none_or(|block| BLOCK - usize::from(block.filled) < octets.len()) {
            self.blocks.push(Box::new(Block { filled: 0, octets: [0; BLOCK] }));
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let from = usize::from(block.filled);
        block.octets[from..from + octets.len()].copy_from_slice(octets);
        block.filled += octets.len() as u8;
    }

    pub(super) fn iter(&self) -> Unpacked<'_> {
        Unpacked { rest: &[], blocks: &self.blocks, end: Place::default() }
    }

    /// Puts `piece`, or nothing, in the place of `run`, where that stands; whether it did.
    pub(super) fn replace(&mut self, run: &[Piece], piece: Option<Piece>) -> bool {
        let mut pieces: Vec<Piece> = self.iter().collect();
        let first = pieces.iter().position(|found| Some(found) == run.first());
        let range = first.map(|first| first..first + run.len());
        let Some(range) = range.filter(|range| pieces.get(range.clone()) == Some(run)) else { return false };
        pieces.splice(range, piece);
        *self = Self::default();
        pieces.into_iter().for_each(|piece| self.push(piece));
        true
    }
}

/// One piece, packed.
#[derive(Default)]
struct Packed {
    octets: [u8; LONGEST],
    filled: usize,
}

impl Packed {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.put(&[number as u8]);
    }

    fn put(&mut self, octets: &[u8]) {
        self.octets[self.filled..self.filled + octets.len()].copy_from_slice(octets);
        self.filled += octets.len();
    }

    fn octets(&self) -> &[u8] {
        &self.octets[..self.filled]
    }
}

/// The pieces one after the other.
pub(super) struct Unpacked<'p> {
    /// Of the block that is being read, and those behind it.
    rest: &'p [u8],
    blocks: &'p [Box<Block>],
    end: Place,
}

impl Iterator for Unpacked<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.rest.is_empty() {
            let (block, behind) = self.blocks.split_first()?;
            (self.rest, self.blocks) = (&block.octets[..usize::from(block.filled)], behind);
        }
        let place = self.number()?;
        let offset = (place >> 1) as u32;
        let (segment, at) = match place & 1 {
            0 => (self.end.segment, self.end.at.wrapping_add(offset)),
            _ => (self.number()? as u32, offset),
        };
        let octets = self.number()? as u32;
        let (sum, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        self.end = Place { segment, at: at.wrapping_add(octets) };
        Some(Piece { segment, at, octets, sum: u16::from_le_bytes(*sum) })
    }
}

impl Unpacked<'_> {
    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (octet, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

/// Octets of the longest packed piece: three numbers of five octets at most, and its sum.
const LONGEST: usize = 17;
/// Octets of pieces in a block, which is 256 octets of the heap.
const BLOCK: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(segment: u32, at: u32, octets: u32) -> Piece {
        Piece { segment, at, octets, sum: (at ^ octets) as u16 }
    }

    #[test]
    fn a_minute_of_a_call_takes_nine_octets_a_piece() {
        let mut pieces = Pieces::default();
        (0..600).for_each(|number| pieces.push(piece(7, 4_096 + number * 2_200_000, 2_060)));
        let octets = pieces.blocks.len() * size_of::<Block>() + pieces.blocks.capacity() * size_of::<usize>();
        assert!(octets <= 600 * 9, "{octets}");
        assert_eq!(pieces.iter().count(), 600);
    }

    #[test]
    fn a_run_becomes_one_piece_where_it_stands_and_nothing_else_changes() {
        let all = [piece(1, 0, 10), piece(1, 50, 10), piece(2, 4_096, 7), piece(2, 9_000, 1)];
        let packed = || {
            let mut pieces = Pieces::default();
            all.into_iter().for_each(|piece| pieces.push(piece));
            pieces
        };
        let mut moved = packed();
        assert!(moved.replace(&all[..2], Some(piece(3, 4_096, 20))));
        assert_eq!(moved.iter().collect::<Vec<_>>(), [piece(3, 4_096, 20), all[2], all[3]]);
        assert!(moved.replace(&all[2..], None));
        assert_eq!(moved.iter().collect::<Vec<_>>(), [piece(3, 4_096, 20)]);
        let mut freed = packed();
        assert!(!freed.replace(&[all[1], all[3]], None), "they do not follow each other");
        assert!(!freed.replace(&[piece(9, 9, 9)], None));
        assert_eq!(freed.iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn whatever_goes_in_comes_out() {
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut roll = |bits: u32| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice as u32) >> (32 - bits)
        };
        for count in 0..200 {
            let (mut pieces, mut all) = (Pieces::default(), Vec::new());
            for _ in 0..count {
                let bits = 1 + roll(5);
                all.push(Piece {
                    segment: roll(bits.min(2)),
                    at: roll(bits),
                    octets: roll(bits),
                    sum: roll(16) as u16,
                });
            }
            all.push(Piece { segment: u32::MAX, at: u32::MAX, octets: u32::MAX, sum: u16::MAX });
            all.iter().for_each(|piece| pieces.push(*piece));
            assert_eq!(pieces.iter().collect::<Vec<_>>(), all);
        }
        assert!(Pieces::default().is_empty() && Pieces::default().iter().next().is_none());
    }
}
