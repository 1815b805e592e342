//! To the archive and back: put, read back, compare (invariant 6). The key object goes first, the manifest last, so
//! that whoever finds a manifest finds all that it names.

use crypto::digest::Sha256;
use storage_core::{
    names,
    ports::{Archive, ArchiveError, ObjectSource},
};

use super::{
    sealed_file::{FileSource, StagedObject},
    sound::Staged,
};
use crate::keyring::Keyring;

/// Octets read back at once.
const STEP: u64 = 4 << 20;

pub(crate) async fn upload(archive: &dyn Archive, staged: &Staged, keyring: &Keyring) -> Result<(), ArchiveError> {
    let wrapped = keyring.wrapped(staged.recording);
    let wrapped = wrapped.map_err(|error| ArchiveError::Unavailable(error.to_string()))?;
    let wrapped = wrapped.ok_or_else(|| ArchiveError::Refused("the wrapped key is gone".into()))?;
    let wrapped = serde_json::to_vec(&wrapped).map_err(|error| ArchiveError::Refused(error.to_string()))?;
    archive.put(&names::key(staged.recording), &Octets(wrapped)).await?;
    for object in &staged.objects {
        put(archive, object).await?;
    }
    Ok(())
}

async fn put(archive: &dyn Archive, staged: &StagedObject) -> Result<(), ArchiveError> {
    let source = FileSource::open(&staged.path).map_err(|error| ArchiveError::Unavailable(error.to_string()))?;
    let name = &staged.object.name;
    match archive.put(name, &source).await {
        Ok(()) => {}
        // An earlier attempt of this node may have ended half-way, or rendered with other random numbers.
        Err(ArchiveError::Exists(_)) => {
            if is_whole(archive, staged).await? {
                return Ok(());
            }
            archive.delete(name).await?;
            archive.put(name, &source).await?;
        }
        Err(error) => return Err(error),
    }
    if is_whole(archive, staged).await? {
        return Ok(());
    }
    archive.delete(name).await?;
    Err(ArchiveError::Unavailable(format!("{name} came back with other content")))
}

/// Reads the object back and compares its digest.
async fn is_whole(archive: &dyn Archive, staged: &StagedObject) -> Result<bool, ArchiveError> {
    let len = archive.size(&staged.object.name).await?;
    if len != staged.object.sealed_bytes {
        return Ok(false);
    }
    Ok(digest(archive, &staged.object.name, len).await? == staged.object.sealed_sha256)
}

/// SHA-256 of an object as stored, lower-case hex.
pub(crate) async fn digest(archive: &dyn Archive, name: &str, len: u64) -> Result<String, ArchiveError> {
    let mut digest = Sha256::new();
    let mut at = 0;
    while at < len {
        let octets = archive.read(name, at..len.min(at + STEP)).await?;
        if octets.is_empty() {
            break;
        }
        at += octets.len() as u64;
        digest.update(&octets);
    }
    Ok(digest.finish_hex())
}

struct Octets(Vec<u8>);

impl ObjectSource for Octets {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
        let end = (range.end as usize).min(self.0.len());
        Ok(self.0[(range.start as usize).min(end)..end].to_vec())
    }
}
