//! The spool: sealed chunks and states of live recordings on local disk, in segments that all of them share, until the
//! archive has them.
//!
//! ```text
//! packet threads --offer (never waits)--> queue --> writer thread --> spool/<rank>-<generation>.spool
//!                                        bounded            |    \--> receipts, once durable
//!                                                      sync thread
//! ```
//! A new life of the process begins a new segment and never appends to an old one.

mod active;
mod ids;
mod index;
mod mover;
mod queue;
mod reader;
mod room;
mod scan;
mod sink;
mod tracks;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use model::RecordingId;
use prometheus::{Histogram, IntCounter, IntGauge, Registry};
use storage_core::ports::{ReceiptSink, SpoolSink};

pub use reader::{SpoolReader, SpoolSurvey, TrackSurvey};

use crate::{
    config::{ConfigError, SpoolConfig},
    disk::{Disk, Place},
    limits::{SPOOL_SPACE_CHECK, SPOOL_STATE_OCTETS},
    metrics::{counter, gauge, histogram},
};
use index::Index;
use mover::Mover;
use queue::Queue;
use room::Room;
use sink::Sink;
use writer::Writer;

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A key of the section `[spool]`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The disk says no.
    #[error("spool {}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        cause: io::Error,
    },
}

impl SpoolError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::Io { path, cause }
    }
}

/// The spool of one volume and its threads.
pub struct Spool {
    dir: PathBuf,
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<()>,
    syncer: JoinHandle<()>,
    mover: JoinHandle<()>,
    /// Dropped, it tells the mover to stop.
    moving: SyncSender<()>,
}

/// What the writer thread, the sinks and the owner share. Of the two locks nobody holds both.
struct Shared {
    queue: Queue,
    index: Mutex<Index>,
    room: Room,
    metrics: Metrics,
}

struct Metrics {
    octets: IntGauge,
    files: IntGauge,
    file_octets: IntGauge,
    waited: Histogram,
    lost: IntCounter,
    syncs: IntCounter,
    failed_syncs: IntCounter,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            octets: gauge(registry, "recorder_spool_bytes", "Octets of sealed audio on local disk."),
            files: gauge(registry, "recorder_spool_segments", "Segment files of the spool."),
            file_octets: gauge(
                registry,
                "recorder_spool_segment_bytes",
                "Octets of the segment files: what is kept, and what is freed with the rest of its segment.",
            ),
            waited: histogram(
                registry,
                "recorder_spool_wait_seconds",
                "How long the oldest chunk of each block waited before it was written: what a kill may cost.",
                &WAITS,
            ),
            lost: counter(registry, "recorder_spool_lost_chunks_total", "Chunks that the disk did not take."),
            syncs: counter(registry, "recorder_spool_syncs_total", "Times that written chunks were made durable."),
            failed_syncs: counter(
                registry,
                "recorder_spool_failed_syncs_total",
                "Times that written chunks could not be made durable: their tracks have a gap.",
            ),
        }
    }
}

impl Shared {
    /// The metrics follow the index.
    fn told(&self, index: &Index) {
        let (files, file_octets) = index.files();
        self.metrics.octets.set(index.octets().cast_signed());
        self.metrics.files.set(files as i64);
        self.metrics.file_octets.set(file_octets.cast_signed());
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_index<T>(&self, work: impl FnOnce(&mut Index) -> T) -> T {
        work(&mut self.index())
    }
}

impl Spool {
    /// Opens or makes the spool in `dir` on the disk of this machine.
    pub fn open(
        dir: &Path,
        config: &SpoolConfig,
        receipts: Arc<dyn ReceiptSink>,
        registry: &Registry,
    ) -> Result<Self, SpoolError> {
        Self::open_on(&Disk::new(registry), dir, config, receipts, registry)
    }

    /// Opens or makes the spool in `dir`, finds what is there and cuts torn tails off (start 5), and starts its
    /// threads.
    pub fn open_on(
        disk: &Disk,
        dir: &Path,
        config: &SpoolConfig,
        receipts: Arc<dyn ReceiptSink>,
        registry: &Registry,
    ) -> Result<Self, SpoolError> {
        let (shared, writer) = prepare(disk, dir, config, receipts, registry)?;
        let mover = Mover::new(disk.of(Place::Spool), dir.to_owned(), Arc::clone(&shared), registry);
        let (moving, stop) = sync_channel(0);
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let mover = thread("spool-mover").spawn(move || mover.run(&stop)).map_err(SpoolError::at(dir))?;
        let (jobs, due) = sync_channel(1);
        let (place, told) = (writer.place(), Arc::clone(&shared));
        let sync = move || writer::run_sync(&due, &place, &told);
        let syncer = thread("spool-sync").spawn(sync).map_err(SpoolError::at(dir))?;
        let writer = thread("spool").spawn(move || writer.run(&jobs)).map_err(SpoolError::at(dir))?;
        let threads = Threads { writer, syncer, mover, moving };
        Ok(Self { dir: dir.to_owned(), shared, threads: Mutex::new(Some(threads)) })
    }

    /// The write side, for the packet threads.
    pub fn sink(&self) -> Arc<dyn SpoolSink> {
        Arc::new(Sink(Arc::clone(&self.shared)))
    }

    /// Whether a new call would be kept: the last write went well, and more is free than the live calls need for the
    /// configured time and the reserve.
    pub fn has_room(&self) -> bool {
        self.shared.room.has_room()
    }

    /// Free octets on the volume, as of half a second ago.
    pub fn free_octets(&self) -> u64 {
        self.shared.room.free_octets()
    }

    /// The free octets below which new calls are refused, as of half a second ago.
    pub fn low_water_octets(&self) -> u64 {
        self.shared.room.low_water()
    }

    /// Keeps the sealed state of a live recording, in the place of the one before. Never waits: it is handed to the
    /// writer thread, survives a kill within milliseconds and a power cut after the next group commit, and goes with
    /// the spool of the recording. An error when it is too long, when too many wait, or after [`Spool::stop`].
    pub fn put_state(&self, recording: RecordingId, sealed: &[u8]) -> Result<(), SpoolError> {
        let refused = |kind, text| SpoolError::Io { path: self.dir.clone(), cause: io::Error::new(kind, text) };
        if sealed.len() > SPOOL_STATE_OCTETS {
            return Err(refused(io::ErrorKind::InvalidInput, "the state of a recording is too long"));
        }
        match self.shared.queue.put_state(recording, sealed) {
            true => Ok(()),
            false => Err(refused(io::ErrorKind::QuotaExceeded, "too many states wait for the disk")),
        }
    }

    /// The sealed state of a recording as it was last written; none when there is none, or when it is damaged.
    ///
    /// # Errors
    /// What the disk said.
    pub fn state(&self, recording: RecordingId) -> Result<Option<Vec<u8>>, SpoolError> {
        let Some((stored, piece)) = self.shared.with_index(|index| index.state(recording)) else { return Ok(None) };
        let mut octets = Vec::new();
        match reader::read(&stored, &piece, &mut octets) {
            Ok(is_whole) => Ok(is_whole.then_some(octets)),
            Err(cause) => Err(SpoolError::Io { path: self.dir.clone(), cause }),
        }
    }

    /// The sealed states that were written, for the start; of recordings that are still in the spool, in no order. One
    /// that cannot be read is left out and told: the others must not wait for it.
    pub fn states(&self) -> Vec<(RecordingId, Vec<u8>)> {
        let found = self.shared.with_index(|index| index.states());
        let state = |(recording, stored, piece): (RecordingId, Arc<index::Stored>, index::Piece)| {
            let mut octets = Vec::new();
            match reader::read(&stored, &piece, &mut octets) {
                Ok(true) => Some((recording, octets)),
                Ok(false) => {
                    tracing::error!(%recording, "spool: a state is damaged");
                    None
                }
                Err(error) => {
                    tracing::error!(%recording, %error, "spool: a state cannot be read");
                    None
                }
            }
        };
        found.into_iter().filter_map(state).collect()
    }

    /// The sealed chunks of a recording, in the order of their arrival. Read it after the receipts of its tracks.
    /// `NotFound` when there are none.
    pub fn read(&self, recording: RecordingId) -> Result<SpoolReader, SpoolError> {
        let missing = || SpoolError::Io {
            path: self.dir.clone(),
            cause: io::Error::new(io::ErrorKind::NotFound, format!("nothing of recording {recording}")),
        };
        self.shared.with_index(|index| index.pieces(recording)).map(SpoolReader::new).ok_or_else(missing)
    }

    /// What there is of a recording, track by track, without any key: for what a crash interrupted. Empty when there is
    /// nothing.
    pub fn survey(&self, recording: RecordingId) -> Result<SpoolSurvey, SpoolError> {
        reader::survey(self.shared.with_index(|index| index.pieces(recording)).unwrap_or_default())
    }

    /// Frees the spool of a recording. Only after the archive was read back and compared (invariant 6), or when the
    /// recording was never established. Success when there is nothing. Its octets go when their segment has no other;
    /// until then they are noise to whoever has no key.
    pub fn remove(&self, recording: RecordingId) -> Result<(), SpoolError> {
        self.shared.with_index(|index| {
            index.free(recording);
            self.shared.told(index);
        });
        self.shared.queue.free(recording);
        Ok(())
    }

    /// The recordings that have something in the spool, oldest first.
    pub fn recordings(&self) -> Result<Vec<RecordingId>, SpoolError> {
        Ok(self.shared.with_index(|index| index.list()))
    }

    /// Writes and syncs what was taken, sends the last receipts, and ends the writer thread. Offers are refused from
    /// here on.
    pub fn stop(&self) {
        self.shared.queue.close();
        if let Some(threads) = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(threads.moving);
            let _ = threads.writer.join();
            let _ = threads.syncer.join();
            let _ = threads.mover.join();
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Seconds: 10 ms of gathering and a write are below 20 ms, beyond 10 s the queue is long full.
const WAITS: [f64; 14] = [0.005, 0.010, 0.012, 0.015, 0.020, 0.030, 0.050, 0.100, 0.200, 0.500, 1.0, 2.0, 5.0, 10.0];

/// Everything but the thread.
fn prepare(
    disk: &Disk,
    dir: &Path,
    config: &SpoolConfig,
    receipts: Arc<dyn ReceiptSink>,
    registry: &Registry,
) -> Result<(Arc<Shared>, Writer), SpoolError> {
    config.check()?;
    let disk = disk.of(Place::Spool);
    disk.make_dir(dir).map_err(SpoolError::at(dir))?;
    let found = scan::scan(&disk, dir).map_err(SpoolError::at(dir))?;
    let shared = Arc::new(Shared {
        queue: Queue::new(config.memory_mib << 20, registry),
        index: Mutex::new(found.index),
        room: Room::new(config, registry),
        metrics: Metrics::new(registry),
    });
    shared.with_index(|index| shared.told(index));
    let sync_every = Duration::from_millis(config.sync_ms);
    let place = active::Place { disk, dir: dir.to_owned() };
    let writer = Writer::new(place, sync_every, found.next_rank, Arc::clone(&shared), receipts);
    writer.measure(SPOOL_SPACE_CHECK);
    Ok((shared, writer))
}

#[cfg(test)]
mod tests;
