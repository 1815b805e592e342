//! Datagrams of consecutive tracks in one batch, so that the tags of many can be computed at once; then each track takes
//! its own, in the order they came.

use crate::{
    ahead::Ahead,
    limits::{BATCH, GATHERED, GATHERED_OCTETS},
    recvmmsg::Batch,
    slots::Slots,
    sweep::Sweep,
    track::Track,
};

/// The batch of a worker, and whose datagrams are in it. It is empty between two turns: whatever else happens to a track
/// finds everything in its place that was received.
pub(crate) struct Gathering {
    pub(crate) batch: Batch,
    parts: Vec<Part>,
    ahead: Ahead,
}

/// The datagrams of one track: messages of the batch.
#[derive(Clone, Copy)]
struct Part {
    slot: usize,
    first: usize,
    end: usize,
    /// Nothing was left in its socket.
    is_empty: bool,
    /// Its tags are computed ahead.
    is_ahead: bool,
}

/// What is left in a socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It was empty.
    Nothing,
    /// By all that is known nothing; another sweep will tell.
    Unlikely,
    /// There was no room for more.
    More,
}

impl Gathering {
    pub(crate) fn new() -> Self {
        Self { batch: Batch::new(), parts: Vec::with_capacity(BATCH), ahead: Ahead::new() }
    }

    /// Whether to open what is there before another track is asked.
    pub(crate) fn is_full(&self) -> bool {
        let is_much = self.batch.filled() >= GATHERED || self.batch.octets() >= GATHERED_OCTETS;
        !self.parts.is_empty() && is_much
    }

    /// Adds what waits for a track, as much as there is room for; whether that was all.
    pub(crate) fn add(&mut self, slot: usize, track: &mut Track, sweep: &mut Sweep<'_>) -> bool {
        if self.parts.is_empty() {
            // What a drain has left behind was taken by whom it was for.
            self.batch.clear();
        }
        let first = self.batch.filled();
        let rest = self.take(track, sweep);
        let (end, is_empty) = (self.batch.filled(), rest == Rest::Nothing);
        if end > first {
            let is_ahead = self.ahead.is_for(track);
            self.parts.push(Part { slot, first, end, is_empty, is_ahead });
        } else if is_empty {
            track.drained();
        }
        rest != Rest::More
    }

    /// Takes what waits for a track, as many messages as are likely to, until no more are.
    fn take(&mut self, track: &mut Track, sweep: &mut Sweep<'_>) -> Rest {
        // What waited since before a resume must be known to be gone.
        // A ring says so for nothing.
        let is_past = sweep.is_past(&track.media);
        let is_guess = !is_past && !track.keeping.awaits_drain();
        loop {
            let room = self.batch.room();
            let most = if is_guess { track.cadence.likely(sweep.wall, room) } else { room };
            let count = sweep.receive_more(&track.media, &mut self.batch, most);
            if !is_past && count > 0 {
                track.cadence.took(count, self.batch.newest().map(|stamp| sweep.arrival(Some(stamp))));
            }
            if count < most {
                return Rest::Nothing;
            }
            if is_guess && !track.cadence.is_more_likely(sweep.wall) {
                return Rest::Unlikely;
            }
            if count == room {
                return Rest::More;
            }
        }
    }

    /// Hands everything out, and is empty again; how many datagrams the last of the tracks got.
    pub(crate) fn open(&mut self, slots: &mut Slots, sweep: &mut Sweep<'_>) -> usize {
        for part in self.parts.iter().filter(|part| part.is_ahead) {
            let Some(track) = slots.at(part.slot) else { continue };
            for index in part.first..part.end {
                let Some(message) = self.batch.message(index) else { continue };
                message.datagrams().for_each(|(envelope, octets)| self.ahead.note(track, &envelope, octets));
            }
        }
        self.ahead.compute();
        let mut datagrams = 0;
        for part in self.parts.drain(..) {
            datagrams = 0;
            let Some(track) = slots.at_mut(part.slot) else { continue };
            for index in part.first..part.end {
                let Some(message) = self.batch.message(index) else { continue };
                for (envelope, octets) in message.datagrams() {
                    let foretold = if part.is_ahead { self.ahead.next() } else { None };
                    track.datagram(envelope, octets, foretold, sweep);
                    datagrams += 1;
                }
            }
            if part.is_empty {
                track.drained();
            }
        }
        self.ahead.clear();
        datagrams
    }
}
