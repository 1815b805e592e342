//! A crash in the middle: the state goes through its written form, the core is made anew, and the call goes on.

use std::collections::{BTreeMap, BTreeSet};

use model::{OpenTrack, RsId, TrackNo};

use super::*;
use crate::{Found, Restored};

/// What the ledger would know: every track, with its chunks once closed.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<TrackNo, Option<u32>>);

impl Ledger {
    pub(super) fn read(&mut self, facts: &[Fact]) {
        for fact in facts {
            match fact {
                Fact::TrackOpened(opened) => drop(self.0.entry(opened.track).or_default()),
                Fact::TrackClosed(closed) => drop(self.0.insert(closed.track, Some(closed.chunks))),
                _ => {}
            }
        }
    }
}

impl World {
    /// The process ends, and the next one begins a second later with what was written.
    pub(super) fn crash(&mut self, recording: RecordingId, ledger: &Ledger, dialogs: &[u64]) -> Option<Restored> {
        let state = self.core.state(recording).expect("it is live");
        let mut found = Found::read(state.reveal()).expect("we read what we write");
        found.tracks = ledger.0.iter().map(|(no, chunks)| (*no, *chunks)).collect();
        found.dialogs = dialogs.iter().map(|id| RsId(*id)).collect();
        self.core = Core::new(config());
        self.now = self.now.plus_nanos(1_000_000_000);
        let mut out = Output::default();
        let restored = self.core.restore(found, self.now, &mut self.entropy, &mut out);
        (self.facts, self.orders) = (out.facts, out.orders);
        restored
    }

    pub(super) fn open_orders(&self) -> Vec<OpenTrack> {
        let open = |order: &Order| match order {
            Order::OpenTrack(open) => Some((**open).clone()),
            _ => None,
        };
        self.orders.iter().filter_map(open).collect()
    }

    fn closed_tracks(&self) -> Vec<(u16, Vec<Gap>)> {
        let closed = |fact: &Fact| match fact {
            Fact::TrackClosed(closed) => Some((closed.track.0, closed.gaps.clone())),
            _ => None,
        };
        self.facts.iter().filter_map(closed).collect()
    }
}

fn secure(mut offer: Offer) -> Offer {
    for (at, line) in offer.lines.iter_mut().enumerate() {
        let key_salt = vec![at as u8 + 1; 30];
        line.sdes = Some(Sdes { tag: 1, suite: "AES_CM_128_HMAC_SHA1_80".into(), key_salt, mki: Some((vec![7], 1)) });
        line.rtcp_mux = true;
    }
    offer
}

/// A live SRTP call with metadata, and what its opening put down.
fn live(world: &mut World) -> (RecordingId, Ledger, Vec<OpenTrack>) {
    let offer = secure(two(LineState::Active));
    let offer = Offered { metadata: Some(metadata()), ..*offered(1, offer) };
    let mut out = Output::default();
    let input = Input::Signal(Event::Offered(Box::new(offer)));
    world.core.apply(input, world.now, &mut world.entropy, &mut out);
    world.orders = out.orders;
    let orders = world.open_orders();
    let mut ledger = Ledger::default();
    for open in &orders {
        world.feed(Input::Capture(Report::TrackOpened { track: open.track }));
        ledger.read(&world.facts);
    }
    (orders[0].track.recording, ledger, orders)
}

fn track(recording: RecordingId, no: u16) -> TrackId {
    TrackId { recording, no: TrackNo(no) }
}

#[test]
fn a_call_goes_on_in_new_tracks_on_the_same_ports_keys_and_channels() {
    let mut world = World::new();
    let (id, ledger, before) = live(&mut world);
    let restored = world.crash(id, &ledger, &[1]).expect("it goes on");
    assert_eq!(restored, Restored { sessions: vec![RsId(1)], interrupted: vec![track(id, 0), track(id, 1)] });
    let again = world.open_orders();
    for (before, again) in before.iter().zip(&again) {
        assert_eq!((again.track.no.0, again.joins_late), (before.track.no.0 + 2, true));
        let same = OpenTrack { track: before.track, joins_late: false, ..again.clone() };
        assert_eq!(same, *before);
    }
    let channels: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::TrackOpened(opened) => Some((opened.track.0, opened.channel, opened.label.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(channels, [(2, 0, Some("1".into())), (3, 1, Some("2".into()))]);
    let tracks: Vec<Vec<u16>> =
        world.parties().iter().map(|party| party.tracks.iter().map(|no| no.0).collect()).collect();
    assert_eq!(tracks, [vec![0, 2], vec![1, 3]], "both tracks of a party are credited to it");

    // A new call gets other ports, the ones that go on are in use.
    world.feed(Input::Signal(Event::Offered(offered(2, two(LineState::Active)))));
    let taken: BTreeSet<_> = again.iter().map(|open| open.port).collect();
    assert!(world.open_orders().iter().all(|open| !taken.contains(&open.port)));
}

#[test]
fn the_gap_is_measured_from_the_last_packet_to_the_next_and_the_call_ends_as_ever() {
    let mut world = World::new();
    let (id, ledger, _) = live(&mut world);
    world.crash(id, &ledger, &[1]).expect("it goes on");
    let (last, first) = (Timestamp::from_millis(1_000_400), Timestamp::from_millis(1_001_700));
    // In either order.
    world.feed(Input::Surveyed { track: track(id, 0), chunks: 4, last: Some(last) });
    assert_eq!(world.closed_tracks(), []);
    world.feed(Input::Capture(Report::MediaStarted { track: track(id, 2), at: first }));
    let gap = |to| vec![Gap { from: last, to, cause: GapCause::Crash }];
    assert_eq!(world.closed_tracks(), [(0, gap(first))]);
    // The other line stays silent: its gap lasts to the end.
    world.wait(5_000);
    let bye_at = world.now;
    world.feed(bye(1));
    assert_eq!(world.ended(), None, "what the spool holds of track 1 is not known yet");
    world.feed(Input::Surveyed { track: track(id, 1), chunks: 3, last: Some(last) });
    assert_eq!(world.closed_tracks(), [(1, gap(bye_at))]);
    assert_eq!(world.ended(), Some(EndCause::Bye));
    assert!(world.orders.contains(&Order::FinishRecording { recording: id }));
    assert!(world.core.is_idle());
}

#[test]
fn a_session_that_stays_silent_ends_after_its_time_and_one_that_speaks_does_not() {
    for speaks in [false, true] {
        let mut world = World::new();
        let (id, ledger, _) = live(&mut world);
        world.crash(id, &ledger, &[1]).expect("it goes on");
        for no in [0, 1] {
            world.feed(Input::Surveyed { track: track(id, no), chunks: 1, last: Some(world.now) });
        }
        if speaks {
            world.feed(Input::Signal(Event::Established { dialog: DialogId(1) }));
        }
        world.wait(29_000);
        assert_eq!(world.ended(), None);
        world.wait(2_000);
        assert_eq!(world.ended(), (!speaks).then_some(EndCause::Crash));
        assert_eq!(world.orders.contains(&Order::HangUp { session: RsId(1) }), !speaks);
    }
}

#[test]
fn a_held_call_waits_longer_and_its_gap_is_the_hold() {
    let mut world = World::new();
    let (id, mut ledger, _) = live(&mut world);
    let reoffer = |state| {
        let offer = secure(two(state));
        Input::Signal(Event::Reoffered { dialog: DialogId(1), offer, metadata: None, warnings: Vec::new() })
    };
    // One hold that was over before the crash, and one that lasts.
    world.wait(1_000);
    let first = world.now;
    world.feed(reoffer(LineState::Hold));
    world.wait(1_000);
    let second = world.now;
    world.feed(reoffer(LineState::Active));
    world.wait(1_000);
    let third = world.now;
    world.feed(reoffer(LineState::Inactive));
    ledger.read(&world.facts);
    world.crash(id, &ledger, &[1]).expect("it goes on");
    assert!(world.open_orders().iter().all(|open| open.paused == Some(GapCause::Paused)));
    world.feed(Input::Surveyed { track: track(id, 0), chunks: 1, last: Some(second) });
    let gap = |from, to, cause| Gap { from, to, cause };
    let gaps = vec![gap(first, second, GapCause::Hold), gap(third, world.now, GapCause::Paused)];
    assert_eq!(world.closed_tracks(), [(0, gaps)]);
    world.wait(31_000);
    assert_eq!(world.ended(), None, "nothing is sent on a held line");
    world.feed(reoffer(LineState::Active));
    let resumed = world.orders.iter().filter(|order| matches!(order, Order::ResumeTrack { .. })).count();
    assert_eq!(resumed, 2);
    world.wait(700_000);
    assert_eq!(world.core.stats().live, 1);
}

#[test]
fn without_its_dialog_nothing_goes_on() {
    let mut world = World::new();
    let (id, ledger, _) = live(&mut world);
    assert_eq!(world.crash(id, &ledger, &[]), None);
    assert!(world.facts.is_empty() && world.orders.is_empty());
    assert_eq!(world.core.stats().live, 0);
}

#[test]
fn a_pair_goes_on_when_one_dialog_is_lost_and_another_leg_still_joins() {
    let mut world = World::new();
    let mut ledger = Ledger::default();
    world.feed(leg(1, "7001"));
    let id = world.opened()[0];
    ledger.read(&world.facts);
    world.feed(leg(2, "5550100"));
    ledger.read(&world.facts);
    let restored = world.crash(id, &ledger, &[1]).expect("one leg goes on");
    assert_eq!(restored.sessions, [RsId(1)]);
    assert_eq!(world.open_orders().len(), 1);
    let ended = |fact: &Fact| matches!(fact, Fact::SessionEnded { session: RsId(2), cause: EndCause::Crash, .. });
    assert!(world.facts.iter().any(ended));
    world.feed(leg(3, "5550100"));
    assert_eq!(world.opened(), [], "the same recording");
    let channel = world.facts.iter().find_map(|fact| match fact {
        Fact::TrackOpened(opened) => Some((opened.recording, opened.channel)),
        _ => None,
    });
    assert_eq!(channel, Some((id, 1)), "the party's own channel");
}

#[test]
fn a_pause_by_command_outlives_the_crash() {
    let mut world = World::new();
    let (id, ledger, _) = live(&mut world);
    world.control(id, CommandKind::Pause).expect("it is live");
    world.crash(id, &ledger, &[1]).expect("it goes on");
    assert!(world.open_orders().iter().all(|open| open.paused == Some(GapCause::Paused)));
    world.control(id, CommandKind::Resume).expect("it is live");
    assert_eq!(world.orders.iter().filter(|order| matches!(order, Order::ResumeTrack { .. })).count(), 2);
}

#[test]
fn a_port_that_is_lost_ends_its_line_only() {
    let mut world = World::new();
    let (id, ledger, _) = live(&mut world);
    world.crash(id, &ledger, &[1]).expect("it goes on");
    let refused = Report::TrackRefused { track: track(id, 2), cause: "in use".into() };
    world.feed(Input::Capture(refused));
    assert_eq!(world.closed_tracks(), [(2, Vec::new())]);
    world.feed(Input::Surveyed { track: track(id, 0), chunks: 1, last: None });
    world.feed(Input::Surveyed { track: track(id, 1), chunks: 1, last: None });
    world.feed(Input::Capture(Report::MediaStarted { track: track(id, 3), at: world.now }));
    assert_eq!(world.closed_tracks().len(), 1);
    world.feed(bye(1));
    assert_eq!(world.ended(), Some(EndCause::Bye));
}

#[test]
fn a_second_crash_is_survived_as_well() {
    let mut world = World::new();
    let (id, mut ledger, _) = live(&mut world);
    world.crash(id, &ledger, &[1]).expect("it goes on");
    ledger.read(&world.facts);
    let restored = world.crash(id, &ledger, &[1]).expect("again");
    assert_eq!(restored.interrupted.len(), 4, "the first two were never closed");
    assert_eq!(world.open_orders().iter().map(|open| open.track.no.0).collect::<Vec<_>>(), [4, 5]);
    for no in 0..4 {
        world.feed(Input::Surveyed { track: track(id, no), chunks: 1, last: None });
    }
    world.feed(bye(1));
    assert_eq!(world.ended(), Some(EndCause::Bye));
}

#[test]
fn a_damaged_or_foreign_state_is_none_and_only_live_recordings_have_one() {
    let mut world = World::new();
    let (id, _, _) = live(&mut world);
    let state = world.core.state(id).expect("it is live");
    let text = std::str::from_utf8(state.reveal()).expect("JSON");
    assert!(Found::read(&state.reveal()[..state.reveal().len() - 1]).is_none());
    assert!(Found::read(text.replacen("\"version\":1", "\"version\":99", 1).as_bytes()).is_none());
    world.feed(bye(1));
    assert!(world.core.state(id).is_none());
}
