//! How orders reach a worker: one bounded box, emptied before every turn and a few times in between.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::Thread,
};

use model::{Codec, GapCause, MediaSource, TrackId};

use crate::{dtls::Keyed, handshake::Leg, limits, srtp::NewKeys, track::Track};

/// What a worker is asked to do.
pub(crate) enum Order {
    /// Own this track from now on.
    Adopt(Box<Track>),
    /// The session was renegotiated.
    Retune { track: TrackId, source: MediaSource, keys: NewKeys, codecs: Vec<Codec> },
    /// A DTLS handshake has to come, the first or another one.
    Await { track: TrackId },
    /// Send a flight of a handshake.
    Transmit { track: TrackId, leg: Leg, octets: Vec<u8>, to: SocketAddr },
    /// A handshake gave keys.
    Key { track: TrackId, keyed: Box<Keyed> },
    /// The peer is not who signaling said.
    Sever { track: TrackId },
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
    /// Orders wait.
    is_waiting: AtomicBool,
    is_stopping: AtomicBool,
    /// Who takes them out.
    worker: OnceLock<Thread>,
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
        if orders.len() == 1 {
            self.is_waiting.store(true, Ordering::SeqCst);
            self.wake();
        }
        Ok(())
    }

    /// The thread to wake when there is something for it.
    pub(crate) fn belongs_to(&self, worker: Thread) {
        // Set once, at the start of the worker.
        let _ = self.worker.set(worker);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::SeqCst)
    }

    fn wake(&self) {
        self.worker.get().inspect(|worker| worker.unpark());
    }

    /// Swaps the waiting orders with an empty, reusable list.
    pub(crate) fn take(&self, into: &mut Vec<Order>) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_waiting.store(false, Ordering::SeqCst);
        std::mem::swap(&mut *orders, into);
    }

    pub(crate) fn stop(&self) {
        let _orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
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
