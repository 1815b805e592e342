//! Making durable what was written, beside the writing: a thread of its own waits for `fdatasync`, one at a time, while
//! the writer goes on in the same segment.
//!
//! ```text
//! writer: begin_sync -> Job { segment, end, closes } --> sync thread: Job::run --> Done, through the queue --> writer: finish
//! ```
//! What is written while a sync runs belongs to the next round. When the sync fails it is in doubt as well: it stands in
//! the same file, which nobody syncs again.
//!
//! Measured on 2 cores beside busy neighbours, 10,000 tracks (91,000 chunks/s), `fdatasync` taking up to 87 ms and a
//! block's `pwritev` up to 18 ms (`cargo run --release -p storage --example spool_load -- DIR 10000 12`): of all blocks,
//! the oldest chunk of so many waited for
//!
//! | sync | up to 20 ms | up to 50 ms | the longest, below |
//! |---|---|---|---|
//! | on the writer thread | 41-75 % | 82-97 % | 100-500 ms |
//! | beside it | 81-91 % | 98-99 % | 100-200 ms |
//!
//! What is left is `pwritev` and waiting for a core.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError},
    },
};

use model::TrackId;
use storage_core::spoolfile::{Head, PAGE};

use super::{super::index::Stored, Place, Shared, Writer};
use crate::{disk::Disk, limits::SPOOL_SEGMENT_OCTETS};

/// One sync: what to make durable, and what can be told then.
pub(in crate::spool) struct Job {
    stored: Arc<Stored>,
    handle: u32,
    /// What was written when it began.
    end: u64,
    /// The writer has left the segment: nothing comes behind.
    is_last: bool,
    round: u64,
    closes: Vec<(TrackId, u32)>,
}

/// What became of it.
pub(in crate::spool) struct Done {
    handle: u32,
    round: u64,
    closes: Vec<(TrackId, u32)>,
    result: io::Result<()>,
}

impl Job {
    /// Write 4. On any thread; a segment without its name is nothing, so the first time the name is made durable too.
    pub(in crate::spool) fn run(self, place: &Place) -> Done {
        let result = self.durable(&place.disk, &place.dir);
        Done { handle: self.handle, round: self.round, closes: self.closes, result }
    }

    fn durable(&self, disk: &Disk, dir: &std::path::Path) -> io::Result<()> {
        self.stored.file.sync()?;
        if self.stored.durable() == 0 {
            disk.sync_dir(dir)?;
        }
        self.stored.is_durable_to(self.end);
        if self.is_last {
            complete(&self.stored, self.end);
        }
        Ok(())
    }
}

/// Says in the file that all of it is durable, so that the next start has nothing to check. If that fails it checks.
fn complete(stored: &Stored, end: u64) {
    let mut block = Vec::new();
    Head::encode(&[], end, true, &mut block);
    block.resize(PAGE, 0);
    let _ = stored.file.write_at(&block, end);
}

/// The sync thread, until the writer is gone.
pub(in crate::spool) fn run(jobs: &Receiver<Job>, place: &Place, shared: &Shared) {
    while let Ok(job) = jobs.recv() {
        shared.queue.synced(job.run(place));
    }
}

impl Writer {
    /// Begins a sync of what was written since the last one; none while one runs, or when nothing was. Then what is to
    /// be told is told at once.
    pub(in crate::spool) fn begin_sync(&mut self) -> Option<Job> {
        if self.is_syncing {
            return None;
        }
        // What waits has not been lost yet: its tracks wait with it.
        let waits = |track: &TrackId| self.waiting.chunks.iter().any(|chunk| chunk.track == *track);
        let (later, closes) = std::mem::take(&mut self.closes).into_iter().partition(|(track, _)| waits(track));
        self.closes = later;
        let is_dirty = std::mem::take(&mut self.is_dirty);
        let Some(active) = self.active.as_ref().filter(|_| is_dirty) else {
            self.tell(closes);
            return None;
        };
        let (stored, handle, end) = (Arc::clone(&active.stored), active.handle, active.end);
        let is_last = end >= SPOOL_SEGMENT_OCTETS;
        if is_last {
            self.active = None;
        }
        self.is_syncing = true;
        Some(Job { stored, handle, end, is_last, round: self.tracks.next_round(), closes })
    }

    /// Takes in what became of a sync, and sends the receipts that waited for it.
    pub(in crate::spool) fn finish(&mut self, done: Done) {
        self.is_syncing = false;
        self.shared.metrics.syncs.inc();
        if let Err(error) = done.result {
            // The kernel may have dropped any page since the last good sync, and calls it clean: syncing this file
            // again would be a success that means nothing. It is left as it is, what is doubtful in it is checked by
            // its sum when it is read, its tracks are told of, and what comes next goes to a new file.
            tracing::error!(%error, "spool: sync failed; what was written since the last one is in doubt");
            self.shared.room.failed();
            self.shared.metrics.failed_syncs.inc();
            self.tracks.doubt(done.round);
            if self.active.as_ref().is_some_and(|active| active.handle == done.handle) {
                self.active = None;
                self.is_dirty = false;
            }
        }
        self.tell(done.closes);
    }

    fn tell(&mut self, closes: Vec<(TrackId, u32)>) {
        for (track, chunks) in closes {
            self.receipts.receipt(self.tracks.close(track, chunks));
        }
    }

    /// Begins a sync on the sync thread. The channel has room, for one runs at a time; without a thread it is done here.
    pub(super) fn hand_over(&mut self, syncer: &SyncSender<Job>) {
        let Some(job) = self.begin_sync() else { return };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = syncer.try_send(job) {
            let done = job.run(&self.place);
            self.finish(done);
        }
    }

    /// Waits until all that was written is durable, or known not to be.
    pub(in crate::spool) fn sync(&mut self) {
        #[cfg(test)]
        self.end_sync();
        if self.is_syncing {
            let done = self.shared.queue.await_synced();
            self.finish(done);
        }
        if let Some(job) = self.begin_sync() {
            let done = job.run(&self.place);
            self.finish(done);
        }
    }
}

/// For tests, which know no second thread: a sync is over when they say so.
#[cfg(test)]
impl Writer {
    /// Begins a sync that touches the disk at [`Writer::end_sync`], after what is written meanwhile.
    pub(in crate::spool) fn hold_sync(&mut self) {
        if let Some(job) = self.begin_sync() {
            self.held = Some(job);
        }
    }

    /// A sync that is over at once, and of which the writer learns with what it takes next.
    pub(in crate::spool) fn quick_sync(&mut self) {
        if let Some(job) = self.begin_sync() {
            let done = job.run(&self.place);
            self.shared.queue.synced(done);
        }
    }

    pub(in crate::spool) fn end_sync(&mut self) {
        if let Some(job) = self.held.take() {
            let done = job.run(&self.place);
            self.finish(done);
        }
    }

    /// Leaves the segment, of which all must be durable.
    pub(in crate::spool) fn leave(&mut self) {
        self.active.take().into_iter().for_each(|active| complete(&active.stored, active.end));
    }
}
