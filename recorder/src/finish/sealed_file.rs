//! A sealed object on its way to the archive: written to the staging folder frame by frame, digests taken on the way.
//! Nothing in clear is ever in the file (invariant 1).

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crypto::{
    digest::Sha256,
    seal::{DataKey, ObjectSealer},
};
use model::{MediaObject, RecordingId};
use storage_core::ports::ObjectSource;

/// What is written to disk at once, at least.
const WRITE_OCTETS: usize = 256 * 1024;

/// Writes one object.
pub(crate) struct SealedWriter {
    file: File,
    path: PathBuf,
    /// `None` for octets that are sealed already.
    sealer: Option<ObjectSealer>,
    out: Vec<u8>,
    plain: Sha256,
    plain_octets: u64,
    sealed: Sha256,
    sealed_octets: u64,
}

/// A whole object in the staging folder.
pub(crate) struct StagedObject {
    pub(crate) object: MediaObject,
    pub(crate) path: PathBuf,
}

impl SealedWriter {
    /// An object sealed under the recording's key; `part` is its name in the recording's folder.
    pub(crate) fn sealing(folder: &Path, part: &str, key: &DataKey, recording: RecordingId) -> io::Result<Self> {
        let sealer = ObjectSealer::new(key.object_key(recording.as_bytes(), part));
        let header = sealer.header();
        let mut writer = Self::create(folder, part, Some(sealer))?;
        writer.out.extend_from_slice(&header);
        Ok(writer)
    }

    /// An object of octets that are sealed already: chunks of the spool.
    pub(crate) fn copying(folder: &Path, part: &str) -> io::Result<Self> {
        Self::create(folder, part, None)
    }

    fn create(folder: &Path, part: &str, sealer: Option<ObjectSealer>) -> io::Result<Self> {
        let path = folder.join(part);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let (plain, sealed) = (Sha256::new(), Sha256::new());
        Ok(Self { file, path, sealer, out: Vec::new(), plain, plain_octets: 0, sealed, sealed_octets: 0 })
    }

    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.plain.update(octets);
        self.plain_octets += octets.len() as u64;
        match &mut self.sealer {
            Some(sealer) => sealer.push(octets, &mut self.out),
            None => self.out.extend_from_slice(octets),
        }
        if self.out.len() >= WRITE_OCTETS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealed.update(&self.out);
        self.sealed_octets += self.out.len() as u64;
        self.file.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Ends the object; `name` is its name in the archive.
    pub(crate) fn finish(mut self, format: &str, name: String) -> io::Result<StagedObject> {
        if let Some(sealer) = self.sealer.take() {
            sealer.finish(&mut self.out);
        }
        self.flush()?;
        let object = MediaObject {
            format: format.to_owned(),
            name,
            bytes: self.plain_octets,
            sha256: self.plain.finish_hex(),
            sealed_bytes: self.sealed_octets,
            sealed_sha256: self.sealed.finish_hex(),
        };
        Ok(StagedObject { object, path: self.path })
    }
}

/// A file as the source of an upload.
pub(crate) struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl ObjectSource for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let end = range.end.min(self.len);
        let mut octets = vec![0; end.saturating_sub(range.start) as usize];
        self.file.read_exact_at(&mut octets, range.start)?;
        Ok(octets)
    }
}
