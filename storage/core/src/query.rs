//! What a search means: terms, wildcards, words and cursors, the same for every catalog.
//!
//! A catalog stores [`terms`] and [`text`] of each recording beside its view and answers a [`Filter`]; the in-memory
//! catalog calls [`Filter::accepts`], which is the definition that the others must agree with.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{Party, RecordingId, Timestamp};

use crate::{
    limits::{PAGE_ITEMS, QUERY_OCTETS, QUERY_WORDS, TERMS_PER_RECORDING, TEXT_OCTETS},
    ports::{CatalogError, Query},
    view::{RecordingView, State},
};

/// What kind of value a recording is found under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Address, DN or number of any party.
    Dn,
    /// Calling number.
    Ani,
    /// Dialled number.
    Dnis,
    /// CallUUID.
    CallUuid,
    /// ConnID.
    ConnId,
    /// Identity at the client.
    RecordId,
    /// Agent id.
    Agent,
    /// Flag or warning name.
    Flag,
    /// Label.
    Label,
    /// Cause of a `Reason`: `16`, and `q.850;cause=16`.
    Cause,
    /// Key of another system: `00fa08`, and `ucid=00fa08`.
    Correlation,
}

impl Key {
    /// The word in the catalog's tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dn => "dn",
            Self::Ani => "ani",
            Self::Dnis => "dnis",
            Self::CallUuid => "call_uuid",
            Self::ConnId => "conn_id",
            Self::RecordId => "record_id",
            Self::Agent => "agent",
            Self::Flag => "flag",
            Self::Label => "label",
            Self::Cause => "cause",
            Self::Correlation => "correlation",
        }
    }
}

/// A value with a `*` at either end, or none. Compared without case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// The whole value.
    Exact(String),
    /// `value*`
    Prefix(String),
    /// `*value`
    Suffix(String),
    /// `*value*`
    Contains(String),
}

impl Pattern {
    /// Reads a pattern. A `*` elsewhere is an ordinary character.
    pub fn new(text: &str) -> Self {
        let text = normal(text);
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(rest), Some(_)) => Self::Contains(rest.strip_suffix('*').unwrap_or(rest).to_owned()),
            (Some(rest), None) => Self::Suffix(rest.to_owned()),
            (None, Some(rest)) => Self::Prefix(rest.to_owned()),
            (None, None) => Self::Exact(text),
        }
    }

    /// Whether `value`, as [`terms`] gives it, fits.
    pub fn fits(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Suffix(text) => value.ends_with(text.as_str()),
            Self::Contains(text) => value.contains(text.as_str()),
        }
    }
}

/// Where a page ended: the newest-first order is by start, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Start of the last recording shown.
    pub started_at: Timestamp,
    /// Its id.
    pub id: RecordingId,
}

impl Cursor {
    /// The cursor behind `view`.
    pub fn behind(view: &RecordingView) -> Self {
        Self { started_at: view.started_at, id: view.id }
    }

    /// Its text in the API: opaque to the asker.
    pub fn encode(self) -> String {
        let mut octets = self.started_at.nanos().to_be_bytes().to_vec();
        octets.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, CatalogError> {
        let bad = || CatalogError::BadQuery("cursor: not one of ours".to_owned());
        let octets: [u8; 24] =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|octets| octets.try_into().ok()).ok_or_else(bad)?;
        let (mut at, mut id) = ([0; 8], [0; 16]);
        at.copy_from_slice(&octets[..8]);
        id.copy_from_slice(&octets[8..]);
        Ok(Self { started_at: Timestamp::from_nanos(u64::from_be_bytes(at)), id: RecordingId::from_bytes(id) })
    }
}

/// A checked query: everything set must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Started at or after.
    pub from: Option<Timestamp>,
    /// Started before.
    pub to: Option<Timestamp>,
    /// At least this long.
    pub min_duration_ms: Option<u64>,
    /// In this state.
    pub state: Option<State>,
    /// Each must fit one of the recording's [`terms`] of that key.
    pub terms: Vec<(Key, Pattern)>,
    /// Each must begin one of the [`words`] of the recording's [`text`].
    pub words: Vec<String>,
    /// Older than this one.
    pub behind: Option<Cursor>,
    /// Items on the page.
    pub limit: u32,
}

impl Filter {
    /// Checks a query. What makes no sense is `BadQuery`, naming the filter.
    pub fn new(query: &Query) -> Result<Self, CatalogError> {
        if !(1..=PAGE_ITEMS).contains(&query.limit) {
            return Err(CatalogError::BadQuery(format!("limit: 1..={PAGE_ITEMS}")));
        }
        let words = words(query.q.as_deref().unwrap_or_default());
        if words.len() > QUERY_WORDS {
            return Err(CatalogError::BadQuery(format!("q: at most {QUERY_WORDS} words")));
        }
        // A question of nothing but punctuation asks for something and matches nothing; it must not match everything.
        if words.is_empty() && query.q.as_deref().is_some_and(|q| !q.trim().is_empty()) {
            return Err(CatalogError::BadQuery("q: no letter or digit in it".to_owned()));
        }
        Ok(Self {
            from: query.from,
            to: query.to,
            min_duration_ms: query.min_duration_ms,
            state: query.state,
            terms: patterns(query)?,
            words,
            behind: query.cursor.as_deref().map(Cursor::decode).transpose()?,
            limit: query.limit,
        })
    }

    /// The definition of every filter but the cursor and the limit.
    pub fn accepts(&self, view: &RecordingView) -> bool {
        let (terms, known) = (terms(view), words(&text(view)));
        self.from.is_none_or(|from| view.started_at >= from)
            && self.to.is_none_or(|to| view.started_at < to)
            && self.state.is_none_or(|state| view.state == state)
            && self.min_duration_ms.is_none_or(|least| view.duration_ms.is_some_and(|duration| duration >= least))
            && self.terms.iter().all(|(key, pattern)| terms.iter().any(|(of, value)| of == key && pattern.fits(value)))
            && self.words.iter().all(|word| known.iter().any(|known| known.starts_with(word.as_str())))
    }
}

fn patterns(query: &Query) -> Result<Vec<(Key, Pattern)>, CatalogError> {
    let asked = [
        (Key::Dn, &query.dn),
        (Key::Ani, &query.ani),
        (Key::Dnis, &query.dnis),
        (Key::CallUuid, &query.call_uuid),
        (Key::ConnId, &query.conn_id),
        (Key::RecordId, &query.record_id),
        (Key::Agent, &query.agent),
        (Key::Flag, &query.flag),
        (Key::Label, &query.label),
        (Key::Cause, &query.cause),
        (Key::Correlation, &query.correlation),
    ];
    let mut patterns = Vec::new();
    for (key, text) in asked {
        match text {
            Some(text) if text.len() > QUERY_OCTETS => {
                return Err(CatalogError::BadQuery(format!("{}: longer than {QUERY_OCTETS} octets", key.name())));
            }
            Some(text) => patterns.push((key, Pattern::new(text))),
            None => {}
        }
    }
    Ok(patterns)
}

/// The values a recording is found under, normalised.
pub fn terms(view: &RecordingView) -> BTreeSet<(Key, String)> {
    let mut terms = BTreeSet::new();
    let mut add = |key: Key, value: &str| {
        let value = normal(value);
        if !value.is_empty() && value.len() <= QUERY_OCTETS && terms.len() < TERMS_PER_RECORDING {
            terms.insert((key, value));
        }
    };
    let columns = [(Key::RecordId, &view.record_id), (Key::CallUuid, &view.call_uuid)];
    columns.into_iter().for_each(|(key, value)| add(key, value.as_deref().unwrap_or_default()));
    view.conn_ids().for_each(|id| add(Key::ConnId, id));
    view.flags.iter().for_each(|flag| add(Key::Flag, flag));
    view.warnings.iter().for_each(|warning| add(Key::Flag, &warning.name));
    view.labels.iter().for_each(|label| add(Key::Label, label));
    for reason in view.sessions.iter().flat_map(|session| &session.reasons) {
        if let Some(cause) = reason.cause {
            add(Key::Cause, &cause.to_string());
            add(Key::Cause, &format!("{};cause={cause}", reason.protocol));
        }
    }
    for (name, value) in view.correlation.iter().chain(view.user_data.iter()) {
        if let Some(key) = key_of(name) {
            numbers(value).into_iter().for_each(|number| add(key, number));
        }
    }
    for party in &view.parties {
        party_terms(party, &mut add);
    }
    for line in &view.history {
        let dns = [&line.dn, &line.other, &line.third].into_iter().flatten();
        dns.flat_map(|dn| numbers(dn.reveal())).for_each(|number| add(Key::Dn, number));
        line.agent.iter().for_each(|agent| add(Key::Agent, agent.reveal()));
    }
    for (name, value) in view.correlation.iter() {
        add(Key::Correlation, value);
        add(Key::Correlation, &format!("{name}={value}"));
    }
    terms
}

/// Attribute names of the field that carry a searchable number, however they are spelled.
fn key_of(name: &str) -> Option<Key> {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match name.as_str() {
        "ani" => Some(Key::Ani),
        "dnis" => Some(Key::Dnis),
        "dn" | "recorddn" | "otherdn" | "thisdn" => Some(Key::Dn),
        "agent" | "agentid" | "agentlogin" => Some(Key::Agent),
        "calluuid" | "genesysuuid" => Some(Key::CallUuid),
        "connid" => Some(Key::ConnId),
        _ => None,
    }
}

fn party_terms(party: &Party, add: &mut impl FnMut(Key, &str)) {
    let role = match party.role.as_deref() {
        Some("caller") => Some(Key::Ani),
        Some("callee" | "called") => Some(Key::Dnis),
        Some("agent") => Some(Key::Agent),
        _ => None,
    };
    for address in std::iter::once(&party.address).chain(&party.also) {
        for number in numbers(address.reveal()) {
            add(Key::Dn, number);
            if let Some(key) = role {
                add(key, number);
            }
        }
    }
}

/// The forms a number is asked by: as it came, and without scheme, host and parameters.
fn numbers(address: &str) -> Vec<&str> {
    let bare = ["sip:", "sips:", "tel:"]
        .into_iter()
        .find_map(|scheme| address.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme)).map(str::len));
    let Some(scheme) = bare else {
        return match address.split_once('@') {
            Some((user, _)) => vec![address, user],
            None => vec![address],
        };
    };
    let rest = &address[scheme..];
    let whole = rest.split(';').next().unwrap_or(rest);
    vec![address, whole, whole.split('@').next().unwrap_or(whole)]
}

/// The full text of a recording: ids, parties, keys of other systems, user data, labels and reasons.
pub fn text(view: &RecordingView) -> String {
    let mut text = view.id.to_string();
    let mut add = |part: &str| {
        if text.len() + part.len() < TEXT_OCTETS {
            text.push(' ');
            text.push_str(part);
        }
    };
    [&view.record_id, &view.call_uuid, &view.conn_id].into_iter().flatten().for_each(|id| add(id));
    for party in &view.parties {
        add(party.address.reveal());
        party.also.iter().chain(&party.name).for_each(|part| add(part.reveal()));
    }
    for (name, value) in view.correlation.iter().chain(view.user_data.iter()) {
        add(name);
        add(value);
    }
    view.labels.iter().for_each(|label| add(label));
    view.sessions.iter().filter_map(|session| session.reason.as_deref()).for_each(add);
    text
}

/// The words of a text: runs of letters and digits in lower case.
pub fn words(text: &str) -> Vec<String> {
    let parts = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    parts.map(str::to_lowercase).collect()
}

fn normal(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_counts_at_the_ends_only() {
        assert!(Pattern::new("7001").fits("7001") && !Pattern::new("7001").fits("70011"));
        assert!(Pattern::new("70*").fits("7001") && !Pattern::new("70*").fits("17001"));
        assert!(Pattern::new("*001").fits("7001") && !Pattern::new("*001").fits("70010"));
        assert!(Pattern::new("*00*").fits("7001") && Pattern::new("*").fits("anything"));
        assert!(!Pattern::new("7*1").fits("7001"), "in the middle it is an ordinary character");
    }

    #[test]
    fn a_cursor_reads_back_and_a_strangers_is_refused() {
        let cursor = Cursor { started_at: Timestamp::from_nanos(77), id: RecordingId::from_bytes([6; 16]) };
        assert_eq!(Cursor::decode(&cursor.encode()).ok(), Some(cursor));
        for text in ["", "abc", "!!!!", &"A".repeat(33)] {
            assert!(matches!(Cursor::decode(text), Err(CatalogError::BadQuery(_))), "{text}");
        }
    }

    #[test]
    fn a_number_is_found_by_each_of_its_forms() {
        assert_eq!(numbers("sip:+4930@example.com;user=phone").last(), Some(&"+4930"));
        assert_eq!(numbers("tel:+4930;phone-context=x").last(), Some(&"+4930"));
        assert_eq!(numbers("7001"), ["7001"]);
        assert_eq!(numbers("ü"), ["ü"]);
    }

    #[test]
    fn senseless_queries_are_refused() {
        let refused = |query: Query| matches!(Filter::new(&query), Err(CatalogError::BadQuery(_)));
        assert!(refused(Query::default()), "limit 0");
        assert!(refused(Query { limit: 1_001, ..Query::default() }));
        assert!(refused(Query { limit: 1, q: Some("??".into()), ..Query::default() }));
        assert!(refused(Query { limit: 1, q: Some("a ".repeat(17)), ..Query::default() }));
        assert!(refused(Query { limit: 1, dn: Some("1".repeat(513)), ..Query::default() }));
        assert!(!refused(Query { limit: 1, q: Some(" ".into()), ..Query::default() }));
    }
}
