//! Folders by which a command and the running server speak: their files are for nobody but the owner, and each is there
//! whole or not at all.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Makes such a folder where there is none.
pub(crate) fn open(folder: PathBuf) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    Ok(folder)
}

/// The files of this extension that wait in a folder, `most` of them; none when it cannot be read.
pub(crate) fn waiting(folder: &Path, extension: &str, most: usize) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).take(most).collect()
}

/// Writes such a file; it is durable before it has its name.
pub(crate) fn put(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}
