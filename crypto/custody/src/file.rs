//! Small files that must be whole, durable and private: created under their name at once or not at all.

use std::{
    fs::{DirBuilder, File, OpenOptions, hard_link, remove_file},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::SystemEntropy;

/// Why a key or certificate file cannot be used; each message names the path.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refuses.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        cause: io::Error,
    },
    /// Others than its owner may use a secret file.
    #[error("{}: mode {mode:04o} lets others use it; set it to 0600", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its content is not what it should be.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Who may read a file besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Nobody: 0600, and a looser mode is refused on reading.
    Secret,
    /// Everybody: 0644.
    Public,
}

impl FileError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { path: path.into(), action, cause }
    }

    pub(crate) fn malformed(path: &Path, why: impl Into<String>) -> Self {
        Self::Malformed { path: path.into(), why: why.into() }
    }

    /// Whether the file is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == ErrorKind::NotFound)
    }
}

/// Creates the file with that content, durable when this returns. False when it is there already. Missing folders are
/// made, mode 0700.
pub(crate) fn create(path: &Path, content: &[u8], privacy: Privacy) -> Result<bool, FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(FileError::io(folder, "create the folder"))?;
    let draft = folder.join(format!(".draft-{}", hex::encode(SystemEntropy.array::<8>())));
    let written = write_draft(&draft, content, privacy).map_err(FileError::io(&draft, "write"));
    // A link fails where a rename would replace: whoever comes second uses the file of the first.
    let linked = written.and_then(|()| match hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::io(path, "create")(error)),
    });
    let removed = remove_file(&draft).map_err(FileError::io(&draft, "remove"));
    let is_new = linked?;
    removed?;
    sync_folder(folder).map_err(FileError::io(folder, "make durable"))?;
    Ok(is_new)
}

/// Reads the file, at most `bound` octets.
pub(crate) fn read(path: &Path, bound: u64, privacy: Privacy) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut options = OpenOptions::new();
    let file = options.read(true).open(path).map_err(FileError::io(path, "open"))?;
    let about = file.metadata().map_err(FileError::io(path, "read"))?;
    if !about.is_file() {
        return Err(FileError::malformed(path, "not a file"));
    }
    if privacy == Privacy::Secret && about.mode() & 0o077 != 0 {
        return Err(FileError::TooOpen { path: path.into(), mode: about.mode() & 0o7777 });
    }
    if about.len() > bound {
        return Err(FileError::malformed(path, format!("longer than {bound} octets")));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(bound.min(about.len() + 1) as usize));
    file.take(bound).read_to_end(&mut content).map_err(FileError::io(path, "read"))?;
    Ok(content)
}

fn write_draft(draft: &Path, content: &[u8], privacy: Privacy) -> io::Result<()> {
    let mode = if privacy == Privacy::Secret { 0o600 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a name is durable when its folder is")]
    File::open(folder)?.sync_all()
}
