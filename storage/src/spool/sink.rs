//! The write side as the packet threads see it.

use std::sync::Arc;

use model::TrackId;
use storage_core::ports::{SealedChunk, SpoolSink};

use super::Shared;

pub(super) struct Sink(pub(super) Arc<Shared>);

impl SpoolSink for Sink {
    fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        self.0.queue.offer(chunk)
    }

    fn recycle(&self) -> Option<Vec<u8>> {
        self.0.queue.recycle()
    }

    fn close(&self, track: TrackId, chunks: u32) {
        self.0.queue.close_track(track, chunks);
    }
}
