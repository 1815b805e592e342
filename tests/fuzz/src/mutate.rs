//! Seeded mutation: the same seed gives the same inputs on every machine.

use crate::{Target, limits};

/// A generator of pseudo-random numbers (SplitMix64): not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Begins a series.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % (bound.max(1) as u64)) as usize
    }

    /// Fills with noise.
    pub fn fill(&mut self, out: &mut [u8]) {
        for eight in out.chunks_mut(8) {
            eight.copy_from_slice(&self.roll().to_le_bytes()[..eight.len()]);
        }
    }
}

/// Draws mutated inputs of one target.
pub struct Mutator {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    words: &'static [&'static str],
    seed: u64,
}

/// Octets and numbers at which parsers change their mind.
const EDGES: &[u8] = &[0, 1, 9, 10, 13, 32, 34, 45, 58, 59, 60, 61, 62, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
const NUMBERS: &[&str] =
    &["0", "-1", "1", "65535", "65536", "4294967295", "4294967296", "18446744073709551616", "00000", "1e9", "0x10"];

impl Mutator {
    /// For `target`; `seed` names the run.
    pub fn new(target: &Target, seed: u64) -> Self {
        let seeds = (target.seeds)().into_iter();
        let (mut small, mut large): (Vec<_>, Vec<_>) = seeds.partition(|seed| seed.len() <= limits::SMALL_SEED_OCTETS);
        if small.is_empty() {
            std::mem::swap(&mut small, &mut large);
        }
        Self { small, large, words: target.words, seed }
    }

    /// Input `number` of the run, into `out`.
    pub fn draw(&self, number: u64, out: &mut Vec<u8>) {
        let mut dice =
            Dice::new(self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        out.clear();
        out.extend_from_slice(self.seed_of(&mut dice));
        // Few changes reach deep, many shake.
        let changes = 1 + dice.below(4) * dice.below(3);
        for _ in 0..changes {
            self.change(&mut dice, out);
        }
        out.truncate(limits::INPUT_OCTETS);
    }

    fn seed_of(&self, dice: &mut Dice) -> &[u8] {
        let is_large = !self.large.is_empty() && dice.below(100) == 0;
        let seeds = if is_large { &self.large } else { &self.small };
        seeds.get(dice.below(seeds.len())).map_or(&[], Vec::as_slice)
    }

    fn change(&self, dice: &mut Dice, out: &mut Vec<u8>) {
        let at = dice.below(out.len() + 1);
        let magnitude = dice.below(9);
        let length = 1 + dice.below(1 << magnitude);
        let until = (at + length).min(out.len());
        match dice.below(11) {
            0 | 1 => flip(dice, out, at),
            2 => set(out, at, EDGES[dice.below(EDGES.len())]),
            3 => out.truncate(at),
            4 => drop(out.drain(at..until)),
            5 => out.extend_from_within(at..until),
            6 => {
                let piece = out[at..until].to_vec();
                insert(out, dice.below(at + 1), &piece);
            }
            7 => insert(out, at, &noise(dice, length.min(64))),
            8 if !self.words.is_empty() => insert(out, at, self.words[dice.below(self.words.len())].as_bytes()),
            9 => number(dice, out, at),
            _ => {
                let other = self.seed_of(dice);
                let from = dice.below(other.len() + 1);
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
        }
    }
}

fn flip(dice: &mut Dice, out: &mut [u8], at: usize) {
    let bit = dice.below(8);
    if let Some(octet) = out.get_mut(at) {
        *octet ^= 1 << bit;
    }
}

fn set(out: &mut [u8], at: usize, value: u8) {
    if let Some(octet) = out.get_mut(at) {
        *octet = value;
    }
}

fn insert(out: &mut Vec<u8>, at: usize, piece: &[u8]) {
    out.splice(at..at, piece.iter().copied());
}

fn noise(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    dice.fill(&mut octets);
    octets
}

/// Puts another number in the place of the digits behind `at`, or of four octets when there are none.
fn number(dice: &mut Dice, out: &mut Vec<u8>, at: usize) {
    let digits = out[at..].iter().position(u8::is_ascii_digit).filter(|ahead| *ahead < 64);
    let Some(from) = digits.map(|ahead| at + ahead) else {
        let value = [0_u32, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX][dice.below(5)].to_be_bytes();
        let room = out.len().saturating_sub(at).min(4);
        return out[at..at + room].copy_from_slice(&value[..room]);
    };
    let length = out[from..].iter().take_while(|octet| octet.is_ascii_digit()).count();
    let number = NUMBERS[dice.below(NUMBERS.len())];
    out.splice(from..from + length, number.bytes());
}
