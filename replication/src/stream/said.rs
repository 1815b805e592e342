//! Digits that somebody presses in the middle of a call: as telephone-event (RFC 4733), or as the tones that a phone makes.

use std::{f64::consts::TAU, sync::Arc, time::Duration};

use super::schedule::{Digits, EventStep};
use crate::{call::spec::Law, tape::OCTETS_PER_MS};

/// What takes the place of the sound of a line.
#[derive(Debug, Clone, Default)]
pub struct Said {
    digits: Digits,
    /// G.711 of one digit after the other; empty when they go as events.
    tones: Arc<[Vec<u8>]>,
}

/// What stands in the place of one packet of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// A packet of telephone-event.
    Event(EventStep),
    /// These octets of G.711.
    Sound(Vec<u8>),
}

/// Frequencies of the rows and columns of the keypad (ITU-T Q.23), in hertz.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// The keypad, by event code.
const KEYS: [(usize, usize); 16] = [
    (3, 1),
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (2, 0),
    (2, 1),
    (2, 2),
    (3, 0),
    (3, 2),
    (0, 3),
    (1, 3),
    (2, 3),
    (3, 3),
];

impl Said {
    /// Telephone-events.
    pub fn events(digits: Digits) -> Self {
        Self { digits, tones: Arc::default() }
    }

    /// Tones in the sound.
    pub fn tones(digits: Digits, law: Law, ptime: Duration) -> Self {
        let tones = digits.events().iter().map(|event| tone(*event, digits.length(), law, ptime)).collect();
        Self { digits, tones }
    }

    /// What stands in the place of packet `index`, if not its sound.
    pub fn instead(&self, index: u64) -> Option<Instead> {
        let step = self.digits.step(index)?;
        let Some(tone) = self.tones.get(step.number) else { return Some(Instead::Event(step)) };
        let octets = tone.len() / self.digits.length() as usize;
        let from = (step.packets as usize - 1) * octets;
        Some(Instead::Sound(tone[from..from + octets].to_vec()))
    }
}

fn tone(event: u8, packets: u64, law: Law, ptime: Duration) -> Vec<u8> {
    let (row, column) = KEYS[usize::from(event & 0x0f)];
    let sample = |number: u64| {
        let wave = |hertz: f64| (TAU * hertz * number as f64 / (OCTETS_PER_MS * 1_000) as f64).sin();
        law.codec().encode(((wave(ROWS[row]) + wave(COLUMNS[column])) * 8_000.0) as i16)
    };
    (0..packets * ptime.as_millis() as u64 * OCTETS_PER_MS).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTIME: Duration = Duration::from_millis(20);

    /// How strongly a frequency is in it (Goertzel).
    fn power(octets: &[u8], hertz: f64) -> f64 {
        let factor = 2.0 * (TAU * hertz / 8_000.0).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for octet in octets {
            (one, two) = (f64::from(Law::Pcmu.codec().decode(*octet)) + factor * one - two, one);
        }
        one * one + two * two - factor * one * two
    }

    #[test]
    fn a_tone_has_the_two_frequencies_of_its_key_and_no_other() {
        let said = Said::tones(Digits::new("6", 3, PTIME).unwrap(), Law::Pcmu, PTIME);
        assert_eq!(said.instead(2), None);
        let sound: Vec<u8> = (3..8)
            .flat_map(|index| match said.instead(index) {
                Some(Instead::Sound(octets)) => octets,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((sound.len(), said.instead(8)), (800, None));
        let loud: Vec<f64> = ROWS
            .into_iter()
            .chain(COLUMNS)
            .filter(|hertz| power(&sound, *hertz) > power(&sound, 770.0) / 4.0)
            .collect();
        assert_eq!(loud, [770.0, 1477.0]);
    }

    #[test]
    fn events_are_events() {
        let said = Said::events(Digits::new("12", 0, PTIME).unwrap());
        assert!(matches!(said.instead(8), Some(Instead::Event(EventStep { event: 2, number: 1, .. }))));
        assert_eq!(Said::default().instead(0), None);
    }
}
