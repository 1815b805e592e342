//! The `HEAD` file: the last durable line, signed, in one block that is rewritten in place.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use storage_core::ledger::Head;

use crate::files;

/// A signed head fits in one disk sector, so that a crash leaves the old one, the new one, or an unsigned mixture.
const OCTETS: usize = 512;
const NAME: &str = "HEAD";
const DISPUTED: &str = "HEAD.disputed-";

/// The writer's side.
pub(super) struct HeadFile(File);

impl HeadFile {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        files::open_in_place(&dir.join(NAME)).map(Self)
    }

    /// Not synced: it follows lines that are durable already, so it can only be behind, never ahead.
    pub(super) fn write(&self, head: &Head) -> io::Result<()> {
        let mut octets = serde_json::to_vec(head)?;
        octets.resize(OCTETS - 1, b' ');
        octets.push(b'\n');
        self.0.write_all_at(&octets, 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// The head as it stands; none when there is none, or a mixture.
pub(super) fn read(dir: &Path) -> io::Result<Option<Head>> {
    files::read_small(&dir.join(NAME), OCTETS as u64).map(|octets| Head::parse(&octets))
}

/// Keeps a head aside that named a line which is not there.
pub(super) fn dispute(dir: &Path, head: &Head) -> io::Result<()> {
    fs::rename(dir.join(NAME), dir.join(format!("{DISPUTED}{}", head.n)))
}

/// Heads that were disputed when the ledger was opened.
pub(super) fn disputed(dir: &Path) -> io::Result<Vec<Head>> {
    let mut heads = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DISPUTED) {
            heads.extend(Head::parse(&files::read_small(&entry.path(), OCTETS as u64)?));
        }
    }
    heads.sort_by_key(|head| head.n);
    Ok(heads)
}
