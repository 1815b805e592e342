//! The `HEAD` file: the last durable line, signed, in one block that is rewritten in place.

use std::{io, path::Path};

use storage_core::ledger::Head;

use crate::disk::{Disk, DiskFile, Mode};

/// A signed head fits in one disk sector, so that a crash leaves the old one, the new one, or an unsigned mixture.
const OCTETS: usize = 512;
const NAME: &str = "HEAD";
const DISPUTED: &str = "HEAD.disputed-";

/// The writer's side.
pub(super) struct HeadFile(DiskFile);

impl HeadFile {
    pub(super) fn open(disk: &Disk, dir: &Path) -> io::Result<Self> {
        disk.open(&dir.join(NAME), Mode::Write).map(Self)
    }

    /// Not synced: it follows lines that are durable already, so it can only be behind, never ahead.
    pub(super) fn write(&self, head: &Head) -> io::Result<()> {
        let mut octets = serde_json::to_vec(head)?;
        octets.resize(OCTETS - 1, b' ');
        octets.push(b'\n');
        self.0.write_at(&octets, 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

/// The head as it stands; none when there is none, or a mixture.
pub(super) fn read(disk: &Disk, dir: &Path) -> io::Result<Option<Head>> {
    disk.read_small(&dir.join(NAME), OCTETS as u64).map(|octets| Head::parse(&octets))
}

/// Keeps a head aside that named a line which is not there.
pub(super) fn dispute(disk: &Disk, dir: &Path, head: &Head) -> io::Result<()> {
    disk.rename(&dir.join(NAME), &dir.join(format!("{DISPUTED}{}", head.n)))
}

/// Heads that were disputed when the ledger was opened.
pub(super) fn disputed(disk: &Disk, dir: &Path) -> io::Result<Vec<Head>> {
    let mut heads = Vec::new();
    for entry in disk.list(dir)? {
        if entry.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DISPUTED)) {
            heads.extend(Head::parse(&disk.read_small(&entry.path, OCTETS as u64)?));
        }
    }
    heads.sort_by_key(|head| head.n);
    Ok(heads)
}
