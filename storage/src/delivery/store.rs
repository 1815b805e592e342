//! `delivery.db`: which recordings are of which interaction, what is to be told, and how far each subscriber is.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use model::Timestamp;
use rusqlite::{Connection, Row, TransactionBehavior};
use storage_core::{
    delivery::{Kind, Notice},
    ports::CatalogError,
};
use tokio::sync::Semaphore;

/// Raised with every change of the tables. Another version is dropped: all of it is derived.
const VERSION: i64 = 1;

const TABLES: &str = "
    DROP TABLE IF EXISTS position;
    DROP TABLE IF EXISTS member;
    DROP TABLE IF EXISTS interaction;
    DROP TABLE IF EXISTS notice;
    DROP TABLE IF EXISTS subscriber;
    DROP TABLE IF EXISTS parcel;
    CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL) STRICT;
    INSERT INTO position VALUES (1, 0);
    CREATE TABLE member (
        recording BLOB PRIMARY KEY,
        interaction TEXT NOT NULL,
        rank INTEGER NOT NULL,
        is_closed INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX member_by_interaction ON member (interaction, is_closed);
    CREATE TABLE interaction (
        id TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        digest TEXT,
        fact INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        unsettled_at INTEGER,
        due INTEGER,
        merged_into TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX interaction_by_due ON interaction (due) WHERE due IS NOT NULL;
    CREATE TABLE notice (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        thing TEXT NOT NULL,
        revision INTEGER NOT NULL,
        fact INTEGER NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (kind, thing)
    ) STRICT;
    CREATE TABLE subscriber (
        name TEXT PRIMARY KEY,
        known_at INTEGER NOT NULL,
        cursor INTEGER NOT NULL,
        disabled_at INTEGER,
        delivered INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE parcel (
        subscriber TEXT NOT NULL,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        thing TEXT NOT NULL,
        revision INTEGER NOT NULL,
        fact INTEGER NOT NULL,
        at INTEGER NOT NULL,
        raised INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        next_at INTEGER NOT NULL,
        is_dead INTEGER NOT NULL,
        is_revived INTEGER NOT NULL,
        error TEXT,
        PRIMARY KEY (subscriber, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX parcel_by_end ON parcel (subscriber, is_dead, number);
    CREATE INDEX parcel_dead ON parcel (number) WHERE is_dead = 1;
    CREATE INDEX parcel_revived ON parcel (subscriber) WHERE is_revived = 1;
";

/// NORMAL is enough with a write-ahead log: a power cut may take back the last commits, and what they said is handed over
/// once more.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA busy_timeout = 10000;
    PRAGMA temp_store = MEMORY;
    PRAGMA secure_delete = ON;
";

/// The tables of consolidation and delivery. Cheap to clone; several processes may have it open.
#[derive(Clone)]
pub struct DeliveryStore {
    connection: Arc<Mutex<Connection>>,
    /// Whoever waits for the connection waits as a task, not as a thread.
    turn: Arc<Semaphore>,
}

impl DeliveryStore {
    /// Opens or makes `delivery.db` in the data folder.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(data_dir: &Path) -> Result<Self, CatalogError> {
        let path = data_dir.join(FILE);
        let opened = || -> rusqlite::Result<Connection> {
            let mut connection = Connection::open(&path)?;
            connection.execute_batch(PRAGMAS)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version != VERSION {
                transaction.execute_batch(TABLES)?;
                transaction.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
            }
            transaction.commit()?;
            Ok(connection)
        };
        let connection = opened().map_err(|error| CatalogError::Unavailable(format!("{FILE}: {error}")))?;
        // It holds names of interactions and subscribers. The log files beside it inherit these rights.
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o600));
        Ok(Self { connection: Arc::new(Mutex::new(connection)), turn: Arc::new(Semaphore::new(1)) })
    }

    /// Does a piece of work off the async threads.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let connection = Arc::clone(&self.connection);
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        let away = |error: &dyn std::fmt::Display| CatalogError::Unavailable(format!("{FILE}: {error}"));
        tokio::task::spawn_blocking(work).await.map_err(|error| away(&error))?.map_err(|error| away(&error))
    }
}

/// The file in the data folder.
const FILE: &str = "delivery.db";

/// The columns of a notice, as [`notice`] reads them.
pub(super) const NOTICE: &str = "kind, subject, thing, revision, fact, at";

/// A notice whose columns begin at `first`.
pub(super) fn notice(row: &Row<'_>, first: usize) -> rusqlite::Result<Notice> {
    let kind: String = row.get(first)?;
    let kind = Kind::by_name(&kind).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(Notice {
        kind,
        subject: row.get(first + 1)?,
        thing: row.get(first + 2)?,
        revision: number(row, first + 3)?,
        fact: number(row, first + 4)?,
        at: time(row, first + 5)?,
    })
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    number(row, column).map(Timestamp::from_nanos)
}

pub(super) fn nanos(at: Timestamp) -> i64 {
    at.nanos().cast_signed()
}
