//! The consolidated document: joined, ordered, bounded, the same for the same views.

use std::task::{Context, Poll, Waker};

use model::{
    Actor, CallTold, CodecKind, EndCause, Fact, Gap, GapCause, HistoryLine, MediaObject, Party, Personal, RecordingId,
    RecordingOpened, RsId, Timestamp, TrackClosed, TrackCounters, TrackNo, TrackOpened,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    fold,
    limits::{HISTORY_PER_INTERACTION, PARTIES_PER_INTERACTION, USER_DATA_TOLD, USER_DATA_TOLD_PER_INTERACTION},
    memory::MemoryCatalog,
};

const START: u64 = 1_790_000_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000)
}

fn id(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 16])
}

fn personal(text: &str) -> Option<Personal<String>> {
    Some(text.to_owned().into())
}

fn line(seconds: u64, event: &str, dn: &str, source: &str) -> HistoryLine {
    let source = source.to_owned();
    HistoryLine { at: at(seconds), event: event.into(), dn: personal(dn), source, ..HistoryLine::default() }
}

fn told(number: u8, line: HistoryLine) -> Fact {
    Fact::CallTold(Box::new(CallTold { recording: id(number), line }))
}

fn learned(number: u8, keys: &[(&str, &str)]) -> Fact {
    let keys = keys.iter().map(|(name, value)| ((*name).to_owned(), Personal::new((*value).to_owned()))).collect();
    Fact::CorrelationLearned { recording: id(number), keys }
}

fn data(number: u8, pairs: &[(&str, &str)]) -> Fact {
    let data = pairs.iter().map(|(name, value)| ((*name).to_owned(), Personal::new((*value).to_owned()))).collect();
    Fact::UserDataAttached { recording: id(number), data, raw: None, at: None, source: None }
}

fn said(number: u8, (key, value): (&str, &str), seconds: u64, source: &str) -> Fact {
    let mut fact = data(number, &[(key, value)]);
    if let Fact::UserDataAttached { at: when, source: who, .. } = &mut fact {
        (*when, *who) = (Some(at(seconds)), Some(source.to_owned()));
    }
    fact
}

fn party(address: &str, role: &str) -> Party {
    let tracks = vec![TrackNo(0)];
    Party { address: address.to_owned().into(), role: Some(role.into()), tracks, ..Party::default() }
}

fn opened(number: u8, call_uuid: Option<&str>, seconds: u64) -> Fact {
    Fact::RecordingOpened(RecordingOpened {
        recording: id(number),
        record_id: Some(format!("rec-{number}")),
        call_uuid: call_uuid.map(str::to_owned),
        conn_id: Some(format!("00a{number}")),
        profile: "genesys-msr".into(),
        at: at(seconds),
    })
}

/// A recording from its first fact to its last, of two tracks with a pause from 2 to 4 s.
fn whole(number: u8, call_uuid: Option<&str>, from: u64, to: u64) -> Vec<Fact> {
    let recording = id(number);
    let mut facts = vec![opened(number, call_uuid, from)];
    facts.push(Fact::SessionJoined {
        recording,
        session: RsId(1),
        call_id: format!("call-{number}"),
        peer: "tcp:192.0.2.1:5060".into(),
        profile: "genesys-msr".into(),
    });
    for track in 0..2 {
        facts.push(Fact::TrackOpened(TrackOpened {
            recording,
            track: TrackNo(track),
            session: RsId(1),
            label: None,
            line: track,
            channel: track as u8,
            port: 20_000,
            codec: CodecKind::Pcmu,
            payloads: Vec::new(),
            srtp: false,
            at: at(from),
        }));
        let gap = |start, end, cause| Gap { from: at(from + start), to: at(from + end), cause };
        facts.push(Fact::TrackClosed(TrackClosed {
            recording,
            track: TrackNo(track),
            counters: TrackCounters { received: 500, ..TrackCounters::default() },
            gaps: vec![gap(2, 4, GapCause::Paused), gap(6, 7, GapCause::Loss)],
            chunks: 3,
        }));
    }
    let duration_ms = (to - from) * 1_000;
    facts.push(Fact::RecordingEnded { recording, ended_at: at(to), duration_ms, cause: EndCause::Bye });
    let object = MediaObject {
        format: "wav".into(),
        name: format!("2026/11/21/{recording}/audio.wav.sealed"),
        bytes: 1,
        sha256: "ab".repeat(32),
        sealed_bytes: 2,
        sealed_sha256: "cd".repeat(32),
    };
    let (objects, flags) = (vec![object], Vec::new());
    facts.push(Fact::RecordingArchived { recording, objects, duration_ms, flags, audio_from: Some(at(from)) });
    facts
}

fn views(facts: &[Fact]) -> Gathered {
    let mut views: Vec<RecordingView> = facts.iter().filter_map(fold::begin).collect();
    for view in &mut views {
        for fact in facts {
            fold::go_on(view, fact);
        }
    }
    Gathered { views, has_more: false }
}

fn document(gathered: &Gathered, revision: u64) -> Value {
    let revision = Revision { number: revision, is_settled: true };
    serde_json::from_slice(&Document::of("U1", gathered, revision, None).encode()).expect("JSON")
}

/// The future of a catalog in memory is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a catalog in memory never waits"),
    }
}

#[test]
fn a_transfer_is_one_document_with_both_recordings_in_order() {
    let mut facts = whole(2, None, 20, 30);
    facts.extend(whole(1, Some("u1"), 0, 18));
    facts.push(learned(2, &[("interaction", "U1"), ("dnis", "9000")]));
    facts.push(learned(1, &[("ani", "+49301"), ("call_type", "inbound")]));
    facts.push(Fact::PartiesNamed {
        recording: id(1),
        parties: vec![party("+49301", "caller"), party("7001", "agent")],
    });
    facts.push(Fact::PartiesNamed {
        recording: id(2),
        parties: vec![party("+49301", "caller"), party("7002", "agent")],
    });
    facts.push(data(1, &[("customer", "4711"), ("GRECORD_PARTITIONS", "sales, north")]));
    facts.push(data(2, &[("customer", "4712")]));
    let mut gathered = views(&facts);
    gathered.views.sort_by_key(|view| view.started_at);
    let found = document(&gathered, 2);
    assert_eq!((&found["state"], &found["revision"], &found["supersedes"]), (&"complete".into(), &2.into(), &1.into()));
    assert_eq!((&found["ani"], &found["dnis"]), (&"+49301".into(), &"9000".into()));
    assert_eq!(found["duration_ms"], 30_000);
    assert_eq!(found["record_ids"], json!(["rec-1", "rec-2"]));
    assert_eq!(found["sip_call_ids"], json!(["call-1", "call-2"]));
    assert_eq!(found["partitions"], json!(["north", "sales"]));
    assert_eq!(found["user_data"]["customer"], "4712", "what was said last counts");
    let recordings = found["recordings"].as_array().expect("recordings");
    assert_eq!(recordings[0]["next"], recordings[1]["id"]);
    assert_eq!(recordings[1]["previous"], recordings[0]["id"]);
    assert!(recordings[0]["previous"].is_null() && recordings[1]["next"].is_null());
    assert_eq!(recordings[0]["gaps"][1], json!({ "cause": "paused", "count": 2, "total_ms": 4_000 }));
    assert_eq!(recordings[0]["media"][0]["sealed_sha256"], "cd".repeat(32));
    let addresses: Vec<_> = found["parties"].as_array().unwrap().iter().map(|party| &party["address"]).collect();
    assert_eq!(addresses, ["+49301", "7001", "7002"]);
    assert_eq!(found["parties"][0]["recordings"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["pauses"].as_array().map(Vec::len), Some(2), "one for both tracks of a recording");
    assert_eq!(found["pauses"][0]["duration_ms"], 2_000);
}

#[test]
fn the_same_facts_in_another_order_give_the_same_octets() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    let late = [
        told(1, line(1, "established", "7001", "tlib:0")),
        told(1, line(2, "held", "7001", "tlib:0")),
        told(1, line(2, "held", "7001", "tlib:1")),
        learned(1, &[("ani", "5550100")]),
    ];
    let mut other = facts.clone();
    facts.extend(late.clone());
    other.extend(late.into_iter().rev());
    assert_eq!(document(&views(&facts), 1), document(&views(&other), 1));
    assert_ne!(document(&views(&facts), 1), document(&views(&facts[..facts.len() - 1]), 1), "it can differ");
}

#[test]
fn what_two_switches_and_two_recordings_tell_of_one_event_is_one_line() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    facts.extend(whole(2, Some("U1"), 1, 10));
    let with_agent = HistoryLine { agent: personal("a17"), ..line(1, "established", "7001", "tlib:1") };
    let near = HistoryLine { at: at(1).plus_nanos(900_000_000), ..with_agent.clone() };
    for number in [1, 2] {
        facts.push(told(number, line(1, "established", "7001", "tlib:0")));
        facts.push(told(number, near.clone()));
        facts.push(told(number, line(5, "held", "7001", "tlib:0")));
        // Held twice within a second, says one switch: it happened twice.
        facts
            .push(told(number, HistoryLine { at: at(5).plus_nanos(500_000_000), ..line(5, "held", "7001", "tlib:0") }));
        facts.push(told(number, line(5, "held", "7002", "tlib:0")));
    }
    let found = document(&views(&facts), 1);
    let history = found["history"].as_array().expect("lines");
    let lines: Vec<_> = history.iter().map(|line| (line["event"].as_str(), line["dn"].as_str())).collect();
    let (established, held) = ((Some("established"), Some("7001")), (Some("held"), Some("7001")));
    assert_eq!(lines, [established, held, (Some("held"), Some("7002")), held]);
    assert_eq!((&history[0]["sources"], &history[0]["agent"]), (&json!(["tlib:0", "tlib:1"]), &"a17".into()));
    assert_eq!(history[0]["recordings"].as_array().map(Vec::len), Some(2));
}

#[test]
fn user_data_tells_who_said_which_value_when_and_each_once() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    facts.extend(whole(2, Some("U1"), 2, 12));
    // The later value is told first, the same one by two switches and of two recordings; an older ledger knows no time.
    facts.push(said(1, ("mood", "better"), 5, "tlib:0"));
    facts.push(said(1, ("mood", "good"), 1, "tlib:0"));
    facts.push(said(2, ("mood", "better"), 5, "gws:desk"));
    facts.push(said(2, ("mood", "better"), 5, "gws:desk"));
    facts.push(data(1, &[("old", "1")]));
    let found = document(&views(&facts), 1);
    let told = found["user_data_told"].as_array().expect("what was told");
    let lines: Vec<_> = told.iter().map(|one| (one["key"].as_str(), one["value"].as_str(), &one["at"])).collect();
    let time = |seconds: u64| Value::from(at(seconds).to_string());
    let (first, second) = (time(1), time(5));
    assert_eq!(lines, [(Some("mood"), Some("good"), &first), (Some("mood"), Some("better"), &second)]);
    assert_eq!(told[1]["sources"], json!(["gws:desk", "tlib:0"]));
    assert_eq!(told[1]["recordings"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["user_data"]["old"], "1");
    facts.push(Fact::RecordingDeleted { recording: id(1), actor: Actor::system(), reason: None });
    facts.push(Fact::RecordingDeleted { recording: id(2), actor: Actor::system(), reason: None });
    assert_eq!(document(&views(&facts), 2)["user_data_told"], json!([]), "it is about people");
}

#[test]
fn a_flood_of_values_keeps_the_times_of_those_that_count() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    facts.push(said(1, ("first", "1"), 0, "tlib:0"));
    let many = USER_DATA_TOLD as u64 + 100;
    facts.extend((1..=many).map(|number| said(1, ("n", &number.to_string()), number, "tlib:0")));
    facts.push(said(1, ("other", "1"), many, "tlib:0"));
    let found = document(&views(&facts), 1);
    let told = found["user_data_told"].as_array().expect("what was told");
    assert_eq!((told.len(), &told[0]["key"]), (USER_DATA_TOLD, &json!("first")));
    assert_eq!(
        (&told[told.len() - 1]["value"], &found["user_data"]["n"]),
        (&json!(many.to_string()), &json!(many.to_string()))
    );
    assert_eq!(found["user_data"]["other"], "1", "it is known, without its time");
    // Two recordings have more than a document takes.
    let mut more = facts.clone();
    for number in [2, 3] {
        more.extend(whole(number, Some("U1"), 1, 9));
        more.extend((1..=many).map(|value| said(number, (&format!("n{number}"), &value.to_string()), value, "tlib:0")));
    }
    let found = document(&views(&more), 1);
    assert_eq!(found["user_data_told"].as_array().map(Vec::len), Some(USER_DATA_TOLD_PER_INTERACTION));
    assert_eq!(found["left_out"]["user_data_told"], 3 * USER_DATA_TOLD - USER_DATA_TOLD_PER_INTERACTION);
}

#[test]
fn conn_ids_that_a_call_gets_on_its_way_are_all_there() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    facts.push(learned(1, &[("conn_id", "00a1"), ("conn_id#2", "00b7"), ("conn_idle", "no")]));
    let gathered = views(&facts);
    assert_eq!(document(&gathered, 1)["conn_ids"], json!(["00a1", "00b7"]));
    let terms = crate::query::terms(&gathered.views[0]);
    let found = |id: &str| terms.iter().any(|(key, value)| *key == crate::query::Key::ConnId && value == id);
    assert!(found("00a1") && found("00b7") && !found("no"), "and it is found by each: {terms:?}");
}

#[test]
fn a_document_is_open_until_all_is_finished_and_settled() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    let state = |facts: &[Fact], is_settled| {
        let gathered = views(facts);
        let document = Document::of("U1", &gathered, Revision { number: 1, is_settled }, None).encode();
        serde_json::from_slice::<Value>(&document).expect("JSON")["state"].clone()
    };
    assert_eq!((state(&facts, true), state(&facts, false)), ("complete".into(), "open".into()));
    facts.push(opened(2, Some("U1"), 12));
    assert_eq!(state(&facts, true), "open");
    let none = Gathered { views: Vec::new(), has_more: false };
    let merged = Document::of("U1", &none, Revision { number: 2, is_settled: true }, Some("U2")).encode();
    let merged: Value = serde_json::from_slice(&merged).expect("JSON");
    assert_eq!((&merged["state"], &merged["merged_into"]), (&"merged".into(), &"U2".into()));
}

#[test]
fn of_a_destroyed_recording_nothing_about_people_is_left() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    facts.push(Fact::PartiesNamed { recording: id(1), parties: vec![party("+4930secret", "caller")] });
    facts.push(data(1, &[("customer", "secret")]));
    facts.push(told(1, line(1, "established", "7001secret", "tlib:0")));
    assert!(document(&views(&facts), 1).to_string().contains("secret"));
    facts.push(Fact::RecordingDeleted { recording: id(1), actor: Actor::system(), reason: None });
    let found = document(&views(&facts), 2);
    assert!(!found.to_string().contains("secret"), "{found}");
    assert_eq!((&found["recordings"][0]["state"], &found["state"]), (&"deleted".into(), &"complete".into()));
}

#[test]
fn bounds_hold_and_say_what_they_kept_out() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    let parties = (0..PARTIES_PER_INTERACTION + 3).map(|n| party(&n.to_string(), "caller")).collect();
    facts.push(Fact::PartiesNamed { recording: id(1), parties });
    let mut gathered = views(&facts);
    gathered.views[0].history =
        (0..HISTORY_PER_INTERACTION as u64 + 5).map(|n| line(10 * n, "held", "7001", "tlib:0")).collect();
    gathered.has_more = true;
    let found = document(&gathered, 1);
    let left_out =
        json!({ "recordings": true, "parties": 3, "user_data": 0, "user_data_told": 0, "pauses": 0, "history": 5 });
    assert_eq!(found["left_out"], left_out);
    assert_eq!(found["history"].as_array().map(Vec::len), Some(HISTORY_PER_INTERACTION));
}

#[test]
fn the_catalog_finds_all_recordings_of_an_interaction_and_no_other() {
    let catalog = MemoryCatalog::default();
    let mut facts = whole(1, Some("u1"), 0, 10);
    facts.extend(whole(2, None, 20, 30));
    facts.push(learned(2, &[("interaction", "U1")]));
    facts.extend(whole(3, Some("U11"), 5, 6));
    // It was of the call, and then of another one.
    facts.extend(whole(4, Some("U1"), 5, 6));
    facts.push(learned(4, &[("interaction", "U2")]));
    facts.push(opened(5, None, 7));
    let facts: Vec<(u64, Fact)> = (1..).zip(facts).collect();
    now(catalog.follow(&facts)).expect("followed");
    let found = |key: &str| -> Vec<RecordingId> {
        now(gather(&catalog, key)).expect("an answer").views.iter().map(|view| view.id).collect()
    };
    assert_eq!(found("U1"), [id(1), id(2)]);
    assert_eq!(found("u1"), [id(1), id(2)]);
    assert_eq!(found("U2"), [id(4)]);
    assert_eq!(found("00A5"), [id(5)], "by its ConnID when there is nothing better");
    assert_eq!(found("U*"), []);
    assert_eq!(found("*"), []);
    assert_eq!(found(&"U".repeat(5_000)), []);
}

#[test]
fn steps_say_what_belongs_together() {
    let named = |fact: &Fact| match step(fact) {
        Some((_, Step::Opened(naming) | Step::Named(naming))) => Some((naming.key, naming.rank)),
        _ => None,
    };
    assert_eq!(named(&opened(1, Some("u1"), 0)), Some(("U1".into(), Rank::CallUuid)));
    assert_eq!(named(&opened(1, None, 0)), Some(("00A1".into(), Rank::ConnId)));
    assert_eq!(named(&learned(1, &[("interaction", "u2"), ("call_uuid", "u1")])), Some(("U2".into(), Rank::Said)));
    assert_eq!(named(&learned(1, &[("ani", "1")])), None);
    let naming = |rank| Naming { key: "x".into(), rank };
    assert!(naming(Rank::Said).replaces(Rank::Said.number()), "the session core may change its mind");
    assert!(!naming(Rank::CallUuid).replaces(Rank::CallUuid.number()), "the first CallUUID counts");
    assert!(naming(Rank::CallUuid).replaces(Rank::ConnId.number()));
    let audit = Fact::Audited(model::Audit {
        at: at(0),
        actor: Actor::system(),
        action: "deliver".into(),
        recording: Some(id(1)),
        detail: None,
        source: None,
        result: model::AuditResult::Allowed,
    });
    assert_eq!(step(&audit), None, "or every delivery would be news to deliver");
}

#[test]
fn a_document_keeps_to_its_schema() {
    let mut facts = whole(1, Some("U1"), 0, 10);
    facts.push(Fact::PartiesNamed { recording: id(1), parties: vec![party("7001", "agent")] });
    facts.push(told(1, line(1, "established", "7001", "tlib:0")));
    facts.push(said(1, ("k", "v"), 1, "tlib:0"));
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    assert_eq!(schema["$id"], SCHEMA_ID);
    same_names(&document(&views(&facts), 1), &schema, "document");
}

/// Every object has the properties that its schema requires, and none that it does not know.
fn same_names(value: &Value, schema: &Value, place: &str) {
    match value {
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                assert!(fields.contains_key(name), "{place} lacks {name}");
            }
            for (name, value) in fields {
                let of_any = &schema["additionalProperties"];
                let inner = schema["properties"].get(name).unwrap_or(of_any);
                assert!(inner.is_object(), "{place}.{name} is not in the schema");
                same_names(value, inner, &format!("{place}.{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| same_names(item, &schema["items"], place)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
