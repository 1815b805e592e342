//! An archive in a folder: temporary name, `fsync`, rename that never replaces, `fsync` of the folders.

use std::{
    fs,
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use storage_core::{
    names,
    ports::{Archive, ArchiveError, BoxFuture, ObjectSource},
};

use super::{URL, same_or_exists, source_failed};
use crate::{
    config::ConfigError,
    files,
    limits::{COPY_OCTETS, LIST_DEPTH},
};

/// Objects as files below a root, half-written ones below `.incoming`.
pub(super) struct Folder {
    root: Arc<Path>,
    incoming: PathBuf,
    next: AtomicU64,
}

impl Folder {
    pub(super) fn open(path: &str) -> Result<Self, ConfigError> {
        // file:///path and file:/path and file:./path are all meant by somebody.
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if path.is_empty() {
            return Err(ConfigError::new(URL, "file: without a path"));
        }
        let root = PathBuf::from(path);
        // Of its own for each process and each archive in it: several may write into one folder.
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let own = format!("{}-{}", std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed));
        let incoming = root.join(".incoming").join(own);
        sweep(&root.join(".incoming"));
        files::make_dir(&incoming).map_err(|error| ConfigError::new(URL, format!("{path}: {error}")))?;
        Ok(Self { root: root.into(), incoming, next: AtomicU64::new(0) })
    }

    fn path(&self, name: &str) -> Result<PathBuf, ArchiveError> {
        names::check(name)?;
        Ok(self.root.join(name))
    }

    /// Whether the object is there now because of us; false when the name was taken.
    fn create(&self, name: &str, source: &dyn ObjectSource) -> Result<bool, ArchiveError> {
        let path = self.path(name)?;
        if fs::exists(&path).map_err(failed)? {
            return Ok(false);
        }
        let beside = self.incoming.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        // Another process may have swept ours away after a quiet day.
        files::make_dir(&self.incoming).map_err(failed)?;
        let result = write(&beside, source).and_then(|()| {
            self.make_folders(name).map_err(failed)?;
            rename_new(&beside, &path).map_err(failed)
        });
        if !matches!(result, Ok(true)) {
            let _ = files::remove(&beside);
        }
        if matches!(result, Ok(true)) {
            path.parent().map_or(Ok(()), files::sync_dir).map_err(failed)?;
        }
        result
    }

    /// Makes the folders of a name, each durable in the one above.
    fn make_folders(&self, name: &str) -> io::Result<()> {
        let mut folder = self.root.to_path_buf();
        let Some((folders, _)) = name.rsplit_once('/') else { return Ok(()) };
        for part in folders.split('/') {
            let above = folder.clone();
            folder.push(part);
            if !fs::exists(&folder)? {
                files::make_dir(&folder)?;
                files::sync_dir(&above)?;
            }
        }
        Ok(())
    }
}

impl Archive for Folder {
    fn put<'a>(&'a self, name: &'a str, source: &'a dyn ObjectSource) -> BoxFuture<'a, Result<(), ArchiveError>> {
        // Called from a blocking context, says the port: the disk may be waited for here.
        Box::pin(async move {
            match self.create(name, source)? {
                true => Ok(()),
                false => same_or_exists(self, name, source).await,
            }
        })
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Vec<u8>, ArchiveError>> {
        Box::pin(async move {
            let path = self.path(name)?;
            let read = move || -> io::Result<Vec<u8>> {
                let file = files::open_read(&path)?;
                let end = range.end.min(file.metadata()?.len());
                let mut octets = vec![0; end.saturating_sub(range.start) as usize];
                file.read_exact_at(&mut octets, range.start)?;
                Ok(octets)
            };
            blocking(read).await?.map_err(|error| missing(name, error))
        })
    }

    fn size<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<u64, ArchiveError>> {
        Box::pin(async move {
            let path = self.path(name)?;
            let size = blocking(move || fs::metadata(path)).await?;
            size.map(|metadata| metadata.len()).map_err(|error| missing(name, error))
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, ArchiveError>> {
        Box::pin(async move {
            names::check_prefix(prefix)?;
            let (root, prefix) = (Arc::clone(&self.root), prefix.to_owned());
            let listed = blocking(move || {
                let mut found = Vec::new();
                walk(&root.join(&prefix), &prefix, LIST_DEPTH, &mut found).map(|()| found)
            });
            let mut found = listed.await?.map_err(failed)?;
            found.sort();
            Ok(found)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let path = self.path(name)?;
            let remove = move || {
                files::remove(&path)?;
                match path.parent().map_or(Ok(()), files::sync_dir) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            };
            blocking(remove).await?.map_err(failed)
        })
    }

    fn describe(&self) -> String {
        format!("file:{}", self.root.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.incoming);
    }
}

/// Removes what a crash left half-written. Only what nobody touched for a day: another process may be writing.
fn sweep(incoming: &Path) {
    for entry in fs::read_dir(incoming).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn write(path: &Path, source: &dyn ObjectSource) -> Result<(), ArchiveError> {
    files::remove(path).map_err(failed)?;
    let mut file = files::open_append(path).map_err(failed)?;
    let mut at = 0;
    while at < source.len() {
        let end = source.len().min(at + COPY_OCTETS);
        let octets = source.read(at..end).map_err(source_failed)?;
        file.write_all(&octets).map_err(failed)?;
        at = end;
    }
    file.sync_all().map_err(failed)
}

/// Renames without ever replacing; false when the name is taken. File systems that cannot (NFS, some FUSE) get a hard
/// link, which cannot replace either.
fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(true),
        Err(Errno::EXIST) => return Ok(false),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::hard_link(from, to) {
        Ok(()) => files::remove(from).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Adds the names of the files in `folder`, whose own name is `prefix`. Hidden and foreign names are passed over.
fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if names::check(&name).is_err() {
            continue;
        }
        if !entry.file_type()?.is_dir() {
            found.push(name);
        } else if depth > 0 {
            walk(&entry.path(), &(name + "/"), depth - 1, found)?;
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ArchiveError::Unavailable(error.to_string()))
}

fn missing(name: &str, error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ArchiveError::Missing(name.to_owned()),
        _ => failed(error),
    }
}

/// A full or absent volume comes back by itself, a permission does not.
fn failed(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ArchiveError::Refused(error.to_string()),
        _ => ArchiveError::Unavailable(error.to_string()),
    }
}

/// After so long without a new file in it, a folder of incoming objects has no owner any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn it_conforms_and_leaves_no_half_written_file() {
        let dir = TempDir::new().expect("a folder");
        let folder = Folder::open(dir.path().to_str().expect("text")).expect("an archive");
        storage_core::conformance::archive(&folder).await;
        assert_eq!(fs::read_dir(&folder.incoming).expect("there").count(), 0);
    }

    #[tokio::test]
    async fn two_archives_on_one_folder_do_not_disturb_each_other() {
        struct One;
        impl ObjectSource for One {
            fn len(&self) -> u64 {
                1
            }
            fn read(&self, _: Range<u64>) -> io::Result<Vec<u8>> {
                Ok(vec![1])
            }
        }
        let dir = TempDir::new().expect("a folder");
        let path = dir.path().to_str().expect("text");
        let first = Folder::open(path).expect("an archive");
        drop(Folder::open(path).expect("an archive"));
        first.put("2026/a", &One).await.expect("created");
        assert_eq!(first.list("").await.expect("a list"), ["2026/a"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_refused() {
        let dir = TempDir::new().expect("a folder");
        let file = dir.path().join("file");
        fs::write(&file, b"").expect("written");
        let error = Folder::open(file.to_str().expect("text")).err().expect("refused");
        assert_eq!(error.key, "archive.url");
        assert!(error.to_string().contains("file"), "{error}");
    }
}
