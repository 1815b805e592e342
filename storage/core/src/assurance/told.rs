//! What a source told of one call, as small as it can be held.

use model::{CallDirection, CallSeen, Cdr, Expectation, RecordingId};

use super::{
    key::{Key, Number},
    settings::Settings,
    users::{NameNo, Names},
};
use crate::limits::CALL_NUMBERS;

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) source: u16,
    /// What makes it the same row when it is told again.
    pub(super) own: Key,
    pub(super) uuid: Option<Key>,
    pub(super) conn: Option<Key>,
    pub(super) call_id: Option<Key>,
    pub(super) record: Option<Key>,
    pub(super) recordings: Box<[RecordingId]>,
    /// DNs, ANI and DNIS.
    pub(super) numbers: Box<[Number]>,
    pub(super) dns: Box<[NameNo]>,
    pub(super) agents: Box<[NameNo]>,
    pub(super) start: u64,
    pub(super) answered: Option<u64>,
    pub(super) end: Option<u64>,
    pub(super) expectation: Expectation,
    /// Where the policy said nothing: whether its DNs are in scope.
    pub(super) is_wanted: bool,
    pub(super) rule: Option<NameNo>,
    pub(super) direction: Option<CallDirection>,
    pub(super) call_uuid: Option<Box<str>>,
    pub(super) conn_id: Option<Box<str>>,
    pub(super) node: NameNo,
}

/// What a row is made with.
pub(super) struct Maker<'a> {
    pub(super) settings: &'a Settings,
    pub(super) names: &'a mut Names,
    pub(super) source: u16,
    pub(super) node: NameNo,
}

impl Told {
    pub(super) fn of_call(call: &CallSeen, maker: Maker<'_>) -> Self {
        Self::new(call, own(call), maker)
    }

    pub(super) fn of_cdr(cdr: &Cdr, maker: Maker<'_>) -> Self {
        let mut told = Self::new(&cdr.call, cdr_key(cdr), maker);
        told.call_id = cdr.call_id.as_deref().map(Key::call_id);
        told.record = cdr.record_id.as_deref().map(Key::record_id);
        told
    }

    fn new(call: &CallSeen, own: Key, maker: Maker<'_>) -> Self {
        let Maker { settings, names, source, node } = maker;
        let addresses = || call.dns.iter().chain(&call.ani).chain(&call.dnis);
        let mut numbers: Vec<Number> = addresses().filter_map(Number::of_personal).take(CALL_NUMBERS).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut named = |texts: &[model::Personal<String>]| -> Box<[NameNo]> {
            texts.iter().take(CALL_NUMBERS).filter_map(|text| names.number(text.reveal())).collect()
        };
        Self {
            source,
            own,
            uuid: call.call_uuid.as_deref().map(Key::call_uuid),
            conn: call.conn_id.as_deref().map(Key::conn_id),
            call_id: None,
            record: None,
            recordings: call.recordings.iter().copied().take(CALL_NUMBERS).collect(),
            numbers: numbers.into(),
            dns: named(&call.dns),
            agents: named(&call.agents),
            start: call.started_at.millis(),
            answered: call.answered_at.map(|at| at.millis()),
            end: call.ended_at.map(|at| at.millis()),
            expectation: call.expectation,
            is_wanted: settings.wants(addresses().map(|address| address.reveal().as_str())),
            rule: call.rule.as_deref().and_then(|rule| names.name(rule)),
            direction: call.direction,
            call_uuid: call.call_uuid.as_deref().map(Box::from),
            conn_id: call.conn_id.as_deref().map(Box::from),
            node,
        }
    }
}

/// The identity of a line of a file.
pub(super) fn cdr_key(cdr: &Cdr) -> Key {
    Key::line(&cdr.call.source, &cdr.id)
}

/// A source tells of a call once; where it tells again, the later word counts.
fn own(call: &CallSeen) -> Key {
    let id = match (&call.call_uuid, &call.conn_id) {
        (Some(uuid), _) => format!("uuid {uuid}"),
        (None, Some(conn)) => format!("conn {conn}"),
        (None, None) => {
            let dns: Vec<&str> = call.dns.iter().map(|dn| dn.reveal().as_str()).collect();
            format!("at {} of {}", call.started_at.nanos(), dns.join(","))
        }
    };
    Key::line(&call.source, &id)
}
