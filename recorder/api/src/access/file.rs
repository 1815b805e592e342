//! One JSON Lines file of credentials: read when it changed, appended under a lock, readable by its owner only.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use super::AccessError;
use crate::limits;

/// A line knows what it is about; a later line with the same key replaces it.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

/// The file and what was last read of it.
#[derive(Debug)]
pub(super) struct Lines<T> {
    path: PathBuf,
    known: Mutex<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    /// Changed when the file did: inode, length, modification time in nanoseconds. None when there is no file.
    stamp: Option<(u64, u64, i64, i64)>,
    lines: Arc<Vec<T>>,
}

impl<T: Keyed + Serialize + DeserializeOwned> Lines<T> {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::new(Known { stamp: None, lines: Arc::default() }) }
    }

    /// What the file says now.
    pub(super) fn current(&self) -> Result<Arc<Vec<T>>, AccessError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = match fs::metadata(&self.path) {
            Ok(meta) => Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.io(error)),
        };
        if stamp != known.stamp {
            let lines = match stamp {
                Some(_) => self.parse(&self.read(&mut self.open(OpenOptions::new().read(true))?)?)?,
                None => Vec::new(),
            };
            *known = Known { stamp, lines: Arc::new(lines) };
        }
        Ok(Arc::clone(&known.lines))
    }

    /// Appends what `line` makes of the present lines: lock, read, decide, one write, sync.
    pub(super) fn append(&self, line: impl FnOnce(&[T]) -> Result<T, AccessError>) -> Result<(), AccessError> {
        let mut file = self.open(OpenOptions::new().read(true).append(true).create(true).mode(0o600))?;
        file.lock().map_err(|error| self.io(error))?;
        let text = self.read(&mut file)?;
        let lines = self.parse(&text)?;
        if lines.len() >= limits::CREDENTIALS {
            return Err(AccessError::Full { path: self.path.clone() });
        }
        let mut octets = serde_json::to_vec(&line(&lines)?).map_err(|error| self.io(error.into()))?;
        octets.push(b'\n');
        // A torn last line (power cut while appending) was never confirmed to anybody: cut it off.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| self.io(error))?;
        }
        file.write_all(&octets).and_then(|()| file.sync_all()).map_err(|error| self.io(error))
    }

    fn open(&self, options: &OpenOptions) -> Result<File, AccessError> {
        let file = options.open(&self.path).map_err(|error| self.io(error))?;
        let mode = file.metadata().map_err(|error| self.io(error))?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(AccessError::Loose { path: self.path.clone(), mode });
        }
        Ok(file)
    }

    fn read(&self, file: &mut File) -> Result<String, AccessError> {
        let mut text = String::new();
        let octets =
            file.take(limits::CREDENTIAL_OCTETS + 1).read_to_string(&mut text).map_err(|error| self.io(error))?;
        match octets as u64 > limits::CREDENTIAL_OCTETS {
            true => Err(AccessError::Full { path: self.path.clone() }),
            false => Ok(text),
        }
    }

    /// The lines, later ones in place of earlier ones with the same key; a torn last line is left out.
    fn parse(&self, text: &str) -> Result<Vec<T>, AccessError> {
        let mut lines: Vec<T> = Vec::new();
        let mut places = std::collections::HashMap::new();
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        for (index, text) in whole.lines().enumerate() {
            let line: T = serde_json::from_str(text)
                .map_err(|_| AccessError::Corrupt { path: self.path.clone(), line: index + 1 })?;
            match places.get(line.key()) {
                Some(&place) => lines[place] = line,
                None => {
                    places.insert(line.key().to_owned(), lines.len());
                    lines.push(line);
                }
            }
        }
        Ok(lines)
    }

    fn io(&self, source: io::Error) -> AccessError {
        AccessError::Io { path: self.path.clone(), source }
    }
}

/// Makes the folder for its owner alone, unless it is there.
pub(super) fn make_dir(dir: &Path) -> Result<(), AccessError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| AccessError::Io { path: dir.to_owned(), source })
}
