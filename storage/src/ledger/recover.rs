//! Start-up: where the chain stands, what was live, and the repair of an interrupted write.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use model::RecordingId;
use storage_core::{
    fold,
    ledger::{Chain, Entry, Line, decode},
    view::{RecordingView, State},
};

use super::{
    Recovered, head,
    lines::{self, Piece},
};

/// The outcome: the write side goes on from here.
#[derive(Default)]
pub(super) struct Found {
    pub(super) chain: Chain,
    /// Length of the file up to its last whole line.
    pub(super) octets: u64,
    /// Facts since the last checkpoint.
    pub(super) unsigned: u64,
    pub(super) recovered: Recovered,
}

/// Reads the whole file (start 2 to 4), cuts a torn tail and keeps it aside.
pub(super) fn recover(dir: &Path, file: &File) -> io::Result<Found> {
    let head = head::read(dir)?;
    let mut walk =
        Walk { awaited: head.as_ref().filter(|head| head.n > 0).map(|head| head.head.clone()), ..Walk::default() };
    walk.read(file)?;
    if walk.octets > walk.found.octets {
        set_aside(dir, file, walk.found.octets)?;
        walk.found.recovered.torn_octets = walk.octets - walk.found.octets;
    }
    if let (Some(head), Some(_)) = (&head, &walk.awaited) {
        head::dispute(dir, head)?;
        walk.found.recovered.is_disputed = true;
    }
    Ok(walk.finish())
}

#[derive(Default)]
struct Walk {
    found: Found,
    views: BTreeMap<RecordingId, RecordingView>,
    octets: u64,
    /// Damaged lines since the last whole one: part of the torn tail unless a whole one follows.
    doubtful: u64,
    /// The hash that `HEAD` names, until it is met.
    awaited: Option<String>,
}

impl Walk {
    fn read(&mut self, file: &File) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 20, file);
        reader.seek(SeekFrom::Start(0))?;
        let mut line = Vec::new();
        loop {
            match lines::next(&mut reader, &mut line)? {
                Piece::Line(octets) => {
                    self.octets += octets;
                    self.line(&line);
                }
                Piece::Torn(octets) => self.octets += octets,
                Piece::End => return Ok(()),
            }
        }
    }

    fn line(&mut self, octets: &[u8]) {
        let Ok(line) = decode(octets) else {
            self.doubtful += 1;
            return;
        };
        self.found.recovered.damaged_lines += std::mem::take(&mut self.doubtful);
        self.found.octets = self.octets;
        self.found.chain.follow(&line);
        if self.awaited.as_ref() == Some(&line.hash) {
            self.awaited = None;
        }
        self.entry(line);
    }

    fn entry(&mut self, line: Line) {
        let Entry::Fact(fact) = line.entry else {
            self.found.unsigned = 0;
            return;
        };
        self.found.unsigned += 1;
        let Some(id) = fact.recording() else { return };
        let mut view = self.views.remove(&id);
        fold::apply(&mut view, &fact);
        // What is archived or destroyed needs nobody at start-up: a year of them must not fill the memory.
        if let Some(view) = view.filter(|view| !matches!(view.state, State::Archived | State::Deleted)) {
            self.views.insert(id, view);
        }
    }

    fn finish(mut self) -> Found {
        let (failed, unfinished) = self.views.into_values().partition(|view| view.state == State::Failed);
        self.found.recovered.next_no = self.found.chain.n + 1;
        self.found.recovered.failed = failed;
        self.found.recovered.unfinished = unfinished;
        self.found
    }
}

/// Copies what is behind `keep` to a file of its own and cuts it off.
fn set_aside(dir: &Path, file: &File, keep: u64) -> io::Result<()> {
    let mut tail = file;
    tail.seek(SeekFrom::Start(keep))?;
    let aside = dir.join(format!("ledger.torn-{keep}"));
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(aside)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match tail.read(&mut buffer)? {
            0 => break,
            octets => copy.write_all(&buffer[..octets])?,
        }
    }
    copy.sync_all()?;
    file.set_len(keep)?;
    file.sync_all()
}
