//! The disk seam: every file operation of ledger, key store and spool goes through here, is counted when it fails and
//! timed when it syncs; in tests a simulated disk stands behind it, which forgets what was not synced.
//!
//! Dispatch is by enum: outside of tests there is one variant, and the call is as direct as it was.

mod real;
mod watch;

use std::{
    io::{self, IoSlice, Read},
    path::{Path, PathBuf},
};

#[cfg(test)]
pub(crate) use tests::sim;
pub use watch::Place;
use watch::{Call, Watch};

/// The disk as one part of storage sees it. Cheap to clone.
#[derive(Clone)]
pub struct Disk {
    world: World,
    watch: Watch,
}

#[derive(Clone)]
enum World {
    Real,
    #[cfg(test)]
    Simulated(sim::SimDisk),
}

/// How a file is opened. All are readable by this user alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It must be there.
    Read,
    /// For reading and writing, made if need be.
    Write,
    /// For reading and writing; what was there is gone.
    New,
}

/// An open file. Reading and writing name their place: there is no cursor to be wrong about.
pub(crate) struct DiskFile {
    handle: Handle,
    watch: Watch,
}

enum Handle {
    Real(std::fs::File),
    #[cfg(test)]
    Simulated(sim::SimFile),
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) octets: u64,
}

/// Octets of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

/// The one place where the two worlds part.
macro_rules! on {
    ($world:expr, $real:pat => $really:expr, $simulated:pat => $pretend:expr) => {
        match $world {
            $real => $really,
            #[cfg(test)]
            $simulated => $pretend,
        }
    };
}

impl Disk {
    /// The disk of this machine; its failures and sync times are registered. Once for each registry.
    pub fn new(registry: &prometheus::Registry) -> Self {
        Self { world: World::Real, watch: Watch::register(registry) }
    }

    /// The disk of this machine for a command that has no metrics.
    pub fn unwatched() -> Self {
        Self { world: World::Real, watch: Watch::unwatched() }
    }

    #[cfg(test)]
    pub(crate) fn simulated(disk: &sim::SimDisk) -> Self {
        Self { world: World::Simulated(disk.clone()), watch: Watch::unwatched() }
    }

    /// The same disk; what fails is counted for `place`.
    pub fn of(&self, place: Place) -> Self {
        Self { world: self.world.clone(), watch: self.watch.of(place) }
    }

    /// Calls that failed for this place.
    #[cfg(test)]
    pub(crate) fn failures(&self) -> u64 {
        self.watch.failures()
    }

    pub(crate) fn open(&self, path: &Path, mode: Mode) -> io::Result<DiskFile> {
        let handle = on!(&self.world,
            World::Real => real::open(path, mode).map(Handle::Real),
            World::Simulated(disk) => disk.open(path, mode).map(Handle::Simulated)
        );
        Ok(DiskFile { handle: self.watch.count(Call::Open, handle)?, watch: self.watch.clone() })
    }

    /// Makes the folder and those above it. Each new one is durable when this returns: what is synced in a folder whose
    /// own name is lost is lost with it.
    pub(crate) fn make_dir(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || self.is_dir(path) {
            return Ok(());
        }
        let above = path.parent().unwrap_or(Path::new(""));
        self.make_dir(above)?;
        let made = on!(&self.world, World::Real => real::make_dir(path), World::Simulated(disk) => disk.make_dir(path));
        self.watch.count(Call::MakeDir, made)?;
        self.sync_dir(if above.as_os_str().is_empty() { Path::new(".") } else { above })
    }

    fn is_dir(&self, path: &Path) -> bool {
        on!(&self.world, World::Real => real::is_dir(path), World::Simulated(disk) => disk.is_dir(path))
    }

    /// The files and folders in a folder, in no order.
    pub(crate) fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let listed = on!(&self.world, World::Real => real::list(dir), World::Simulated(disk) => disk.list(dir));
        self.watch.count(Call::List, listed)
    }

    /// Makes names in the folder durable: a new file is lost with its folder entry, however well it was synced itself.
    pub(crate) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let work =
            || on!(&self.world, World::Real => real::sync_dir(dir), World::Simulated(disk) => disk.sync_dir(dir));
        self.watch.time(Call::SyncDir, work)
    }

    /// Puts a file in the place of another, which is durable with the next [`Disk::sync_dir`].
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let done =
            on!(&self.world, World::Real => real::rename(from, to), World::Simulated(disk) => disk.rename(from, to));
        self.watch.count(Call::Rename, done)
    }

    /// Removes a file; success when it was not there.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let done = on!(&self.world, World::Real => real::remove(path), World::Simulated(disk) => disk.remove(path));
        match self.watch.count(Call::Remove, done) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Free and total octets of the volume of `dir`.
    pub(crate) fn space(&self, dir: &Path) -> io::Result<Space> {
        let space = on!(&self.world, World::Real => real::space(dir), World::Simulated(disk) => disk.space());
        self.watch.count(Call::Space, space)
    }

    /// Reads up to `limit` octets of a small file; an empty vector when it is not there.
    pub(crate) fn read_small(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        match self.open(path, Mode::Read) {
            Ok(file) => file.reader(0).take(limit).read_to_end(&mut octets).map(|_| octets),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(octets),
            Err(error) => Err(error),
        }
    }
}

impl DiskFile {
    /// Writes all of `octets` at `at`. On an error some of them may stand there.
    pub(crate) fn write_at(&self, octets: &[u8], at: u64) -> io::Result<()> {
        self.write_vectored_at(&mut [IoSlice::new(octets)], at)
    }

    /// Writes all parts one behind the other from `at` on. On an error some of them may stand there.
    pub(crate) fn write_vectored_at(&self, mut parts: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            let some = &parts[..parts.len().min(PARTS)];
            let written = on!(&self.handle,
                Handle::Real(file) => real::write_vectored_at(file, some, at),
                Handle::Simulated(file) => file.write_vectored_at(some, at)
            );
            match self.watch.count(Call::Write, written) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => {
                    IoSlice::advance_slices(&mut parts, octets);
                    at += octets as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads from `at` on; short at the end of the file.
    pub(crate) fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize> {
        let read = on!(&self.handle,
            Handle::Real(file) => real::read_at(file, octets, at),
            Handle::Simulated(file) => file.read_at(octets, at)
        );
        self.watch.count(Call::Read, read)
    }

    /// Reads exactly that many; `UnexpectedEof` when the file ends before.
    pub(crate) fn read_exact_at(&self, octets: &mut [u8], at: u64) -> io::Result<()> {
        self.reader(at).read_exact(octets)
    }

    /// Cuts the file off, or lengthens it with zeros.
    pub(crate) fn truncate(&self, octets: u64) -> io::Result<()> {
        let done = on!(&self.handle,
            Handle::Real(file) => file.set_len(octets),
            Handle::Simulated(file) => file.truncate(octets)
        );
        self.watch.count(Call::Truncate, done)
    }

    /// Makes what was written durable (`fdatasync`).
    ///
    /// When this fails the kernel may have dropped the pages and marked them clean: another call on the same file would
    /// be a success that means nothing. Whoever gets an error here writes the octets again or tells that they are lost.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let work = || {
            on!(&self.handle,
                Handle::Real(file) => file.sync_data(),
                Handle::Simulated(file) => file.sync()
            )
        };
        self.watch.time(Call::Sync, work)
    }

    /// Takes the file for this process alone; false when another one has it.
    pub(crate) fn lock(&self) -> bool {
        on!(&self.handle, Handle::Real(file) => real::lock(file), Handle::Simulated(_) => true)
    }

    /// Whether another process has it.
    pub(crate) fn is_locked(&self) -> bool {
        on!(&self.handle, Handle::Real(file) => real::is_locked(file), Handle::Simulated(_) => false)
    }

    /// Reads on from `at`.
    pub(crate) fn reader(&self, at: u64) -> DiskReader<'_> {
        DiskReader { file: self, at }
    }
}

/// Reads a file from one place on.
pub(crate) struct DiskReader<'a> {
    file: &'a DiskFile,
    at: u64,
}

impl Read for DiskReader<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(octets, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Parts of one `pwritev`: the kernel's own bound (`UIO_MAXIOV`). More of them take another call.
const PARTS: usize = 1_024;

#[cfg(test)]
mod tests;
