//! The ledger of this node: one append-only file, written by one process, read by many.
//!
//! ```text
//! ledger/ledger.jsonl        the chain (storage_core::ledger draws a line)
//! ledger/HEAD                the last durable line, signed; rewritten in place after commits, under load after some of them
//! ledger/SNAPSHOT            what a replay up to some line finds: derivable, a start reads on from there
//! ledger/HEAD.disputed-N     a HEAD that named a line the file does not have: evidence, kept for `verify`
//! ledger/ledger.torn-N       what stood behind the last whole line, at octet N: evidence of an interrupted write
//! ```

mod facts;
mod head;
mod lines;
mod reader;
mod recover;
mod seek;
mod snapshot;
mod unfinished;
mod verify;

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use crypto::sign::Signer;
use model::{Fact, Timestamp};
use storage_core::{ledger::Chain, view::RecordingView};

pub use facts::{Batch, FactReader};
pub use reader::LedgerReader;
pub use snapshot::{Mark, Snapshots};
pub use unfinished::Unfinished;
pub use verify::{VerifyReport, verify};

use crate::{
    disk::{Disk, DiskFile, Mode, Place},
    limits::{FACTS_BETWEEN_CHECKPOINTS, NANOS_BETWEEN_CHECKPOINTS, NANOS_BETWEEN_HEADS},
};
use head::HeadFile;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has it.
    #[error("another recorder uses {}", .0.display())]
    InUse(PathBuf),
    /// The disk says no.
    #[error("ledger {}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        cause: io::Error,
    },
}

impl LedgerError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::Io { path, cause }
    }
}

/// What opening found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The number the next fact will get.
    pub next_no: u64,
    /// The last fact that the snapshot knew from which it was read; 0 when it was read as a whole.
    pub snapshot_no: u64,
    /// Recordings whose last fact leaves them live or finalizing, oldest first. The state tells which.
    pub unfinished: Vec<RecordingView>,
    /// Recordings that could not be finished; their spool is still there.
    pub failed: Vec<RecordingView>,
    /// Octets behind the last whole line, cut off and kept aside (start 2).
    pub torn_octets: u64,
    /// Lines that do not match their own hash. They stay; `verify` names them.
    pub damaged_lines: u64,
    /// `HEAD` named a line that is not there: the end was cut off or replaced by somebody.
    pub is_disputed: bool,
}

/// The write side.
pub struct Ledger {
    disk: Disk,
    path: PathBuf,
    /// Holds the lock for the life of the ledger.
    _lock: DiskFile,
    /// Another descriptor of the same file, opened anew after a failed sync.
    file: DiskFile,
    head: HeadFile,
    chain: Chain,
    signer: Signer,
    octets: u64,
    unsigned: u64,
    signed_at: Timestamp,
    /// When `HEAD` was last written after a commit, and whether it names a line before the last.
    head_at: Option<Timestamp>,
    is_head_behind: bool,
    /// The last octets that are durable, at most a page: what shares a page with the next line.
    tail: Vec<u8>,
    /// Lines that did not match their own hash when it was opened.
    damaged: u64,
    /// After a failed sync, or a failed write that could not be taken back, nobody knows what the disk holds behind
    /// `octets`: it is mended before any further fact.
    is_broken: bool,
}

impl Ledger {
    /// Opens or makes the ledger in `dir/ledger` for this process alone, and repairs an interrupted write.
    pub fn open(dir: &Path, signer: Signer, now: Timestamp) -> Result<(Self, Recovered), LedgerError> {
        Self::open_on(&Disk::unwatched(), dir, signer, now)
    }

    /// The same on a disk whose failures are counted.
    pub fn open_on(disk: &Disk, dir: &Path, signer: Signer, now: Timestamp) -> Result<(Self, Recovered), LedgerError> {
        let (disk, dir) = (disk.of(Place::Ledger), folder(dir));
        disk.make_dir(&dir).map_err(LedgerError::at(&dir))?;
        let path = dir.join(FILE);
        let lock = disk.open(&path, Mode::Write).map_err(LedgerError::at(&path))?;
        if !lock.lock() {
            return Err(LedgerError::InUse(dir));
        }
        let file = disk.open(&path, Mode::Write).map_err(LedgerError::at(&path))?;
        let found = recover::recover(&disk, &dir, &file, &signer.public_hex()).map_err(LedgerError::at(&path))?;
        let mut tail = vec![0; found.octets.min(TAIL) as usize];
        let tail_at = found.octets - tail.len() as u64;
        file.read_exact_at(&mut tail, tail_at).map_err(LedgerError::at(&path))?;
        let head = HeadFile::open(&disk, &dir).map_err(LedgerError::at(&dir))?;
        let mut ledger = Self {
            path,
            _lock: lock,
            file,
            head,
            chain: found.chain,
            signer,
            octets: found.octets,
            unsigned: found.unsigned,
            signed_at: now,
            head_at: None,
            is_head_behind: false,
            tail,
            damaged: found.recovered.damaged_lines,
            is_broken: false,
            disk,
        };
        // What was recovered may stand in the page cache alone: a life killed before its sync. From here on it counts.
        ledger.file.sync().map_err(LedgerError::at(&ledger.path))?;
        ledger.write_head().and_then(|()| ledger.disk.sync_dir(&dir)).map_err(LedgerError::at(&dir))?;
        Ok((ledger, found.recovered))
    }

    /// Appends the facts and makes them durable: one write, one `fdatasync`. Returns their numbers. On an error none of
    /// them counts; the same can be tried again.
    pub fn commit(&mut self, facts: &[Fact], at: Timestamp) -> io::Result<Range<u64>> {
        let first = self.chain.n + 1;
        if facts.is_empty() {
            return Ok(first..first);
        }
        let (mut chain, mut lines) = (self.chain.clone(), Vec::with_capacity(facts.len() * LINE_OCTETS));
        facts.iter().for_each(|fact| chain.append(at, fact, &mut lines));
        let unsigned = self.unsigned + facts.len() as u64;
        let is_due = unsigned >= FACTS_BETWEEN_CHECKPOINTS
            || at.nanos().saturating_sub(self.signed_at.nanos()) >= NANOS_BETWEEN_CHECKPOINTS;
        if is_due {
            chain.checkpoint(at, &self.signer, &mut lines);
        }
        self.append(&lines)?;
        self.chain = chain;
        (self.unsigned, self.signed_at) = if is_due { (0, at) } else { (unsigned, self.signed_at) };
        self.is_head_behind = true;
        if self.head_at.is_none_or(|head_at| at.nanos().abs_diff(head_at.nanos()) >= NANOS_BETWEEN_HEADS) {
            self.show(at);
        }
        Ok(first..self.chain.n + 1)
    }

    /// Whether `HEAD` names a line before the last: [`Self::show`] is due when nothing more is to be committed at once.
    pub const fn is_head_behind(&self) -> bool {
        self.is_head_behind
    }

    /// Lets `HEAD` name the last line, so that readers see what was committed.
    pub fn show(&mut self, at: Timestamp) {
        // The facts are durable whatever becomes of HEAD, and the next commit writes it anew.
        self.is_head_behind = self.write_head().is_err();
        self.head_at = Some(at);
    }

    /// The number the next fact will get.
    pub fn next_no(&self) -> u64 {
        self.chain.n + 1
    }

    /// Where the ledger stands, for a snapshot of what was folded up to here.
    pub fn mark(&self) -> Mark {
        Mark { chain: self.chain.clone(), octets: self.octets, unsigned: self.unsigned, damaged: self.damaged }
    }

    /// Ends the ledger in order: a last checkpoint, and a durable head. Where it ends, for the last snapshot.
    pub fn close(mut self, at: Timestamp) -> io::Result<Mark> {
        if self.unsigned > 0 {
            let (mut chain, mut lines) = (self.chain.clone(), Vec::new());
            chain.checkpoint(at, &self.signer, &mut lines);
            self.append(&lines)?;
            self.chain = chain;
            self.unsigned = 0;
        }
        self.write_head()?;
        self.head.sync()?;
        Ok(self.mark())
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_broken {
            self.mend()?;
        }
        if let Err(error) = self.file.write_at(lines, self.octets) {
            // A full disk leaves a part of a line behind: take it back, or mend it before the next.
            self.is_broken = self.file.truncate(self.octets).is_err();
            return Err(error);
        }
        if let Err(error) = self.file.sync() {
            self.is_broken = true;
            let _ = self.file.truncate(self.octets);
            return Err(error);
        }
        self.octets += lines.len() as u64;
        self.tail.extend_from_slice(lines);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL as usize));
        Ok(())
    }

    /// After a failed sync the kernel may have dropped the pages and calls them clean, so that syncing the old descriptor
    /// again would be a success that means nothing. So: a new descriptor, the last page of what is durable written again
    /// (it may have been on the lost page too), what is behind it cut off, and a sync that covers both.
    fn mend(&mut self) -> io::Result<()> {
        let file = self.disk.open(&self.path, Mode::Write)?;
        file.write_at(&self.tail, self.octets - self.tail.len() as u64)?;
        file.truncate(self.octets)?;
        file.sync()?;
        self.file = file;
        self.is_broken = false;
        tracing::warn!("the ledger can be written again");
        Ok(())
    }

    fn write_head(&mut self) -> io::Result<()> {
        self.head.write(&self.chain.sign(&self.signer))
    }
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("ledger")
}

const FILE: &str = "ledger.jsonl";
/// Octets of most lines.
const LINE_OCTETS: usize = 512;
/// Octets of a page: what one failed write can take with it of what was durable before.
const TAIL: u64 = 4_096;

#[cfg(test)]
mod tests;
