//! The tables of the SQLite catalog and their version.
//!
//! Everything here is derived: a version that is not ours, older or newer, is dropped and followed again from fact 1.

use rusqlite::Connection;

/// Raised with every change of the tables or of what `storage_core::query` puts in them.
const VERSION: i64 = 3;

const TABLES: &str = "
    CREATE TABLE recording (
        no INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        started_at INTEGER NOT NULL,
        duration_ms INTEGER,
        state TEXT NOT NULL,
        view TEXT NOT NULL
    ) STRICT;
    CREATE INDEX recording_by_start ON recording (started_at DESC, id DESC);
    CREATE INDEX recording_by_state ON recording (state, started_at DESC, id DESC);
    CREATE TABLE term (
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        recording INTEGER NOT NULL,
        PRIMARY KEY (key, value, recording)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX term_by_recording ON term (recording);
    CREATE VIRTUAL TABLE word USING fts5 (
        text, content = '', contentless_delete = 1, detail = none, tokenize = 'unicode61 remove_diacritics 0'
    );
    CREATE TABLE audit (n INTEGER PRIMARY KEY, fact TEXT NOT NULL) STRICT;
    CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL) STRICT;
    INSERT INTO position VALUES (1, 0);
";

const NAMES: [&str; 5] = ["recording", "term", "word", "audit", "position"];

/// Settings of every connection. NORMAL is enough with a write-ahead log: a power cut may take back the last commits,
/// the position among them, and they are followed again.
pub(super) const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA busy_timeout = 10000;
    PRAGMA temp_store = MEMORY;
    PRAGMA secure_delete = ON;
";

/// Makes the tables if they are not there or of another version.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch(PRAGMAS)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != VERSION {
        for name in NAMES {
            transaction.execute_batch(&format!("DROP TABLE IF EXISTS {name}"))?;
        }
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
    }
    transaction.commit()
}
