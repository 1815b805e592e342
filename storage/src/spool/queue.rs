//! The queue between the packet threads and the writer thread, bounded in octets.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::{RecordingId, TrackId};
use prometheus::{IntCounter, IntGauge, Registry};
use storage_core::ports::SealedChunk;

use crate::{
    limits::SPOOL_CHUNK_EXTRA,
    metrics::{counter, gauge},
};

/// Something for the writer.
pub(super) enum Item {
    Chunk(SealedChunk),
    Close { track: TrackId, chunks: u32 },
    Forget(RecordingId),
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    rings: Condvar,
    budget: u64,
    octets: IntGauge,
    refused: IntCounter,
}

#[derive(Default)]
struct Inner {
    items: VecDeque<Item>,
    /// Octets of chunks taken and not yet written.
    octets: u64,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(budget: u64, registry: &Registry) -> Self {
        Self {
            inner: Mutex::default(),
            rings: Condvar::new(),
            budget,
            octets: gauge(registry, "recorder_spool_queue_bytes", "Octets of chunks that wait for the disk."),
            refused: counter(registry, "recorder_spool_refused_chunks_total", "Chunks refused: the queue was full."),
        }
    }

    /// Takes the chunk if the budget allows. The lock is held for a push or a swap only, never during a write.
    pub(super) fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        let mut inner = self.inner();
        let octets = inner.octets + cost(&chunk);
        if octets > self.budget || inner.is_closed {
            self.refused.inc();
            return Err(chunk);
        }
        inner.octets = octets;
        inner.items.push_back(Item::Chunk(chunk));
        drop(inner);
        self.rings.notify_one();
        Ok(())
    }

    /// Takes an item that is never refused; there is at most one for each track and recording.
    pub(super) fn push(&self, item: Item) {
        self.inner().items.push_back(item);
        self.rings.notify_one();
    }

    /// Everything that waits, after at most `patience`; `None` once closed and empty.
    pub(super) fn take(&self, patience: Duration) -> Option<VecDeque<Item>> {
        let inner = self.inner();
        let is_idle = |inner: &mut Inner| inner.items.is_empty() && !inner.is_closed;
        let (mut inner, _) =
            self.rings.wait_timeout_while(inner, patience, is_idle).unwrap_or_else(PoisonError::into_inner);
        self.octets.set(inner.octets.cast_signed());
        if inner.items.is_empty() && inner.is_closed {
            return None;
        }
        Some(std::mem::take(&mut inner.items))
    }

    /// Gives the budget of written chunks back.
    pub(super) fn written(&self, octets: u64) {
        self.inner().octets -= octets;
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
pub(super) fn cost(chunk: &SealedChunk) -> u64 {
    chunk.octets.capacity() as u64 + SPOOL_CHUNK_EXTRA
}
