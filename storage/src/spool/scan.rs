//! Start-up: reads the tables of all segments into the index, and cuts off what a crash left behind the last whole run
//! (start 5).
//!
//! Only tables are read, 32 octets for each run. Sums are checked where nothing says that the octets were durable: that
//! is what was written in the last sync interval of the life before, whatever the spool holds in all.

use std::{io, path::Path, sync::Arc};

use storage_core::spoolfile::{HEAD_LEN, Head, Kind, PAGE, Run, Segment, SpoolfileError, sum};

use super::index::{Index, Piece, Stored};
use crate::disk::{Disk, DiskFile, Entry, Mode};

/// What was found.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) index: Index,
    /// The rank the next segment gets.
    pub(super) next_rank: u64,
    /// Octets that were written, but never durable, and are not whole.
    pub(super) torn_octets: u64,
}

/// Reads the spool in `dir`. A file that is no spool file, or of another version, is left as it is and told by name: it
/// may be the only copy of a call.
pub(super) fn scan(disk: &Disk, dir: &Path) -> io::Result<Scanned> {
    let mut found = Vec::new();
    for entry in disk.list(dir)? {
        let Some((rank, generation)) = parse_name(&entry.path) else {
            clear(disk, &entry.path);
            continue;
        };
        let file = disk.open(&entry.path, Mode::Write)?;
        let named = Segment { rank, last: rank, generation };
        if let Some(segment) = identify(disk, &entry, &file, named)? {
            found.push((Stored::new(segment, entry.path, file), entry.octets));
        }
    }
    let segments: Vec<Segment> = found.iter().map(|(stored, _)| stored.segment).collect();
    let (stale, mut found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(stored, _)| segments.iter().any(|segment| segment.replaces(&stored.segment)));
    for (stored, _) in stale {
        disk.remove(&stored.path)?;
    }
    found.sort_by_key(|(stored, _)| stored.segment);
    let mut scanned = Scanned::default();
    for (stored, octets) in found {
        scanned.next_rank = scanned.next_rank.max(stored.segment.last + 1);
        scanned.take(Arc::new(stored), octets)?;
    }
    disk.sync_dir(dir)?;
    Ok(scanned)
}

/// What an interrupted move or probe left.
fn clear(disk: &Disk, path: &Path) {
    let is_ours = path.extension().is_some_and(|extension| extension == TEMPORARY);
    if !is_ours {
        tracing::error!(path = %path.display(), "spool: not a segment of ours, left as it is");
    } else if let Err(error) = disk.remove(path) {
        tracing::warn!(path = %path.display(), %error, "spool: what an interrupted move left is still there");
    }
}

/// Which segment the file is. None when it is left alone, or was never more than a name.
fn identify(disk: &Disk, entry: &Entry, file: &DiskFile, named: Segment) -> io::Result<Option<Segment>> {
    let (path, octets) = (&entry.path, entry.octets);
    let mut header = vec![0; PAGE];
    let mut at = 0;
    while at < PAGE {
        match file.read_at(&mut header[at..], at as u64)? {
            0 => break,
            octets => at += octets,
        }
    }
    match Segment::parse(&header) {
        Ok(segment) if (segment.rank, segment.generation) == (named.rank, named.generation) => Ok(Some(segment)),
        // The header is synced with the first block: a file without any of it never held anything durable.
        Err(SpoolfileError::Foreign) if header.iter().all(|octet| *octet == 0) => {
            if walk(file, octets)?.1 > 0 {
                tracing::error!(path = %path.display(), "spool: the header is gone, the name tells the place");
                return Ok(Some(named));
            }
            disk.remove(path)?;
            Ok(None)
        }
        other => {
            let cause = other.err().map_or_else(|| "of another rank".to_owned(), |error| error.to_string());
            tracing::error!(path = %path.display(), %cause, "spool: file left as it is");
            Ok(None)
        }
    }
}

/// A run with its place.
struct Found {
    run: Run,
    at: u64,
}

impl Scanned {
    fn take(&mut self, stored: Arc<Stored>, octets: u64) -> io::Result<()> {
        let handle = self.index.begin(Arc::clone(&stored));
        let (runs, durable, end) = walk(&stored.file, octets)?;
        let mut whole = durable.max(PAGE as u64);
        for Found { run, at } in runs {
            if at >= durable && !is_whole(&stored.file, &run, at)? {
                self.torn_octets += u64::from(run.octets);
                tracing::warn!(recording = %run.recording, octets = run.octets, "spool: torn by a crash, cut off");
                continue;
            }
            whole = whole.max(at + u64::from(run.octets));
            let piece = Piece::of(&run, handle, at);
            match run.kind {
                Kind::Chunks => self.index.add(run.recording, piece),
                Kind::State => self.index.set_state(run.recording, piece),
                Kind::Freed => {
                    self.index.free(run.recording);
                }
            }
        }
        // Tidiness only: what stands there is not in the index. A disk that cannot do it is found out by the writer.
        if octets > end.max(whole) && stored.file.truncate(end.max(whole)).is_err() {
            tracing::warn!(path = %stored.path.display(), "spool: a torn tail is still there");
        }
        self.index.grew(handle, octets.min(end.max(whole)));
        Ok(())
    }
}

/// The runs of all blocks, how far the file was durable, and where the last block ends.
fn walk(file: &DiskFile, octets: u64) -> io::Result<(Vec<Found>, u64, u64)> {
    let (mut runs, mut durable, mut end) = (Vec::new(), 0, PAGE as u64);
    let mut at = PAGE as u64;
    let mut holes = Vec::new();
    while at < octets {
        let Some((head, table)) = block(file, at, octets)? else {
            // Blocks begin at whole pages: the next one may have survived.
            holes.push(at);
            at += PAGE as u64;
            continue;
        };
        durable = durable.max(head.durable);
        let mut place = at + HEAD_LEN as u64 + head.table_len() as u64;
        for run in table {
            if place + u64::from(run.octets) <= octets {
                runs.push(Found { run, at: place });
            }
            place += u64::from(run.octets);
        }
        at += head.block_len();
        end = at.min(octets);
    }
    let damaged = holes.iter().filter(|hole| **hole < durable).count();
    if damaged > 0 {
        tracing::error!(pages = damaged, "spool: a segment is damaged; recordings in it may miss sound");
    }
    Ok((runs, durable, end))
}

fn block(file: &DiskFile, at: u64, octets: u64) -> io::Result<Option<(Head, Vec<Run>)>> {
    let mut head = [0; HEAD_LEN];
    if octets - at < HEAD_LEN as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let Some(head) = Head::parse(&head) else { return Ok(None) };
    let behind = at + HEAD_LEN as u64;
    if octets - behind < head.table_len() as u64 {
        return Ok(None);
    }
    let mut table = vec![0; head.table_len()];
    file.read_exact_at(&mut table, behind)?;
    Ok(head.runs(&table).map(|runs| (head, runs)))
}

fn is_whole(file: &DiskFile, run: &Run, at: u64) -> io::Result<bool> {
    let mut octets = vec![0; run.octets as usize];
    file.read_exact_at(&mut octets, at)?;
    Ok(sum(&octets) == run.sum)
}

/// The name of a segment file.
pub(super) fn name(segment: &Segment) -> String {
    format!("{:016x}-{:04x}.{EXTENSION}", segment.rank, segment.generation)
}

fn parse_name(path: &Path) -> Option<(u64, u64)> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let (rank, generation) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((u64::from_str_radix(rank, 16).ok()?, u64::from_str_radix(generation, 16).ok()?))
}

const EXTENSION: &str = "spool";
/// Of files that mean nothing once their maker is gone.
pub(super) const TEMPORARY: &str = "tmp";
