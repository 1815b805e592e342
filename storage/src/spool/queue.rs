//! The queue between the packet threads and the writer thread, bounded in octets.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use model::{RecordingId, TrackId};
use prometheus::{IntCounter, IntGauge, Registry};
use storage_core::ports::SealedChunk;

use super::{ids::IdHash, writer::Done};
use crate::{
    limits::{SPOOL_BLOCK_OCTETS, SPOOL_CHUNK_EXTRA, SPOOL_GATHER, SPOOL_POOL, SPOOL_POOL_OCTETS, SPOOL_STATES_OCTETS},
    metrics::{counter, gauge},
};

/// What the writer takes at once, in the order in which it is to be done.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) chunks: Vec<SealedChunk>,
    /// When the oldest of the chunks came.
    pub(super) since: Option<Instant>,
    /// The newest state of each recording.
    pub(super) states: HashMap<RecordingId, Vec<u8>, IdHash>,
    pub(super) closes: Vec<(TrackId, u32)>,
    pub(super) freed: Vec<RecordingId>,
    /// The sync that ran is over.
    pub(super) synced: Option<Done>,
}

impl Taken {
    fn is_empty(&self) -> bool {
        let is_quiet = self.closes.is_empty() && self.freed.is_empty() && self.synced.is_none();
        is_quiet && self.chunks.is_empty() && self.states.is_empty()
    }
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    rings: Condvar,
    budget: u64,
    pool: Mutex<Pool>,
    octets: IntGauge,
    chunks: IntGauge,
    refused: IntCounter,
}

/// Buffers of written chunks.
#[derive(Default)]
struct Pool {
    spent: Vec<Vec<u8>>,
    /// The fewest that there were since it was last looked at: so many nobody needed.
    idle: usize,
}

#[derive(Default)]
struct Inner {
    taken: Taken,
    /// Octets of chunks taken and not yet written.
    octets: u64,
    chunks: i64,
    /// Octets of chunks that came since the writer last looked.
    fresh: u64,
    state_octets: usize,
    is_closed: bool,
}

impl Inner {
    fn is_idle(&self) -> bool {
        self.taken.is_empty() && !self.is_closed
    }
}

impl Queue {
    pub(super) fn new(budget: u64, registry: &Registry) -> Self {
        Self {
            inner: Mutex::default(),
            rings: Condvar::new(),
            budget,
            pool: Mutex::default(),
            octets: gauge(registry, "recorder_spool_queue_bytes", "Octets of chunks that wait for the disk."),
            chunks: gauge(registry, "recorder_spool_queue_chunks", "Chunks that wait for the disk."),
            refused: counter(registry, "recorder_spool_refused_chunks_total", "Chunks refused: the queue was full."),
        }
    }

    /// Takes the chunk if the budget allows. The lock is held for a push or a swap only, never during a write; the
    /// writer is woken for the first chunk of a block and for a full one, not for each.
    pub(super) fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        let mut inner = self.inner();
        let cost = cost(&chunk);
        if inner.octets + cost > self.budget || inner.is_closed {
            self.refused.inc();
            return Err(chunk);
        }
        let (was_idle, before) = (inner.is_idle(), inner.fresh);
        inner.octets += cost;
        inner.fresh += cost;
        inner.chunks += 1;
        inner.taken.since.get_or_insert_with(now);
        inner.taken.chunks.push(chunk);
        let is_full = before < SPOOL_BLOCK_OCTETS && inner.fresh >= SPOOL_BLOCK_OCTETS;
        drop(inner);
        if was_idle || is_full {
            self.rings.notify_one();
        }
        Ok(())
    }

    /// No more chunks of the track come. Never refused; there is at most one for each track.
    pub(super) fn close_track(&self, track: TrackId, chunks: u32) {
        self.add(|inner| inner.taken.closes.push((track, chunks)));
    }

    /// The recording is freed. Never refused; there is at most one for each recording.
    pub(super) fn free(&self, recording: RecordingId) {
        self.add(|inner| {
            if let Some(state) = inner.taken.states.remove(&recording) {
                inner.state_octets -= state.len();
            }
            inner.taken.freed.push(recording);
        });
    }

    /// Wakes the writer only when nothing waited: what came first is what it gathers for.
    fn add(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner();
        let was_idle = inner.is_idle();
        change(&mut inner);
        drop(inner);
        if was_idle {
            self.rings.notify_one();
        }
    }

    /// Puts a state in the place of the one before. False when too many wait, or nobody takes them any more.
    pub(super) fn put_state(&self, recording: RecordingId, sealed: &[u8]) -> bool {
        let mut inner = self.inner();
        if inner.is_closed || inner.state_octets + sealed.len() > SPOOL_STATES_OCTETS {
            return false;
        }
        let was_idle = inner.is_idle();
        inner.state_octets += sealed.len();
        if let Some(before) = inner.taken.states.insert(recording, sealed.to_vec()) {
            inner.state_octets -= before.len();
        }
        drop(inner);
        if was_idle {
            self.rings.notify_one();
        }
        true
    }

    /// Everything that waits, after at most `patience`; `None` once closed and empty. What comes within
    /// [`SPOOL_GATHER`] of the first is taken with it: each block costs a system call and a page.
    pub(super) fn take(&self, patience: Duration) -> Option<Taken> {
        let inner = self.inner();
        let (inner, _) = self
            .rings
            .wait_timeout_while(inner, patience, |inner| inner.is_idle())
            .unwrap_or_else(PoisonError::into_inner);
        // From the arrival of the oldest: what came during the last write has waited for that long already.
        let until = inner.taken.since.unwrap_or_else(now) + SPOOL_GATHER;
        let mut inner = inner;
        // Receipts wait for what was synced.
        let is_early = |inner: &Inner| inner.is_closed || inner.taken.synced.is_some();
        while !inner.is_idle() && !is_early(&inner) && inner.fresh < SPOOL_BLOCK_OCTETS {
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                break;
            }
            inner = self.rings.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.grab(inner)
    }

    /// What waits, without waiting for more; none once closed and empty.
    fn grab(&self, mut inner: MutexGuard<'_, Inner>) -> Option<Taken> {
        self.octets.set(inner.octets.cast_signed());
        self.chunks.set(inner.chunks);
        let is_over = inner.is_closed && inner.taken.is_empty();
        (inner.fresh, inner.state_octets) = (0, 0);
        if is_over {
            return None;
        }
        let room = inner.taken.chunks.len();
        let next = Taken { chunks: Vec::with_capacity(room), ..Taken::default() };
        Some(std::mem::replace(&mut inner.taken, next))
    }

    #[cfg(test)]
    pub(super) fn take_now(&self) -> Option<Taken> {
        self.grab(self.inner())
    }

    /// Gives budget and buffers of chunks back that were written or lost.
    pub(super) fn done(&self, chunks: impl ExactSizeIterator<Item = SealedChunk>) {
        let count = chunks.len() as i64;
        let mut octets = 0;
        {
            let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            for chunk in chunks {
                octets += cost(&chunk);
                let mut buffer = chunk.octets;
                if pool.spent.len() < SPOOL_POOL && buffer.capacity() <= SPOOL_POOL_OCTETS {
                    buffer.clear();
                    pool.spent.push(buffer);
                }
            }
        }
        let mut inner = self.inner();
        inner.octets -= octets;
        inner.chunks -= count;
    }

    /// An empty buffer of a written chunk.
    pub(super) fn recycle(&self) -> Option<Vec<u8>> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = pool.spent.pop();
        pool.idle = pool.idle.min(pool.spent.len());
        buffer
    }

    /// Frees half of the buffers that nobody needed since it was last called: a slow disk once, or calls that have ended,
    /// must not hold memory for ever.
    pub(super) fn trim(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = pool.idle / 2;
        let freed: Vec<Vec<u8>> = pool.spent.drain(..spare).collect();
        pool.idle = pool.spent.len();
        drop(pool);
        drop(freed);
    }

    /// From the sync thread: the sync is over.
    pub(super) fn synced(&self, done: Done) {
        self.inner().taken.synced = Some(done);
        self.rings.notify_one();
    }

    /// Waits for the sync that runs. There must be one.
    pub(super) fn await_synced(&self) -> Done {
        let mut inner = self.inner();
        loop {
            if let Some(done) = inner.taken.synced.take() {
                return done;
            }
            inner = self.rings.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        self.rings.notify_all();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a chunk costs in memory.
fn cost(chunk: &SealedChunk) -> u64 {
    chunk.octets.capacity() as u64 + SPOOL_CHUNK_EXTRA
}

#[expect(clippy::disallowed_methods, reason = "the clock of the spool thread: how long it gathers")]
fn now() -> Instant {
    Instant::now()
}
