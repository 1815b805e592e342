//! A hash of our own ids.
//!
//! Recording ids come from us: 74 of their bits are random, and no peer chooses any. So nobody can make tables of them
//! slow, and a hash that is safe against choice (SipHash, the default) would buy nothing for its price: a tenth of the
//! writer's time at full load. Never use it for anything that a peer can name.

use std::hash::{BuildHasher, Hasher};

/// Makes [`IdHasher`]s, for a `HashMap` by recording or track.
#[derive(Default, Clone, Copy)]
pub(super) struct IdHash;

/// One multiplication for each eight octets, both halves of the product folded.
pub(super) struct IdHasher(u64);

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(ODD)
    }
}

impl IdHasher {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(ODD);
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<8>();
        words.iter().for_each(|word| self.fold(u64::from_ne_bytes(*word)));
        rest.iter().for_each(|octet| self.fold(u64::from(*octet)));
    }

    fn write_u16(&mut self, number: u16) {
        self.fold(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The fraction of the golden ratio: odd, and its bits look like noise.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use model::{RecordingId, TrackId, TrackNo};

    use super::*;

    #[test]
    fn ids_that_differ_little_spread_over_small_tables_and_tags() {
        // The table takes the low bits for the place and the high seven to tell apart what shares it.
        let hashes: Vec<u64> = (0..10_000_u64)
            .map(|number| {
                let mut octets = [7; 16];
                octets[8..].copy_from_slice(&(number / 2).to_be_bytes());
                let no = TrackNo((number % 2) as u16);
                IdHash.hash_one(TrackId { recording: RecordingId::from_bytes(octets), no })
            })
            .collect();
        let places: HashSet<u64> = hashes.iter().map(|hash| hash % (1 << 14)).collect();
        // Thrown at random, 10,000 balls hit 7,480 of 16,384 places.
        assert!(places.len() > 7_000, "{} places", places.len());
        let mut tags = [0_u32; 128];
        hashes.iter().for_each(|hash| tags[(hash >> 57) as usize] += 1);
        assert!(tags.iter().all(|count| (30..=140).contains(count)), "{tags:?}");
    }
}
