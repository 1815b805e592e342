//! The wrapped data keys of this node: one file of lines, where destroying a key overwrites its line.
//!
//! ```text
//! keys/wraps.jsonl    {"recording":"0192…","key":{"version":1,"custodian":"…","nonce":"…","wrapped":"…"},"after":4711}
//!                     a line of blanks is a key that was destroyed
//! ```
//! `after` says how many octets of the file were durable when the line was written. So a page that a power cut took out
//! of the last write is told from damage to what was durable: behind it stands no line that was written later.
//! The only wraps of a recording are here and in its key object in the archive (invariant 4). Overwriting in place is
//! what a program can do; a file system or disk that copies on write may keep the old block for a while, which is why
//! the wrap is worthless without the custodian's master key.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crypto::keys::WrappedKey;
use model::RecordingId;
use serde::{Deserialize, Serialize};

use crate::{
    disk::{self, Disk, DiskFile, Mode},
    limits::{KEY_BLANKS, KEY_LINE_OCTETS, KEY_PENDING_OCTETS},
};

/// The local wraps. Created ones are durable after [`KeyStore::sync`], destroyed ones at once.
pub struct KeyStore {
    disk: Disk,
    path: PathBuf,
    file: Arc<DiskFile>,
    places: BTreeMap<RecordingId, Place>,
    /// Lines created and not yet durable; they are at the end of the file, after `octets`.
    pending: Vec<u8>,
    octets: u64,
    /// A write or sync failed: what stands behind `octets` is anybody's guess.
    is_broken: bool,
    /// A [`KeySync`] is out.
    is_syncing: bool,
}

/// Keys on their way to the disk: it can be waited for without the store.
pub struct KeySync {
    file: Arc<DiskFile>,
    octets: Vec<u8>,
    at: u64,
}

impl KeySync {
    /// One write, one `fdatasync`. What came of it is for [`KeyStore::end_sync`].
    pub fn run(&self) -> io::Result<()> {
        self.file.write_at(&self.octets, self.at)?;
        self.file.sync()
    }
}

#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    octets: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    recording: RecordingId,
    key: WrappedKey,
    #[serde(default)]
    after: u64,
}

impl KeyStore {
    /// Opens or makes the store in `dir/keys`. A torn last line (a key that was never durable, so that no audio was
    /// kept under it) is cut off. Any other line that cannot be read is an error: it may be the only wrap of a recording.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::open_on(&Disk::unwatched(), dir)
    }

    /// The same on a disk whose failures are counted.
    pub fn open_on(disk: &Disk, dir: &Path) -> io::Result<Self> {
        let (disk, dir) = (disk.of(disk::Place::Keys), dir.join("keys"));
        disk.make_dir(&dir)?;
        let path = dir.join("wraps.jsonl");
        let mut store = Self::load(&disk, &path)?;
        if store.blanks() > KEY_BLANKS.max(store.places.len() as u64) {
            store.compact()?;
            store = Self::load(&disk, &path)?;
        }
        disk.sync_dir(&dir)?;
        Ok(store)
    }

    /// Takes a wrap in, to be made durable by the next [`KeyStore::sync`]. A second wrap for the same recording is an
    /// error: it would make everything sealed before unreadable.
    pub fn create(&mut self, recording: RecordingId, key: WrappedKey) -> io::Result<()> {
        if self.places.contains_key(&recording) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{recording}: has a key already")));
        }
        let mut line = serde_json::to_vec(&Line { recording, key, after: self.octets })?;
        line.push(b'\n');
        if line.len() > KEY_LINE_OCTETS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{recording}: its wrapped key is too long"),
            ));
        }
        if self.pending.len() + line.len() > KEY_PENDING_OCTETS {
            return Err(io::Error::other("too many keys wait for the disk"));
        }
        let offset = self.octets + self.pending.len() as u64;
        self.places.insert(recording, Place { offset, octets: line.len() as u64 });
        self.pending.extend_from_slice(&line);
        Ok(())
    }

    /// Makes everything created durable. On an error the same can be tried again: each try writes all of it anew, so that
    /// no page is taken for durable because a failed sync left it clean.
    pub fn sync(&mut self) -> io::Result<()> {
        match self.begin_sync()? {
            None => Ok(()),
            Some(sync) => {
                let outcome = sync.run();
                self.end_sync(&sync, outcome)
            }
        }
    }

    /// The same in two steps, so that nobody who wants a key has to wait for the disk: what is to be run, then
    /// [`Self::end_sync`]. None when everything is durable. Keys may be created and read meanwhile; an error while another
    /// one is out.
    pub fn begin_sync(&mut self) -> io::Result<Option<KeySync>> {
        if self.is_syncing {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        if self.pending.is_empty() {
            return Ok(None);
        }
        if std::mem::replace(&mut self.is_broken, true) {
            // Another descriptor: the old one has told its error and may call the next sync a success.
            self.file = Arc::new(self.disk.open(&self.path, Mode::Write)?);
            self.file.truncate(self.octets)?;
        }
        self.is_syncing = true;
        Ok(Some(KeySync { file: Arc::clone(&self.file), octets: self.pending.clone(), at: self.octets }))
    }

    /// What came of a sync; its error, if it was one.
    pub fn end_sync(&mut self, sync: &KeySync, outcome: io::Result<()>) -> io::Result<()> {
        self.is_syncing = false;
        outcome?;
        self.is_broken = false;
        self.octets += sync.octets.len() as u64;
        self.pending.drain(..sync.octets.len());
        Ok(())
    }

    /// Whether a sync was begun and has not ended: no key can be destroyed until then.
    pub const fn is_syncing(&self) -> bool {
        self.is_syncing
    }

    /// The wrap of a recording; none when it never had one or was destroyed.
    pub fn get(&self, recording: RecordingId) -> io::Result<Option<WrappedKey>> {
        let Some(place) = self.places.get(&recording) else { return Ok(None) };
        let octets = place.octets as usize;
        let line = match place.offset.checked_sub(self.octets) {
            Some(at) => self.pending[at as usize..at as usize + octets].to_vec(),
            None => {
                let mut line = vec![0; octets];
                self.file.read_exact_at(&mut line, place.offset)?;
                line
            }
        };
        let line: Line = serde_json::from_slice(&line)?;
        Ok(Some(line.key))
    }

    /// Destroys the wrap: overwritten and synced when this returns. Success when there was none. After an error it is
    /// still there, and the same can be tried again. An error while a sync is out, which would write it once more.
    pub fn remove(&mut self, recording: RecordingId) -> io::Result<()> {
        if self.is_syncing {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let Some(place) = self.places.get(&recording).copied() else { return Ok(()) };
        let mut blank = vec![b' '; place.octets as usize];
        blank[place.octets as usize - 1] = b'\n';
        if let Some(at) = place.offset.checked_sub(self.octets) {
            // Never durable: it is overwritten where it waits, and its place on the disk by the sync.
            self.pending[at as usize..at as usize + blank.len()].copy_from_slice(&blank);
            self.places.remove(&recording);
            return self.sync();
        }
        self.file.write_at(&blank, place.offset)?;
        self.file.sync()?;
        self.places.remove(&recording);
        Ok(())
    }

    /// The recordings that have a wrap here, oldest first.
    pub fn list(&self) -> Vec<RecordingId> {
        self.places.keys().copied().collect()
    }

    fn blanks(&self) -> u64 {
        let used: u64 = self.places.values().map(|place| place.octets).sum();
        let average = used.checked_div(self.places.len() as u64).unwrap_or(256).max(1);
        self.octets.saturating_sub(used) / average
    }

    fn load(disk: &Disk, path: &Path) -> io::Result<Self> {
        let file = Arc::new(disk.open(path, Mode::Write)?);
        let (disk, path) = (disk.clone(), path.to_owned());
        let (places, pending) = (BTreeMap::new(), Vec::new());
        let mut store = Self { disk, path, file, places, pending, octets: 0, is_broken: false, is_syncing: false };
        let mut text = Vec::new();
        BufReader::new(store.file.reader(0)).read_to_end(&mut text)?;
        let mut reader = text.as_slice();
        // Where pages are missing, if anywhere.
        let mut hole = None;
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            match store.learn(&line, hole) {
                Ok(()) => {}
                Err(_) if hole.is_none() && (!line.ends_with(b"\n") || line.contains(&0)) => hole = Some(store.octets),
                Err(_) if hole.is_some() && (!line.ends_with(b"\n") || line.contains(&0)) => {}
                Err(error) => return Err(error),
            }
            store.octets += line.len() as u64;
            line.clear();
        }
        if let Some(hole) = hole {
            // Nothing behind it was durable, so nobody was promised anything under those keys.
            store.places.retain(|_, place| place.offset < hole);
            store.octets = hole;
            store.file.truncate(hole)?;
            store.file.sync()?;
        }
        Ok(store)
    }

    fn learn(&mut self, text: &[u8], hole: Option<u64>) -> io::Result<()> {
        let place = Place { offset: self.octets, octets: text.len() as u64 };
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let at = place.offset;
        let damaged = |error: &dyn std::fmt::Display| {
            let text = format!("{}: octet {at}: not a wrapped key: {error}", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        if is_half_destroyed(text) {
            return self.blank(place);
        }
        let line: Line = serde_json::from_slice(text).map_err(|error| damaged(&error))?;
        if hole.is_some_and(|hole| line.after > hole) {
            return Err(damaged(&"octets before it are missing that were durable"));
        }
        self.places.insert(line.recording, place);
        Ok(())
    }

    fn blank(&self, place: Place) -> io::Result<()> {
        let mut blank = vec![b' '; place.octets as usize];
        blank[place.octets as usize - 1] = b'\n';
        self.file.write_at(&blank, place.offset)?;
        self.file.sync()
    }

    /// Writes the keys that are left to a new file. The old one holds nothing more: its destroyed lines are blank.
    fn compact(&self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let file = self.disk.open(&beside, Mode::New)?;
        let mut at = 0;
        for recording in self.places.keys() {
            let Some(key) = self.get(*recording)? else { continue };
            // Its new place comes after nothing: the file is durable as a whole before it has its name.
            let mut line = serde_json::to_vec(&Line { recording: *recording, key, after: 0 })?;
            line.push(b'\n');
            file.write_at(&line, at)?;
            at += line.len() as u64;
        }
        file.sync()?;
        self.disk.rename(&beside, &self.path)
    }
}

/// No line of ours begins or ends with a blank, or has many: it was being destroyed when the power went, and some of its
/// sectors are blank. What is left of it is destroyed now.
fn is_half_destroyed(text: &[u8]) -> bool {
    text.starts_with(b" ") || text.ends_with(b" \n") || text.windows(BLANKS.len()).any(|some| some == BLANKS)
}

const BLANKS: &[u8] = &[b' '; 64];

#[cfg(test)]
mod tests;
