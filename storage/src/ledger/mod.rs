//! The ledger of this node: one append-only file, written by one process, read by many.
//!
//! ```text
//! ledger/ledger.jsonl        the chain (storage_core::ledger draws a line)
//! ledger/HEAD                the last durable line, signed; rewritten in place after each commit
//! ledger/HEAD.disputed-N     a HEAD that named a line the file does not have: evidence, kept for `verify`
//! ledger/ledger.torn-N       what stood behind the last whole line, at octet N: evidence of an interrupted write
//! ```

mod head;
mod lines;
mod reader;
mod recover;
mod verify;

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use crypto::sign::Signer;
use model::{Fact, Timestamp};
use rustix::fs::{FlockOperation, flock};
use storage_core::{ledger::Chain, view::RecordingView};

pub use reader::LedgerReader;
pub use verify::{VerifyReport, verify};

use crate::{
    files,
    limits::{FACTS_BETWEEN_CHECKPOINTS, NANOS_BETWEEN_CHECKPOINTS},
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
    file: File,
    head: HeadFile,
    chain: Chain,
    signer: Signer,
    octets: u64,
    unsigned: u64,
    signed_at: Timestamp,
    /// After a failed write or sync nobody knows what the disk holds: no further fact may claim to be durable.
    is_broken: bool,
}

impl Ledger {
    /// Opens or makes the ledger in `dir/ledger` for this process alone, and repairs an interrupted write.
    pub fn open(dir: &Path, signer: Signer, now: Timestamp) -> Result<(Self, Recovered), LedgerError> {
        let dir = folder(dir);
        files::make_dir(&dir).map_err(LedgerError::at(&dir))?;
        let path = dir.join(FILE);
        let file = files::open_append(&path).map_err(LedgerError::at(&path))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(LedgerError::InUse(dir));
        }
        let found = recover::recover(&dir, &file).map_err(LedgerError::at(&path))?;
        let head = HeadFile::open(&dir).map_err(LedgerError::at(&dir))?;
        let mut ledger = Self {
            file,
            head,
            chain: found.chain,
            signer,
            octets: found.octets,
            unsigned: found.unsigned,
            signed_at: now,
            is_broken: false,
        };
        ledger.write_head().and_then(|()| files::sync_dir(&dir)).map_err(LedgerError::at(&dir))?;
        Ok((ledger, found.recovered))
    }

    /// Appends the facts and makes them durable: one write, one `fdatasync`. Returns their numbers. On an error none of
    /// them is in the ledger; when that cannot be ensured, every later call fails too.
    pub fn commit(&mut self, facts: &[Fact], at: Timestamp) -> io::Result<Range<u64>> {
        let first = self.chain.n + 1;
        if facts.is_empty() {
            return Ok(first..first);
        }
        let (mut chain, mut lines) = (self.chain.clone(), Vec::new());
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
        // The facts are durable whatever becomes of HEAD, and the next commit writes it anew.
        let _ = self.write_head();
        Ok(first..self.chain.n + 1)
    }

    /// The number the next fact will get.
    pub fn next_no(&self) -> u64 {
        self.chain.n + 1
    }

    /// Ends the ledger in order: a last checkpoint, and a durable head.
    pub fn close(mut self, at: Timestamp) -> io::Result<()> {
        if self.unsigned > 0 {
            let (mut chain, mut lines) = (self.chain.clone(), Vec::new());
            chain.checkpoint(at, &self.signer, &mut lines);
            self.append(&lines)?;
            self.chain = chain;
        }
        self.write_head()?;
        self.head.sync()
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("the ledger failed before and is closed until a restart"));
        }
        if let Err(error) = self.file.write_all(lines) {
            // A full disk leaves a part of a line behind: take it back, or stop.
            self.is_broken = self.file.set_len(self.octets).is_err();
            return Err(error);
        }
        if let Err(error) = self.file.sync_data() {
            // The kernel may have dropped the pages and would call the next sync a success: never trust it again.
            self.is_broken = true;
            let _ = self.file.set_len(self.octets);
            return Err(error);
        }
        self.octets += lines.len() as u64;
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

#[cfg(test)]
mod tests;
