//! Single rows of the SQLite catalog.

use model::{Fact, RecordingId};
use rusqlite::{Connection, OptionalExtension, Row, types::Type};
use serde::de::DeserializeOwned;
use storage_core::view::RecordingView;

/// A recording and the number of its row.
pub(super) fn view(connection: &Connection, id: RecordingId) -> rusqlite::Result<Option<(i64, RecordingView)>> {
    let mut statement = connection.prepare_cached("SELECT no, view FROM recording WHERE id = ?")?;
    statement.query_row([id.as_bytes()], |row| Ok((row.get(0)?, json(row, 1)?))).optional()
}

pub(super) fn audit(connection: &Connection, before: Option<u64>, limit: u32) -> rusqlite::Result<Vec<(u64, Fact)>> {
    let mut statement = connection.prepare_cached("SELECT n, fact FROM audit WHERE n < ? ORDER BY n DESC LIMIT ?")?;
    let before = before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
    let rows =
        statement.query_map((before, limit), |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), json(row, 1)?)))?;
    rows.collect()
}

pub(super) fn position(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT n FROM position")?;
    statement.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// A column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
