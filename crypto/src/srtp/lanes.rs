//! HMAC-SHA1 of many short messages at once: each has a lane, and a vector holds the same word of every lane.
//!
//! ```text
//! message, word, padding -> blocks[block][lane]                          copied as it is added, transposed in the run
//! inner[word][lane] = compress over the blocks; lanes that are through stay as they are
//! outer[word][lane] = compress over inner, padded                        the tags
//! ```
//! Contract: add until [`Lanes::is_full`], [`Lanes::run`], read the tags, [`Lanes::clear`]. Nothing is allocated.
//!
//! Which vectors: four blocks (172 octets, as G.711 has) cost, measured on a processor with AVX-512 and without SHA
//! extensions, 2 cores, quiet to busy:
//! ```text
//!                                       a run         a message, lanes full
//! one by one, `sha1`                                  500-880 ns
//! AVX2, 8 lanes                         1.0-1.7 us    130-210 ns
//! AVX-512, 16 lanes                     0.77-1.0 us    48-63 ns
//! ```
//! With SHA extensions the processor hashes one message in the time that this takes for a few: there nothing is batched.

use zeroize::Zeroize;

use super::{
    auth::{AuthKey, BLOCK, Padded, octets},
    way::Way,
};
use crate::limits::FORETOLD_BLOCKS;

/// Messages of one run.
pub(super) const LANES: usize = 16;

/// One word of every message, aligned as the widest vector wants it.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Row(pub(super) [u32; LANES]);

/// A block of one message.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Block(pub(super) [u8; BLOCK]);

/// The messages, their keys and, after a run, their tags.
pub(super) struct Lanes {
    way: Way,
    filled: usize,
    table: Table,
}

/// What a run works on.
pub(super) struct Table {
    pub(super) inner: [Row; 5],
    pub(super) outer: [Row; 5],
    pub(super) blocks: [[Block; LANES]; FORETOLD_BLOCKS],
    /// Blocks of each message.
    pub(super) counts: Row,
    /// Blocks of the longest one.
    pub(super) longest: usize,
}

impl Lanes {
    /// `None` where one by one is faster.
    pub(super) fn new() -> Option<Self> {
        Way::best().map(Self::with)
    }

    fn with(way: Way) -> Self {
        let empty = Row([0; LANES]);
        let blocks = [[Block([0; BLOCK]); LANES]; FORETOLD_BLOCKS];
        let table = Table { inner: [empty; 5], outer: [empty; 5], blocks, counts: empty, longest: 0 };
        Self { way, filled: 0, table }
    }

    /// Messages added.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == LANES
    }

    /// Adds a message and the word behind it; its lane. `None` when the message is too long or there is no lane.
    pub(super) fn add(&mut self, key: &AuthKey, message: &[u8], word: u32) -> Option<usize> {
        let (whole, rest) = message.as_chunks::<BLOCK>();
        if self.is_full() || whole.len() + 2 > FORETOLD_BLOCKS {
            return None;
        }
        let (lane, table) = (self.filled, &mut self.table);
        let end = Padded::new(rest, &word.to_be_bytes(), message.len());
        let mut count = 0;
        for (block, lanes) in whole.iter().chain(end.blocks()).zip(&mut table.blocks) {
            lanes[lane].0 = *block;
            count += 1;
        }
        table.counts.0[lane] = count;
        table.longest = table.longest.max(count as usize);
        table.inner.iter_mut().zip(key.inner).for_each(|(row, word)| row.0[lane] = word);
        table.outer.iter_mut().zip(key.outer).for_each(|(row, word)| row.0[lane] = word);
        self.filled += 1;
        Some(lane)
    }

    /// Computes the tags; false, and there are none, when the messages are so few that one by one is faster.
    pub(super) fn run(&mut self) -> bool {
        let is_worth_it = self.filled >= self.way.least();
        if is_worth_it {
            self.way.run(&mut self.table, self.filled);
        }
        is_worth_it
    }

    /// The tag of a lane, after a run.
    pub(super) fn tag(&self, lane: usize) -> [u8; 20] {
        octets(&std::array::from_fn(|word| self.table.outer[word].0[lane]))
    }

    /// The inner state of the key of a lane, which says whose tag it is.
    pub(super) fn inner(&self, lane: usize) -> [u32; 5] {
        std::array::from_fn(|word| self.table.inner[word].0[lane])
    }

    /// Empty again, and the keys wiped.
    pub(super) fn clear(&mut self) {
        let table = &mut self.table;
        table.inner.iter_mut().chain(&mut table.outer).for_each(|row| row.0.zeroize());
        table.counts.0 = [0; LANES];
        (self.filled, table.longest) = (0, 0);
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use proptest::prelude::*;
    use sha1::Sha1;

    use super::*;

    /// Keys, messages and words behind them; the tags that `hmac` gives.
    fn tags(messages: &[(Vec<u8>, [u8; 20], u32)]) -> Vec<[u8; 20]> {
        let tag = |(message, key, word): &(Vec<u8>, [u8; 20], u32)| {
            let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
            mac.update(message);
            mac.update(&word.to_be_bytes());
            mac.finalize().into_bytes().into()
        };
        messages.iter().map(tag).collect()
    }

    /// The tags of one run, in each way this machine has; `None` for those that were not computed.
    fn runs(messages: &[(Vec<u8>, [u8; 20], u32)]) -> Vec<Vec<Option<[u8; 20]>>> {
        let run = |way: Way| {
            let mut lanes = Lanes::with(way);
            // Twice: what a run leaves behind must not show in the next one.
            let mut once = || {
                let added: Vec<_> =
                    messages.iter().map(|(message, key, word)| lanes.add(&AuthKey::new(key), message, *word)).collect();
                let ran = lanes.run();
                assert_eq!(ran, added.iter().flatten().count() >= way.least());
                let tags = added.into_iter().map(|lane| lane.filter(|_| ran).map(|lane| lanes.tag(lane))).collect();
                lanes.clear();
                tags
            };
            let first: Vec<_> = once();
            assert_eq!(once(), first);
            first
        };
        Way::all().into_iter().map(run).collect()
    }

    #[test]
    fn rfc_2202_hmac_sha1_in_every_lane() {
        let known = [
            (b"Hi There".to_vec(), [0x0b; 20], "b617318655057264e28bc0b6fb378c8ef146be00"),
            (vec![0xdd; 50], [0xaa; 20], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (b"Test With Truncation".to_vec(), [0x0c; 20], "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
        ];
        // The last four octets of the message take the place of the word.
        let message = |lane: usize| {
            let (message, key, _) = &known[lane % 3];
            let (message, word) = message.split_at(message.len() - 4);
            (message.to_vec(), *key, u32::from_be_bytes(word.try_into().unwrap()))
        };
        let messages: Vec<_> = (0..LANES).map(message).collect();
        for run in runs(&messages) {
            let tags: Vec<_> = run.iter().map(|tag| hex::encode(tag.unwrap())).collect();
            assert!(tags.iter().enumerate().all(|(lane, tag)| tag == known[lane % 3].2), "{tags:?}");
        }
    }

    #[test]
    fn every_length_of_three_hundred_beside_every_other() {
        let lengths: Vec<usize> = (0..300).collect();
        for first in 0..LANES {
            for group in lengths[first..].chunks(LANES) {
                // The shortest beside the longest: masks of every shape.
                let length = |(lane, length): (usize, &usize)| if lane % 2 == 0 { *length } else { 300 - *length };
                let message = |lane_length: (usize, &usize)| {
                    let (lane, length) = (lane_length.0, length(lane_length));
                    ((0..length).map(|at| (at ^ (lane * 31)) as u8).collect(), [lane as u8; 20], lane as u32)
                };
                let messages: Vec<_> = group.iter().enumerate().map(message).collect();
                let expected = tags(&messages);
                for run in runs(&messages) {
                    assert!(run.iter().zip(&expected).all(|(tag, expected)| tag.is_none_or(|tag| tag == *expected)));
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_or_too_many_takes_no_lane() {
        let Some(&way) = Way::all().first() else { return };
        let (mut lanes, key) = (Lanes::with(way), AuthKey::new(&[1; 20]));
        let longest = (FORETOLD_BLOCKS - 1) * BLOCK - 1;
        assert_eq!(lanes.add(&key, &vec![0; longest + 1], 0), None);
        for lane in 0..LANES {
            assert_eq!(lanes.add(&key, &vec![0; longest], 0), Some(lane));
        }
        assert!(lanes.is_full());
        assert_eq!(lanes.add(&key, &[], 0), None);
        assert!(lanes.run());
        assert_eq!(lanes.tag(15), key.tag(&vec![0; longest], &[0; 4]));
    }

    #[test]
    fn keys_are_wiped_with_every_clear() {
        let Some(&way) = Way::all().first() else { return };
        let mut lanes = Lanes::with(way);
        lanes.add(&AuthKey::new(&[1; 20]), b"message", 7);
        lanes.run();
        lanes.clear();
        assert!(lanes.table.inner.iter().chain(&lanes.table.outer).all(|row| row.0 == [0; LANES]));
    }

    proptest! {
        #[test]
        fn all_lanes_agree_with_hmac(
            messages in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..600), any::<[u8; 20]>(), any::<u32>()),
                1..=LANES,
            ),
        ) {
            let expected = tags(&messages);
            for run in runs(&messages) {
                for (tag, expected) in run.iter().zip(&expected) {
                    prop_assert!(tag.is_none_or(|tag| tag == *expected));
                }
            }
        }
    }
}
