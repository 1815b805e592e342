//! What the policy says when a recording begins and when more is known, and what becomes of one that nobody promised to
//! keep.

use model::{CallCommand, CallControl, CallSeen, Expectation, Ruling, Treatment};
use signaling_core::tlib::event::{CallEvent, CallIds, CallKind, ControlEvent, CtiEvent, RecordControl};

use super::*;
use crate::{Over, Policy, PolicyConfig, Words};

const GRACE_MS: u64 = 60_000;

/// Calls of 7001 are provisional, of 7002 recorded, of the board never; what is gold is kept.
fn policy() -> Policy {
    let rules = r#"{"default":"record","keep-grace-s":60,"rule":[
        {"name":"gold","user-data":{"Segment":"gold"},"then":"record","retention":"long","set-partition":"/gold"},
        {"name":"board","dn":["7009"],"then":"never"},
        {"name":"floor","dn":["7001"],"then":"provisional","retention":"short"}]}"#;
    serde_json::from_str::<PolicyConfig>(rules).unwrap().read().unwrap()
}

fn world() -> World {
    let mut world = World::new();
    world.core = Core::new(Config { policy: policy(), ..config() });
    world
}

impl World {
    fn ruled(&self) -> Vec<Ruling> {
        let ruling = |fact: &Fact| match fact {
            Fact::RecordingRuled { ruling, .. } => Some(ruling.clone()),
            _ => None,
        };
        self.facts.iter().filter_map(ruling).collect()
    }

    fn finishes(&self) -> bool {
        self.orders.iter().any(|order| matches!(order, Order::FinishRecording { .. }))
    }

    fn destroyed(&self) -> Option<(RecordingId, Actor, Option<String>)> {
        let at = self.facts.iter().find_map(|fact| match fact {
            Fact::RecordingDeleted { recording, actor, reason } => Some((*recording, actor.clone(), reason.clone())),
            _ => None,
        });
        let dropped = |id| self.orders.contains(&Order::DropRecording { recording: id });
        if let Some((id, ..)) = &at {
            assert!(dropped(*id), "the key goes with it");
        }
        at
    }

    fn kept_by(&self) -> Option<&str> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::RecordingKept { actor, .. } => Some(actor.id.as_str()),
            _ => None,
        })
    }

    fn keep_call(&mut self, name: &str) -> Result<(), CommandError> {
        let actor = Actor { id: "desktop".into(), role: None };
        let command = CallCommand { call: name.into(), kind: CallControl::Keep, actor, reason: None };
        self.feed(Input::ControlCall { command, ticket: 1 });
        self.replies.pop().expect("a reply")
    }

    fn seen(&self) -> Vec<&CallSeen> {
        let mut seen = Vec::new();
        for fact in &self.facts {
            if let Fact::CallSeen(call) = fact {
                seen.push(&**call);
            }
        }
        seen
    }

    /// A provisional recording, which has ended.
    fn over(&mut self) -> RecordingId {
        self.feed(only(1, "7001"));
        let id = self.opened()[0];
        self.feed(bye(1));
        self.wait(3_000);
        assert_eq!(self.ended(), Some(EndCause::Bye));
        assert!(!self.finishes(), "nobody asked for it yet");
        id
    }
}

/// A leg that names no DN but its own.
fn only(dialog: u64, dn: &str) -> Input {
    let Input::Signal(Event::Offered(mut offered)) = leg(dialog, dn) else { unreachable!("an offer") };
    offered.genesys.as_mut().unwrap().record_dn = None;
    Input::Signal(Event::Offered(offered))
}

/// A request of somebody else to record call U1 was carried out.
fn start(record_id: Option<&str>) -> Input {
    let ids = CallIds { call_uuid: Some("U1".into()), record_id: record_id.map(str::to_owned), ..CallIds::default() };
    let what = RecordControl::Start;
    let start = ControlEvent { link: 2, what, ids, dn: None, reasons: BTreeMap::new(), is_state: false };
    Input::Cti(CtiEvent::Control(Box::new(start)))
}

fn told(kind: CallKind, dn: &str, data: &[(&str, &str)]) -> Input {
    Input::Cti(CtiEvent::Call(Box::new(CallEvent {
        kind,
        ids: CallIds { call_uuid: Some("U1".into()), conn_id: Some("00AA".into()), ..CallIds::default() },
        this_dn: Some(dn.into()),
        user_data: Some(data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        at_ns: Some(1_000_000_000_000),
        ..CallEvent::default()
    })))
}

#[test]
fn what_nobody_asks_for_in_time_is_destroyed_and_leaves_a_tombstone() {
    let mut world = world();
    world.feed(only(1, "7001"));
    let ruling = &world.ruled()[0];
    assert_eq!((ruling.treatment, ruling.rule.as_deref()), (Treatment::Provisional, Some("floor")));
    assert_eq!(ruling.retention.as_deref(), Some("short"));
    let mut world = self::world();
    let id = world.over();
    world.wait(GRACE_MS - 1);
    assert_eq!(world.destroyed(), None);
    world.wait(1);
    assert_eq!(world.destroyed(), Some((id, Actor::system(), Some("not_kept".into()))));
    assert_eq!(world.control(id, CommandKind::Keep), Err(CommandError::Unknown), "too late");
    // What is told of its call later is told of nobody.
    world.feed(told(CallKind::Released, "7001", &[("k", "v")]));
    assert!(world.facts.iter().all(|fact| fact.recording() != Some(id)), "{:?}", world.facts);
}

#[test]
fn what_is_kept_in_the_call_or_in_the_time_after_it_is_finished_like_any_other() {
    let mut world = world();
    world.feed(only(1, "7001"));
    let id = world.opened()[0];
    assert_eq!(world.control(id, CommandKind::Keep), Ok(()));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::RecordingKept { actor, .. } if actor.id == "t1")));
    world.feed(bye(1));
    world.wait(3_000);
    assert!(world.finishes());
    let mut world = self::world();
    let id = world.over();
    world.wait(GRACE_MS - 4_000);
    assert_eq!(world.control(id, CommandKind::Keep), Ok(()));
    assert!(world.finishes());
    world.wait(10 * GRACE_MS);
    assert_eq!(world.destroyed(), None);
    let mut world = self::world();
    world.over();
    assert_eq!(world.keep_call("u1"), Ok(()), "by the name of its call");
    assert!(world.finishes());
    // While it waits for another leg that never comes.
    let mut world = self::world();
    world.feed(only(1, "7001"));
    let id = world.opened()[0];
    world.feed(bye(1));
    assert_eq!(world.control(id, CommandKind::Keep), Ok(()));
    world.wait(3_000);
    assert!(world.finishes());
}

#[test]
fn a_call_that_was_asked_for_before_its_recording_began_is_kept() {
    let mut world = world();
    world.feed(told(CallKind::Ringing, "7001", &[]));
    assert_eq!(world.keep_call("U1"), Ok(()));
    world.feed(only(1, "7001"));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::RecordingKept { .. })));
    world.feed(bye(1));
    world.wait(3_000);
    assert!(world.finishes());
}

#[test]
fn somebody_elses_start_of_a_recording_keeps_what_is_recorded_already() {
    let mut world = world();
    world.feed(only(1, "7001"));
    world.feed(start(None));
    assert_eq!(world.kept_by(), Some("tlib:2"));
}

#[test]
fn somebody_elses_start_keeps_what_is_over_in_time_and_nothing_when_it_comes_too_late() {
    let mut world = world();
    world.over();
    world.wait(GRACE_MS - 4_000);
    world.feed(start(None));
    assert_eq!(world.kept_by(), Some("tlib:2"));
    assert!(world.finishes());
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::CallTold(told) if told.line.event == "record_start")));
    world.wait(10 * GRACE_MS);
    assert_eq!(world.destroyed(), None);
    // By its recording id, too.
    let mut world = self::world();
    world.over();
    world.feed(start(Some("R1")));
    assert_eq!((world.kept_by(), world.finishes()), (Some("tlib:2"), true));
    // Too late: nobody is told anything of it.
    let mut world = self::world();
    let id = world.over();
    world.wait(GRACE_MS);
    assert_eq!(world.destroyed().map(|(id, ..)| id), Some(id));
    world.feed(start(None));
    assert!(world.kept_by().is_none() && !world.finishes());
    assert!(world.facts.iter().all(|fact| fact.recording() != Some(id)), "{:?}", world.facts);
}

#[test]
fn a_later_word_keeps_more_and_never_less() {
    let mut world = world();
    world.feed(only(1, "7001"));
    world.feed(told(CallKind::Established, "7001", &[("Segment", "gold")]));
    let ruling = &world.ruled()[0];
    assert_eq!((ruling.treatment, ruling.rule.as_deref()), (Treatment::Record, Some("gold")));
    assert_eq!(ruling.partition.as_deref(), Some("/gold"));
    world.feed(told(CallKind::Attached, "7001", &[("Segment", "tin")]));
    assert!(world.ruled().is_empty(), "once promised, kept");
    world.feed(bye(1));
    world.wait(3_000);
    assert!(world.finishes());
    // Told in the time after the call, too.
    let mut world = self::world();
    world.over();
    world.feed(told(CallKind::Attached, "7001", &[("Segment", "gold")]));
    assert!(world.finishes());
}

#[test]
fn what_somebody_asked_for_stays_kept_whatever_rules_say_later() {
    let mut world = world();
    world.feed(only(1, "7001"));
    let id = world.opened()[0];
    world.control(id, CommandKind::Keep).unwrap();
    world.feed(told(CallKind::Established, "7001", &[("k", "v")]));
    assert!(world.ruled().iter().all(|ruling| ruling.treatment == Treatment::Record));
    assert_eq!(world.control(id, CommandKind::Discard), Err(CommandError::NotProvisional));
}

#[test]
fn what_is_never_recorded_is_declined_and_leaves_the_attempt() {
    let mut world = world();
    world.feed(only(1, "7009"));
    let refused = world.facts.iter().find_map(|fact| match fact {
        Fact::SessionRefused(refused) => Some((refused.status, refused.cause.clone())),
        _ => None,
    });
    assert_eq!(refused, Some((603, "policy:board".into())));
    assert!(world.opened().is_empty());
    let declined = |order: &Order| matches!(order, Order::Refuse { status: 603, retry_after_s: None, .. });
    assert!(world.orders.iter().any(declined), "{:?}", world.orders);
    // What was told of the call before counts: gold comes first.
    let mut world = self::world();
    world.feed(told(CallKind::Ringing, "7009", &[("Segment", "gold")]));
    world.feed(only(1, "7009"));
    assert_eq!(world.opened().len(), 1);
}

#[test]
fn a_discarded_recording_is_destroyed_as_soon_as_it_is_over() {
    let mut world = world();
    world.feed(only(1, "7002"));
    let kept = world.opened()[0];
    assert_eq!(world.control(kept, CommandKind::Discard), Err(CommandError::NotProvisional));
    let mut world = self::world();
    let id = world.over();
    assert_eq!(world.control(id, CommandKind::Discard), Ok(()));
    assert_eq!(world.destroyed().map(|(_, actor, _)| actor.id), Some("t1".into()));
    let mut world = self::world();
    world.feed(only(1, "7001"));
    let live = world.opened()[0];
    assert_eq!(world.control(live, CommandKind::Discard), Ok(()));
    assert!(world.orders.iter().any(|order| matches!(order, Order::HangUp { .. })));
    let gone = world.destroyed();
    assert_eq!(gone.map(|(id, actor, _)| (id, actor.id)), Some((live, "t1".into())));
}

#[test]
fn a_restart_in_the_time_of_grace_changes_nothing() {
    let mut world = world();
    let id = world.over();
    let ids = CallIds { call_uuid: Some("U1".into()), ..CallIds::default() };
    let take_up = |now: Timestamp| {
        let mut again = self::world();
        let mut words = Words::default();
        words.dn("7001");
        let over = Over { recording: id, ids: ids.clone(), words, began: now, ended_at: now };
        again.now = now;
        let mut out = Output::default();
        again.core.take_up_provisional(over, now, &mut Counting(9), &mut out);
        assert!(out.facts.is_empty());
        again
    };
    let mut again = take_up(world.now);
    assert_eq!(again.keep_call("U1"), Ok(()));
    assert!(again.finishes());
    let mut again = take_up(world.now);
    again.wait(GRACE_MS);
    assert_eq!(again.destroyed().map(|(id, ..)| id), Some(id));
    let mut again = take_up(world.now);
    again.feed(told(CallKind::Released, "7001", &[("k", "v")]));
    assert!(!again.finishes(), "nothing that a rule asks for");
    again.feed(told(CallKind::Attached, "7001", &[("Segment", "gold")]));
    assert!(again.finishes());
}

#[test]
fn a_call_that_ended_is_seen_with_what_the_policy_wanted_of_it() {
    let mut world = world();
    let mut begin = told(CallKind::Established, "7009", &[]);
    if let Input::Cti(CtiEvent::Call(call)) = &mut begin {
        (call.call_type, call.ani) = (Some("Inbound".into()), Some("+4930".into()));
    }
    world.feed(only(1, "7002"));
    let id = world.opened()[0];
    world.feed(begin);
    assert!(world.seen().is_empty(), "it goes on");
    world.feed(told(CallKind::Released, "7009", &[]));
    let seen = world.seen();
    let [seen] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((seen.expectation, seen.rule.as_deref()), (Expectation::Never, Some("board")));
    assert_eq!((seen.call_uuid.as_deref(), seen.source.as_str()), (Some("U1"), "tlib:0"));
    assert_eq!((seen.recordings.clone(), seen.answered_at.is_some()), (vec![id], true));
    assert_eq!(seen.direction, Some(model::CallDirection::Inbound));
}
