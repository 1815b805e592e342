//! Which stream of a track a packet belongs to, and its place there: sequence numbers extended beyond 16 bits.
//!
//! A track carries one stream at a time, but a sender may restart, change its SSRC, or have packets of the old stream
//! still under way when the new one begins. Each stream is followed by itself, so that a straggler lands where it
//! belongs and one odd packet disturbs nothing.

use crate::limits::{MAX_DROPOUT, MAX_STREAMS, REORDER_WINDOW, SEQUENCE_WINDOW};

/// What a packet is to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Newer than everything before it.
    New,
    /// It fills a hole that opened a moment ago.
    Reordered,
    /// It fills a hole whose place has passed by more than the reordering window.
    Late,
    /// Its sequence number was seen before.
    Duplicate,
}

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Streams of a track are numbered from 0 in the order of their first packets.
    pub(crate) stream: u32,
    /// Extended sequence number, ordered within the stream.
    pub(crate) sequence: i64,
    /// What it is to the stream.
    pub(crate) seen: Seen,
}

/// One stream: an SSRC and an unbroken run of sequence numbers.
#[derive(Debug, Clone)]
pub(crate) struct Stream<T> {
    pub(crate) number: u32,
    pub(crate) ssrc: u32,
    pub(crate) first: i64,
    pub(crate) highest: i64,
    /// Distinct sequence numbers.
    pub(crate) unique: u64,
    /// Packets, duplicates included.
    pub(crate) received: u64,
    /// What the owner keeps beside it.
    pub(crate) note: T,
    used: u64,
    seen: [u64; WORDS],
}

impl<T> Stream<T> {
    /// Sequence numbers between the first and the newest that have not arrived.
    pub(crate) fn lost(&self) -> u64 {
        self.expected() - self.unique
    }

    /// Sequence numbers from the first to the newest.
    pub(crate) fn expected(&self) -> u64 {
        (self.highest - self.first + 1) as u64
    }

    fn new(number: u32, ssrc: u32, sequence: u16, note: T) -> Self {
        let first = CYCLE + i64::from(sequence);
        Self { number, ssrc, first, highest: first, unique: 0, received: 0, note, used: 0, seen: [0; WORDS] }
    }

    fn distance(&self, sequence: u16) -> i64 {
        i64::from(sequence.wrapping_sub(self.highest as u16) as i16)
    }

    fn owns(&self, ssrc: u32, sequence: u16) -> bool {
        self.ssrc == ssrc && (-SEQUENCE_WINDOW + 1..=MAX_DROPOUT).contains(&self.distance(sequence))
    }

    fn take(&mut self, sequence: u16) -> Placed {
        let distance = self.distance(sequence);
        let sequence = self.highest + distance;
        self.received += 1;
        let seen = match distance {
            1.. => {
                self.forget(distance);
                self.highest = sequence;
                Seen::New
            }
            _ if self.has(sequence) => Seen::Duplicate,
            0 => Seen::New,
            _ if -distance <= REORDER_WINDOW => Seen::Reordered,
            _ => Seen::Late,
        };
        if seen != Seen::Duplicate {
            self.unique += 1;
            self.first = self.first.min(sequence);
            self.seen[word(sequence)] |= bit(sequence);
        }
        Placed { stream: self.number, sequence, seen }
    }

    fn has(&self, sequence: i64) -> bool {
        self.seen[word(sequence)] & bit(sequence) != 0
    }

    /// Clears the marks of the sequence numbers that now enter the window.
    fn forget(&mut self, ahead: i64) {
        if ahead >= SEQUENCE_WINDOW {
            self.seen = [0; WORDS];
            return;
        }
        for sequence in self.highest + 1..=self.highest + ahead {
            self.seen[word(sequence)] &= !bit(sequence);
        }
    }
}

/// The streams of one track.
#[derive(Debug, Clone)]
pub(crate) struct Streams<T> {
    live: Vec<Stream<T>>,
    current: usize,
    begun: u32,
    clock: u64,
}

impl<T: Default> Streams<T> {
    pub(crate) fn new() -> Self {
        Self { live: Vec::new(), current: 0, begun: 0, clock: 0 }
    }

    /// Finds the place of a packet. `folded` is told of a stream that is no longer followed.
    pub(crate) fn place(&mut self, ssrc: u32, sequence: u16, folded: impl FnOnce(&Stream<T>)) -> Placed {
        self.clock += 1;
        self.current = match self.owner(ssrc, sequence) {
            Some(known) => known,
            None => self.begin(ssrc, sequence, folded),
        };
        let stream = &mut self.live[self.current];
        stream.used = self.clock;
        stream.take(sequence)
    }

    /// The stream that a packet belongs to: of several the one that is nearest to it, for a straggler from far behind has
    /// begun one of its own, and must not draw those of the other to it.
    fn owner(&self, ssrc: u32, sequence: u16) -> Option<usize> {
        if let [only] = &self.live[..] {
            return only.owns(ssrc, sequence).then_some(0);
        }
        let owners = self.live.iter().enumerate().filter(|(_, stream)| stream.owns(ssrc, sequence));
        let nearest = owners.min_by_key(|(at, stream)| (stream.distance(sequence).abs(), *at != self.current));
        nearest.map(|(at, _)| at)
    }

    /// The stream of the last packet.
    pub(crate) fn current(&self) -> Option<&Stream<T>> {
        self.live.get(self.current)
    }

    /// The stream of the last packet.
    pub(crate) fn current_mut(&mut self) -> Option<&mut Stream<T>> {
        self.live.get_mut(self.current)
    }

    pub(crate) fn live(&self) -> &[Stream<T>] {
        &self.live
    }

    fn begin(&mut self, ssrc: u32, sequence: u16, folded: impl FnOnce(&Stream<T>)) -> usize {
        let stream = Stream::new(self.begun, ssrc, sequence, T::default());
        self.begun += 1;
        if self.live.len() < MAX_STREAMS {
            // Nearly every track has one: room for four, as a push would make, is 700 octets of nothing.
            self.live.reserve_exact(1);
            self.live.push(stream);
            return self.live.len() - 1;
        }
        let oldest = (0..self.live.len()).min_by_key(|&at| self.live[at].used).unwrap_or(0);
        folded(&self.live[oldest]);
        self.live[oldest] = stream;
        oldest
    }
}

fn word(sequence: i64) -> usize {
    (sequence.rem_euclid(SEQUENCE_WINDOW) / 64) as usize
}

fn bit(sequence: i64) -> u64 {
    1 << sequence.rem_euclid(64)
}

const WORDS: usize = SEQUENCE_WINDOW as usize / 64;
/// Room below the first sequence number, for packets that were overtaken by it.
const CYCLE: i64 = 1 << 16;
