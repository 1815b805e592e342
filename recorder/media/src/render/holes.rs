//! Sequence numbers that are missing, until a straggler fills them; what stays missing is loss.

use std::collections::VecDeque;

use crate::{
    limits::{MAX_LOSS_GAPS, MAX_OPEN_HOLES},
    stream::Seen,
    timeline::Followed,
};

/// Consecutive sequence numbers that never came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) stream: u32,
    /// First missing sequence number, and the first that is there again.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) from_ts: i64,
    pub(super) to_ts: i64,
    /// Missing packets; more than `to - from` when holes were merged.
    pub(super) missing: u64,
}

/// The holes of one track.
#[derive(Debug, Default)]
pub(super) struct Holes {
    open: VecDeque<Hole>,
    lasting: Vec<Hole>,
}

impl Holes {
    /// Notes a packet that is no duplicate.
    pub(super) fn packet(&mut self, packet: &Followed, ticks: i64) {
        let (stream, sequence) = (packet.placed.stream, packet.placed.sequence);
        match packet.placed.seen {
            Seen::Duplicate => {}
            Seen::Reordered | Seen::Late => match packet.before {
                Some(before) if sequence < before.lowest.0 => self.precede(packet, before.lowest, ticks),
                _ => self.fill(stream, sequence, packet.ts, ticks),
            },
            Seen::New => {
                if let Some(before) = packet.before
                    && sequence > before.sequence + 1
                {
                    let (from, from_ts) = (before.sequence + 1, before.end.min(packet.ts));
                    let missing = (sequence - from) as u64;
                    self.open(Hole { stream, from, to: sequence, from_ts, to_ts: packet.ts, missing });
                }
            }
        }
    }

    /// What is still missing now that no more packets come.
    pub(super) fn finish(mut self) -> Vec<Hole> {
        while let Some(hole) = self.open.pop_front() {
            self.last(hole);
        }
        self.lasting
    }

    fn open(&mut self, hole: Hole) {
        if self.open.len() >= MAX_OPEN_HOLES
            && let Some(oldest) = self.open.pop_front()
        {
            self.last(oldest);
        }
        self.open.push_back(hole);
    }

    /// A packet that was overtaken by the first one heard: what lies between the two has not come yet.
    fn precede(&mut self, packet: &Followed, (to, to_ts): (i64, i64), ticks: i64) {
        let from = packet.placed.sequence + 1;
        if from < to {
            let (stream, from_ts) = (packet.placed.stream, (packet.ts + ticks).min(to_ts));
            self.open(Hole { stream, from, to, from_ts, to_ts, missing: (to - from) as u64 });
        }
    }

    fn fill(&mut self, stream: u32, sequence: i64, ts: i64, ticks: i64) {
        let filled = |hole: &Hole| hole.stream == stream && (hole.from..hole.to).contains(&sequence);
        if let Some(at) = self.open.iter().rposition(filled)
            && let Some(hole) = self.open.remove(at)
        {
            let right = Hole {
                from: sequence + 1,
                from_ts: (ts + ticks).min(hole.to_ts),
                missing: (hole.to - sequence - 1) as u64,
                ..hole
            };
            let left = Hole { to: sequence, to_ts: ts, missing: (sequence - hole.from) as u64, ..hole };
            for rest in [right, left] {
                if rest.missing > 0 {
                    self.open.insert(at, rest);
                }
            }
        } else if let Some(hole) = self.lasting.iter_mut().rev().find(|hole| filled(hole)) {
            hole.missing = hole.missing.saturating_sub(1);
        }
    }

    fn last(&mut self, hole: Hole) {
        let full = self.lasting.len() >= MAX_LOSS_GAPS;
        match self.lasting.last_mut() {
            Some(last) if full => {
                last.missing += hole.missing;
                if last.stream == hole.stream {
                    (last.to, last.to_ts) = (hole.to, hole.to_ts);
                }
            }
            _ => self.lasting.push(hole),
        }
    }
}
