//! How orders reach a worker: one bounded box, emptied at the start of every sweep.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crypto::srtp::Inbound;
use model::{Codec, GapCause, MediaSource, TrackId};

use crate::{limits, track::Track};

/// What a worker is asked to do.
pub(crate) enum Order {
    /// Own this track from now on.
    Adopt(Box<Track>),
    /// The session was renegotiated.
    Retune { track: TrackId, source: MediaSource, keys: Option<Box<Inbound>>, codecs: Vec<Codec> },
    /// Keep nothing that arrives from `at` (wall time, nanoseconds) on.
    Pause { track: TrackId, cause: GapCause, at: u64 },
    /// Keep again.
    Resume { track: TrackId, at: u64 },
    /// Flush and let go.
    Close { track: TrackId },
}

/// The box of one worker.
#[derive(Default)]
pub(crate) struct Mailbox {
    orders: Mutex<Vec<Order>>,
    is_stopping: AtomicBool,
    tracks: AtomicUsize,
}

impl Mailbox {
    /// Puts an order in. Gives it back when the box is full or the worker is leaving.
    pub(crate) fn put(&self, order: Order) -> Result<(), Order> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: the worker empties the box a last time after it saw the same flag.
        if orders.len() >= limits::MAILBOX || self.is_stopping() {
            return Err(order);
        }
        orders.push(order);
        Ok(())
    }

    /// Swaps the waiting orders with an empty, reusable list.
    pub(crate) fn take(&self, into: &mut Vec<Order>) {
        std::mem::swap(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner), into);
    }

    pub(crate) fn stop(&self) {
        let _orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Takes a place for one more track; false when the worker has no room.
    pub(crate) fn reserve(&self) -> bool {
        let more = |tracks| (tracks < limits::TRACKS_PER_WORKER).then_some(tracks + 1);
        self.tracks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// Gives a place back.
    pub(crate) fn release(&self) {
        self.tracks.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn tracks(&self) -> usize {
        self.tracks.load(Ordering::SeqCst)
    }
}
