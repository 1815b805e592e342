//! The pieces of one recording in the order of writing, packed: a live call has seven new ones a second, and thousands of
//! live calls must not need room for as many again.
//!
//! ```text
//! piece   = place | length | sum, 2, if length says so
//! place   = by how much the gap before it is longer than the gap before the last one, times two         in the same segment
//!         | octets since the beginning of the segment, times two and one | segment
//! length  = by how many octets it is longer than the last but one, times two, and one with a sum
//! ```
//! Every number is a varint: seven bits an octet, the lowest first; the highest bit says that more follow. A difference is
//! doubled first, and less one if it is negative. All calls write in turn, and turns take seven packets or eight, so that
//! both differences are small: 4.2 octets a piece of 5,000 calls, where a [`Piece`] has sixteen. The sum is kept only of
//! what is not known to be durable: of a few pieces, which are not packed yet, and of those that a failed sync leaves in
//! doubt. In blocks of one size: a list that grows as a whole has a quarter of slack, and leaves its former places behind
//! in the heap.

use super::Piece;

/// The pieces, packed but for the newest.
#[derive(Default)]
pub(super) struct Pieces {
    /// Each block is full but for less than a piece, except the last one.
    #[expect(clippy::vec_box, reason = "a list of the blocks themselves would be moved, and have slack, as a whole")]
    blocks: Vec<Box<Block>>,
    /// What the next one packed is told from.
    before: Before,
    /// Not packed yet.
    fresh: Vec<Piece>,
}

/// Whole packed pieces.
struct Block {
    filled: u8,
    octets: [u8; BLOCK],
}

/// What a packed piece is told from.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    segment: u32,
    /// Where the last one ended.
    end: u32,
    /// What was between it and the one before.
    gap: u32,
    /// Octets of the last but one, and of the last one.
    octets: [u32; 2],
}

impl Before {
    fn gap_before(&self, piece: &Piece) -> u32 {
        piece.at.wrapping_sub(self.end)
    }

    fn pass(&mut self, piece: &Piece) {
        if piece.segment == self.segment {
            self.gap = self.gap_before(piece);
        }
        self.segment = piece.segment;
        self.end = piece.at.wrapping_add(piece.octets);
        self.octets = [self.octets[1], piece.octets];
    }
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.fresh.is_empty()
    }

    /// Takes a piece in behind all others; `is_durable` tells of which the sum is not needed any more.
    pub(super) fn push(&mut self, piece: Piece, is_durable: impl Fn(&Piece) -> bool) {
        if self.fresh.len() == FRESH {
            for piece in std::mem::replace(&mut self.fresh, Vec::with_capacity(FRESH)) {
                let sum = piece.sum.filter(|_| !is_durable(&piece));
                self.pack(&Piece { sum, ..piece });
            }
        }
        self.fresh.reserve_exact(FRESH - self.fresh.len());
        self.fresh.push(piece);
    }

    fn pack(&mut self, piece: &Piece) {
        let mut packed = Packed::default();
        if piece.segment == self.before.segment && !self.blocks.is_empty() {
            packed.number(difference(self.before.gap_before(piece), self.before.gap) << 1);
        } else {
            packed.number(u64::from(piece.at) << 1 | 1);
            packed.number(u64::from(piece.segment));
        }
        packed.number(difference(piece.octets, self.before.octets[0]) << 1 | u64::from(piece.sum.is_some()));
        piece.sum.into_iter().for_each(|sum| packed.put(&sum.to_le_bytes()));
        self.append(packed.octets());
        self.before.pass(piece);
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

    pub(super) fn iter(&self) -> impl Iterator<Item = Piece> {
        let packed = Unpacked { rest: &[], blocks: &self.blocks, before: Before::default() };
        packed.chain(self.fresh.iter().copied())
    }

    /// Puts `piece`, or nothing, in the place of `run`, where that stands; whether it did.
    pub(super) fn replace(&mut self, run: &[Piece], piece: Option<Piece>, is_durable: impl Fn(&Piece) -> bool) -> bool {
        let mut pieces: Vec<Piece> = self.iter().collect();
        let Some(from) = run.first().and_then(|first| pieces.iter().position(|found| found.is_same(first))) else {
            return false;
        };
        let is_run = |found: &[Piece]| found.iter().zip(run).all(|(found, piece)| found.is_same(piece));
        let range = from..from + run.len();
        if !pieces.get(range.clone()).is_some_and(is_run) {
            return false;
        }
        pieces.splice(range, piece);
        *self = Self::default();
        pieces.into_iter().for_each(|piece| self.push(piece, &is_durable));
        true
    }
}

/// How much longer one is than the other, as a number that is small for both signs.
fn difference(one: u32, other: u32) -> u64 {
    let by = one.wrapping_sub(other) as i32;
    u64::from((by << 1 ^ by >> 31) as u32)
}

/// The number of which that is the difference to `other`.
fn by_difference(difference: u64, other: u32) -> u32 {
    let folded = difference as u32;
    other.wrapping_add(folded >> 1 ^ (folded & 1).wrapping_neg())
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

/// The packed pieces one after the other.
struct Unpacked<'p> {
    /// Of the block that is being read, and those behind it.
    rest: &'p [u8],
    blocks: &'p [Box<Block>],
    before: Before,
}

impl Iterator for Unpacked<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.rest.is_empty() {
            let (block, behind) = self.blocks.split_first()?;
            (self.rest, self.blocks) = (&block.octets[..usize::from(block.filled)], behind);
        }
        let Before { segment, end, gap, octets } = self.before;
        let place = self.number()?;
        let (segment, at) = match place & 1 {
            0 => (segment, end.wrapping_add(by_difference(place >> 1, gap))),
            _ => (self.number()? as u32, (place >> 1) as u32),
        };
        let length = self.number()?;
        let sum = if length & 1 == 1 { Some(self.sum()?) } else { None };
        let piece = Piece { segment, at, octets: by_difference(length >> 1, octets[0]), sum };
        self.before.pass(&piece);
        Some(piece)
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

    fn sum(&mut self) -> Option<u16> {
        let (sum, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u16::from_le_bytes(*sum))
    }
}

/// Pieces that are not packed yet: more than come until they are durable.
const FRESH: usize = 8;
/// Octets of the longest packed piece: three numbers of five octets at most, and its sum.
const LONGEST: usize = 17;
/// Octets of pieces in a block, which is 256 octets of the heap.
const BLOCK: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(segment: u32, at: u32, octets: u32) -> Piece {
        Piece { segment, at, octets, sum: Some((at ^ octets) as u16) }
    }

    fn packed(all: &[Piece], is_durable: impl Fn(&Piece) -> bool) -> Pieces {
        let mut pieces = Pieces::default();
        all.iter().for_each(|piece| pieces.push(*piece, &is_durable));
        pieces
    }

    /// Places and lengths; of those in doubt, the sum as well.
    fn assert_is(pieces: &Pieces, all: &[Piece], is_durable: impl Fn(&Piece) -> bool) {
        let found: Vec<Piece> = pieces.iter().collect();
        assert_eq!(found.len(), all.len());
        for (found, piece) in found.iter().zip(all) {
            assert!(found.is_same(piece), "{found:?} {piece:?}");
            assert!(found.sum == piece.sum || found.sum.is_none() && is_durable(piece), "{found:?} {piece:?}");
        }
    }

    #[test]
    fn a_minute_of_a_call_takes_five_octets_a_piece() {
        let mut dice = 1_u32;
        let mut at = 4_096_u64;
        let all: Vec<Piece> = (0..400)
            .map(|number| {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                at += 14_280_000 + u64::from(dice % 30_000);
                piece((at >> 28) as u32, at as u32 & 0xfff_ffff, if number % 2 == 0 { 3_712 } else { 1_932 })
            })
            .collect();
        let pieces = packed(&all, |_| true);
        let octets = pieces.blocks.len() * size_of::<Block>() + pieces.blocks.capacity() * size_of::<usize>();
        assert!(octets + FRESH * size_of::<Piece>() <= 400 * 5 + 400, "{octets}");
        assert_is(&pieces, &all, |_| true);
    }

    #[test]
    fn what_is_in_doubt_keeps_its_sum() {
        let all: Vec<Piece> = (0..100).map(|number| piece(number / 50, number * 5_000, 1_900)).collect();
        let pieces = packed(&all, |piece| piece.segment == 1);
        let sums = pieces.iter().map(|piece| piece.sum.is_some());
        assert_eq!(sums.collect::<Vec<_>>(), (0..100).map(|number| !(50..96).contains(&number)).collect::<Vec<_>>());
    }

    #[test]
    fn a_run_becomes_one_piece_where_it_stands_and_nothing_else_changes() {
        let all = [piece(1, 0, 10), piece(1, 50, 10), piece(2, 4_096, 7), piece(2, 9_000, 1)];
        let long: Vec<Piece> = all.into_iter().chain((0..40).map(|number| piece(3, number * 99, 9))).collect();
        for is_durable in [true, false] {
            let durable = |_: &Piece| is_durable;
            for all in [&all[..], &long[..]] {
                let mut moved = packed(all, durable);
                let one = piece(9, 4_096, 20);
                assert!(moved.replace(&all[..2], Some(one), durable));
                assert_is(&moved, &[&[one], &all[2..]].concat(), durable);
                assert!(moved.replace(&all[2..], None, durable));
                assert_is(&moved, &[one], durable);
                let mut freed = packed(all, durable);
                assert!(!freed.replace(&[all[1], all[3]], None, durable), "they do not follow each other");
                assert!(!freed.replace(&[piece(9, 9, 9)], None, durable));
                assert_is(&freed, all, durable);
            }
        }
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
            let mut all = Vec::new();
            for _ in 0..count {
                let bits = 1 + roll(5);
                let sum = Some(roll(16) as u16);
                all.push(Piece { segment: roll(bits.min(2)), at: roll(bits), octets: roll(bits), sum });
            }
            all.push(Piece { segment: u32::MAX, at: u32::MAX, octets: u32::MAX, sum: Some(u16::MAX) });
            let is_durable = |piece: &Piece| piece.octets.is_multiple_of(3);
            assert_is(&packed(&all, is_durable), &all, is_durable);
        }
        assert!(Pieces::default().is_empty() && Pieces::default().iter().next().is_none());
    }
}
