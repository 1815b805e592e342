//! Speech-like test sound: voiced syllables with formants, hissing consonants, pauses; the same for the same seed.
//!
//! It is no speech, but it has what a recorder must keep: loud and quiet, silence, and no two places alike, so that a
//! single shifted, lost or swapped sample is found.

use std::f32::consts::TAU;

use crate::codec::Law;

/// `seconds` of test sound at 8 kHz in the given law. Different seeds sound different.
pub fn synth(seed: u64, seconds: u32, law: Law) -> Vec<u8> {
    samples(seed, seconds as usize * RATE).into_iter().map(|sample| law.encode(sample)).collect()
}

/// `count` linear samples of test sound at 8 kHz.
pub fn samples(seed: u64, count: usize) -> Vec<i16> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed_50d5_0f5e_ec11);
    let pitch = 95.0 + dice.unit() * 130.0;
    let mut out = Vec::with_capacity(count + RATE);
    while out.len() < count {
        for _ in 0..3 + dice.below(5) {
            consonant(&mut dice, &mut out);
            vowel(&mut dice, pitch, &mut out);
        }
        let pause = RATE / 10 + dice.below(RATE / 2);
        hiss(&mut dice, pause, 12.0, &mut out);
    }
    out.truncate(count);
    out
}

/// A glottal pulse train through three resonances.
fn vowel(dice: &mut Dice, pitch: f32, out: &mut Vec<i16>) {
    let formants = VOWELS[dice.below(VOWELS.len())];
    let mut resonators = formants.map(|hertz| Resonator::new(hertz * (0.92 + 0.16 * dice.unit())));
    let length = RATE / 12 + dice.below(RATE / 6);
    let (loudness, glide) = (2_000.0 + 7_000.0 * dice.unit(), 0.9 + 0.2 * dice.unit());
    let mut phase = 0.0;
    for n in 0..length {
        let at = n as f32 / length as f32;
        phase += pitch * (1.0 + (glide - 1.0) * at) / RATE as f32;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.02 * (dice.unit() - 0.5) };
        phase -= phase.floor();
        let voice: f32 = resonators.iter_mut().map(|resonator| resonator.step(pulse)).sum();
        let envelope = (at * TAU / 2.0).sin();
        out.push((voice * loudness * envelope).clamp(-30_000.0, 30_000.0) as i16);
    }
}

fn consonant(dice: &mut Dice, out: &mut Vec<i16>) {
    let length = RATE / 50 + dice.below(RATE / 25);
    let loudness = 200.0 + 1_500.0 * dice.unit();
    hiss(dice, length, loudness, out);
}

fn hiss(dice: &mut Dice, length: usize, loudness: f32, out: &mut Vec<i16>) {
    out.extend((0..length).map(|_| ((dice.unit() - 0.5) * 2.0 * loudness) as i16));
}

/// A two-pole resonance, 90 Hz wide.
struct Resonator {
    feedback: [f32; 2],
    memory: [f32; 2],
}

impl Resonator {
    fn new(hertz: f32) -> Self {
        let radius = (-TAU / 2.0 * 90.0 / RATE as f32).exp();
        let turn = (TAU * hertz.min(3_600.0) / RATE as f32).cos();
        Self { feedback: [2.0 * radius * turn, -radius * radius], memory: [0.0; 2] }
    }

    fn step(&mut self, input: f32) -> f32 {
        let output = input + self.feedback[0] * self.memory[0] + self.feedback[1] * self.memory[1];
        self.memory = [output, self.memory[0]];
        output
    }
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// 0 to 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }
}

const RATE: usize = 8_000;
/// First three formants of a few vowels, in Hz.
const VOWELS: [[f32; 3]; 6] = [
    [730.0, 1_090.0, 2_440.0],
    [270.0, 2_290.0, 3_010.0],
    [300.0, 870.0, 2_240.0],
    [530.0, 1_840.0, 2_480.0],
    [570.0, 840.0, 2_410.0],
    [490.0, 1_350.0, 1_690.0],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_sounds_the_same_and_another_one_different() {
        assert_eq!(synth(7, 3, Law::Mu), synth(7, 3, Law::Mu));
        assert_ne!(synth(7, 3, Law::Mu), synth(8, 3, Law::Mu));
        assert_eq!(synth(7, 3, Law::A).len(), 24_000);
        assert_eq!(samples(7, 24_000)[..8_000], samples(7, 8_000));
    }

    #[test]
    fn it_is_loud_and_quiet_and_never_repeats() {
        for seed in 0..20 {
            let sound = samples(seed, 80_000);
            let levels: Vec<u16> =
                sound.chunks(800).map(|span| span.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)).collect();
            assert!(levels.iter().any(|&level| level > 4_000), "seed {seed}: {:?}", levels.iter().max());
            assert!(levels.iter().any(|&level| level < 64), "seed {seed}");
            let mut spans: Vec<&[i16]> = sound.chunks(160).collect();
            spans.sort_unstable();
            assert!(spans.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}");
        }
    }
}
