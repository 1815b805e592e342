//! The writer thread: gathers what waits into blocks, appends them to the segment of the day, has them made durable by
//! one `fdatasync` on the sync thread, and only then sends receipts.
//!
//! One file for all recordings, by measurement on 2 cores (91,000 chunks/s of 1.9 kB, what 10,000 tracks bring):
//!
//! | layout | writer's CPU a chunk | kernel's writeback a chunk | sync every 200 ms |
//! |---|---|---|---|
//! | a file for each recording, one `write` for each chunk | 3.8-4.5 us | 4.6 us | `syncfs` is at it 70 % of the time |
//! | the same, two chunks a `pwritev` | 3.1-4.6 us | 4-6 us | 66 %, and the disk does not keep up |
//! | segments for all, blocks of 900 chunks | 1.2-1.5 us | 0.2-0.9 us | `fdatasync` is at it 13 % |
//!
//! (Prototypes that only write. The whole writer, with checksums, index, receipts and syncs, takes 2.5-2.9 us a chunk beside
//! eight busy neighbours: `cargo run --release -p storage --example spool_load`.)
//! What limits files is the work for each of 5,000 inodes in each interval: journal, block allocation, one request each.

mod sync;

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    path::PathBuf,
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use model::{RecordingId, TrackId};
use storage_core::{
    limits::RUNS_PER_BLOCK,
    ports::{ReceiptSink, SealedChunk},
    spoolfile::{HEAD_LEN, Head, Kind, PAGE, RUN_LEN, Run, Sum, padded, sum},
};

pub(super) use sync::{Done, Job, run as run_sync};

use super::{
    Shared,
    active::{Active, Place},
    ids::IdHash,
    index::Piece,
    queue::Taken,
    tracks::Tracks,
};
use crate::limits::{SPOOL_BLOCK_OCTETS, SPOOL_CLOSE_SYNC, SPOOL_PATIENCE, SPOOL_RETRY, SPOOL_SPACE_CHECK};

pub(super) struct Writer {
    place: Place,
    shared: Arc<Shared>,
    receipts: Arc<dyn ReceiptSink>,
    sync_every: Duration,
    next_rank: u64,
    active: Option<Active>,
    tracks: Tracks,
    /// Taken and not yet written.
    waiting: Waiting,
    closes: Vec<(TrackId, u32)>,
    /// Written since the last sync began.
    is_dirty: bool,
    /// A sync runs. One at a time: each waits for the same disk.
    is_syncing: bool,
    /// Files that nobody needs and that would not go.
    spent: Vec<PathBuf>,
    table: Vec<u8>,
    /// A sync that runs until the test says that it is over.
    #[cfg(test)]
    held: Option<Job>,
}

#[derive(Default)]
struct Waiting {
    chunks: Vec<SealedChunk>,
    /// When the oldest of the chunks came.
    since: Option<Instant>,
    states: HashMap<RecordingId, Vec<u8>, IdHash>,
    freed: Vec<RecordingId>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.states.is_empty() && self.freed.is_empty()
    }
}

impl Writer {
    pub(super) fn new(
        place: Place,
        sync_every: Duration,
        next_rank: u64,
        shared: Arc<Shared>,
        receipts: Arc<dyn ReceiptSink>,
    ) -> Self {
        Self {
            place,
            shared,
            receipts,
            sync_every,
            next_rank,
            active: None,
            tracks: Tracks::default(),
            waiting: Waiting::default(),
            closes: Vec::new(),
            is_dirty: false,
            is_syncing: false,
            spent: Vec::new(),
            table: Vec::new(),
            #[cfg(test)]
            held: None,
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Until the queue is closed and empty; `syncer` leads to the sync thread.
    pub(super) fn run(mut self, syncer: &SyncSender<Job>) {
        let (mut synced, mut measured) = (now(), now());
        let mut trouble: Option<Instant> = None;
        loop {
            let patience = if trouble.is_some() { SPOOL_RETRY } else { self.sync_every };
            let Some(taken) = self.shared.queue.take(patience) else { break };
            self.accept(taken);
            match self.write() {
                Ok(()) => trouble = None,
                Err(_) if trouble.get_or_insert_with(now).elapsed() < SPOOL_PATIENCE => {}
                Err(_) => {
                    self.give_up();
                    trouble = None;
                }
            }
            let age = synced.elapsed();
            let is_due = age >= self.sync_every || (!self.closes.is_empty() && age >= SPOOL_CLOSE_SYNC);
            if is_due && !self.is_syncing {
                self.hand_over(syncer);
                synced = now();
            }
            if measured.elapsed() >= SPOOL_SPACE_CHECK {
                self.measure(measured.elapsed());
                self.shared.queue.trim();
                measured = now();
            }
        }
        if self.write().is_err() {
            self.give_up();
        }
        self.sync();
    }

    /// Adds to what waits. What was freed needs no writing.
    pub(super) fn accept(&mut self, taken: Taken) {
        let Taken { chunks, since, states, closes, freed, synced } = taken;
        if let Some(done) = synced {
            self.finish(done);
        }
        self.waiting.since = self.waiting.since.or(since);
        if self.waiting.chunks.is_empty() {
            self.waiting.chunks = chunks;
        } else {
            self.waiting.chunks.extend(chunks);
        }
        self.waiting.states.extend(states);
        self.closes.extend(closes);
        if !freed.is_empty() {
            self.free(&freed);
        }
    }

    fn free(&mut self, freed: &[RecordingId]) {
        let (lost, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting.chunks)
            .into_iter()
            .partition(|chunk| freed.contains(&chunk.track.recording));
        self.shared.queue.done(lost.into_iter());
        self.waiting.chunks = kept;
        self.waiting.states.retain(|recording, _| !freed.contains(recording));
        self.tracks.forget(freed);
        self.waiting.freed.extend(freed);
        let mut index = self.shared.index();
        for recording in freed {
            index.free(*recording);
        }
        // With nothing else in the spool its files go, and nobody has to be told what does not count in them.
        if index.is_empty() {
            self.waiting.freed.clear();
        }
    }

    /// Write 3: everything that waits, in blocks. On an error what is not written still waits.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let count = self.next_block();
            if let Err(error) = self.block(count) {
                tracing::error!(%error, chunks = self.waiting.chunks.len(), "spool: cannot write; chunks wait in memory");
                self.shared.room.failed();
                self.retreat(&error);
                return Err(error);
            }
        }
        if let Some(since) = self.waiting.since.take() {
            self.shared.metrics.waited.observe(since.elapsed().as_secs_f64());
        }
        self.reclaim();
        Ok(())
    }

    /// How many of the chunks that wait go into the next block; those of one recording stand side by side in it.
    fn next_block(&mut self) -> usize {
        let mut octets = 0;
        let fits = |chunk: &SealedChunk| {
            let fits = octets < SPOOL_BLOCK_OCTETS;
            octets += chunk.octets.len() as u64;
            fits
        };
        let most = RUNS_PER_BLOCK
            - self.waiting.states.len().min(RUNS_PER_BLOCK / 4)
            - self.waiting.freed.len().min(RUNS_PER_BLOCK / 4);
        let count = self.waiting.chunks.iter().take(most).take_while({
            let mut fits = fits;
            move |chunk| fits(chunk)
        });
        let count = count.count();
        self.waiting.chunks[..count].sort_by_key(|chunk| chunk.track.recording);
        count
    }

    fn block(&mut self, count: usize) -> io::Result<()> {
        let states: Vec<RecordingId> = self.waiting.states.keys().copied().take(RUNS_PER_BLOCK / 4).collect();
        let freed = self.waiting.freed.len().min(RUNS_PER_BLOCK / 4);
        let chunks = &self.waiting.chunks[..count];
        let mut runs = chunk_runs(chunks);
        for recording in &states {
            let state = &self.waiting.states[recording];
            runs.push(Run { recording: *recording, kind: Kind::State, octets: state.len() as u32, sum: sum(state) });
        }
        let free = |recording: &RecordingId| Run { recording: *recording, kind: Kind::Freed, octets: 0, sum: 0 };
        runs.extend(self.waiting.freed[..freed].iter().map(free));
        let room = padded(
            runs.iter().map(|run| u64::from(run.octets)).sum::<u64>() + (HEAD_LEN + runs.len() * RUN_LEN) as u64,
        );

        let active = Active::ready(&mut self.active, &self.place, &mut self.next_rank, &self.shared, room)?;
        self.table.clear();
        Head::encode(&runs, active.stored.durable(), false, &mut self.table);
        let mut parts = Vec::with_capacity(count + states.len() + 2);
        parts.push(IoSlice::new(&self.table));
        parts.extend(chunks.iter().map(|chunk| IoSlice::new(&chunk.octets)));
        parts.extend(states.iter().map(|recording| IoSlice::new(&self.waiting.states[recording])));
        let octets: u64 = parts.iter().map(|part| part.len() as u64).sum();
        parts.push(IoSlice::new(&ZEROS[..(padded(octets) - octets) as usize]));
        active.stored.file.write_vectored_at(&mut parts, active.end)?;
        self.is_dirty = true;
        let at = active.end + self.table.len() as u64;
        active.end += padded(octets);
        let (handle, end) = (active.handle, active.end);
        self.note(handle, at, end, &runs);
        self.wrote(count, &states, freed);
        Ok(())
    }

    /// The index learns where everything stands.
    fn note(&self, segment: u32, mut at: u64, end: u64, runs: &[Run]) {
        let mut index = self.shared.index();
        for run in runs {
            let piece = Piece::of(run, segment, at);
            match run.kind {
                Kind::Chunks => index.add(run.recording, piece),
                Kind::State => index.set_state(run.recording, piece),
                Kind::Freed => {}
            }
            at += u64::from(run.octets);
        }
        index.grew(segment, end);
        self.shared.told(&index);
        drop(index);
        self.shared.room.wrote(runs.iter().map(|run| u64::from(run.octets)).sum());
    }

    fn wrote(&mut self, chunks: usize, states: &[RecordingId], freed: usize) {
        for chunk in &self.waiting.chunks[..chunks] {
            self.tracks.wrote(chunk.track, chunk.octets.len());
        }
        self.shared.queue.done(self.waiting.chunks.drain(..chunks));
        for recording in states {
            self.waiting.states.remove(recording);
        }
        self.waiting.freed.drain(..freed);
    }

    /// After a failed write: a full disk may have room later, in the same place. Any other fault may stay where it is,
    /// so that what was written before is made durable and the next try goes to a new file.
    fn retreat(&mut self, error: &io::Error) {
        let Some(active) = &self.active else { return };
        let is_cut = active.stored.file.truncate(active.end).is_ok();
        if !is_cut || error.kind() != io::ErrorKind::StorageFull {
            self.sync();
            self.active = None;
            self.is_dirty = false;
        }
    }

    /// What waits is lost: counted, and told by the receipts of its tracks.
    pub(super) fn give_up(&mut self) {
        let chunks = std::mem::take(&mut self.waiting.chunks);
        tracing::error!(chunks = chunks.len(), "spool: chunks lost");
        for chunk in &chunks {
            self.tracks.lost(chunk.track);
        }
        self.waiting.since = None;
        self.shared.metrics.lost.inc_by(chunks.len() as u64);
        self.shared.queue.done(chunks.into_iter());
        self.waiting.states.clear();
        self.waiting.freed.clear();
    }

    /// Removes the files that nobody needs any more, the active one included.
    pub(super) fn reclaim(&mut self) {
        let mut index = self.shared.index();
        if self.active.as_ref().is_some_and(|active| index.is_spent(active.handle)) && index.is_empty() {
            self.active = None;
            self.is_dirty = false;
        }
        let active = self.active.as_ref().map(|active| active.handle);
        let spent = index.take_spent(|handle| Some(handle) == active);
        self.shared.told(&index);
        drop(index);
        self.spent.extend(spent.into_iter().map(|stored| stored.path.clone()));
        self.spent.retain(|path| self.place.disk.remove(path).is_err());
    }

    pub(super) fn measure(&self, since: Duration) {
        self.shared.room.measure(&self.place.disk, &self.place.dir, self.tracks.live(), since);
    }
}

/// Runs of chunks that are sorted by recording.
fn chunk_runs(chunks: &[SealedChunk]) -> Vec<Run> {
    let mut runs = Vec::with_capacity(chunks.len());
    for group in chunks.chunk_by(|one, next| one.track.recording == next.track.recording) {
        let mut sum = Sum::default();
        group.iter().for_each(|chunk| sum.update(&chunk.octets));
        let octets: usize = group.iter().map(|chunk| chunk.octets.len()).sum();
        let recording = group[0].track.recording;
        runs.push(Run { recording, kind: Kind::Chunks, octets: octets as u32, sum: sum.finish() });
    }
    runs
}

static ZEROS: [u8; PAGE] = [0; PAGE];

#[expect(clippy::disallowed_methods, reason = "the clock of the spool thread: when to sync")]
fn now() -> Instant {
    Instant::now()
}
