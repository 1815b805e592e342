//! CTI events in every order: before, during and after the recording, twice, too late, and as words of control.

use model::{AskRecording, CallCommand, CallControl, HistoryLine};
use signaling_core::tlib::event::{CallEvent, CallIds, CallKind, ControlEvent, CtiEvent, RecordControl};

use super::*;

fn ids(uuid: Option<&str>, conn: Option<&str>) -> CallIds {
    CallIds { call_uuid: uuid.map(str::to_owned), conn_id: conn.map(str::to_owned), ..CallIds::default() }
}

/// An event of call U1 at DN 7001.
fn told(kind: CallKind, at_s: u64) -> CallEvent {
    CallEvent {
        link: 2,
        kind,
        ids: ids(Some("U1"), Some("00AA")),
        this_dn: Some("7001".into()),
        other_dn: Some("5550100".into()),
        at_ns: Some(at_s * 1_000_000_000),
        ..CallEvent::default()
    }
}

fn call(event: CallEvent) -> Input {
    Input::Cti(CtiEvent::Call(Box::new(event)))
}

fn control(what: RecordControl, is_state: bool) -> Input {
    let reasons = [("why".to_owned(), "PIN".to_owned())].into();
    let control = ControlEvent { link: 2, what, ids: ids(Some("U1"), None), dn: None, reasons, is_state };
    Input::Cti(CtiEvent::Control(Box::new(control)))
}

fn data(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

impl World {
    fn attached(&self) -> Vec<(String, String)> {
        let data = self.facts.iter().filter_map(|fact| match fact {
            Fact::UserDataAttached { data, .. } => Some(data),
            _ => None,
        });
        data.flatten().map(|(key, value)| (key.clone(), value.reveal().clone())).collect()
    }

    fn history(&self) -> Vec<&HistoryLine> {
        let mut lines = Vec::new();
        for fact in &self.facts {
            if let Fact::CallTold(told) = fact {
                lines.push(&told.line);
            }
        }
        lines
    }

    fn events(&self) -> Vec<&str> {
        self.history().into_iter().map(|line| line.event.as_str()).collect()
    }

    fn keys(&self, name: &str) -> Vec<String> {
        let keys = self.facts.iter().filter_map(|fact| match fact {
            Fact::CorrelationLearned { keys, .. } => keys.get(name).map(|value| value.reveal().clone()),
            _ => None,
        });
        keys.collect()
    }

    fn pauses(&self) -> Vec<bool> {
        let pause = |fact: &Fact| match fact {
            Fact::RecordingPaused { .. } => Some(true),
            Fact::RecordingResumed { .. } => Some(false),
            _ => None,
        };
        self.facts.iter().filter_map(pause).collect()
    }

    fn call_control(&mut self, name: &str, kind: CallControl) -> Result<(), CommandError> {
        let actor = Actor { id: "desktop".into(), role: None };
        let command = CallCommand { call: name.into(), kind, actor, reason: Some("card".into()) };
        self.feed(Input::ControlCall { command, ticket: 1 });
        self.replies.pop().expect("a reply")
    }

    fn asked(&self) -> Vec<&AskRecording> {
        let mut asked = Vec::new();
        for order in &self.orders {
            if let Order::AskRecording(ask) = order {
                asked.push(&**ask);
            }
        }
        asked
    }
}

#[test]
fn what_was_told_before_the_recording_is_known_when_it_begins() {
    let mut world = World::new();
    world.feed(call(CallEvent {
        user_data: data(&[("k", "v")]),
        ani: Some("0301".into()),
        ..told(CallKind::Ringing, 990)
    }));
    assert!(world.facts.is_empty(), "there is no recording to tell it of");
    world.feed(call(told(CallKind::Established, 995)));
    world.feed(leg(1, "7001"));
    assert!(world.attached().contains(&("k".into(), "v".into())));
    assert_eq!(world.events(), ["ringing", "established"]);
    assert_eq!((world.keys("conn_id"), world.keys("ani")), (vec!["00AA".into()], vec!["0301".into()]));
    assert!(world.keys("call_uuid").is_empty(), "the opening says it");
}

#[test]
fn what_is_told_in_between_and_afterwards_is_added_once() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let event = CallEvent { user_data: data(&[("k", "v")]), ..told(CallKind::Established, 1_001) };
    world.feed(call(event.clone()));
    assert_eq!((world.events(), world.attached().len()), (vec!["established"], 1));
    world.feed(call(event.clone()));
    assert!(world.facts.is_empty(), "a repeated event says nothing new");
    world.feed(call(CallEvent { user_data: data(&[("k", "w")]), ..event }));
    assert_eq!(world.attached(), [("k".into(), "w".into())]);
    world.feed(bye(1));
    world.wait(4_000);
    assert_eq!(world.ended(), Some(EndCause::Bye));
    let recording = world.core.recordings.counts().pending;
    assert_eq!(recording, 1);
    world.feed(call(CallEvent { user_data: data(&[("late", "yes")]), ..told(CallKind::Released, 1_100) }));
    assert_eq!((world.events(), world.attached()), (vec!["released"], vec![("late".into(), "yes".into())]));
}

#[test]
fn a_call_keeps_the_spelling_of_its_names_and_is_found_by_any() {
    let mut world = World::new();
    let spelled = |conn: &str| CallEvent { ids: ids(Some("u-1"), Some(conn)), ..told(CallKind::Established, 1_001) };
    world.feed(call(spelled("00ab")));
    world.feed(call(CallEvent { kind: CallKind::Held, ..spelled("00AB") }));
    assert_eq!(world.call_control("U-1", CallControl::Start), Ok(()));
    assert_eq!(world.asked()[0].conn_id, "00ab", "as the switch spells it");
    assert_eq!(world.core.calls.len(), 1);
}

#[test]
fn after_a_restart_late_events_find_the_recordings_of_the_life_before() {
    let mut world = World::new();
    let recording = RecordingId::new(world.now, &mut Counting(7));
    // One event was told before it was recalled.
    world.feed(call(told(CallKind::Established, 1_001)));
    let names = ids(Some("U1"), Some("00AA"));
    world.feed(Input::Recalled { recording, ids: names.clone() });
    assert_eq!((world.events(), world.keys("call_uuid")), (vec!["established"], Vec::new()));
    world.feed(call(told(CallKind::Held, 1_002)));
    assert!(matches!(&world.facts[..], [Fact::CallTold(told)] if told.recording == recording), "{:?}", world.facts);
    world.feed(Input::Recalled { recording, ids: names });
    assert!(world.facts.is_empty(), "once");
    world.feed(Input::Destroyed(recording));
    world.feed(call(told(CallKind::Retrieved, 1_003)));
    assert!(world.facts.is_empty(), "nothing is told of what was destroyed");
}

#[test]
fn an_event_five_minutes_late_finds_an_archived_recording() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let recording = world.opened()[0];
    world.feed(bye(1));
    world.wait(4_000);
    let finished =
        Finished { objects: Vec::new(), duration_ms: 1, audio_from: None, flags: Vec::new(), tracks: Vec::new() };
    world.feed(Input::Finished { recording, outcome: Ok(finished) });
    world.wait(300_000);
    world.feed(call(told(CallKind::Established, 1_001)));
    assert!(matches!(&world.facts[..], [.., Fact::CallTold(told)] if told.recording == recording), "{:?}", world.facts);
    world.wait(25 * 3_600_000);
    world.feed(call(told(CallKind::Released, 1_002)));
    assert!(world.facts.iter().all(|fact| fact.recording().is_none()), "after a day nobody remembers");
}

#[test]
fn without_cti_a_finished_call_is_forgotten() {
    let mut world = World::new();
    world.core.config.has_cti = false;
    world.feed(leg(1, "7001"));
    let recording = world.opened()[0];
    world.feed(bye(1));
    world.wait(4_000);
    assert_eq!(world.core.calls.len(), 1);
    world.feed(Input::Finished { recording, outcome: Err("no disk".into()) });
    assert_eq!(world.core.calls.len(), 0);
}

#[test]
fn names_that_turn_out_to_be_of_one_call_make_one() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let by_conn = CallEvent { ids: ids(None, Some("00AA")), ..told(CallKind::Ringing, 999) };
    world.feed(call(by_conn));
    assert!(world.facts.is_empty(), "a ConnID alone says nothing of U1 yet");
    world.feed(call(told(CallKind::Established, 1_001)));
    assert_eq!(world.events(), ["established"]);
    let by_conn = CallEvent { ids: ids(None, Some("00aa")), ..told(CallKind::Held, 1_002) };
    world.feed(call(by_conn));
    assert_eq!(world.events(), ["held"], "now it does, in whatever case");
    assert_eq!(world.core.calls.len(), 1);
}

#[test]
fn a_transfer_makes_both_recordings_one_interaction() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    world.feed(call(told(CallKind::Established, 1_001)));
    let offer = Offer { lines: vec![line(None, LineState::Active)] };
    let correlation = [("genesys_uuid".to_owned(), "U2".to_owned()), ("conn_id".to_owned(), "00BB".to_owned())].into();
    let second = Offered { correlation, ..*offered(2, offer) };
    world.feed(Input::Signal(Event::Offered(Box::new(second))));
    let consult = world.opened()[0];
    let changed = CallEvent {
        ids: CallIds { previous_conn_id: Some("00BB".into()), ..ids(Some("U1"), Some("00AA")) },
        third_party_dn: Some("7003".into()),
        ..told(CallKind::PartyChanged, 1_005)
    };
    world.feed(call(changed));
    let linked = world.facts.iter().find_map(|fact| match fact {
        Fact::CorrelationLearned { recording, keys } => Some((*recording, keys["interaction"].reveal().clone())),
        _ => None,
    });
    assert_eq!(linked, Some((consult, "U1".into())));
    assert_eq!(world.history()[0].third.as_ref().map(|dn| dn.reveal().as_str()), Some("7003"));
}

#[test]
fn a_consultation_takes_along_what_had_gone_into_it() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let offer = Offer { lines: vec![line(None, LineState::Active)] };
    let correlation = [("genesys_uuid".to_owned(), "U3".to_owned()), ("conn_id".to_owned(), "00CC".to_owned())].into();
    let third = Offered { correlation, ..*offered(3, offer) };
    world.feed(Input::Signal(Event::Offered(Box::new(third))));
    let third = world.opened()[0];
    let joins = |previous: &str, uuid: &str, conn: &str| {
        let ids = CallIds { previous_conn_id: Some(previous.into()), ..ids(Some(uuid), Some(conn)) };
        call(CallEvent { ids, ..told(CallKind::PartyChanged, 1_005) })
    };
    let of_third = |world: &World| {
        world.facts.iter().find_map(|fact| match fact {
            Fact::CorrelationLearned { recording, keys } if *recording == third => {
                keys.get("interaction").map(|id| id.reveal().clone())
            }
            _ => None,
        })
    };
    world.feed(joins("00CC", "U2", "00BB"));
    assert_eq!(of_third(&world), Some("U2".into()));
    world.feed(joins("00BB", "U1", "00AA"));
    assert_eq!(of_third(&world), Some("U1".into()), "its own consultation went into the call");
    // In a circle nothing goes on for ever.
    world.feed(joins("00AA", "U3", "00CC"));
    assert_eq!(of_third(&world), None);
}

#[test]
fn a_call_that_gets_another_conn_id_tells_both_and_is_asked_for_by_the_one_it_has() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    world.feed(call(told(CallKind::Established, 1_001)));
    assert_eq!(world.keys("conn_id"), ["00AA"]);
    world.feed(call(told(CallKind::Released, 1_002)));
    let moved = CallEvent {
        ids: ids(Some("U1"), Some("0011")),
        this_dn: Some("7002".into()),
        ..told(CallKind::Ringing, 1_003)
    };
    world.feed(call(moved.clone()));
    assert_eq!((world.keys("conn_id"), world.keys("conn_id#2")), (Vec::new(), vec!["0011".into()]));
    world.feed(call(CallEvent { kind: CallKind::Established, ..moved }));
    assert!(world.keys("conn_id#2").is_empty(), "once");
    assert_eq!(world.call_control("U1", CallControl::Start), Ok(()));
    assert_eq!(world.asked()[0].conn_id, "0011", "the switch knows it by no other any more");
}

#[test]
fn user_data_says_who_told_it_and_when() {
    let telling = |world: &World| -> Vec<(Vec<String>, Option<u64>, Option<String>)> {
        let told = world.facts.iter().filter_map(|fact| match fact {
            Fact::UserDataAttached { data, at, source, .. } => Some((data, at, source)),
            _ => None,
        });
        told.map(|(data, at, source)| (data.keys().cloned().collect(), at.map(Timestamp::millis), source.clone()))
            .collect()
    };
    let mut world = World::new();
    world.core.config.links = vec!["tlib:0".into(), "tlib:1".into(), "gws:desk".into()];
    world.feed(call(CallEvent { user_data: data(&[("a", "1"), ("b", "1")]), ..told(CallKind::Ringing, 990) }));
    world.feed(call(CallEvent { link: 0, user_data: data(&[("b", "2")]), ..told(CallKind::Attached, 995) }));
    // The recording begins later, and hears of each as it was told.
    world.feed(leg(1, "7001"));
    let (desk, switch) = (Some("gws:desk".to_owned()), Some("tlib:0".to_owned()));
    let heard = telling(&world);
    assert!(heard.contains(&(vec!["a".into()], Some(990_000), desk.clone())), "{heard:?}");
    assert!(heard.contains(&(vec!["b".into()], Some(995_000), switch)), "{heard:?}");
    assert_eq!(world.history()[0].source, "gws:desk");
    // A source without a clock: when we heard of it.
    world.feed(call(CallEvent { at_ns: None, user_data: data(&[("c", "1")]), ..told(CallKind::Attached, 0) }));
    assert_eq!(telling(&world), [(vec!["c".into()], Some(world.now.millis()), desk)]);
    world.feed(Input::Cti(CtiEvent::LinkUp { link: 2 }));
    assert_eq!(world.facts, [Fact::CtiLinkChanged { source: "gws:desk".into(), is_up: true, reason: None }]);
}

#[test]
fn the_agent_at_a_dn_is_told_with_its_calls() {
    let mut world = World::new();
    world.feed(Input::Cti(CtiEvent::Agent { link: 2, dn: "7001".into(), agent: Some("a17".into()) }));
    world.feed(leg(1, "7001"));
    world.feed(call(told(CallKind::Established, 1_001)));
    assert_eq!(world.history()[0].agent.as_ref().map(|agent| agent.reveal().as_str()), Some("a17"));
    world.feed(Input::Cti(CtiEvent::Agent { link: 2, dn: "7001".into(), agent: None }));
    world.feed(call(told(CallKind::Held, 1_002)));
    assert_eq!(world.history()[0].agent, None);
}

#[test]
fn others_pause_resume_and_stop_by_the_call() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    world.feed(control(RecordControl::Pause, false));
    assert_eq!(world.pauses(), [true]);
    assert!(world.orders.iter().any(|order| matches!(order, Order::PauseTrack { cause: GapCause::Paused, .. })));
    assert!(
        world.facts.iter().any(|fact| matches!(
        fact, Fact::RecordingPaused { actor, reason, .. } if actor.id == "tlib:2" && reason.as_deref() == Some("PIN")))
    );
    world.feed(control(RecordControl::Pause, false));
    assert!(world.pauses().is_empty(), "it is paused");
    world.feed(control(RecordControl::Resume, false));
    assert_eq!(world.pauses(), [false]);
    world.feed(control(RecordControl::Stop, false));
    assert_eq!(world.ended(), Some(EndCause::Stopped));
}

#[test]
fn a_state_that_says_on_does_not_overrule_who_paused_otherwise() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let recording = world.opened()[0];
    world.control(recording, CommandKind::Pause).unwrap();
    world.feed(control(RecordControl::Resume, true));
    assert!(world.pauses().is_empty(), "every event of the call says ON");
    world.control(recording, CommandKind::Resume).unwrap();
    world.feed(control(RecordControl::Pause, true));
    assert_eq!(world.pauses(), [true]);
    world.feed(control(RecordControl::Resume, true));
    assert_eq!(world.pauses(), [false], "PAUSED, then ON, is a word");
}

#[test]
fn a_call_paused_before_its_recording_begins_is_paused_from_the_first_packet() {
    let mut world = World::new();
    world.feed(call(told(CallKind::Established, 999)));
    world.feed(control(RecordControl::Pause, false));
    world.feed(leg(1, "7001"));
    assert_eq!(world.pauses(), [true]);
    let paused = world.orders.iter().position(|order| matches!(order, Order::PauseTrack { .. }));
    let answer = world.orders.iter().position(|order| matches!(order, Order::Answer { .. }));
    assert!(paused < answer && paused.is_some(), "before the client hears where to send");
}

#[test]
fn whoever_names_the_call_controls_all_its_recordings_and_the_switch_is_asked_too() {
    let mut world = World::new();
    assert_eq!(world.call_control("U1", CallControl::Pause), Err(CommandError::Unknown));
    world.feed(call(told(CallKind::Established, 999)));
    assert_eq!(world.call_control("00aa", CallControl::Start), Ok(()));
    let [ask] = &world.asked()[..] else { panic!("{:?}", world.orders) };
    assert_eq!((ask.link, ask.message, ask.conn_id.as_str()), (2, 3013, "00AA"));
    assert!(ask.record_id.as_ref().is_some_and(|id| id.starts_with("U1_1970-01-01_")), "{ask:?}");
    assert!(!format!("{ask:?}").contains("7001"));
    world.feed(leg(1, "7001"));
    assert_eq!(world.call_control("u1", CallControl::Pause), Ok(()));
    assert_eq!((world.pauses(), world.asked()[0].message), (vec![true], 3015));
    assert_eq!(world.call_control("R1", CallControl::Resume), Ok(()));
    assert_eq!(world.pauses(), [false]);
    assert_eq!(world.call_control("U1", CallControl::Stop), Ok(()));
    assert_eq!(world.ended(), Some(EndCause::Stopped));
    world.feed(call(told(CallKind::Released, 1_002)));
    assert_eq!(world.call_control("U1", CallControl::Pause), Err(CommandError::NotLive));
}

#[test]
fn a_pause_that_is_too_long_is_told_once_and_ended_where_that_is_configured() {
    let mut world = World::new();
    (world.core.config.long_pause_ms, world.core.config.auto_resume_ms) = (60_000, 120_000);
    world.feed(leg(1, "7001"));
    let recording = world.opened()[0];
    world.control(recording, CommandKind::Pause).unwrap();
    let warned = |world: &World| {
        world.facts.iter().any(|fact| matches!(fact, Fact::WarningRaised { name, .. } if name == "pause_too_long"))
    };
    world.wait(59_999);
    assert!(!warned(&world));
    world.wait(1);
    assert!(warned(&world) && world.pauses().is_empty());
    world.wait(59_999);
    assert!(!warned(&world) && world.pauses().is_empty(), "told once");
    world.wait(1);
    assert_eq!(world.pauses(), [false]);
    world.wait(60_000);
    assert!(world.facts.is_empty());
}

#[test]
fn a_link_that_goes_down_is_a_fact() {
    let mut world = World::new();
    world.feed(Input::Cti(CtiEvent::LinkDown { link: 2, reason: "no_heartbeat".into() }));
    let fact = Fact::CtiLinkChanged { source: "tlib:2".into(), is_up: false, reason: Some("no_heartbeat".into()) };
    assert_eq!(world.facts, [fact]);
}
