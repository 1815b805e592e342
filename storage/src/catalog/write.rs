//! Folds facts into the SQLite catalog, all or nothing.

use std::collections::{BTreeMap, btree_map::Entry};

use model::{Fact, RecordingId};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use storage_core::{fold, query, view::RecordingView};

use super::read;

/// Applies the facts after the position and moves it, in one transaction. Each recording is read and written once.
pub(super) fn follow(connection: &mut Connection, facts: &[(u64, Fact)]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let position = read::position(&transaction)?;
    let mut views: BTreeMap<RecordingId, (Option<i64>, Option<RecordingView>)> = BTreeMap::new();
    for (n, fact) in facts.iter().filter(|(n, _)| *n > position) {
        if let Fact::Audited(_) = fact {
            transaction.prepare_cached("INSERT INTO audit VALUES (?, ?)")?.execute((n.cast_signed(), text(fact)?))?;
        } else if let Some(id) = fact.recording() {
            let (_, view) = match views.entry(id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(read::view(&transaction, id)?.unzip()),
            };
            fold::apply(view, fact);
        }
    }
    for (no, view) in views.into_values() {
        match (view, no) {
            (Some(view), no) => store(&transaction, no, &view)?,
            (None, Some(no)) => remove(&transaction, no)?,
            (None, None) => {}
        }
    }
    if let Some((last, _)) = facts.last().filter(|(n, _)| *n > position) {
        transaction.prepare_cached("UPDATE position SET n = ?")?.execute([last.cast_signed()])?;
    }
    transaction.commit()
}

/// Puts a recording in unless it is known.
pub(super) fn restore(connection: &mut Connection, view: &RecordingView) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if read::view(&transaction, view.id)?.is_none() {
        store(&transaction, None, view)?;
    }
    transaction.commit()
}

/// Takes out what turned out to be no recording.
fn remove(transaction: &Transaction<'_>, no: i64) -> rusqlite::Result<()> {
    forget_terms(transaction, no)?;
    transaction.prepare_cached("DELETE FROM recording WHERE no = ?")?.execute([no])?;
    Ok(())
}

fn forget_terms(transaction: &Transaction<'_>, no: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM term WHERE recording = ?")?.execute([no])?;
    transaction.prepare_cached("DELETE FROM word WHERE rowid = ?")?.execute([no])?;
    Ok(())
}

/// Writes a view with everything it is found under.
fn store(transaction: &Transaction<'_>, no: Option<i64>, view: &RecordingView) -> rusqlite::Result<()> {
    let row = (
        no,
        view.id.as_bytes(),
        view.started_at.nanos().cast_signed(),
        view.duration_ms.map(u64::cast_signed),
        view.state.name(),
        text(view)?,
    );
    let sql = "INSERT INTO recording (no, id, started_at, duration_ms, state, view) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (no) DO UPDATE SET duration_ms = excluded.duration_ms, state = excluded.state, view = excluded.view";
    transaction.prepare_cached(sql)?.execute(row)?;
    let no = match no {
        Some(no) => {
            forget_terms(transaction, no)?;
            no
        }
        None => transaction.last_insert_rowid(),
    };
    let mut statement = transaction.prepare_cached("INSERT INTO term VALUES (?, ?, ?)")?;
    for (key, value) in query::terms(view) {
        statement.execute((key.name(), value, no))?;
    }
    // Cut into words by our own rule, so that SQLite's tokenizer has nothing left to decide.
    let words = query::words(&query::text(view)).join(" ");
    transaction.prepare_cached("INSERT INTO word (rowid, text) VALUES (?, ?)")?.execute((no, words))?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
