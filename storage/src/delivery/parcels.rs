//! What the tables say of one subscriber: how far it is, what it is owed, what was given up.

use model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use storage_core::delivery::{DeadLetter, Kind, Notice, Parcel, SubscriberView, Verdict};

use super::store::{NOTICE, nanos, notice, number, time};
use crate::limits::DEAD_LETTERS;

/// What a subscriber wants to be told.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) kinds: Vec<Kind>,
    /// Nothing that was raised before.
    pub(super) since: Timestamp,
    /// Of what was there before the subscriber, nothing that is older.
    pub(super) patience_ms: u64,
}

/// What was taken in.
pub(super) struct Admitted {
    pub(super) parcels: Vec<Parcel>,
    pub(super) is_disabled: bool,
    /// There may be more to look at.
    pub(super) has_more: bool,
}

/// Makes the subscriber known; what was owed to it when the process ended is owed again.
pub(super) fn begin(connection: &mut Connection, name: &str, now: Timestamp) -> rusqlite::Result<Admitted> {
    let sql = "INSERT OR IGNORE INTO subscriber VALUES (?, ?, 0, NULL, 0)";
    connection.prepare_cached(sql)?.execute((name, nanos(now)))?;
    // What was revived is taken in like what is new: as there is room.
    let sql = "SELECT number, subject, attempts, next_at, raised FROM parcel
        WHERE subscriber = ? AND is_dead = 0 AND is_revived = 0";
    let mut statement = connection.prepare_cached(sql)?;
    let parcels = statement.query_map([name], parcel)?.collect::<rusqlite::Result<_>>()?;
    Ok(Admitted { parcels, is_disabled: is_disabled(connection, name)?, has_more: true })
}

fn parcel(row: &rusqlite::Row<'_>) -> rusqlite::Result<Parcel> {
    Ok(Parcel {
        number: number(row, 0)?,
        subject: row.get(1)?,
        attempts: row.get(2)?,
        next_at: time(row, 3)?,
        raised: time(row, 4)?,
    })
}

fn is_disabled(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT disabled_at IS NOT NULL FROM subscriber WHERE name = ?";
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0))
}

/// Moves the cursor over at most `room` notices: what is to be told is owed from now on. And what somebody wants to be tried
/// again.
pub(super) fn admit(connection: &mut Connection, wish: &Wish, room: usize) -> rusqlite::Result<Admitted> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut parcels = revived(&transaction, &wish.name, room)?;
    let room = room - parcels.len();
    let sql = "SELECT cursor, known_at FROM subscriber WHERE name = ?";
    let (cursor, known_at) =
        transaction.prepare_cached(sql)?.query_row([&wish.name], |row| Ok((number(row, 0)?, time(row, 1)?)))?;
    let last: i64 =
        transaction.prepare_cached("SELECT coalesce(max(number), 0) FROM notice")?.query_row([], |row| row.get(0))?;
    let sql = format!("SELECT {NOTICE}, number FROM notice WHERE number > ? ORDER BY number LIMIT ?");
    let mut found = Vec::new();
    if last > cursor.cast_signed() && room > 0 {
        let mut statement = transaction.prepare_cached(&sql)?;
        let rows =
            statement.query_map((cursor.cast_signed(), room as i64), |row| Ok((number(row, 6)?, notice(row, 0)?)))?;
        found = rows.collect::<rusqlite::Result<_>>()?;
    }
    let is_wanted = |notice: &Notice| {
        wish.kinds.contains(&notice.kind)
            && notice.at >= wish.since
            && known_at.millis_since(notice.at) < wish.patience_ms
    };
    for (number, notice) in &found {
        if is_wanted(notice) {
            parcels.push(owe(&transaction, &wish.name, *number, notice)?);
        }
    }
    if let Some((reached, _)) = found.last() {
        let sql = "UPDATE subscriber SET cursor = ? WHERE name = ?";
        transaction.prepare_cached(sql)?.execute((reached.cast_signed(), &wish.name))?;
    }
    let is_disabled = is_disabled(&transaction, &wish.name)?;
    transaction.commit()?;
    Ok(Admitted { parcels, is_disabled, has_more: found.len() == room })
}

fn revived(transaction: &Transaction<'_>, name: &str, room: usize) -> rusqlite::Result<Vec<Parcel>> {
    let sql = "SELECT number, subject, attempts, next_at, raised FROM parcel
        WHERE subscriber = ? AND is_revived = 1 ORDER BY number LIMIT ?";
    let mut statement = transaction.prepare_cached(sql)?;
    let parcels: Vec<Parcel> = statement.query_map((name, room as i64), parcel)?.collect::<rusqlite::Result<_>>()?;
    if let Some(last) = parcels.last() {
        let sql = "UPDATE parcel SET is_revived = 0 WHERE subscriber = ? AND is_revived = 1 AND number <= ?";
        transaction.prepare_cached(sql)?.execute((name, last.number.cast_signed()))?;
    }
    Ok(parcels)
}

fn owe(transaction: &Transaction<'_>, name: &str, number: u64, notice: &Notice) -> rusqlite::Result<Parcel> {
    let sql = "INSERT OR REPLACE INTO parcel VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0, 0, 0, 0, NULL)";
    transaction.prepare_cached(sql)?.execute(params![
        name,
        number.cast_signed(),
        notice.kind.name(),
        notice.subject,
        notice.thing,
        notice.revision.cast_signed(),
        notice.fact.cast_signed(),
        nanos(notice.at),
    ])?;
    let (subject, raised) = (notice.subject.clone(), notice.at);
    Ok(Parcel { number, subject, attempts: 0, next_at: Timestamp::default(), raised })
}

/// The notice, unless a newer one took its place.
pub(super) fn current(connection: &Connection, of: u64) -> rusqlite::Result<Option<Notice>> {
    let sql = format!("SELECT {NOTICE} FROM notice WHERE number = ?");
    connection.prepare_cached(&sql)?.query_row([of.cast_signed()], |row| notice(row, 0)).optional()
}

/// Writes a verdict down; how many of the oldest dead letters had to make room.
pub(super) fn settle(
    connection: &mut Connection,
    (name, of, is_delivered): (&str, u64, bool),
    verdict: &Verdict,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = (name, of.cast_signed());
    let mut forgotten = 0;
    match verdict {
        Verdict::Done => {
            let sql = "DELETE FROM parcel WHERE subscriber = ? AND number = ?";
            transaction.prepare_cached(sql)?.execute(key)?;
            let sql = "UPDATE subscriber SET delivered = delivered + ? WHERE name = ?";
            transaction.prepare_cached(sql)?.execute((is_delivered, name))?;
        }
        Verdict::Again { at, attempts } => {
            let sql = "UPDATE parcel SET attempts = ?, next_at = ? WHERE subscriber = ? AND number = ?";
            transaction.prepare_cached(sql)?.execute((attempts, nanos(*at), key.0, key.1))?;
        }
        Verdict::Dead { attempts, cause } => {
            let sql = "UPDATE parcel SET is_dead = 1, attempts = ?, error = ? WHERE subscriber = ? AND number = ?";
            transaction.prepare_cached(sql)?.execute((attempts, cause, key.0, key.1))?;
            forgotten = forget_oldest(&transaction, name)?;
        }
        Verdict::Disabled => {
            let sql = "UPDATE subscriber SET disabled_at = coalesce(disabled_at, ?) WHERE name = ?";
            transaction.prepare_cached(sql)?.execute((nanos(now), name))?;
        }
    }
    transaction.commit()?;
    Ok(forgotten)
}

fn forget_oldest(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM parcel WHERE subscriber = ?1 AND is_dead = 1 AND number <= (SELECT number FROM parcel
        WHERE subscriber = ?1 AND is_dead = 1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
    transaction.prepare_cached(sql)?.execute((name, DEAD_LETTERS))
}

/// How a subscriber is doing.
pub(super) fn status(connection: &Connection, name: &str) -> rusqlite::Result<SubscriberView> {
    let sql = "SELECT disabled_at, delivered,
            (SELECT count(*) FROM parcel WHERE subscriber = ?1 AND is_dead = 0),
            (SELECT coalesce(max(number), 0) FROM notice) - cursor,
            (SELECT count(*) FROM parcel WHERE subscriber = ?1 AND is_dead = 1),
            (SELECT min(at) FROM parcel WHERE subscriber = ?1 AND is_dead = 0)
        FROM subscriber WHERE name = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let at = |column| -> rusqlite::Result<Option<Timestamp>> {
            Ok(row.get::<_, Option<i64>>(column)?.map(|at| Timestamp::from_nanos(at.cast_unsigned())))
        };
        Ok(SubscriberView {
            name: name.to_owned(),
            disabled_at: at(0)?,
            delivered: number(row, 1)?,
            waiting: number(row, 2)?,
            behind: number(row, 3)?,
            dead: number(row, 4)?,
            oldest: at(5)?,
        })
    };
    let unknown = SubscriberView {
        name: name.to_owned(),
        disabled_at: None,
        delivered: 0,
        waiting: 0,
        behind: 0,
        dead: 0,
        oldest: None,
    };
    Ok(connection.prepare_cached(sql)?.query_row([name], read).optional()?.unwrap_or(unknown))
}

/// Dead letters by number; those of the last number all, so that a page can go on behind it.
pub(super) fn dead(connection: &Connection, after: u64, limit: u32) -> rusqlite::Result<Vec<DeadLetter>> {
    let sql = format!(
        "SELECT {NOTICE}, subscriber, number, attempts, error FROM parcel WHERE is_dead = 1 AND number > ?1
            AND number <= coalesce((SELECT number FROM parcel WHERE is_dead = 1 AND number > ?1
                ORDER BY number LIMIT 1 OFFSET ?2 - 1), 9223372036854775807)
        ORDER BY number, subscriber"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((after.cast_signed(), limit), |row| {
        Ok(DeadLetter {
            notice: notice(row, 0)?,
            subscriber: row.get(6)?,
            number: number(row, 7)?,
            attempts: row.get(8)?,
            error: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// Dead letters come to life again, with new patience; a disabled subscriber is asked again.
pub(super) fn retry(
    connection: &mut Connection,
    (name, of): (Option<&str>, Option<u64>),
    now: Timestamp,
) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "UPDATE parcel SET is_dead = 0, is_revived = 1, raised = ?1, next_at = 0, error = NULL
        WHERE is_dead = 1 AND (?2 IS NULL OR subscriber = ?2) AND (?3 IS NULL OR number = ?3)";
    let changed = transaction.prepare_cached(sql)?.execute((nanos(now), name, of.map(u64::cast_signed)))?;
    let sql = "UPDATE subscriber SET disabled_at = NULL WHERE ?1 IS NULL OR name = ?1";
    transaction.prepare_cached(sql)?.execute([name])?;
    transaction.commit()?;
    Ok(changed as u64)
}
