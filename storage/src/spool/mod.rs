//! The spool: sealed chunks of live tracks on local disk, one file for each recording, until the archive has them.
//!
//! ```text
//! packet threads --offer (never waits)--> queue --> writer thread --> spool/<recording>.spool
//!                                        bounded                 \--> receipts, once durable
//! ```

mod queue;
mod reader;
mod repair;
mod sink;
mod writer;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use model::RecordingId;
use prometheus::{IntCounter, IntGauge, Registry};
use storage_core::ports::{ReceiptSink, SpoolSink};

pub use reader::{SpoolReader, SpoolSurvey, TrackSurvey};

use crate::{
    config::{ConfigError, SpoolConfig},
    files,
    metrics::{counter, gauge},
};
use queue::{Item, Queue};
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

/// The spool of one volume and its writer thread.
pub struct Spool {
    dir: PathBuf,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer thread, the sinks and the owner share.
struct Shared {
    queue: Queue,
    space: writer::Space,
    metrics: Metrics,
}

struct Metrics {
    octets: IntGauge,
    free: IntGauge,
    lost: IntCounter,
    syncs: IntCounter,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            octets: gauge(registry, "recorder_spool_bytes", "Octets of sealed audio on local disk."),
            free: gauge(registry, "recorder_spool_free_bytes", "Free octets on the volume of the spool."),
            lost: counter(registry, "recorder_spool_lost_chunks_total", "Chunks that the disk did not take."),
            syncs: counter(registry, "recorder_spool_syncs_total", "Times that written chunks were made durable."),
        }
    }
}

impl Spool {
    /// Opens or makes the spool in `dir`, cuts torn tails off what is there (start 5), and starts the writer thread.
    pub fn open(
        dir: &Path,
        config: &SpoolConfig,
        receipts: Arc<dyn ReceiptSink>,
        registry: &Registry,
    ) -> Result<Self, SpoolError> {
        config.check()?;
        files::make_dir(dir).map_err(SpoolError::at(dir))?;
        let octets = repair::repair(dir)?;
        let metrics = Metrics::new(registry);
        metrics.octets.set(octets.cast_signed());
        let shared = Arc::new(Shared {
            queue: Queue::new(config.memory_mib << 20, registry),
            space: writer::Space::new(dir, config.reserve_mib << 20).map_err(SpoolError::at(dir))?,
            metrics,
        });
        let writer = Writer::new(dir, config, Arc::clone(&shared), receipts).map_err(SpoolError::at(dir))?;
        let thread = std::thread::Builder::new().name("spool".into()).spawn(|| writer.run());
        let thread = Mutex::new(Some(thread.map_err(SpoolError::at(dir))?));
        Ok(Self { dir: dir.to_owned(), shared, thread })
    }

    /// The write side, for the packet threads.
    pub fn sink(&self) -> Arc<dyn SpoolSink> {
        Arc::new(Sink(Arc::clone(&self.shared)))
    }

    /// Whether a new call would be kept: the last write went well and more than the reserve is free.
    pub fn has_room(&self) -> bool {
        self.shared.space.has_room()
    }

    /// Free octets on the volume, as of half a second ago.
    pub fn free_octets(&self) -> u64 {
        self.shared.space.free_octets()
    }

    /// The sealed chunks of a recording, in the order of their arrival. Read it after the receipts of its tracks.
    pub fn read(&self, recording: RecordingId) -> Result<SpoolReader, SpoolError> {
        SpoolReader::open(&self.dir, recording)
    }

    /// What there is of a recording, track by track, without any key: for what a crash interrupted.
    pub fn survey(&self, recording: RecordingId) -> Result<SpoolSurvey, SpoolError> {
        reader::survey(&self.dir, recording)
    }

    /// Frees the spool of a recording. Only after the archive was read back and compared (invariant 6), or when the
    /// recording was never established. Success when there is nothing.
    pub fn remove(&self, recording: RecordingId) -> Result<(), SpoolError> {
        let path = path(&self.dir, recording);
        let octets = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        self.shared.queue.push(Item::Forget(recording));
        files::remove(&path).map_err(SpoolError::at(&path))?;
        self.shared.metrics.octets.sub(octets.cast_signed());
        Ok(())
    }

    /// The recordings that have a spool file, oldest first.
    pub fn recordings(&self) -> Result<Vec<RecordingId>, SpoolError> {
        let mut found: Vec<RecordingId> = spool_files(&self.dir)?.into_iter().map(|(id, _)| id).collect();
        found.sort();
        Ok(found)
    }

    /// Writes and syncs what was taken, sends the last receipts, and ends the writer thread. Offers are refused from
    /// here on.
    pub fn stop(&self) {
        self.shared.queue.close();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.stop();
    }
}

fn path(dir: &Path, recording: RecordingId) -> PathBuf {
    dir.join(format!("{recording}.{EXTENSION}"))
}

/// Spool files by the id in their name. Anything else in the folder is not ours and is left alone.
fn spool_files(dir: &Path) -> Result<Vec<(RecordingId, PathBuf)>, SpoolError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(SpoolError::at(dir))? {
        let path = entry.map_err(SpoolError::at(dir))?.path();
        let is_spool = path.extension().is_some_and(|extension| extension == EXTENSION);
        let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (true, Some(id)) = (is_spool, id) {
            found.push((id, path));
        }
    }
    Ok(found)
}

const EXTENSION: &str = "spool";

#[cfg(test)]
mod tests;
