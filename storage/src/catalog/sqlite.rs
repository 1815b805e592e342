//! The catalog in an SQLite file: one connection that writes, a few that read, all off the async threads.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use model::{Fact, RecordingId};
use rusqlite::{Connection, OpenFlags};
use storage_core::{
    ports::{BoxFuture, Catalog, CatalogError, Page, Query},
    query::Filter,
    view::RecordingView,
};
use tokio::sync::Semaphore;

use super::{read, schema, search, write};
use crate::limits::{AUDIT_ITEMS, SQLITE_READERS};

/// The catalog in one file.
pub struct SqliteCatalog {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Idle read connections; the semaphore bounds how many there are.
    readers: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl SqliteCatalog {
    /// Opens or makes the file. Its content is dropped when it was made by another version: it is derived.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let mut writer = Connection::open(path)?;
        schema::prepare(&mut writer)?;
        // It holds names and numbers. The log files beside it inherit these rights.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
        let inner = Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            permits: Semaphore::new(SQLITE_READERS),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let inner = Arc::clone(&self.inner);
        let _permit = self.inner.permits.acquire().await.map_err(away)?;
        blocking(move || {
            let connection = inner.reader().map_err(away)?;
            let result = work(&connection);
            inner.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        })
        .await
    }

    async fn writing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&mut inner.writer.lock().unwrap_or_else(PoisonError::into_inner)).map_err(away)).await
    }
}

impl Inner {
    fn reader(&self) -> rusqlite::Result<Connection> {
        if let Some(idle) = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(idle);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.execute_batch("PRAGMA busy_timeout = 10000; PRAGMA temp_store = MEMORY;")?;
        Ok(connection)
    }
}

impl Catalog for SqliteCatalog {
    fn search<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, CatalogError>> {
        Box::pin(async move {
            let filter = Filter::new(query)?;
            self.reading(move |connection| search::page(connection, &filter).map_err(away)).await
        })
    }

    fn recording(&self, id: RecordingId) -> BoxFuture<'_, Result<Option<RecordingView>, CatalogError>> {
        Box::pin(async move {
            self.reading(move |connection| {
                read::view(connection, id).map(|row| row.map(|(_, view)| view)).map_err(away)
            })
            .await
        })
    }

    fn audit(&self, before: Option<u64>, limit: u32) -> BoxFuture<'_, Result<Vec<(u64, Fact)>, CatalogError>> {
        let limit = limit.min(AUDIT_ITEMS);
        Box::pin(
            async move { self.reading(move |connection| read::audit(connection, before, limit).map_err(away)).await },
        )
    }

    fn position(&self) -> BoxFuture<'_, Result<u64, CatalogError>> {
        Box::pin(async move { self.reading(|connection| read::position(connection).map_err(away)).await })
    }

    fn follow<'a>(&'a self, facts: &'a [(u64, Fact)]) -> BoxFuture<'a, Result<(), CatalogError>> {
        let facts = facts.to_vec();
        Box::pin(async move { self.writing(move |connection| write::follow(connection, &facts)).await })
    }

    fn restore<'a>(&'a self, view: &'a RecordingView) -> BoxFuture<'a, Result<(), CatalogError>> {
        let view = view.clone();
        Box::pin(async move { self.writing(move |connection| write::restore(connection, &view)).await })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CatalogError> + Send + 'static,
) -> Result<T, CatalogError> {
    tokio::task::spawn_blocking(work).await.map_err(away)?
}

fn away(error: impl std::fmt::Display) -> CatalogError {
    CatalogError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use model::{RecordingOpened, Timestamp};
    use tempfile::TempDir;

    use super::*;

    fn opened() -> Fact {
        Fact::RecordingOpened(RecordingOpened {
            recording: RecordingId::from_bytes([1; 16]),
            record_id: None,
            call_uuid: None,
            conn_id: None,
            profile: "rfc7866".into(),
            at: Timestamp::from_nanos(1),
        })
    }

    #[tokio::test]
    async fn it_conforms() {
        let dir = TempDir::new().expect("a folder");
        let catalog = SqliteCatalog::open(&dir.path().join("catalog.db")).expect("a catalog");
        storage_core::conformance::catalog(&catalog).await;
    }

    #[tokio::test]
    async fn it_is_there_after_a_restart_and_private() {
        let dir = TempDir::new().expect("a folder");
        let path = dir.path().join("catalog.db");
        SqliteCatalog::open(&path).expect("a catalog").follow(&[(7, opened())]).await.expect("followed");
        let catalog = SqliteCatalog::open(&path).expect("a catalog");
        assert_eq!(catalog.position().await.expect("a position"), 7);
        assert!(catalog.recording(RecordingId::from_bytes([1; 16])).await.expect("asked").is_some());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn tables_of_another_version_are_dropped_and_followed_again() {
        let dir = TempDir::new().expect("a folder");
        let path = dir.path().join("catalog.db");
        SqliteCatalog::open(&path).expect("a catalog").follow(&[(7, opened())]).await.expect("followed");
        Connection::open(&path).and_then(|other| other.execute_batch("PRAGMA user_version = 99")).expect("changed");
        assert_eq!(SqliteCatalog::open(&path).expect("a catalog").position().await.expect("a position"), 0);
    }

    #[tokio::test]
    async fn a_file_that_is_no_catalog_is_refused() {
        let dir = TempDir::new().expect("a folder");
        let path = dir.path().join("catalog.db");
        fs::write(&path, [0x55; 4096]).expect("written");
        assert!(SqliteCatalog::open(&path).is_err());
    }
}
