//! The disk of this machine.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, IoSlice},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FlockOperation, flock, fstatvfs};

use super::{Entry, Mode, Space};

pub(super) fn open(path: &Path, mode: Mode) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600);
    match mode {
        Mode::Read => {}
        Mode::Write => {
            options.write(true).create(true).truncate(false);
        }
        Mode::New => {
            options.write(true).create(true).truncate(true);
        }
    }
    options.open(path)
}

pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

pub(super) fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

pub(super) fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Gone since the folder was read.
        let Ok(metadata) = entry.metadata() else { continue };
        entries.push(Entry { path: entry.path(), octets: metadata.len() });
    }
    Ok(entries)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    open(path, Mode::Read)?.sync_all()
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

pub(super) fn space(path: &Path) -> io::Result<Space> {
    let stat = fstatvfs(open(path, Mode::Read)?)?;
    Ok(Space { free: stat.f_bavail * stat.f_frsize, total: stat.f_blocks * stat.f_frsize })
}

pub(super) fn lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Whether another process has it. The question must not keep one from starting, so the lock is given back at once.
pub(super) fn is_locked(file: &File) -> bool {
    let is_locked = flock(file, FlockOperation::NonBlockingLockShared).is_err();
    if !is_locked {
        let _ = flock(file, FlockOperation::Unlock);
    }
    is_locked
}

pub(super) fn write_vectored_at(file: &File, parts: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    match parts {
        [part] => file.write_at(part, at),
        parts => Ok(rustix::io::pwritev(file, parts, at)?),
    }
}

pub(super) fn read_at(file: &File, octets: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(octets, at)
}
