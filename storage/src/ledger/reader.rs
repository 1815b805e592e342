//! The read side of the ledger: for followers beside the writer, in this process or another.

use std::{
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use model::{Fact, Timestamp};
use storage_core::ledger::{Entry, decode};

use super::{
    FILE, folder, head,
    lines::{self, Piece},
    seek::{Place, START, seek},
};
use crate::{
    disk::{self, Disk, DiskFile, Mode},
    limits::FACTS_READ_OVER,
};

/// Reads facts by number and remembers where it was; a far one is found in the file, not read up to. It gives out only what is durable, which `HEAD` tells: a catalog
/// must not know a fact that a power cut takes back.
pub struct LedgerReader {
    disk: Disk,
    dir: PathBuf,
    durable: u64,
    place: Place,
}

impl LedgerReader {
    /// Reads the ledger in `dir/ledger`, which need not exist yet.
    pub fn open(dir: &Path) -> Self {
        let disk = Disk::unwatched().of(disk::Place::Ledger);
        Self { disk, dir: folder(dir), durable: 0, place: START }
    }

    /// Facts that can be read: the number of the last durable one.
    pub fn durable(&mut self) -> io::Result<u64> {
        // None is a head caught while it was rewritten: the one before still holds.
        if let Some(head) = head::read(&self.disk, &self.dir)? {
            self.durable = head.n;
        }
        Ok(self.durable)
    }

    /// At most `max` durable facts from number `from` on, in order. Damaged lines are passed over: `verify` names them.
    pub fn read_from(&mut self, from: u64, max: usize) -> io::Result<Vec<(u64, Timestamp, Fact)>> {
        let (mut facts, from) = (Vec::new(), from.max(1));
        if from > self.durable && from > self.durable()? {
            return Ok(facts);
        }
        let file = self.go_to(from)?;
        let mut file = BufReader::with_capacity(1 << 18, file.reader(self.place.offset));
        let mut line = Vec::new();
        while facts.len() < max && self.place.next <= self.durable {
            // Shorter than HEAD says: somebody cut it, and there is nothing to give out.
            let Piece::Line(octets) = lines::next(&mut file, &mut line)? else { break };
            self.place.offset += octets;
            let Ok(line) = decode(&line) else { continue };
            self.place.next = line.n + 1;
            if let Entry::Fact(fact) = line.entry
                && line.n >= from
            {
                facts.push((line.n, line.at, *fact));
            }
        }
        Ok(facts)
    }

    /// Opened anew each time: a buffer must not hide what was appended, or cut, since.
    fn go_to(&mut self, from: u64) -> io::Result<DiskFile> {
        let path = self.dir.join(FILE);
        let file = self.disk.open(&path, Mode::Read)?;
        if from < self.place.next {
            self.place = START;
        }
        if from > self.place.next.saturating_add(FACTS_READ_OVER) {
            let entry = self.disk.list(&self.dir)?.into_iter().find(|entry| entry.path == path);
            self.place = seek(&file, from, self.place, entry.map_or(0, |entry| entry.octets))?;
        }
        Ok(file)
    }
}
