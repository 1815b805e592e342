//! Parameters of a question: read strictly, so that a misspelt filter is an error that names it and never a wider
//! answer.

use model::Timestamp;
use percent_encoding::percent_decode_str;
use storage_core::{ports::Query, view::State};

use crate::{limits, problem::Problem};

/// Names and values of a query string or a form body, decoded, in their order.
pub(crate) type Pairs = Vec<(String, String)>;

/// Decodes `application/x-www-form-urlencoded`.
pub(crate) fn pairs(text: &str) -> Result<Pairs, Problem> {
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn pair(text: &str) -> Result<(String, String), Problem> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().map(std::borrow::Cow::into_owned);
    let name = decode(name).map_err(|_| Problem::bad_request("a parameter name is not UTF-8"))?;
    let value = decode(value).map_err(|_| Problem::parameter(&name, "the value is not UTF-8"))?;
    Ok((name, value))
}

/// Every parameter once, each known and fit to print.
pub(crate) fn strict(pairs: Pairs, known: &[&str]) -> Result<Pairs, Problem> {
    for (index, (name, value)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(Problem::parameter(name, "no such parameter here"));
        }
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::parameter(name, "given twice"));
        }
        if value.is_empty() {
            return Err(Problem::parameter(name, "is empty"));
        }
        if value.chars().count() > limits::FILTER_CHARS || value.chars().any(char::is_control) {
            return Err(Problem::parameter(name, "is too long or holds control characters"));
        }
    }
    Ok(pairs)
}

/// The value of one parameter.
pub(crate) fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The filters of `GET /recordings`.
pub(crate) const FILTERS: [&str; 18] = [
    "from",
    "to",
    "dn",
    "ani",
    "dnis",
    "call_uuid",
    "conn_id",
    "record_id",
    "agent",
    "min_duration_ms",
    "state",
    "flag",
    "label",
    "cause",
    "correlation",
    "q",
    "limit",
    "cursor",
];

/// Reads the filters of a search.
pub(crate) fn search(pairs: Pairs) -> Result<Query, Problem> {
    let pairs = strict(pairs, &FILTERS)?;
    let mut query = Query { limit: limit(&pairs)?, ..Query::default() };
    for (name, value) in pairs {
        let text = Some(value.clone());
        match name.as_str() {
            "from" => query.from = Some(time(&name, &value)?),
            "to" => query.to = Some(time(&name, &value)?),
            "dn" => query.dn = text,
            "ani" => query.ani = text,
            "dnis" => query.dnis = text,
            "call_uuid" => query.call_uuid = text,
            "conn_id" => query.conn_id = text,
            "record_id" => query.record_id = text,
            "agent" => query.agent = text,
            "min_duration_ms" => query.min_duration_ms = Some(number(&name, &value)?),
            "state" => query.state = Some(state(&name, &value)?),
            "flag" => query.flag = text,
            "label" => query.label = text,
            "cause" => query.cause = text,
            "correlation" => query.correlation = text,
            "q" => query.q = text,
            "cursor" => query.cursor = text,
            // Only `limit` is left, and it was read above.
            _ => {}
        }
    }
    match (query.from, query.to) {
        (Some(from), Some(to)) if from > to => Err(Problem::parameter("to", "lies before `from`")),
        _ => Ok(query),
    }
}

/// The page size.
pub(crate) fn limit(pairs: &Pairs) -> Result<u32, Problem> {
    let Some(text) = value(pairs, "limit") else { return Ok(limits::PAGE_DEFAULT) };
    let items = text.parse().ok().filter(|items| (1..=limits::PAGE_ITEMS).contains(items));
    items.ok_or_else(|| Problem::parameter("limit", format!("is not a number from 1 to {}", limits::PAGE_ITEMS)))
}

fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    // An unencoded `+` of an offset arrives as a space; a browser's date field sends no seconds and no zone.
    let text = text.replace(' ', "+");
    ["", "Z", ":00Z", "T00:00:00Z"]
        .iter()
        .find_map(|rest| Timestamp::parse(&format!("{text}{rest}")))
        .ok_or_else(|| Problem::parameter(name, "is not an RFC 3339 time, e.g. 2026-11-21T10:00:00Z"))
}

fn number(name: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::parameter(name, "is not a whole number"))
}

fn state(name: &str, text: &str) -> Result<State, Problem> {
    State::by_name(text)
        .ok_or_else(|| Problem::parameter(name, "is none of live, finalizing, archived, failed, deleted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Query, Problem> {
        search(pairs(text)?)
    }

    #[test]
    fn filters_are_read_and_decoded() {
        let query = read("q=J%C3%BCrgen+M&dn=70*&from=2026-11-21T10:00:00+01:00&to=2026-11-22&state=live&limit=7")
            .expect("lawful");
        assert_eq!((query.q.as_deref(), query.dn.as_deref(), query.limit), (Some("Jürgen M"), Some("70*"), 7));
        assert_eq!(query.from, Timestamp::parse("2026-11-21T09:00:00Z"));
        assert_eq!(query.to, Timestamp::parse("2026-11-22T00:00:00Z"));
        assert_eq!(query.state, Some(State::Live));
        assert_eq!(read("").expect("lawful").limit, limits::PAGE_DEFAULT);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, name) in [
            ("dnn=1", "`dnn`"),
            ("dn=1&dn=2", "`dn`"),
            ("dn=", "`dn`"),
            ("q=a%00b", "`q`"),
            ("from=yesterday", "`from`"),
            ("from=2026-11-22&to=2026-11-21", "`to`"),
            ("limit=0", "`limit`"),
            ("limit=1001", "`limit`"),
            ("min_duration_ms=-1", "`min_duration_ms`"),
            ("state=gone", "`state`"),
            ("q=%ff", "`q`"),
        ] {
            let problem = read(text).expect_err(text);
            assert!(problem.detail.starts_with(name), "{text}: {}", problem.detail);
            assert_eq!(problem.status, 400);
        }
    }
}
