//! What the server says, told to the session core in our words.

use std::{collections::BTreeMap, time::Instant};

use super::{Client, State};
use crate::tlib::{
    event::{CallEvent, CallIds, CallKind, ControlEvent, CtiEvent, Outcome, RecordControl},
    limits,
    list::{Charset, List},
    message::{Attributes, Broken, Message, Name, Role, Time, VERSION},
};

/// User data that says how far recording is (genesys.md).
const STATE_KEY: &str = "GSIP_RECORD";
/// User data that names the recording.
const FILE_KEY: &str = "GSIP_REC_FN";

pub(super) fn line(client: &mut Client, line: &[u8], now: Instant) {
    if line.trim_ascii().is_empty() {
        return;
    }
    match Message::parse(line) {
        Ok(message) => {
            client.counts.received += 1;
            client.refused_in_a_row = 0;
            take(client, message, now);
        }
        Err(Broken::Unknown) => client.counts.unknown += 1,
        Err(Broken::Rubbish) => client.cut("rubbish", now),
        Err(Broken::Refused { message, reason }) => refuse(client, message, reason, now),
    }
}

/// One message is refused by name; who sends nothing else is cut.
fn refuse(client: &mut Client, message: Name, reason: String, now: Instant) {
    client.counts.refused += 1;
    client.refused_in_a_row += 1;
    if client.refused_in_a_row >= limits::REFUSED_IN_A_ROW {
        return client.cut("nothing_but_refused_messages", now);
    }
    let reason = format!("{}: {reason}", message.text());
    client.send(&Message::new(Name::Refused).with(|attributes| attributes.reason = Some(reason)));
}

fn take(client: &mut Client, message: Message, now: Instant) {
    let Message { message: name, attributes } = message;
    if matches!(client.state, State::Greeting { .. }) && !matches!(name, Name::EventServerInfo | Name::Heartbeat) {
        return client.cut("no_greeting", now);
    }
    note_sequence(client, attributes.event_sequence_number, now);
    match name {
        Name::EventServerInfo => greeted(client, &attributes, now),
        Name::EventLinkConnected => {
            client.set_up();
            client.register_all(now);
        }
        Name::EventLinkDisconnected => client.set_down("switch_unreachable"),
        Name::EventRegistered => registered(client, *attributes, now),
        Name::EventUnregistered | Name::EventACK => {
            client.answered(attributes.reference_id, Outcome::Accepted, now);
        }
        Name::EventError => {
            let outcome = Outcome::Refused { code: attributes.error_code };
            client.answered(attributes.reference_id, outcome, now);
        }
        Name::EventPrivateInfo => controlled(client, &attributes),
        Name::EventAgentLogin | Name::EventAgentLogout => agent(client, name, *attributes),
        // A server that refuses what we say will not get better by our saying more; it is counted by the shell.
        Name::Refused => client.counts.refused += 1,
        Name::Heartbeat
        | Name::RequestRegisterAddress
        | Name::RequestUnregisterAddress
        | Name::RequestPrivateService => {}
        event => {
            if let Some(kind) = kind(event) {
                call(client, kind, *attributes, false);
            }
        }
    }
}

fn greeted(client: &mut Client, attributes: &Attributes, now: Instant) {
    if attributes.version.unwrap_or(VERSION) != VERSION {
        return client.cut("unknown_version", now);
    }
    if let Some(name) = &attributes.charset {
        let Some(charset) = Charset::by_name(name) else { return client.cut("unknown_charset", now) };
        client.charset = charset;
    } else {
        client.charset = client.config.charset;
    }
    if attributes.role == Some(Role::Backup) {
        return client.cut("backup_server", now);
    }
    let asked = attributes.heartbeat.map_or(limits::HEARTBEAT, std::time::Duration::from_millis);
    let beat = asked.clamp(limits::HEARTBEATS.0, limits::HEARTBEATS.1);
    client.state = State::Speaking { beat, next_beat: now + beat, heard: now };
}

/// A hole in the numbers: what was missed is gone, what there is now is read again.
fn note_sequence(client: &mut Client, number: Option<u64>, now: Instant) {
    let Some(got) = number else { return };
    let Some(before) = client.sequence.replace(got) else { return };
    let expected = before.saturating_add(1);
    if got > expected {
        client.counts.missed += got - expected;
        client.tell(CtiEvent::EventsMissed { link: client.config.link, expected, got });
        client.register_all(now);
    }
}

fn registered(client: &mut Client, attributes: Attributes, now: Instant) {
    client.answered(attributes.reference_id, Outcome::Accepted, now);
    if let (Some(dn), Some(agent)) = (&attributes.this_dn, &attributes.agent_id) {
        let (link, dn, agent) = (client.config.link, dn.clone(), Some(agent.clone()));
        client.tell(CtiEvent::Agent { link, dn, agent });
    }
    for mut one in attributes.calls {
        one.this_dn = one.this_dn.or_else(|| attributes.this_dn.clone());
        let kind = one.state.and_then(kind).unwrap_or(CallKind::Established);
        call(client, kind, one, true);
    }
}

fn agent(client: &mut Client, name: Name, attributes: Attributes) {
    let Some(dn) = attributes.this_dn else { return };
    let agent = attributes.agent_id.filter(|_| name == Name::EventAgentLogin);
    client.tell(CtiEvent::Agent { link: client.config.link, dn, agent });
}

fn controlled(client: &mut Client, attributes: &Attributes) {
    let Some(what) = attributes.private_msg_id.and_then(RecordControl::by_number) else { return };
    let mut ids = ids(attributes, client.charset);
    let named = attributes.extensions.as_ref().and_then(|list| list.text("Id", client.charset));
    ids.record_id = named.or(ids.record_id);
    let reasons = attributes.reasons.as_ref().map(|list| list.flat(client.charset)).unwrap_or_default();
    let (link, dn) = (client.config.link, attributes.this_dn.clone());
    client.tell(CtiEvent::Control(Box::new(ControlEvent { link, what, ids, dn, reasons, is_state: false })));
}

fn call(client: &mut Client, kind: CallKind, attributes: Attributes, is_snapshot: bool) {
    let (charset, link) = (client.charset, client.config.link);
    let ids = ids(&attributes, charset);
    let state = attributes.user_data.as_ref().and_then(|list| list.text(STATE_KEY, charset));
    let user_data: Option<BTreeMap<_, _>> = attributes.user_data.as_ref().map(|list| list.flat(charset));
    let dn = attributes.this_dn.clone();
    let event = CallEvent {
        link,
        kind,
        ids: ids.clone(),
        this_dn: attributes.this_dn,
        other_dn: attributes.other_dn,
        third_party_dn: attributes.third_party_dn,
        this_role: attributes.this_dn_role,
        other_role: attributes.other_dn_role,
        call_type: attributes.call_type,
        ani: attributes.ani,
        dnis: attributes.dnis,
        agent: attributes.agent_id,
        at_ns: attributes.time.and_then(Time::nanos),
        user_data,
        raw_user_data: attributes.user_data.filter(|list: &List| !list.is_empty()),
        is_snapshot,
    };
    client.tell(CtiEvent::Call(Box::new(event)));
    // State reaches clients as user data: ON and PAUSED (genesys.md).
    let what = match state.as_deref() {
        Some("ON") => RecordControl::Resume,
        Some("PAUSED") => RecordControl::Pause,
        _ => return,
    };
    let reasons = BTreeMap::new();
    client.tell(CtiEvent::Control(Box::new(ControlEvent { link, what, ids, dn, reasons, is_state: true })));
}

fn ids(attributes: &Attributes, charset: Charset) -> CallIds {
    let named = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    CallIds {
        call_uuid: named(&attributes.call_uuid),
        conn_id: named(&attributes.conn_id),
        previous_conn_id: named(&attributes.previous_conn_id),
        record_id: attributes.user_data.as_ref().and_then(|list| list.text(FILE_KEY, charset)),
    }
}

fn kind(name: Name) -> Option<CallKind> {
    Some(match name {
        Name::EventRinging => CallKind::Ringing,
        Name::EventDialing => CallKind::Dialing,
        Name::EventEstablished => CallKind::Established,
        Name::EventHeld => CallKind::Held,
        Name::EventRetrieved => CallKind::Retrieved,
        Name::EventReleased => CallKind::Released,
        Name::EventAbandoned => CallKind::Abandoned,
        Name::EventPartyAdded => CallKind::PartyAdded,
        Name::EventPartyDeleted => CallKind::PartyDeleted,
        Name::EventPartyChanged => CallKind::PartyChanged,
        Name::EventAttachedDataChanged => CallKind::Attached,
        _ => return None,
    })
}
