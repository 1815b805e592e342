//! A slice of a worker's tracks: what is served in one turn, so that work comes evenly and not once a sweep.

use std::io;

use crate::{
    gathering::Gathering,
    limits,
    receive::{Receiver, Strategy},
    recvmmsg::Batch,
    slots::{Slots, Token},
    sweep::Sweep,
    track::Track,
};

/// Tracks that are served together.
pub(crate) struct Slice {
    slots: Slots,
    receiver: Receiver,
    /// Turns so far.
    turns: u64,
}

/// In how many turns everything seldom happens to every track once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// Chunks are sealed.
    pub(crate) seal: u64,
    /// Swept RTCP sockets are read.
    pub(crate) rtcp: u64,
}

impl Slice {
    pub(crate) fn new(strategy: Strategy) -> io::Result<Self> {
        Ok(Self { slots: Slots::default(), receiver: Receiver::new(strategy)?, turns: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Serves the track from now on.
    pub(crate) fn adopt(&mut self, track: Box<Track>, batch: &mut Batch, sweep: &mut Sweep<'_>) -> Token {
        let token = self.slots.insert(track);
        if let Some(track) = self.slots.get_mut(token) {
            self.receiver.adopt(token, track, &mut sweep.tally);
            track.settle(batch, sweep);
        }
        token
    }

    /// Takes in what the kernel has handed out already: an order that follows counts for what comes after it.
    pub(crate) fn catch_up(&mut self, batch: &mut Batch, sweep: &mut Sweep<'_>) {
        self.receiver.collect(&mut self.slots, batch, sweep);
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Track> {
        self.slots.get_mut(token)
    }

    /// Serves a track no longer. What is left in its sockets is for a last drain.
    pub(crate) fn release(&mut self, token: Token, sweep: &mut Sweep<'_>) -> Option<Box<Track>> {
        self.receiver.release(token, &mut self.slots, sweep);
        self.slots.remove(token)
    }

    /// The token of every track.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.slots.tokens()
    }

    /// One turn: everything that waits, then what is due. Seals are spread over the turns by recording, RTCP by slot.
    pub(crate) fn turn(&mut self, rhythm: Rhythm, gathering: &mut Gathering, sweep: &mut Sweep<'_>) {
        let is_empty = self.receiver.collect(&mut self.slots, &mut gathering.batch, sweep);
        self.turns += 1;
        let mut tended = 0;
        for slot in 0..self.slots.count() {
            self.prefetch(slot, sweep);
            self.gather(slot, gathering, sweep);
            if gathering.is_full() {
                gathering.open(&mut self.slots, sweep);
                (tended..=slot).for_each(|slot| self.tend(slot, rhythm, (is_empty, &mut gathering.batch), sweep));
                tended = slot + 1;
            }
        }
        gathering.open(&mut self.slots, sweep);
        let rest = tended..self.slots.count();
        rest.for_each(|slot| self.tend(slot, rhythm, (is_empty, &mut gathering.batch), sweep));
    }

    /// Asks for what the next tracks will need: the track itself first, then what it points to.
    fn prefetch(&self, slot: usize, sweep: &Sweep<'_>) {
        self.slots.prefetch(slot + limits::PREFETCH_TRACK);
        if let Some(track) = self.slots.at(slot + limits::PREFETCH_BEHIND) {
            track.prefetch();
            sweep.prefetch(&track.media);
        }
    }

    /// Adds what waits for a swept track. When that is more than there is room for, what is there is opened at once and
    /// the rest is taken, within the bound of a drain or of a ring.
    fn gather(&mut self, slot: usize, gathering: &mut Gathering, sweep: &mut Sweep<'_>) {
        let mut datagrams = 0;
        loop {
            let Some(track) = self.slots.at_mut(slot).filter(|track| track.is_swept) else { return };
            // What waits on a ring keeps it from being given back, and cannot be more than it holds.
            if datagrams >= limits::DRAIN && !sweep.waits_past(&track.media) {
                return;
            }
            if gathering.add(slot, track, sweep) {
                return;
            }
            datagrams += gathering.open(&mut self.slots, sweep);
        }
    }

    /// What is due for a track whose packets have been taken.
    fn tend(&mut self, slot: usize, rhythm: Rhythm, rest: (bool, &mut Batch), sweep: &mut Sweep<'_>) {
        let (turns, (is_empty, batch)) = (self.turns, rest);
        let Some(track) = self.slots.at_mut(slot) else { return };
        if !track.is_swept && is_empty {
            track.drained();
        } else if track.is_swept && (turns + slot as u64).is_multiple_of(rhythm.rtcp) {
            track.drain_control(batch, sweep);
        }
        track.settle(batch, sweep);
        // Tracks of one recording at once: their chunks reach the spool together, and stand there in one piece.
        let recording = u64::from(track.id.recording.as_bytes()[15]);
        track.tend((turns + recording).is_multiple_of(rhythm.seal), sweep);
    }
}
