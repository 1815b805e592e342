//! One line: its values under the columns they stand in, made into a call.

use std::collections::BTreeMap;

use crypto::digest::Sha256;
use model::{CallDirection, CallSeen, Cdr, Expectation, Personal, RecordingId, Timestamp};

use super::mapping::{Column, Mapping};
use crate::limits::{CALL_NUMBERS, CDR_VALUE_OCTETS};

/// How a file is read: its mapping, and whether it says when calls were answered.
pub(super) struct Ways<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) tells_answer: bool,
}

type Values<'a> = BTreeMap<Column, &'a str>;

/// A call, or what is wrong with its line: the column is named, its value is not.
pub(super) fn read<'a>(named: impl Iterator<Item = (Column, &'a str)>, ways: &Ways<'_>) -> Result<Cdr, String> {
    let mut values = Values::new();
    for (column, value) in named {
        let value = value.trim();
        if value.len() > CDR_VALUE_OCTETS {
            return Err(format!("`{}` is longer than {CDR_VALUE_OCTETS} octets", column.name()));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("`{}` holds a control character", column.name()));
        }
        if !value.is_empty() && values.insert(column, value).is_some() {
            return Err(format!("`{}` is there twice", column.name()));
        }
    }
    let times = times(&values, ways)?;
    let text = |column: Column| values.get(&column).map(|value| (*value).to_owned());
    let call = CallSeen {
        call_uuid: text(Column::CallUuid),
        conn_id: text(Column::ConnId),
        dns: several(&values, Column::Dn),
        agents: several(&values, Column::Agent),
        ani: text(Column::Ani).map(Personal::new),
        dnis: text(Column::Dnis).map(Personal::new),
        direction: values.get(&Column::Direction).and_then(|name| CallDirection::by_name(name)),
        started_at: times.started,
        answered_at: times.answered,
        ended_at: Some(times.ended),
        expectation: expectation(&values)?,
        rule: None,
        recordings: recordings(&values)?,
        source: ways.mapping.source.clone(),
    };
    let call_id = text(Column::CallId);
    let is_nobody = call.dns.is_empty() && call.ani.is_none() && call.dnis.is_none();
    if is_nobody && call.call_uuid.is_none() && call.conn_id.is_none() && call_id.is_none() {
        return Err("neither a key nor a number says which call it is".into());
    }
    let id = text(Column::Id).unwrap_or_else(|| digest(&values));
    Ok(Cdr { id, call_id, record_id: text(Column::RecordId), call })
}

struct Times {
    started: Timestamp,
    answered: Option<Timestamp>,
    ended: Timestamp,
}

fn times(values: &Values<'_>, ways: &Ways<'_>) -> Result<Times, String> {
    let time = |column: Column| -> Result<Option<Timestamp>, String> {
        let Some(text) = values.get(&column) else { return Ok(None) };
        let read = ways.mapping.format.time(text, ways.mapping.zone);
        read.map(Some).ok_or_else(|| format!("`{}` is no time as configured", column.name()))
    };
    let started = time(Column::StartedAt)?.ok_or("`started_at` is missing")?;
    let ended = match (time(Column::EndedAt)?, values.get(&Column::DurationS)) {
        (Some(ended), _) => ended,
        (None, Some(seconds)) => started.plus_nanos(duration(seconds)?),
        (None, None) => return Err("neither `ended_at` nor `duration_s` is there".into()),
    };
    if ended < started {
        return Err("`ended_at` lies before `started_at`".into());
    }
    // Where the source has no such column, what it has are calls that were answered.
    let answered = match time(Column::AnsweredAt)? {
        None if ways.tells_answer => None,
        None => Some(started),
        Some(answered) if answered < started || answered > ended => {
            return Err("`answered_at` lies outside the call".into());
        }
        answered => answered,
    };
    Ok(Times { started, answered, ended })
}

/// At most a week: whatever is longer is no call.
const LONGEST_S: f64 = 7.0 * 86_400.0;

fn duration(text: &str) -> Result<u64, String> {
    let seconds: f64 = text.parse().map_err(|_| "`duration_s` is no number of seconds")?;
    if !(0.0..=LONGEST_S).contains(&seconds) {
        return Err("`duration_s` is no length of a call".into());
    }
    Ok((seconds * 1e9) as u64)
}

fn several(values: &Values<'_>, column: Column) -> Vec<Personal<String>> {
    let parts = values.get(&column).map(|value| value.split('|')).into_iter().flatten();
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.take(CALL_NUMBERS).map(|part| Personal::new(part.to_owned())).collect()
}

fn expectation(values: &Values<'_>) -> Result<Expectation, String> {
    let Some(text) = values.get(&Column::Record) else { return Ok(Expectation::Unknown) };
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "record" => Ok(Expectation::Record),
        "no" | "n" | "false" | "0" | "never" => Ok(Expectation::Never),
        "provisional" => Ok(Expectation::Provisional),
        _ => Err("`record` is none of yes, no, provisional".into()),
    }
}

fn recordings(values: &Values<'_>) -> Result<Vec<RecordingId>, String> {
    let Some(text) = values.get(&Column::RecordingId) else { return Ok(Vec::new()) };
    let ids = text.split('|').take(CALL_NUMBERS).map(|id| id.trim().parse());
    ids.collect::<Result<_, _>>().map_err(|_| "`recording_id` is no id of a recording here".into())
}

/// The same line is the same call, in whichever file it stands.
fn digest(values: &Values<'_>) -> String {
    let mut digest = Sha256::new();
    for (column, value) in values {
        for part in [column.name(), value] {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
    }
    let mut hex = digest.finish_hex();
    hex.truncate(32);
    hex
}
