//! Start-up: where the chain stands, what was live, and the repair of an interrupted write.

use std::{
    io::{self, BufReader},
    path::Path,
};

use storage_core::{
    ledger::{Chain, Entry, Line, decode},
    view::{RecordingView, State},
};

use super::{
    Recovered, Unfinished, head,
    lines::{self, Piece},
    snapshot,
};
use crate::disk::{Disk, DiskFile, Mode};

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

/// Reads the file from the snapshot on, or the whole (start 2 to 4), cuts a torn tail and keeps it aside.
///
/// What one commit writes carries one time, and only the last commit can be without its sync. So damage that is
/// followed by nothing but whole lines of one time, none of them the one that `HEAD` names, is a commit that a power cut
/// took some pages of: a torn tail like any other.
pub(super) fn recover(disk: &Disk, dir: &Path, file: &DiskFile, public: &str) -> io::Result<Found> {
    let head = head::read(disk, dir)?;
    let awaited = head.as_ref().filter(|head| head.n > 0).map(|head| head.head.clone());
    let mut walk = snapshot::read(disk, dir, file, public).unwrap_or_default();
    let is_short = walk.octets > 0;
    walk.await_line(awaited.clone());
    walk.read(file)?;
    if is_short && walk.awaited.is_some() {
        // HEAD may be older than the snapshot after a power cut: only the whole ledger tells whether its line is there.
        walk = Walk { awaited, ..Walk::default() };
        walk.read(file)?;
    }
    if walk.octets > walk.found.octets {
        set_aside(disk, dir, file, walk.found.octets)?;
        walk.found.recovered.torn_octets = walk.octets - walk.found.octets;
    }
    if let (Some(head), Some(_)) = (&head, &walk.awaited) {
        head::dispute(disk, dir, head)?;
        walk.found.recovered.is_disputed = true;
    }
    Ok(walk.finish())
}

#[derive(Default)]
pub(super) struct Walk {
    found: Found,
    views: Unfinished,
    octets: u64,
    /// Damaged lines since the last whole one, and the whole ones of one time behind them: part of the torn tail unless
    /// something proves that they were durable.
    doubtful: u64,
    suspects: Vec<(Line, u64)>,
    /// The hash that `HEAD` names, until it is met.
    awaited: Option<String>,
}

impl Walk {
    /// One that has read as far as `found` says.
    pub(super) fn going_on(mut found: Found, views: Vec<RecordingView>) -> Self {
        let octets = found.octets;
        found.recovered.snapshot_no = found.chain.n;
        Self { found, octets, views: views.into_iter().collect(), ..Self::default() }
    }

    fn await_line(&mut self, hash: Option<String>) {
        self.awaited = hash.filter(|hash| *hash != self.found.chain.head);
    }

    fn read(&mut self, file: &DiskFile) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 20, file.reader(self.octets));
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
        if self.doubtful == 0 {
            return self.whole(line, self.octets);
        }
        let is_named = self.awaited.as_ref() == Some(&line.hash);
        let is_of_another = self.suspects.first().is_some_and(|(first, _)| first.at != line.at);
        self.suspects.push((line, self.octets));
        if is_named || is_of_another {
            self.believe();
        }
    }

    /// The damage is no torn tail: it stays, and what is behind it counts.
    fn believe(&mut self) {
        self.found.recovered.damaged_lines += std::mem::take(&mut self.doubtful);
        for (line, end) in std::mem::take(&mut self.suspects) {
            self.whole(line, end);
        }
    }

    fn whole(&mut self, line: Line, end: u64) {
        self.found.octets = end;
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
        self.views.apply(&fact);
    }

    fn finish(mut self) -> Found {
        let (failed, unfinished) = self.views.into_iter().partition(|view| view.state == State::Failed);
        self.found.recovered.next_no = self.found.chain.n + 1;
        self.found.recovered.failed = failed;
        self.found.recovered.unfinished = unfinished;
        self.found
    }
}

/// Copies what is behind `keep` to a file of its own and cuts it off.
fn set_aside(disk: &Disk, dir: &Path, file: &DiskFile, keep: u64) -> io::Result<()> {
    let copy = disk.open(&dir.join(format!("ledger.torn-{keep}")), Mode::New)?;
    let (mut buffer, mut at) = (vec![0; 1 << 16], 0);
    loop {
        let octets = file.read_at(&mut buffer, keep + at)?;
        if octets == 0 {
            break;
        }
        copy.write_at(&buffer[..octets], at)?;
        at += octets as u64;
    }
    copy.sync()?;
    disk.sync_dir(dir)?;
    file.truncate(keep)?;
    file.sync()
}
