//! What every catalog does.

use std::collections::BTreeMap;

use model::{
    Actor, Audit, AuditResult, CodecKind, EndCause, Fact, MediaObject, Party, RecordingId, RecordingOpened, RsId,
    Timestamp, TrackNo, TrackOpened,
};

use crate::{
    ports::{Catalog, CatalogError, Query},
    view::{RecordingView, State},
};

/// Checks an empty catalog. It is left with what was put in.
pub async fn catalog(catalog: &dyn Catalog) {
    following_moves_the_cursor_and_twice_is_once(catalog).await;
    every_filter_finds_and_refuses(catalog).await;
    pages_are_newest_first_without_holes(catalog).await;
    audit_is_newest_first(catalog).await;
    what_was_restored_is_found_and_what_is_known_stays(catalog).await;
    senseless_questions_are_refused(catalog).await;
    what_was_never_established_is_not_found(catalog).await;
}

fn id(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 16])
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn opened(number: u8, second: u64) -> Fact {
    Fact::RecordingOpened(RecordingOpened {
        recording: id(number),
        record_id: Some(format!("Rec-{number}")),
        call_uuid: Some(format!("UUID{number}")),
        conn_id: None,
        profile: "genesys-msr".into(),
        at: at(second),
    })
}

fn party(address: &str, name: &str, role: &str, track: u16) -> Party {
    Party {
        address: address.to_owned().into(),
        name: Some(name.to_owned().into()),
        role: Some(role.into()),
        also: Vec::new(),
        tracks: vec![TrackNo(track)],
        ..Party::default()
    }
}

fn map(name: &str, value: &str) -> BTreeMap<String, model::Personal<String>> {
    BTreeMap::from([(name.to_owned(), value.to_owned().into())])
}

fn track(number: u8, no: u16) -> Fact {
    Fact::TrackOpened(TrackOpened {
        recording: id(number),
        track: TrackNo(no),
        session: RsId(1),
        label: Some(no.to_string()),
        line: no,
        channel: no as u8,
        port: 20_000,
        codec: CodecKind::Pcma,
        payloads: vec![(8, "PCMA".into(), 8_000, 1)],
        srtp: true,
        at: at(100),
    })
}

/// Recording 1, told in full, among others.
fn story() -> Vec<(u64, Fact)> {
    let recording = id(1);
    let object = MediaObject {
        format: "wav".into(),
        name: "2026/x/audio.wav.sealed".into(),
        bytes: 10,
        sha256: "aa".into(),
        sealed_bytes: 20,
        sealed_sha256: "bb".into(),
    };
    let parties = vec![
        party("sip:+4930123@example.com;user=phone", "Zoë Müller", "caller", 0),
        party("7001", "Agent Smith", "agent", 1),
    ];
    let facts = vec![
        Fact::NodeStarted { node: "n".into(), version: "0".into(), interrupted: Vec::new() },
        opened(1, 100),
        track(1, 0),
        track(1, 1),
        opened(2, 200),
        Fact::PartiesNamed { recording, parties },
        Fact::CorrelationLearned { recording, keys: map("conn_id", "01AB") },
        Fact::UserDataAttached { recording, data: map("DNIS", "0800-42"), raw: None, at: None, source: None },
        Fact::WarningRaised { recording, name: "no_sip_src".into(), detail: None },
        Fact::SessionJoined {
            recording,
            session: RsId(1),
            call_id: "call-1".into(),
            peer: "tls:192.0.2.10:5061".into(),
            profile: "genesys-msr".into(),
        },
        Fact::SessionEnded {
            recording,
            session: RsId(1),
            cause: EndCause::Bye,
            reason: Some("Q.850;cause=16;text=\"Normal clearing\"".into()),
        },
        Fact::RecordingEnded { recording, ended_at: at(160), duration_ms: 60_000, cause: EndCause::Bye },
        Fact::RecordingArchived {
            recording,
            objects: vec![object],
            duration_ms: 60_000,
            flags: vec!["one_way".into()],
            audio_from: None,
        },
        // A fact about a recording nobody opened here must not disturb.
        Fact::RecordingHeld { recording: id(9), actor: Actor::system(), reason: None },
    ];
    facts.into_iter().zip(1..).map(|(fact, n)| (n, fact)).collect()
}

async fn following_moves_the_cursor_and_twice_is_once(catalog: &dyn Catalog) {
    assert_eq!(catalog.position().await.expect("a position"), 0);
    let story = story();
    catalog.follow(&story[..5]).await.expect("followed");
    assert_eq!(catalog.position().await.expect("a position"), 5);
    let live = catalog.recording(id(1)).await.expect("asked").expect("known");
    assert_eq!((live.state, live.tracks.len()), (State::Live, 2));
    catalog.follow(&story[2..]).await.expect("the overlap is skipped");
    catalog.follow(&story).await.expect("all of it is skipped");
    assert_eq!(catalog.position().await.expect("a position"), story.len() as u64);
    let view = catalog.recording(id(1)).await.expect("asked").expect("known");
    assert_eq!((view.state, view.duration_ms, view.conn_id.as_deref()), (State::Archived, Some(60_000), Some("01AB")));
    assert_eq!((view.warnings.len(), view.media.len()), (1, 1));
    assert_eq!(view.tracks[1].party.as_deref(), Some("7001"));
    assert_eq!(catalog.recording(id(9)).await.expect("asked"), None);
}

async fn every_filter_finds_and_refuses(catalog: &dyn Catalog) {
    let base = Query { limit: 10, ..Query::default() };
    let some = |text: &str| Some(text.to_owned());
    let finds_one = [
        Query { dn: some("7001"), ..base.clone() },
        Query { cause: some("16"), ..base.clone() },
        Query { cause: some("q.850;cause=16"), ..base.clone() },
        Query { q: some("clearing"), ..base.clone() },
        Query { dn: some("+4930123"), ..base.clone() },
        Query { dn: some("sip:+4930123@example.com;user=phone"), ..base.clone() },
        Query { dn: some("+49*"), ..base.clone() },
        Query { dn: some("*0123"), ..base.clone() },
        Query { dn: some("*EXAMPLE*"), ..base.clone() },
        Query { ani: some("+4930123"), ..base.clone() },
        Query { dnis: some("0800-42"), ..base.clone() },
        Query { agent: some("7001"), ..base.clone() },
        Query { call_uuid: some("uuid1"), ..base.clone() },
        Query { conn_id: some("01ab"), ..base.clone() },
        Query { record_id: some("Rec-1"), ..base.clone() },
        Query { correlation: some("01ab"), ..base.clone() },
        Query { correlation: some("conn_id=01A*"), ..base.clone() },
        Query { flag: some("one_way"), ..base.clone() },
        Query { flag: some("no_sip_src"), ..base.clone() },
        Query { min_duration_ms: Some(60_000), ..base.clone() },
        Query { state: Some(State::Archived), ..base.clone() },
        Query { from: Some(at(100)), to: Some(at(200)), ..base.clone() },
        Query { q: some("müller"), ..base.clone() },
        Query { q: some("SMI 7001 rec-1"), ..base.clone() },
        Query { q: some("0800"), dn: some("7001"), state: Some(State::Archived), ..base.clone() },
    ];
    for query in finds_one {
        let page = catalog.search(&query).await.expect("a page");
        assert_eq!(page.items.iter().map(|view| view.id).collect::<Vec<_>>(), [id(1)], "{query:?}");
        assert_eq!(page.next, None);
    }
    let finds_none = [
        Query { dn: some("700"), ..base.clone() },
        Query { cause: some("1"), ..base.clone() },
        Query { cause: some("sip;cause=16"), ..base.clone() },
        Query { correlation: some("ucid=01ab"), ..base.clone() },
        Query { correlation: some("conn_id"), ..base.clone() },
        Query { dn: some("%"), ..base.clone() },
        Query { dn: some("_001"), ..base.clone() },
        Query { dn: some("7*1"), ..base.clone() },
        Query { agent: some("+4930123"), ..base.clone() },
        Query { label: some("*"), ..base.clone() },
        Query { min_duration_ms: Some(60_001), ..base.clone() },
        Query { from: Some(at(100)), to: Some(at(100)), ..base.clone() },
        Query { state: Some(State::Failed), ..base.clone() },
        Query { q: some("smith unknown"), ..base.clone() },
        Query { q: some("mith"), ..base.clone() },
        Query { q: some("\" OR 7001*"), dn: some("none"), ..base.clone() },
        Query { dn: some("7001"), state: Some(State::Live), ..base },
    ];
    for query in finds_none {
        assert_eq!(catalog.search(&query).await.expect("a page").items, [], "{query:?}");
    }
}

async fn pages_are_newest_first_without_holes(catalog: &dyn Catalog) {
    // Three at the same instant: the id decides, and no page may lose or repeat one.
    let start = catalog.position().await.expect("a position");
    let facts = [opened(10, 300), opened(12, 300), opened(11, 300), opened(13, 50)];
    let facts: Vec<_> = facts.into_iter().zip(start + 1..).map(|(fact, n)| (n, fact)).collect();
    catalog.follow(&facts).await.expect("followed");
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let query = Query { limit: 2, cursor: cursor.take(), ..Query::default() };
        let page = catalog.search(&query).await.expect("a page");
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|view| view.id));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, [id(12), id(11), id(10), id(2), id(1), id(13)]);
}

async fn audit_is_newest_first(catalog: &dyn Catalog) {
    let start = catalog.position().await.expect("a position");
    let facts: Vec<_> = (1..=3).map(|n| (start + n, audited(&format!("action-{n}")))).collect();
    catalog.follow(&facts).await.expect("followed");
    let newest = catalog.audit(None, 2).await.expect("a list");
    assert_eq!(newest, [facts[2].clone(), facts[1].clone()]);
    assert_eq!(catalog.audit(Some(newest[1].0), 10).await.expect("a list"), [facts[0].clone()]);
}

fn audited(action: &str) -> Fact {
    Fact::Audited(Audit {
        at: at(400),
        actor: Actor::system(),
        action: action.into(),
        recording: Some(id(1)),
        detail: Some("dn=7001".to_owned().into()),
        source: None,
        result: AuditResult::Allowed,
    })
}

async fn what_was_restored_is_found_and_what_is_known_stays(catalog: &dyn Catalog) {
    let known = catalog.recording(id(1)).await.expect("asked").expect("known");
    let position = catalog.position().await.expect("a position");
    let other = RecordingView { id: id(20), record_id: Some("restored".into()), ..known.clone() };
    catalog.restore(&other).await.expect("restored");
    catalog.restore(&RecordingView { state: State::Failed, ..known.clone() }).await.expect("known already");
    assert_eq!(catalog.recording(id(20)).await.expect("asked"), Some(other));
    assert_eq!(catalog.recording(id(1)).await.expect("asked"), Some(known));
    assert_eq!(catalog.position().await.expect("a position"), position, "restoring is not following");
    let query = Query { limit: 10, record_id: Some("restored".into()), ..Query::default() };
    assert_eq!(catalog.search(&query).await.expect("a page").items.len(), 1);
}

async fn senseless_questions_are_refused(catalog: &dyn Catalog) {
    for query in [Query::default(), Query { limit: 10, cursor: Some("nonsense".into()), ..Query::default() }] {
        assert!(matches!(catalog.search(&query).await, Err(CatalogError::BadQuery(_))), "{query:?}");
    }
}

/// A CANCEL that crossed the answer: the ledger has its facts, the catalog no recording.
async fn what_was_never_established_is_not_found(catalog: &dyn Catalog) {
    let known = catalog.recording(id(1)).await.expect("asked").expect("known");
    let (recording, ended_at) = (id(30), known.started_at);
    let begun = RecordingOpened {
        recording,
        record_id: Some("cancelled".into()),
        call_uuid: None,
        conn_id: None,
        profile: "rfc7866".into(),
        at: ended_at,
    };
    let ended = Fact::RecordingEnded { recording, ended_at, duration_ms: 0, cause: EndCause::NotEstablished };
    let next = catalog.position().await.expect("a position") + 1;
    catalog.follow(&[(next, Fact::RecordingOpened(begun))]).await.expect("followed");
    assert!(catalog.recording(recording).await.expect("asked").is_some());
    catalog.follow(&[(next + 1, ended)]).await.expect("followed");
    assert_eq!(catalog.recording(recording).await.expect("asked"), None);
    let query = Query { limit: 10, record_id: Some("cancelled".into()), ..Query::default() };
    assert!(catalog.search(&query).await.expect("a page").items.is_empty());
}
