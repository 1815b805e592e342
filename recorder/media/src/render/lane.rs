//! One channel on its way to the sink: the sound between what was handed out and the newest packet.

use std::collections::VecDeque;

use crate::{codec::Law, wav::WavFormat};

/// Samples not yet handed out; those nobody wrote are silence.
#[derive(Debug)]
pub(super) struct Lane {
    samples: Samples,
}

#[derive(Debug)]
enum Samples {
    Companded(Law, VecDeque<u8>),
    Linear(VecDeque<i16>),
}

impl Lane {
    pub(super) fn new(format: WavFormat) -> Self {
        let samples = match format.law() {
            Some(law) => Samples::Companded(law, VecDeque::new()),
            None => Samples::Linear(VecDeque::new()),
        };
        Self { samples }
    }

    /// Writes G.711 octets `at` samples after the next one to be handed out.
    pub(super) fn write_g711(&mut self, at: usize, law: Law, octets: &[u8], samples_per_tick: usize) {
        match &mut self.samples {
            Samples::Companded(own, lane) => {
                let law_of_lane = *own;
                overwrite(lane, at, octets.iter().copied(), law_of_lane.silence());
                debug_assert_eq!(law_of_lane, law, "the plan keeps a law only when there is no other");
            }
            Samples::Linear(lane) if samples_per_tick == 1 => {
                overwrite(lane, at, octets.iter().map(|&octet| law.decode(octet)), 0);
            }
            Samples::Linear(lane) => overwrite(lane, at, doubled(law, octets), 0),
        }
    }

    /// Writes linear samples; the plan is linear whenever there are any.
    pub(super) fn write_linear(&mut self, at: usize, sound: &[i16]) {
        if let Samples::Linear(lane) = &mut self.samples {
            overwrite(lane, at, sound.iter().copied(), 0);
        }
    }

    /// Hands out `count` samples: linear ones into `pcm`, and as they stand in the file into every `stride`th place of
    /// `native`, from the `offset`th on.
    pub(super) fn take(
        &mut self,
        count: usize,
        pcm: &mut Vec<i16>,
        native: &mut [u8],
        (offset, stride): (usize, usize),
    ) {
        pcm.clear();
        match &mut self.samples {
            Samples::Companded(law, lane) => {
                for (frame, octet) in native.chunks_exact_mut(stride).zip(next(lane, count, law.silence())) {
                    frame[offset] = octet;
                    pcm.push(law.decode(octet));
                }
            }
            Samples::Linear(lane) => {
                for (frame, sample) in native.chunks_exact_mut(2 * stride).zip(next(lane, count, 0)) {
                    frame[2 * offset..2 * offset + 2].copy_from_slice(&sample.to_le_bytes());
                    pcm.push(sample);
                }
            }
        }
    }
}

fn overwrite<T: Copy>(lane: &mut VecDeque<T>, at: usize, sound: impl ExactSizeIterator<Item = T>, silence: T) {
    let end = at + sound.len();
    if lane.len() < end {
        lane.resize(end, silence);
    }
    lane.range_mut(at..end).zip(sound).for_each(|(place, sample)| *place = sample);
}

fn next<T: Copy>(lane: &mut VecDeque<T>, count: usize, silence: T) -> impl Iterator<Item = T> {
    let there = count.min(lane.len());
    lane.drain(..there).chain(std::iter::repeat_n(silence, count - there))
}

/// 8 kHz to 16 kHz: between two samples, their mean.
fn doubled(law: Law, octets: &[u8]) -> impl ExactSizeIterator<Item = i16> {
    (0..2 * octets.len()).map(move |at| {
        let here = law.decode(octets[at / 2]);
        match octets.get(at / 2 + 1) {
            Some(&after) if at % 2 == 1 => ((i32::from(here) + i32::from(law.decode(after))) / 2) as i16,
            _ => here,
        }
    })
}
