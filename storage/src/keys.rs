//! The wrapped data keys of this node: one file of lines, where destroying a key overwrites its line.
//!
//! ```text
//! keys/wraps.jsonl    {"recording":"0192…","key":{"version":1,"custodian":"…","nonce":"…","wrapped":"…"}}
//!                     a line of blanks is a key that was destroyed
//! ```
//! The only wraps of a recording are here and in its key object in the archive (invariant 4). Overwriting in place is
//! what a program can do; a file system or disk that copies on write may keep the old block for a while, which is why
//! the wrap is worthless without the custodian's master key.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crypto::keys::WrappedKey;
use model::RecordingId;
use serde::{Deserialize, Serialize};

use crate::{
    files,
    limits::{KEY_BLANKS, KEY_LINE_OCTETS},
};

/// The local wraps. Created ones are durable after [`KeyStore::sync`], destroyed ones at once.
pub struct KeyStore {
    path: PathBuf,
    file: File,
    places: BTreeMap<RecordingId, Place>,
    /// Lines created and not yet written; they are at the end of the file, after `octets`.
    pending: Vec<u8>,
    octets: u64,
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
}

impl KeyStore {
    /// Opens or makes the store in `dir/keys`. A torn last line (a key that was never durable, so that no audio was
    /// kept under it) is cut off. Any other line that cannot be read is an error: it may be the only wrap of a recording.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let dir = dir.join("keys");
        files::make_dir(&dir)?;
        let path = dir.join("wraps.jsonl");
        let mut store = Self::load(&path)?;
        if store.blanks() > KEY_BLANKS.max(store.places.len() as u64) {
            store.compact()?;
            store = Self::load(&path)?;
        }
        files::sync_dir(&dir)?;
        Ok(store)
    }

    /// Takes a wrap in, to be made durable by the next [`KeyStore::sync`]. A second wrap for the same recording is an
    /// error: it would make everything sealed before unreadable.
    pub fn create(&mut self, recording: RecordingId, key: WrappedKey) -> io::Result<()> {
        if self.places.contains_key(&recording) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{recording}: has a key already")));
        }
        let mut line = serde_json::to_vec(&Line { recording, key })?;
        line.push(b'\n');
        if line.len() > KEY_LINE_OCTETS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{recording}: its wrapped key is too long"),
            ));
        }
        let offset = self.octets + self.pending.len() as u64;
        self.places.insert(recording, Place { offset, octets: line.len() as u64 });
        self.pending.extend_from_slice(&line);
        Ok(())
    }

    /// Makes everything created durable: one write, one `fdatasync`. On an error the same can be tried again.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(&self.pending, self.octets)?;
        self.file.sync_data()?;
        self.octets += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
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

    /// Destroys the wrap: overwritten and synced when this returns. Success when there was none.
    pub fn remove(&mut self, recording: RecordingId) -> io::Result<()> {
        self.sync()?;
        let Some(place) = self.places.get(&recording).copied() else { return Ok(()) };
        let mut blank = vec![b' '; place.octets as usize];
        blank[place.octets as usize - 1] = b'\n';
        self.file.write_all_at(&blank, place.offset)?;
        self.file.sync_data()?;
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

    fn load(path: &Path) -> io::Result<Self> {
        let file = files::open_in_place(path)?;
        let mut store = Self { path: path.to_owned(), file, places: BTreeMap::new(), pending: Vec::new(), octets: 0 };
        let mut reader = BufReader::new(store.file.try_clone()?);
        let mut line = Vec::new();
        reader.seek(SeekFrom::Start(0))?;
        while reader.read_until(b'\n', &mut line)? > 0 {
            if !line.ends_with(b"\n") {
                store.file.set_len(store.octets)?;
                store.file.sync_all()?;
                break;
            }
            store.learn(&line)?;
            line.clear();
        }
        Ok(store)
    }

    fn learn(&mut self, line: &[u8]) -> io::Result<()> {
        let place = Place { offset: self.octets, octets: line.len() as u64 };
        self.octets += place.octets;
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let at = place.offset;
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            let text = format!("{}: octet {at}: not a wrapped key: {error}", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        self.places.insert(line.recording, place);
        Ok(())
    }

    /// Writes the keys that are left to a new file. The old one holds nothing more: its destroyed lines are blank.
    fn compact(&self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        files::remove(&beside)?;
        let mut file = files::open_append(&beside)?;
        for place in self.places.values() {
            let mut line = vec![0; place.octets as usize];
            self.file.read_exact_at(&mut line, place.offset)?;
            file.write_all(&line)?;
        }
        file.sync_all()?;
        fs::rename(&beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn id(number: u16) -> RecordingId {
        let mut bytes = [0; 16];
        bytes[14..].copy_from_slice(&number.to_be_bytes());
        RecordingId::from_bytes(bytes)
    }

    fn key(number: u16) -> WrappedKey {
        let wrapped = format!("wrap-{number:04}-secret");
        WrappedKey { version: 1, custodian: "file:test".into(), nonce: "00".repeat(12), wrapped }
    }

    fn raw(dir: &TempDir) -> String {
        fs::read_to_string(dir.path().join("keys/wraps.jsonl")).expect("a file")
    }

    #[test]
    fn a_key_is_there_at_once_and_after_a_restart_once_synced() {
        let dir = TempDir::new().expect("a folder");
        let mut store = KeyStore::open(dir.path()).expect("a store");
        store.create(id(1), key(1)).expect("taken");
        store.create(id(2), key(2)).expect("taken");
        assert_eq!(store.get(id(2)).expect("read"), Some(key(2)));
        assert_eq!(raw(&dir), "", "buffered");
        store.sync().expect("synced");
        store.create(id(3), key(3)).expect("taken, and lost");
        drop(store);
        let store = KeyStore::open(dir.path()).expect("a store");
        assert_eq!(store.list(), [id(1), id(2)]);
        assert_eq!(store.get(id(1)).expect("read"), Some(key(1)));
        assert_eq!(store.get(id(3)).expect("read"), None);
    }

    #[test]
    fn a_second_key_for_the_same_recording_is_refused() {
        let dir = TempDir::new().expect("a folder");
        let mut store = KeyStore::open(dir.path()).expect("a store");
        store.create(id(1), key(1)).expect("taken");
        assert!(store.create(id(1), key(2)).is_err());
        assert!(store.create(id(2), WrappedKey { wrapped: "a".repeat(5_000), ..key(2) }).is_err(), "too long");
    }

    #[test]
    fn a_destroyed_key_is_gone_from_the_disk_and_the_others_stay() {
        let dir = TempDir::new().expect("a folder");
        let mut store = KeyStore::open(dir.path()).expect("a store");
        (1..=3).for_each(|number| store.create(id(number), key(number)).expect("taken"));
        store.remove(id(2)).expect("destroyed, though it was never synced");
        store.remove(id(9)).expect("nothing to destroy");
        assert!(!raw(&dir).contains("wrap-0002") && raw(&dir).contains("wrap-0003"));
        assert_eq!(store.get(id(2)).expect("read"), None);
        drop(store);
        let store = KeyStore::open(dir.path()).expect("a store");
        assert_eq!(store.list(), [id(1), id(3)]);
        assert_eq!(store.get(id(3)).expect("read"), Some(key(3)));
    }

    #[test]
    fn many_blanks_are_compacted_when_opened() {
        let dir = TempDir::new().expect("a folder");
        let mut store = KeyStore::open(dir.path()).expect("a store");
        (0..1_300).for_each(|number| store.create(id(number), key(number)).expect("taken"));
        store.sync().expect("synced");
        let before = raw(&dir).len();
        let blanks = store.places.iter().filter(|(at, _)| **at != id(700)).map(|(_, place)| *place).collect::<Vec<_>>();
        for place in blanks {
            let blank = [vec![b' '; place.octets as usize - 1], vec![b'\n']].concat();
            store.file.write_all_at(&blank, place.offset).expect("written");
        }
        drop(store);
        let store = KeyStore::open(dir.path()).expect("a store");
        assert_eq!(store.list(), [id(700)]);
        assert_eq!(store.get(id(700)).expect("read"), Some(key(700)));
        assert!(raw(&dir).len() < before / 1_000);
    }

    #[test]
    fn a_torn_line_is_cut_and_a_damaged_one_is_an_error() {
        let dir = TempDir::new().expect("a folder");
        let mut store = KeyStore::open(dir.path()).expect("a store");
        store.create(id(1), key(1)).expect("taken");
        store.sync().expect("synced");
        let whole = raw(&dir);
        fs::write(dir.path().join("keys/wraps.jsonl"), format!("{whole}{{\"recor")).expect("written");
        assert_eq!(KeyStore::open(dir.path()).expect("repaired").list(), [id(1)]);
        assert_eq!(raw(&dir), whole);
        fs::write(dir.path().join("keys/wraps.jsonl"), format!("{{}}\n{whole}")).expect("written");
        let error = KeyStore::open(dir.path()).err().expect("refused");
        assert!(error.to_string().contains("octet 0"), "{error}");
    }
}
