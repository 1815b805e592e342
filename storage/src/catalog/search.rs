//! Turns a filter into SQL: newest first, from a cursor, without ever counting rows.

use rusqlite::{Connection, params_from_iter, types::Value};
use storage_core::{
    ports::Page,
    query::{Cursor, Filter, Key, Pattern},
    view::RecordingView,
};

use super::read;

/// One page. A row more than asked for tells whether there is another one.
pub(super) fn page(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let (sql, values) = statement(filter);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| read::json(row, 0))?;
    let mut items = rows.collect::<rusqlite::Result<Vec<RecordingView>>>()?;
    let has_more = items.len() > filter.limit as usize;
    items.truncate(filter.limit as usize);
    let next = items.last().filter(|_| has_more).map(|view| Cursor::behind(view).encode());
    Ok(Page { items, next })
}

fn statement(filter: &Filter) -> (String, Vec<Value>) {
    let mut asked = Asked { sql: "SELECT view FROM recording WHERE 1".to_owned(), values: Vec::new() };
    if let Some(from) = filter.from {
        asked.and("started_at >= ?", [from.nanos().cast_signed().into()]);
    }
    if let Some(to) = filter.to {
        asked.and("started_at < ?", [to.nanos().cast_signed().into()]);
    }
    if let Some(least) = filter.min_duration_ms {
        asked.and("duration_ms >= ?", [i64::try_from(least).unwrap_or(i64::MAX).into()]);
    }
    if let Some(state) = filter.state {
        asked.and("state = ?", [state.name().to_owned().into()]);
    }
    if let Some(cursor) = filter.behind {
        let place = [cursor.started_at.nanos().cast_signed().into(), cursor.id.as_bytes().to_vec().into()];
        asked.and("(started_at, id) < (?, ?)", place);
    }
    filter.terms.iter().for_each(|(key, pattern)| asked.term(*key, pattern));
    if !filter.words.is_empty() {
        // Words are letters and digits only, so that quoting is complete.
        let words: Vec<String> = filter.words.iter().map(|word| format!("\"{word}\" *")).collect();
        asked.and("no IN (SELECT rowid FROM word WHERE word MATCH ?)", [words.join(" AND ").into()]);
    }
    asked.sql.push_str(" ORDER BY started_at DESC, id DESC LIMIT ?");
    asked.values.push((i64::from(filter.limit) + 1).into());
    (asked.sql, asked.values)
}

struct Asked {
    sql: String,
    values: Vec<Value>,
}

impl Asked {
    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    /// Without LIKE or GLOB: their wild cards would have to be escaped, and neither would use the index.
    fn term(&mut self, key: Key, pattern: &Pattern) {
        let (fits, text) = match pattern {
            Pattern::Exact(text) => ("value = ?2", text),
            // No text sorts behind U+10FFFF, so this is the whole range of the prefix, and the index serves it.
            Pattern::Prefix(text) => ("value >= ?2 AND value < ?2 || char(1114111)", text),
            Pattern::Suffix(text) => ("length(?2) = 0 OR substr(value, -length(?2)) = ?2", text),
            Pattern::Contains(text) => ("instr(value, ?2) > 0", text),
        };
        let fits = fits.replace("?2", &format!("?{}", self.values.len() + 2));
        let key_at = self.values.len() + 1;
        self.sql.push_str(&format!(" AND no IN (SELECT recording FROM term WHERE key = ?{key_at} AND ({fits}))"));
        self.values.push(key.name().to_owned().into());
        self.values.push(text.clone().into());
    }
}
