//! Journeys through the core with simulated time: assertions are on facts and orders, never on its inside.

mod cti;
mod dtls;
mod index;
mod joining;
mod provisional;
mod restore;

use std::collections::BTreeMap;

use model::{
    Actor, Command, CommandError, CommandKind, EndCause, Entropy, Fact, Gap, GapCause, LineGrant, Order, Party,
    Receipt, RecordingId, Report, Timestamp, TrackCounters, TrackId, TrackTotals,
};
use signaling_core::event::{
    Attachment, CommunicationSession, DialogId, Ended, Event, GenesysCall, Join, Line, LineState, Metadata,
    MetadataStream, Offer, Offered, Participant, Payload, Peer, Sdes, Transport,
};

use crate::{Config, Core, Finished, Input, Output};

struct Counting(u8);
impl Entropy for Counting {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        buffer.fill(self.0);
    }
}

fn config() -> Config {
    Config {
        ports: 20_000..=20_019,
        pair_linger_ms: 3_000,
        resume_wait_ms: 30_000,
        resume_held_wait_ms: 600_000,
        max_live: 4,
        genesys_first_line_is_dn: true,
        has_cti: true,
        links: Vec::new(),
        auto_resume_ms: 0,
        long_pause_ms: 0,
        policy: crate::Policy::default(),
    }
}

/// A core whose capture and spool do at once what they are told.
struct World {
    core: Core,
    now: Timestamp,
    entropy: Counting,
    facts: Vec<Fact>,
    orders: Vec<Order>,
    replies: Vec<Result<(), CommandError>>,
    /// Ports that somebody else has bound.
    taken: Vec<u16>,
}

impl World {
    fn new() -> Self {
        Self {
            core: Core::new(config()),
            now: Timestamp::from_millis(1_000_000),
            entropy: Counting(0),
            facts: Vec::new(),
            orders: Vec::new(),
            replies: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Feeds an input, plays the shells, and leaves facts and orders of all that followed.
    fn feed(&mut self, input: Input) {
        self.facts.clear();
        self.orders.clear();
        let mut open = vec![input];
        while let Some(input) = open.pop() {
            let mut out = Output::default();
            self.core.apply(input, self.now, &mut self.entropy, &mut out);
            for order in &out.orders {
                open.extend(self.shells(order));
            }
            self.facts.extend(out.facts);
            self.orders.extend(out.orders);
            self.replies.extend(out.replies.into_iter().map(|(_, reply)| reply));
        }
    }

    fn shells(&self, order: &Order) -> Vec<Input> {
        match order {
            Order::OpenTrack(open) if self.taken.contains(&open.port) => {
                vec![Input::Capture(Report::TrackRefused { track: open.track, cause: "in use".into() })]
            }
            Order::OpenTrack(open) => vec![Input::Capture(Report::TrackOpened { track: open.track })],
            Order::CloseTrack { track } => closed(*track),
            _ => Vec::new(),
        }
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.plus_nanos(millis * 1_000_000);
        self.feed(Input::Tick);
    }

    fn control(&mut self, recording: RecordingId, kind: CommandKind) -> Result<(), CommandError> {
        let command = Command { recording, kind, actor: Actor { id: "t1".into(), role: None }, reason: None };
        self.feed(Input::Control { command, ticket: 1 });
        self.replies.pop().expect("a reply")
    }

    fn opened(&self) -> Vec<RecordingId> {
        let id = |fact: &Fact| match fact {
            Fact::RecordingOpened(opened) => Some(opened.recording),
            _ => None,
        };
        self.facts.iter().filter_map(id).collect()
    }

    fn parties(&self) -> Vec<Party> {
        let named = |fact: &Fact| match fact {
            Fact::PartiesNamed { parties, .. } => Some(parties.clone()),
            _ => None,
        };
        self.facts.iter().rev().find_map(named).unwrap_or_default()
    }

    fn grants(&self) -> Vec<LineGrant> {
        let lines = |order: &Order| match order {
            Order::Answer { lines, .. } => Some(lines.clone()),
            _ => None,
        };
        self.orders.iter().find_map(lines).expect("an answer")
    }

    fn ended(&self) -> Option<EndCause> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::RecordingEnded { cause, .. } => Some(*cause),
            _ => None,
        })
    }
}

fn closed(track: TrackId) -> Vec<Input> {
    let totals = TrackTotals { track, counters: TrackCounters::default(), gaps: Vec::new(), chunks: 2 };
    vec![
        Input::Spool(Receipt { track, chunks: 2, octets: 100, complete: true }),
        Input::Capture(Report::TrackClosed(Box::new(totals))),
    ]
}

fn line(label: Option<&str>, state: LineState) -> Line {
    Line {
        media: "audio".into(),
        label: label.map(str::to_owned),
        state,
        address: "192.0.2.10".parse().ok(),
        port: 40_000,
        rtcp: None,
        rtcp_mux: false,
        sdes: None,
        own_key: None,
        dtls: None,
        payloads: vec![Payload { payload_type: 0, encoding: "PCMU".into(), clock_hz: 8_000, channels: 1 }],
    }
}

fn two(state: LineState) -> Offer {
    Offer { lines: vec![line(Some("1"), state.clone()), line(Some("2"), state)] }
}

fn offered(dialog: u64, offer: Offer) -> Box<Offered> {
    Box::new(Offered {
        dialog: DialogId(dialog),
        call_id: format!("call-{dialog}"),
        peer: Peer {
            transport: Transport::Tls,
            address: "192.0.2.10:5061".parse().expect("an address"),
            identity: None,
        },
        profile: "rfc7866".into(),
        offer,
        join: None,
        replaces: None,
        wants_snapshot: false,
        genesys: None,
        metadata: None,
        attachments: Vec::new(),
        correlation: BTreeMap::new(),
        headers: BTreeMap::new(),
        warnings: Vec::new(),
    })
}

fn leg(dialog: u64, dn: &str) -> Input {
    let call = GenesysCall {
        record_id: "R1".into(),
        call_uuid: Some("U1".into()),
        dn: Some(dn.into()),
        record_dn: Some("7001".into()),
        ..GenesysCall::default()
    };
    let offer = Offer { lines: vec![line(None, LineState::Active)] };
    let join = Join { key: ("R1".into(), Some("U1".into())), legs: vec![dn.into()] };
    let leg = Offered { genesys: Some(call), join: Some(join), ..*offered(dialog, offer) };
    Input::Signal(Event::Offered(Box::new(leg)))
}

fn bye(dialog: u64) -> Input {
    Input::Signal(Event::Ended { dialog: DialogId(dialog), cause: Ended::Bye, reason: None, metadata: None })
}

fn metadata() -> Metadata {
    let participant = |id: &str, aor: &str, sends: &str| Participant {
        id: id.into(),
        aors: vec![aor.into()],
        name: Some(id.into()),
        sends: Some(vec![sends.into()]),
        ..Participant::default()
    };
    let stream = |id: &str, label: &str| MetadataStream {
        id: id.into(),
        label: Some(label.into()),
        ..MetadataStream::default()
    };
    Metadata {
        complete: true,
        session_id: Some("S".into()),
        participants: vec![participant("caller", "sip:+1@x", "a"), participant("agent", "sip:+2@x", "b")],
        streams: vec![stream("a", "1"), stream("b", "2")],
        ..Metadata::default()
    }
}

#[test]
fn an_offer_is_answered_after_its_ports_are_bound_and_its_facts_are_there() {
    let mut world = World::new();
    let offer = Offered { metadata: Some(metadata()), ..*offered(1, two(LineState::Active)) };
    world.feed(Input::Signal(Event::Offered(Box::new(offer))));
    assert_eq!(world.opened().len(), 1);
    let tracks = world.facts.iter().filter(|fact| matches!(fact, Fact::TrackOpened(_))).count();
    assert_eq!(tracks, 2);
    assert_eq!(world.grants(), [20_000, 20_002].map(|port| LineGrant::Accept { port, srtp: None }));
    let parties = world.parties();
    assert_eq!(
        parties.iter().map(|party| party.address.reveal().as_str()).collect::<Vec<_>>(),
        ["sip:+1@x", "sip:+2@x"]
    );
    assert_eq!(parties[0].tracks.len(), 1);
    assert!(matches!(world.orders.last(), Some(Order::Answer { .. })), "the answer comes last");
}

#[test]
fn every_line_gets_a_key_of_its_own() {
    let mut world = World::new();
    let sdes = Sdes { tag: 1, suite: "AES_CM_128_HMAC_SHA1_80".into(), key_salt: vec![9; 30], mki: None };
    let mut offer = two(LineState::Active);
    offer.lines.iter_mut().for_each(|line| line.sdes = Some(sdes.clone()));
    world.feed(Input::Signal(Event::Offered(offered(1, offer))));
    let keys: Vec<_> = world
        .grants()
        .into_iter()
        .filter_map(|grant| match grant {
            LineGrant::Accept { srtp, .. } => srtp.map(|keys| keys.key_salt),
            LineGrant::Reject => None,
        })
        .collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[0] != keys[1] && keys[0].reveal() != [9; 30] && keys[0].reveal().len() == 30);
}

#[test]
fn two_legs_of_a_genesys_call_are_one_recording_in_either_order() {
    for (first, second) in [("7001", "5550100"), ("5550100", "7001")] {
        let mut world = World::new();
        world.feed(leg(1, first));
        let recording = world.opened()[0];
        world.feed(leg(2, second));
        assert!(world.opened().is_empty(), "the second leg joins");
        let channels: Vec<_> = world
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::TrackOpened(opened) => Some((opened.recording, opened.channel)),
                _ => None,
            })
            .collect();
        assert_eq!(channels, [(recording, 1)]);
        assert_eq!(world.parties().len(), 2);
        world.feed(bye(1));
        assert_eq!(world.ended(), None, "the other leg goes on");
        world.feed(bye(2));
        assert_eq!(world.ended(), Some(EndCause::Bye));
        assert!(world.orders.contains(&Order::FinishRecording { recording }));
    }
}

#[test]
fn a_lone_leg_waits_for_its_continuation_and_keeps_its_channel() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let recording = world.opened()[0];
    world.feed(bye(1));
    assert_eq!(world.ended(), None);
    world.wait(1_000);
    world.feed(leg(2, "7001"));
    assert!(
        world
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::TrackOpened(t) if t.recording == recording && t.channel == 0))
    );
    world.feed(bye(2));
    world.wait(3_001);
    assert_eq!(world.ended(), Some(EndCause::Bye));
}

#[test]
fn draining_does_not_wait_for_a_leg_that_will_be_refused() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    world.feed(bye(1));
    assert!(!world.core.is_idle());
    world.feed(Input::Drain);
    world.wait(1);
    assert_eq!(world.ended(), Some(EndCause::Bye));
    assert!(world.core.is_idle());
}

#[test]
fn a_taken_port_is_passed_over_and_no_port_at_all_is_503() {
    let mut world = World::new();
    world.taken = vec![20_000, 20_002];
    world.feed(leg(1, "7001"));
    assert_eq!(world.grants(), [LineGrant::Accept { port: 20_004, srtp: None }]);
    let mut world = World::new();
    world.taken = (20_000..20_020).collect();
    world.feed(leg(1, "7001"));
    assert!(matches!(
        world.orders.iter().find(|order| matches!(order, Order::Refuse { .. })),
        Some(Order::Refuse { status: 503, retry_after_s: Some(_), .. })
    ));
    assert!(world.opened().is_empty(), "nothing was opened, so nothing is left behind");
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::SessionRefused(refused) if refused.status == 503)));
}

#[test]
fn a_cancelled_offer_leaves_an_attempt_and_no_recording() {
    let mut world = World::new();
    world.feed(Input::Room(true));
    let mut out = Output::default();
    // The port is not bound yet when the CANCEL comes.
    world.core.apply(leg(1, "7001"), world.now, &mut world.entropy, &mut out);
    let cancelled = Event::Ended { dialog: DialogId(1), cause: Ended::NotEstablished, reason: None, metadata: None };
    world.feed(Input::Signal(cancelled));
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::SessionRefused(refused) if refused.status == 487)));
    assert!(world.orders.iter().any(|order| matches!(order, Order::DropRecording { .. })));
    assert!(world.core.is_idle());
    assert_eq!(world.core.stats().free_ports, 10, "the port is free again");
}

#[test]
fn an_answer_that_crossed_a_cancel_leaves_nothing_to_archive() {
    let mut world = World::new();
    world.feed(leg(1, "7001"));
    let recording = world.opened()[0];
    let mut out = Output::default();
    let cancelled = Event::Ended { dialog: DialogId(1), cause: Ended::NotEstablished, reason: None, metadata: None };
    world.core.apply(Input::Signal(cancelled), world.now, &mut world.entropy, &mut out);
    let Some(Order::CloseTrack { track }) = out.orders.pop() else { panic!("{:?}", out.orders) };
    let totals = TrackTotals { track, counters: TrackCounters::default(), gaps: Vec::new(), chunks: 0 };
    world.feed(Input::Spool(Receipt { track, chunks: 0, octets: 0, complete: true }));
    world.feed(Input::Capture(Report::TrackClosed(Box::new(totals))));
    assert_eq!(world.ended(), Some(EndCause::NotEstablished));
    assert_eq!(world.orders, [Order::DropRecording { recording }]);
    assert!(world.core.is_idle());
}

#[test]
fn hold_and_resume_by_signaling_pause_the_tracks_and_say_so_once() {
    let mut world = World::new();
    world.feed(Input::Signal(Event::Offered(offered(1, two(LineState::Active)))));
    let again = |state| {
        Input::Signal(Event::Reoffered { dialog: DialogId(1), offer: two(state), metadata: None, warnings: Vec::new() })
    };
    world.feed(again(LineState::Hold));
    let paused = world.orders.iter().filter(|order| matches!(order, Order::PauseTrack { cause: GapCause::Hold, .. }));
    assert_eq!(paused.count(), 2);
    assert_eq!(world.facts.iter().filter(|fact| matches!(fact, Fact::RecordingPaused { .. })).count(), 1);
    world.feed(again(LineState::Hold));
    assert!(!world.facts.iter().any(|fact| matches!(fact, Fact::RecordingPaused { .. })));
    world.feed(again(LineState::Active));
    assert_eq!(world.orders.iter().filter(|order| matches!(order, Order::ResumeTrack { .. })).count(), 2);
    assert_eq!(world.grants(), [20_000, 20_002].map(|port| LineGrant::Accept { port, srtp: None }), "the ports stay");
}

#[test]
fn a_command_pause_outlasts_a_resume_by_signaling() {
    let mut world = World::new();
    world.feed(Input::Signal(Event::Offered(offered(1, two(LineState::Inactive)))));
    let recording = world.opened()[0];
    assert_eq!(world.control(recording, CommandKind::Pause), Ok(()));
    assert_eq!(world.control(recording, CommandKind::Pause), Ok(()), "idempotent");
    assert!(world.facts.is_empty());
    let offer = two(LineState::Active);
    world.feed(Input::Signal(Event::Reoffered { dialog: DialogId(1), offer, metadata: None, warnings: Vec::new() }));
    assert!(!world.orders.iter().any(|order| matches!(order, Order::ResumeTrack { .. })));
    assert_eq!(world.control(recording, CommandKind::Resume), Ok(()));
    assert_eq!(world.orders.iter().filter(|order| matches!(order, Order::ResumeTrack { .. })).count(), 2);
}

#[test]
fn a_payload_type_keeps_its_codec_whatever_a_later_offer_says() {
    let mut world = World::new();
    let payload = |payload_type, encoding: &str| Payload {
        payload_type,
        encoding: encoding.into(),
        clock_hz: 8_000,
        channels: 1,
    };
    let offer = |payloads: &[(u8, &str)]| {
        let payloads = payloads.iter().map(|(number, name)| payload(*number, name)).collect();
        Offer { lines: vec![Line { payloads, ..line(Some("1"), LineState::Active) }] }
    };
    world.feed(Input::Signal(Event::Offered(offered(1, offer(&[(96, "PCMU")])))));
    let again = offer(&[(96, "G722"), (97, "PCMA")]);
    world.feed(Input::Signal(Event::Reoffered {
        dialog: DialogId(1),
        offer: again,
        metadata: None,
        warnings: Vec::new(),
    }));
    let known = world.facts.iter().find_map(|fact| match fact {
        Fact::TrackOpened(opened) => Some(opened.payloads.clone()),
        _ => None,
    });
    let expected = vec![(96, "PCMU".to_owned(), 8_000, 1), (97, "PCMA".to_owned(), 8_000, 1)];
    assert_eq!(known, Some(expected), "RFC 3264 8.3.2: what was kept as 96 is still read as what it was");
}

#[test]
fn a_line_added_in_mid_call_gets_a_track_and_a_removed_one_is_closed() {
    let mut world = World::new();
    let one = Offer { lines: vec![line(Some("1"), LineState::Active)] };
    world.feed(Input::Signal(Event::Offered(offered(1, one))));
    let offer = two(LineState::Active);
    world.feed(Input::Signal(Event::Reoffered { dialog: DialogId(1), offer, metadata: None, warnings: Vec::new() }));
    assert_eq!(world.grants().len(), 2);
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::TrackOpened(opened) if opened.channel == 1)));
    let mut offer = two(LineState::Active);
    offer.lines[0].state = LineState::Removed;
    world.feed(Input::Signal(Event::Reoffered { dialog: DialogId(1), offer, metadata: None, warnings: Vec::new() }));
    assert_eq!(world.grants()[0], LineGrant::Reject);
    assert!(world.facts.iter().any(|fact| matches!(fact, Fact::TrackClosed(_))));
    assert_eq!(world.ended(), None);
}

#[test]
fn commands_on_what_is_unknown_or_over_change_nothing() {
    let mut world = World::new();
    world.feed(Input::Signal(Event::Offered(offered(1, two(LineState::Active)))));
    let recording = world.opened()[0];
    assert_eq!(world.control(RecordingId::from_bytes([1; 16]), CommandKind::Stop), Err(CommandError::Unknown));
    assert_eq!(world.control(recording, CommandKind::Discard), Err(CommandError::NotProvisional));
    assert_eq!(world.control(recording, CommandKind::Stop), Ok(()));
    assert!(world.orders.iter().any(|order| matches!(order, Order::HangUp { .. })));
    assert_eq!(world.ended(), Some(EndCause::Stopped));
    assert_eq!(world.control(recording, CommandKind::Pause), Err(CommandError::NotLive));
}

#[test]
fn the_archive_frees_the_spool_and_only_then() {
    let mut world = World::new();
    world.feed(Input::Signal(Event::Offered(offered(1, two(LineState::Active)))));
    let recording = world.opened()[0];
    world.feed(bye(1));
    assert!(!world.orders.iter().any(|order| matches!(order, Order::FreeSpool { .. })));
    let finished =
        Finished { objects: Vec::new(), duration_ms: 1, audio_from: None, flags: Vec::new(), tracks: Vec::new() };
    world.feed(Input::Finished { recording, outcome: Ok(finished) });
    assert!(matches!(world.facts.last(), Some(Fact::RecordingArchived { .. })));
    assert_eq!(world.orders, [Order::FreeSpool { recording }]);
}

#[test]
fn a_full_disk_a_full_node_and_a_draining_one_refuse_with_503() {
    let refused = |world: &World| world.orders.iter().any(|order| matches!(order, Order::Refuse { status: 503, .. }));
    let mut world = World::new();
    world.feed(Input::Room(false));
    world.feed(leg(1, "7001"));
    assert!(refused(&world));
    let mut world = World::new();
    for dialog in 1..=4 {
        world.feed(Input::Signal(Event::Offered(offered(dialog, Offer { lines: Vec::new() }))));
        assert!(!refused(&world));
    }
    world.feed(Input::Signal(Event::Offered(offered(5, Offer { lines: Vec::new() }))));
    assert!(refused(&world));
    // Half a call is no call: with one port left another node may still keep both sides.
    let mut world = World { core: Core::new(Config { ports: 20_000..=20_003, ..config() }), ..World::new() };
    world.feed(leg(1, "7001"));
    assert!(!refused(&world));
    world.feed(leg(2, "7002"));
    assert!(!refused(&world), "the last port");
    world.feed(leg(3, "7003"));
    assert!(refused(&world));
    let mut world = World::new();
    world.feed(Input::Drain);
    world.feed(leg(1, "7001"));
    assert!(refused(&world));
}

fn told(world: &World) -> Vec<model::ToldTimes> {
    let times = |fact: &Fact| match fact {
        Fact::TimesTold { times, .. } => Some(times.clone()),
        _ => None,
    };
    world.facts.iter().filter_map(times).collect()
}

/// A partial document about the agent alone.
fn about_agent(update: Participant) -> Metadata {
    Metadata { participants: vec![Participant { id: "agent".into(), ..update }], ..Metadata::default() }
}

#[test]
fn who_leaves_with_a_line_keeps_the_track_and_its_stream_is_closed_then() {
    let mut world = World::new();
    let session = CommunicationSession { id: "S".into(), started_ns: Some(5), stopped_ns: None };
    let mut first = Metadata { sessions: vec![session.clone()], ..metadata() };
    first.participants.iter_mut().for_each(|participant| participant.joined_ns = Some(5));
    let offer = Offered { metadata: Some(first), ..*offered(1, two(LineState::Active)) };
    world.feed(Input::Signal(Event::Offered(Box::new(offer))));
    assert_eq!(told(&world).len(), 1);
    assert_eq!(world.parties()[1].joined_at, Some(Timestamp::from_nanos(5)));
    assert_eq!(world.parties()[1].left_at, None);

    let left = Participant { has_left: true, left_ns: Some(7), ..Participant::default() };
    let mut lines = two(LineState::Active);
    lines.lines[1].state = LineState::Removed;
    let metadata = Some(about_agent(left));
    world.feed(Input::Signal(Event::Reoffered { dialog: DialogId(1), offer: lines, metadata, warnings: Vec::new() }));
    let parties = world.parties();
    let agent = parties.iter().find(|party| party.address.reveal() == "sip:+2@x").expect("the agent is still known");
    assert_eq!((agent.left_at, agent.tracks.len()), (Some(Timestamp::from_nanos(7)), 1));
    let closed = model::TrackTimes { track: agent.tracks[0], from: None, to: Some(Timestamp::from_nanos(7)) };
    assert_eq!(told(&world)[0].tracks, [closed]);

    let stopped = CommunicationSession { stopped_ns: Some(9), started_ns: None, ..session };
    let last = Metadata { sessions: vec![stopped], ..Metadata::default() };
    let ended = Event::Ended { dialog: DialogId(1), cause: Ended::Bye, reason: None, metadata: Some(last) };
    world.feed(Input::Signal(ended));
    let times = told(&world).pop().expect("the stop is told");
    assert_eq!((times.started_at, times.stopped_at), (Some(Timestamp::from_nanos(5)), Some(Timestamp::from_nanos(9))));
    assert_eq!(times.tracks.iter().filter_map(|track| track.to).map(Timestamp::nanos).collect::<Vec<_>>(), [9, 7]);
}

#[test]
fn who_comes_back_has_not_left() {
    let mut world = World::new();
    let offer = Offered { metadata: Some(metadata()), ..*offered(1, two(LineState::Active)) };
    world.feed(Input::Signal(Event::Offered(Box::new(offer))));
    let mut left_at = Vec::new();
    for update in [
        Participant { has_left: true, left_ns: Some(7), ..Participant::default() },
        // Says nothing of its presence.
        Participant { aors: vec!["sip:+2@x".into(), "tel:+2".into()], ..Participant::default() },
        Participant { has_joined: true, joined_ns: Some(8), ..Participant::default() },
    ] {
        let (dialog, metadata) = (DialogId(1), about_agent(update));
        world.feed(Input::Signal(Event::MetadataReceived { dialog, metadata, warnings: Vec::new() }));
        let agent = |party: &&Party| party.address.reveal() == "sip:+2@x";
        left_at.push(world.parties().iter().find(agent).map(|party| party.left_at.map(Timestamp::nanos)));
    }
    assert_eq!((left_at[0], left_at[2]), (Some(Some(7)), Some(None)));
    assert!(left_at[1] != Some(None), "still gone: {left_at:?}");
}

#[test]
fn attachments_are_kept_up_to_the_bound_and_told_once_beyond_it() {
    let mut world = World::new();
    let attachment = || Attachment { content_type: "application/gtd".into(), disposition: None, octets: vec![7; 9] };
    let offer = Offered { attachments: vec![attachment()], ..*offered(1, two(LineState::Active)) };
    world.feed(Input::Signal(Event::Offered(Box::new(offer))));
    let kept =
        |world: &World| world.facts.iter().filter(|fact| matches!(fact, Fact::AttachmentReceived { .. })).count();
    let opened = world.facts.iter().position(|fact| matches!(fact, Fact::RecordingOpened(_)));
    let first = world.facts.iter().position(|fact| matches!(fact, Fact::AttachmentReceived { .. }));
    assert!(opened.is_some() && opened < first, "facts of a recording follow its beginning");
    let mut all = kept(&world);
    let mut warnings = 0;
    for _ in 0..40 {
        let attachments = vec![attachment()];
        let parts = Event::PartsReceived { dialog: DialogId(1), attachments, warnings: Vec::new() };
        world.feed(Input::Signal(parts));
        all += kept(&world);
        warnings += world.facts.iter().filter(|fact| matches!(fact, Fact::WarningRaised { .. })).count();
    }
    assert_eq!((all, warnings), (crate::limits::ATTACHMENTS_PER_RECORDING, 1));
}
