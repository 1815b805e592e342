//! One side of the call: the packets the replicator would send, and when they leave by a clock that is not ours.

use std::time::Instant;

use super::{
    dice::Dice,
    marks::{MARK_OCTETS, SAMPLE_NANOS, mark},
};
use crate::{
    call::{Audio, Law},
    stream::{
        packets::{Beginning, Packetiser},
        schedule::{Digits, Schedule},
    },
    tape::Tape,
};

/// How a side talks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) law: Law,
    /// Length of a packet, in ms.
    pub(super) ptime_ms: u64,
    /// Length of the call, in ms of the side's clock.
    pub(super) length_ms: u64,
    /// When it begins, in ms.
    pub(super) begins_ms: u64,
    /// How much slower its clock is than ours, in parts per million; negative when it is faster.
    pub(super) skew_ppm: i64,
    /// Silence is left out, comfort noise (RFC 3389) at its beginning and every second of it.
    pub(super) dtx: bool,
    /// How often it begins anew under another SSRC, at most.
    pub(super) ssrc_changes: u32,
    /// Digits are pressed 5 s after the beginning (RFC 4733).
    pub(super) digits: bool,
    /// Packets of sound from one mark to the next.
    pub(super) mark_every: u64,
}

/// A packet on its way.
#[derive(Debug)]
pub(super) struct Departure {
    /// When it leaves: the truth about its first sample. In ns of our clock.
    pub(super) at: u64,
    pub(super) mark: Option<Placed>,
    /// Which SSRC of the side it is of, from 0.
    pub(super) stream: usize,
    /// Its number in that stream, from 0, not cut to 16 bits.
    pub(super) number: usize,
    pub(super) octets: Vec<u8>,
}

/// A mark in a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// The packet's place on the side's timeline: what the mark says.
    pub(super) index: u64,
    /// How long after the first sample of the packet it sounds, in ns.
    pub(super) after: u64,
}

/// A side that talks.
pub(super) struct Talker {
    manner: Manner,
    dice: Dice,
    schedule: Schedule,
    start: Instant,
    packets: u64,
    index: u64,
    tape: Tape,
    digits: Option<Digits>,
    packetiser: Packetiser,
    stream: usize,
    number: usize,
    /// Where the talkspurt, or the silence, ends.
    until: u64,
    is_silent: bool,
    silent_for: u64,
}

impl Talker {
    #[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock; only distances are used")]
    pub(super) fn new(manner: Manner, mut dice: Dice) -> Self {
        let (start, ptime) = (Instant::now(), std::time::Duration::from_millis(manner.ptime_ms));
        let schedule = Schedule::new(start, ptime);
        let voice = Audio::Speech { seed: dice.roll() };
        let packetiser = packetiser(manner, &mut dice);
        Self {
            manner,
            schedule,
            start,
            packets: schedule.packets(std::time::Duration::from_millis(manner.length_ms)),
            index: 0,
            tape: Tape::load(&voice, manner.law, 0, 30).unwrap(),
            digits: manner.digits.then(|| Digits::new("1*9", 5_000 / manner.ptime_ms, ptime).unwrap()),
            packetiser,
            stream: 0,
            number: 0,
            until: 4_000 / manner.ptime_ms,
            is_silent: false,
            silent_for: 0,
            dice,
        }
    }

    /// The next packet; `None` when the call is over.
    pub(super) fn packet(&mut self) -> Option<Departure> {
        while self.index < self.packets {
            let index = self.index;
            self.index += 1;
            self.turn(index);
            let mut octets = Vec::new();
            let mut mark = None;
            if let Some(step) = self.digits.as_ref().and_then(|digits| digits.step(index)) {
                self.packetiser.event(step, &mut octets);
            } else if !self.is_silent {
                mark = self.sound(index, &mut octets);
            } else if !self.noise(index, &mut octets) {
                continue;
            }
            let number = self.number;
            self.number += 1;
            return Some(Departure { at: self.departure(index), mark, stream: self.stream, number, octets });
        }
        None
    }

    fn sound(&mut self, index: u64, octets: &mut Vec<u8>) -> Option<Placed> {
        let samples = self.packetiser.samples_per_packet() as usize;
        self.packetiser.audio(index, octets);
        let payload = octets.len();
        self.tape.copy(index * samples as u64, samples, octets);
        if !index.is_multiple_of(self.manner.mark_every) {
            return None;
        }
        // In the middle, because at either end a correction of a fast clock may cut a few milliseconds out.
        let middle = (samples - MARK_OCTETS) / 2;
        octets[payload + middle..][..MARK_OCTETS].copy_from_slice(&mark(index));
        Some(Placed { index, after: middle as u64 * SAMPLE_NANOS })
    }

    /// Comfort noise, when it is due.
    fn noise(&mut self, index: u64, octets: &mut Vec<u8>) -> bool {
        let is_due = self.silent_for.is_multiple_of(1_000 / self.manner.ptime_ms);
        self.silent_for += 1;
        if is_due {
            self.packetiser.audio(index, octets);
            octets[1] = COMFORT_NOISE;
            octets.push(NOISE_LEVEL);
        }
        self.packetiser.silence();
        is_due
    }

    /// From talk to silence and back; a new SSRC begins with a talkspurt.
    fn turn(&mut self, index: u64) {
        if index < self.until {
            return;
        }
        self.is_silent = self.manner.dtx && !self.is_silent;
        self.silent_for = 0;
        let length_ms = if self.is_silent { self.dice.between(500, 7_000) } else { self.dice.between(2_500, 9_000) };
        self.until = index + length_ms / self.manner.ptime_ms;
        let changes = self.stream < self.manner.ssrc_changes as usize;
        if changes && !self.is_silent && self.dice.happens(400_000) {
            self.packetiser = packetiser(self.manner, &mut self.dice);
            self.stream += 1;
            self.number = 0;
        }
    }

    fn departure(&self, index: u64) -> u64 {
        let nominal = (self.schedule.due(index) - self.start).as_nanos() as i64;
        (EPOCH + self.manner.begins_ms * 1_000_000) + (nominal + nominal / 1_000_000 * self.manner.skew_ppm) as u64
    }
}

fn packetiser(manner: Manner, dice: &mut Dice) -> Packetiser {
    let mut entropy = [0; 10];
    entropy.iter_mut().for_each(|octet| *octet = dice.roll() as u8);
    Packetiser::new(Beginning::new(entropy), manner.law.payload_type(), 8 * manner.ptime_ms as u32)
}

/// When the simulated calls begin, in ns since 1970.
const EPOCH: u64 = 1_700_000_000_000_000_000;
/// Static payload type of comfort noise (RFC 3551).
const COMFORT_NOISE: u8 = 13;
/// -32 dBov (RFC 3389).
const NOISE_LEVEL: u8 = 32;
