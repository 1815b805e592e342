//! Notifications of the channel of calls, told to the session core in the words of the CTI port.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    calls::{CallState, Known, RecordingState, is_plain},
    client::Client,
    limits,
};
use crate::tlib::{
    event::{CallEvent, CallIds, CallKind, ControlEvent, CtiEvent, RecordControl},
    list::{Charset, List, Pair, Value as ListValue},
};

/// User data that says how far recording is (genesys.md).
const STATE_KEY: &str = "GSIP_RECORD";
/// User data that names the recording.
const FILE_KEY: &str = "GSIP_REC_FN";

/// `data` of a notification. What we do not know is skipped.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Notice {
    notification_type: Option<String>,
    /// The DN of the user.
    phone_number: Option<String>,
    call: Option<Call>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Call {
    id: Option<String>,
    call_uuid: Option<String>,
    conn_id: Option<String>,
    state: Option<String>,
    recording_state: Option<String>,
    ani: Option<String>,
    dnis: Option<String>,
    call_type: Option<String>,
    participants: Option<Vec<Value>>,
    user_data: Option<Map<String, Value>>,
}

/// Takes what was published. False when it is refused.
pub(super) fn take(client: &mut Client, data: Value) -> bool {
    let Ok(notice) = serde_json::from_value::<Notice>(data) else { return false };
    let Notice { notification_type, phone_number, call } = notice;
    // A notification of something else.
    let Some(call) = call else { return true };
    let data = call.user_data.as_ref().map(list);
    let texts = [&call.id, &call.call_uuid, &call.conn_id, &call.ani, &call.dnis, &call.call_type, &phone_number];
    if texts.into_iter().flatten().any(|text| text.len() > limits::TEXT_OCTETS)
        || data.as_ref().is_some_and(|list| list.fault().is_some())
    {
        return false;
    }
    tell(client, notification_type.as_deref().unwrap_or_default(), phone_number, call, data);
    true
}

fn tell(client: &mut Client, kind: &str, phone_number: Option<String>, call: Call, data: Option<List>) {
    let ids = CallIds {
        call_uuid: named(call.call_uuid),
        conn_id: named(call.conn_id),
        previous_conn_id: None,
        record_id: data.as_ref().and_then(|list| list.text(FILE_KEY, Charset::UTF_8)),
    };
    let id = named(call.id).or_else(|| ids.conn_id.clone()).filter(|id| is_plain(id));
    let mut unknown = 0;
    let mut nobody = Known::default();
    let known = match &id {
        Some(id) => client.calls.find_or_make(id),
        None => &mut nobody,
    };
    known.conn_id = ids.conn_id.clone().or_else(|| known.conn_id.take());
    let happened = happened(known, call.state.as_deref(), &mut unknown);
    let is_change = kind == "CallRecordingStateChange";
    let told = data.as_ref().and_then(|list| list.text(STATE_KEY, Charset::UTF_8));
    let control = match (is_change, call.recording_state.as_deref()) {
        (true, word) => changed(known, word, &mut unknown),
        (false, Some(word)) => stands(known, word),
        (false, None) => told.and_then(|word| stands(known, &word)),
    };
    let is_over = known.state == Some(CallState::Released);
    client.counts.unknown += unknown;
    let (link, own_dn) = (client.config.link, client.config.dn.clone());
    let dn = named(phone_number).or(own_dn);
    let mut others = call.participants.iter().flatten().filter_map(number);
    if happened != CallKind::Attached || data.is_some() {
        client.tell(CtiEvent::Call(Box::new(CallEvent {
            link,
            kind: happened,
            ids: ids.clone(),
            // Who left a call is not asked about it any more, whatever is said of it later.
            this_dn: dn.clone().filter(|_| happened != CallKind::Attached || !is_over),
            other_dn: others.next(),
            third_party_dn: others.next(),
            call_type: named(call.call_type),
            ani: named(call.ani),
            dnis: named(call.dnis),
            user_data: data.as_ref().map(|list| list.flat(Charset::UTF_8)),
            raw_user_data: data.filter(|list| !list.is_empty()),
            is_snapshot: kind != "StatusChange",
            ..CallEvent::default()
        })));
    }
    if let Some((what, is_state)) = control {
        let reasons = BTreeMap::new();
        client.tell(CtiEvent::Control(Box::new(ControlEvent { link, what, ids, dn, reasons, is_state })));
    }
}

/// What the state says beyond the one before. A state of which nothing is known changes nothing.
fn happened(known: &mut Known, word: Option<&str>, unknown: &mut u64) -> CallKind {
    let (state, kind) = match word.unwrap_or_default() {
        "" => return CallKind::Attached,
        "Ringing" => (CallState::Ringing, CallKind::Ringing),
        "Dialing" => (CallState::Dialing, CallKind::Dialing),
        "Established" if known.state == Some(CallState::Held) => (CallState::Established, CallKind::Retrieved),
        "Established" => (CallState::Established, CallKind::Established),
        "Retrieved" => (CallState::Established, CallKind::Retrieved),
        "Held" => (CallState::Held, CallKind::Held),
        "Released" => (CallState::Released, CallKind::Released),
        _ => {
            *unknown += 1;
            return CallKind::Attached;
        }
    };
    if known.state.replace(state) == Some(state) { CallKind::Attached } else { kind }
}

/// The recording of the call changed.
fn changed(known: &mut Known, word: Option<&str>, unknown: &mut u64) -> Option<(RecordControl, bool)> {
    let Some(state) = word.and_then(recording) else {
        *unknown += 1;
        return None;
    };
    let before = known.recording.replace(state);
    match state {
        RecordingState::Paused => Some((RecordControl::Pause, true)),
        RecordingState::Stopped if before == Some(state) => None,
        RecordingState::Stopped => Some((RecordControl::Stop, false)),
        RecordingState::Recording => {
            let is_start = std::mem::take(&mut known.is_start_asked) || before == Some(RecordingState::Stopped);
            Some(if is_start { (RecordControl::Start, false) } else { (RecordControl::Resume, true) })
        }
    }
}

/// How it stands is told along with something else. That it stopped is said when it does, and only then believed.
fn stands(known: &mut Known, word: &str) -> Option<(RecordControl, bool)> {
    let state = recording(word).filter(|state| *state != RecordingState::Stopped)?;
    // A start that was asked for has its own word.
    if known.recording != Some(RecordingState::Stopped) {
        known.recording = Some(state);
    }
    let is_paused = state == RecordingState::Paused;
    Some((if is_paused { RecordControl::Pause } else { RecordControl::Resume }, true))
}

/// The words of `recordingState`, and those of the user data.
fn recording(word: &str) -> Option<RecordingState> {
    Some(match word.to_ascii_lowercase().as_str() {
        "recording" | "on" => RecordingState::Recording,
        "paused" => RecordingState::Paused,
        "stopped" => RecordingState::Stopped,
        _ => return None,
    })
}

fn named(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A participant is an object with numbers, or a number.
fn number(participant: &Value) -> Option<String> {
    let fields = ["phoneNumber", "digits", "e164Number", "formattedPhoneNumber"];
    let in_it = || fields.iter().filter_map(|field| participant.get(field)?.as_str());
    let mut texts = participant.as_str().into_iter().chain(in_it());
    texts.find(|text| (1..=limits::TEXT_OCTETS).contains(&text.len())).map(str::to_owned)
}

/// User data as the port has it. The depth of JSON is bounded by its reader, that of lists is looked at afterwards.
fn list(map: &Map<String, Value>) -> List {
    let pair = |(key, value): (&String, &Value)| {
        let text = |text: &str| ListValue::Text(text.as_bytes().to_vec());
        let value = match value {
            Value::String(value) => text(value),
            Value::Null => text(""),
            Value::Object(inner) => ListValue::List(list(inner)),
            Value::Number(number) => number.as_i64().map_or_else(|| text(&number.to_string()), ListValue::Integer),
            other @ (Value::Bool(_) | Value::Array(_)) => text(&other.to_string()),
        };
        Pair { key: key.clone(), value }
    };
    List(map.iter().map(pair).collect())
}
