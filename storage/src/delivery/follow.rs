//! What facts change in the tables: members of interactions, when they are due, and notices.

use std::collections::BTreeMap;

use model::{Fact, RecordingId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use storage_core::{
    delivery::{Kind, Notice},
    interaction::{Naming, Step, step},
};

use super::store::{nanos, number, time};
use crate::limits::SETTLE_AT_MOST;

/// A fact with its number and the time of its line.
pub(super) type Told = (u64, Timestamp, Fact);

/// An interaction that was quiet for the settling time.
pub(super) struct Due {
    pub(super) id: String,
    pub(super) revision: u64,
    pub(super) digest: Option<String>,
    pub(super) fact: u64,
    pub(super) changed_at: Timestamp,
    pub(super) merged_into: Option<String>,
}

/// What came of looking at it.
pub(super) enum Issue {
    /// Nothing in it changed, or nothing is left.
    None,
    /// A new revision, and the recordings whose sound is there.
    New { digest: String, sounds: Vec<RecordingId> },
}

/// What is known of the last issue of an interaction.
pub(super) struct Issued {
    pub(super) id: String,
    pub(super) revision: u64,
    pub(super) is_settled: bool,
    pub(super) merged_into: Option<String>,
}

pub(super) fn position(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT n FROM position")?.query_row([], |row| number(row, 0))
}

/// Applies the facts after the position and moves it, all or nothing.
pub(super) fn follow(connection: &mut Connection, told: &[Told], settle_ms: u64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let position = position(&transaction)?;
    let mut touched = BTreeMap::new();
    for (n, at, fact) in told.iter().filter(|(n, ..)| *n > position) {
        if let Some((recording, step)) = step(fact) {
            apply(&transaction, (recording, step), (*n, *at, fact), &mut touched)?;
        }
    }
    for (id, (fact, at)) in touched {
        touch(&transaction, &id, fact, at, settle_ms)?;
    }
    if let Some((last, ..)) = told.last().filter(|(n, ..)| *n > position) {
        transaction.prepare_cached("UPDATE position SET n = ?")?.execute([last.cast_signed()])?;
    }
    transaction.commit()
}

/// Interactions that something happened to: the last fact and its time.
type Touched = BTreeMap<String, (u64, Timestamp)>;

fn apply(
    transaction: &Transaction<'_>,
    (recording, step): (RecordingId, Step),
    (n, at, fact): (u64, Timestamp, &Fact),
    touched: &mut Touched,
) -> rusqlite::Result<()> {
    if let Step::Opened(naming) = step {
        let sql = "INSERT OR IGNORE INTO member VALUES (?, ?, ?, 0)";
        transaction.prepare_cached(sql)?.execute((recording.as_bytes(), &naming.key, naming.rank.number()))?;
        touched.insert(naming.key, (n, at));
        return Ok(());
    }
    // Of a recording whose beginning this ledger does not know nothing is told.
    let Some((key, rank, is_closed)) = member(transaction, recording)? else { return Ok(()) };
    match step {
        Step::Named(naming) if naming.replaces(rank) => {
            rename(transaction, recording, &naming, &key)?;
            touched.insert(naming.key, (n, at));
            touched.insert(key, (n, at));
        }
        Step::Closed => {
            let sql = "UPDATE member SET is_closed = 1 WHERE recording = ?";
            transaction.prepare_cached(sql)?.execute([recording.as_bytes()])?;
            if let Some(kind) = kind(fact) {
                let thing = recording.to_string();
                raise(transaction, &Notice { kind, subject: key.clone(), thing, revision: 0, fact: n, at })?;
            }
            touched.insert(key, (n, at));
        }
        // While it is open its end is awaited anyway.
        Step::Opened(_) | Step::Named(_) | Step::Changed => {
            if is_closed {
                touched.insert(key, (n, at));
            }
        }
    }
    Ok(())
}

const fn kind(fact: &Fact) -> Option<Kind> {
    match fact {
        Fact::RecordingArchived { .. } => Some(Kind::Archived),
        Fact::RecordingFailed { .. } => Some(Kind::Failed),
        Fact::RecordingDeleted { .. } => Some(Kind::Deleted),
        _ => None,
    }
}

fn member(transaction: &Transaction<'_>, recording: RecordingId) -> rusqlite::Result<Option<(String, i64, bool)>> {
    let mut statement =
        transaction.prepare_cached("SELECT interaction, rank, is_closed FROM member WHERE recording = ?")?;
    statement.query_row([recording.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
}

fn rename(transaction: &Transaction<'_>, recording: RecordingId, naming: &Naming, key: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE member SET interaction = ?, rank = ? WHERE recording = ?";
    transaction.prepare_cached(sql)?.execute((&naming.key, naming.rank.number(), recording.as_bytes()))?;
    if naming.key != key {
        let sql = "UPDATE interaction SET merged_into = ? WHERE id = ?";
        transaction.prepare_cached(sql)?.execute((&naming.key, key))?;
    }
    Ok(())
}

/// Due when all its recordings are finished and it was quiet; told of without end it is due all the same one day.
fn touch(transaction: &Transaction<'_>, id: &str, fact: u64, at: Timestamp, settle_ms: u64) -> rusqlite::Result<()> {
    let is_open: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM member WHERE interaction = ? AND is_closed = 0)")?
        .query_row([id], |row| row.get(0))?;
    let settle = (settle_ms * 1_000_000).cast_signed();
    let sql = "INSERT INTO interaction (id, revision, fact, changed_at, unsettled_at, due)
        VALUES (?1, 0, ?2, ?3, ?3, CASE WHEN ?4 THEN NULL ELSE ?3 + ?5 END)
        ON CONFLICT (id) DO UPDATE SET fact = ?2, changed_at = ?3, unsettled_at = coalesce(unsettled_at, ?3),
            due = CASE WHEN ?4 THEN NULL ELSE min(?3 + ?5, coalesce(unsettled_at, ?3) + ?5 * ?6) END";
    let row = (id, fact.cast_signed(), nanos(at), is_open, settle, SETTLE_AT_MOST);
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// A newer notice about the same thing takes the place of the older one.
fn raise(transaction: &Transaction<'_>, notice: &Notice) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO notice (kind, subject, thing, revision, fact, at) VALUES (?, ?, ?, ?, ?, ?)";
    let (revision, fact) = (notice.revision.cast_signed(), notice.fact.cast_signed());
    let row = (notice.kind.name(), &notice.subject, &notice.thing, revision, fact, nanos(notice.at));
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Interactions that are due, the oldest first.
pub(super) fn due(connection: &Connection, now: Timestamp, limit: i64) -> rusqlite::Result<Vec<Due>> {
    let sql = "SELECT id, revision, digest, fact, changed_at, merged_into FROM interaction
        WHERE due <= ? ORDER BY due LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((nanos(now), limit), |row| {
        Ok(Due {
            id: row.get(0)?,
            revision: number(row, 1)?,
            digest: row.get(2)?,
            fact: number(row, 3)?,
            changed_at: time(row, 4)?,
            merged_into: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// Writes down what came of an interaction that was due.
pub(super) fn settled(connection: &mut Connection, due: &Due, issue: &Issue) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "UPDATE interaction SET due = NULL, unsettled_at = NULL WHERE id = ?";
    transaction.prepare_cached(sql)?.execute([&due.id])?;
    if let Issue::New { digest, sounds } = issue {
        let revision = due.revision + 1;
        let sql = "UPDATE interaction SET revision = ?, digest = ? WHERE id = ?";
        transaction.prepare_cached(sql)?.execute((revision.cast_signed(), digest, &due.id))?;
        let (subject, thing) = (due.id.clone(), due.id.clone());
        let notice = Notice { kind: Kind::Interaction, subject, thing, revision, fact: due.fact, at: due.changed_at };
        raise(&transaction, &notice)?;
        for sound in sounds {
            // Once: the sound of a recording does not change.
            let sql =
                "INSERT OR IGNORE INTO notice (kind, subject, thing, revision, fact, at) VALUES (?, ?, ?, 0, ?, ?)";
            let row = (Kind::Audio.name(), &due.id, sound.to_string(), due.fact.cast_signed(), nanos(due.changed_at));
            transaction.prepare_cached(sql)?.execute(row)?;
        }
    }
    transaction.commit()
}

/// What was issued of an interaction last.
pub(super) fn issued(connection: &Connection, id: &str) -> rusqlite::Result<Option<Issued>> {
    let sql = "SELECT id, revision, unsettled_at IS NULL, merged_into FROM interaction WHERE id = ?";
    let read = |row: &rusqlite::Row<'_>| {
        let (id, revision) = (row.get(0)?, number(row, 1)?);
        Ok(Issued { id, revision, is_settled: row.get(2)?, merged_into: row.get(3)? })
    };
    connection.prepare_cached(sql)?.query_row([id], read).optional()
}
