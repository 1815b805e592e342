//! Dialogs that belong together: the ends of a bridge, a session that replaces another, two clients of one call; and what
//! metadata does to the parties while time goes by.

use super::*;

fn leg_of(dialog: u64, end: &str) -> Offered {
    let join = Join { key: ("cucm-bib:7".into(), Some("SEP1".into())), legs: vec![end.into()] };
    let mut metadata = metadata();
    metadata.participants.truncate(1);
    metadata.participants[0].aors = vec![end.into()];
    metadata.participants[0].sends = Some(vec!["line-0".into()]);
    metadata.streams = vec![MetadataStream { id: "line-0".into(), line: Some(0), ..MetadataStream::default() }];
    metadata.session_id = None;
    let offer = Offer { lines: vec![line(None, LineState::Active)] };
    Offered { join: Some(join), metadata: Some(metadata), ..*offered(dialog, offer) }
}

fn feed_offer(world: &mut World, offered: Offered) {
    world.feed(Input::Signal(Event::Offered(Box::new(offered))));
}

fn warned(world: &World) -> Vec<&str> {
    let name = |fact: &Fact| match fact {
        Fact::WarningRaised { name, .. } => Some(name.clone()),
        _ => None,
    };
    let names: Vec<String> = world.facts.iter().filter_map(name).collect();
    names.into_iter().map(|name| &*name.leak()).collect()
}

fn asks(world: &World) -> usize {
    world.orders.iter().filter(|order| matches!(order, Order::RequestSnapshot { .. })).count()
}

#[test]
fn both_ends_of_a_bridge_are_one_recording_on_two_channels() {
    let mut world = World::new();
    feed_offer(&mut world, leg_of(1, "near"));
    let recording = world.opened()[0];
    feed_offer(&mut world, leg_of(2, "far"));
    assert!(world.opened().is_empty(), "the far end joins");
    let channel = world.facts.iter().find_map(|fact| match fact {
        Fact::TrackOpened(opened) => Some((opened.recording, opened.channel)),
        _ => None,
    });
    assert_eq!(channel, Some((recording, 1)));
    let addresses: Vec<_> = world.parties().iter().map(|party| party.address.reveal().clone()).collect();
    assert_eq!(addresses, ["near", "far"]);
    assert!(world.parties().iter().all(|party| party.confidence == Some(model::Confidence::High)));
    world.feed(bye(1));
    world.feed(bye(2));
    assert_eq!(world.ended(), Some(EndCause::Bye), "a complete pair does not linger");
}

#[test]
fn a_session_that_replaces_another_goes_on_in_its_recording_and_channels() {
    let mut world = World::new();
    feed_offer(&mut world, *offered(1, two(LineState::Active)));
    let recording = world.opened()[0];
    feed_offer(&mut world, Offered { replaces: Some(DialogId(1)), ..*offered(2, two(LineState::Active)) });
    let channels: Vec<_> = world
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::TrackOpened(opened) => Some((opened.recording, opened.channel)),
            _ => None,
        })
        .collect();
    assert_eq!((world.opened().len(), channels), (0, vec![(recording, 0), (recording, 1)]));
    world.feed(bye(1));
    assert_eq!(world.ended(), None);
    world.feed(bye(2));
    assert_eq!(world.ended(), Some(EndCause::Bye));
    // Who is gone cannot be replaced: a recording of its own begins.
    feed_offer(&mut world, Offered { replaces: Some(DialogId(1)), ..*offered(3, two(LineState::Active)) });
    assert_eq!(world.opened().len(), 1);
}

#[test]
fn two_clients_of_one_call_are_two_recordings_that_know_of_each_other_while_both_live() {
    let mut world = World::new();
    let same = |dialog| Offered { metadata: Some(metadata()), ..*offered(dialog, two(LineState::Active)) };
    feed_offer(&mut world, same(1));
    assert!(warned(&world).is_empty());
    feed_offer(&mut world, same(2));
    assert_eq!((world.opened().len(), warned(&world)), (1, vec!["duplicate_coverage"; 2]));
    world.feed(bye(1));
    world.feed(bye(2));
    feed_offer(&mut world, same(3));
    assert!(warned(&world).is_empty(), "what is over covers nothing");
}

#[test]
fn a_snapshot_is_asked_for_once_when_nothing_whole_came() {
    let partial = Metadata { complete: false, ..metadata() };
    let unread = Metadata { complete: false, ..Metadata::default() };
    for (told, warnings) in
        [(None, &["no_metadata"][..]), (Some(partial), &["partial_without_snapshot"]), (Some(unread), &[])]
    {
        let mut world = World::new();
        let offer = Offered { wants_snapshot: true, metadata: told, ..*offered(1, two(LineState::Active)) };
        feed_offer(&mut world, offer);
        assert_eq!((warned(&world), asks(&world)), (warnings.to_vec(), 0), "not before the ACK");
        let established = || Input::Signal(Event::Established { dialog: DialogId(1) });
        world.feed(established());
        assert_eq!(asks(&world), 1);
        world.feed(established());
        assert_eq!(asks(&world), 0);
    }
    for (wants_snapshot, told) in [(true, Some(metadata())), (false, None)] {
        let mut world = World::new();
        feed_offer(&mut world, Offered { wants_snapshot, metadata: told, ..*offered(1, two(LineState::Active)) });
        assert!(warned(&world).is_empty());
        world.feed(Input::Signal(Event::Established { dialog: DialogId(1) }));
        assert_eq!(asks(&world), 0);
    }
}

#[test]
fn whoever_is_missing_from_a_whole_document_has_left_now_and_whoever_is_new_has_come() {
    let mut world = World::new();
    feed_offer(&mut world, Offered { metadata: Some(metadata()), ..*offered(1, two(LineState::Active)) });
    let mut next = metadata();
    next.participants[1].aors = vec!["sip:+3@x".into()];
    world.now = world.now.plus_nanos(5_000_000_000);
    let event = Event::MetadataReceived { dialog: DialogId(1), metadata: next, warnings: Vec::new() };
    world.feed(Input::Signal(event));
    let parties = world.parties();
    let of = |address: &str| parties.iter().find(|party| party.address.reveal() == address).expect(address);
    assert_eq!((of("sip:+2@x").left_at, of("sip:+3@x").joined_at), (Some(world.now), Some(world.now)));
    assert_eq!((of("sip:+1@x").left_at, of("sip:+1@x").joined_at), (None, None));
    assert_eq!(of("sip:+2@x").tracks, of("sip:+3@x").tracks);
}

#[test]
fn a_peer_pauses_resumes_and_stops_its_own_recording() {
    use signaling_core::event::Action;
    let mut world = World::new();
    feed_offer(&mut world, *offered(1, two(LineState::Active)));
    let mut ask = |action| {
        world.feed(Input::Signal(Event::Controlled { dialog: DialogId(1), action }));
        (world.facts.clone(), world.orders.clone())
    };
    let (facts, orders) = ask(Action::Pause);
    assert!(matches!(&facts[..], [Fact::RecordingPaused { actor, .. }] if actor.id == "peer"), "{facts:?}");
    assert_eq!(orders.iter().filter(|order| matches!(order, Order::PauseTrack { .. })).count(), 2);
    assert!(ask(Action::Pause).0.is_empty(), "once");
    assert!(matches!(&ask(Action::Resume).0[..], [Fact::RecordingResumed { .. }]));
    let (_, orders) = ask(Action::Stop);
    assert!(orders.iter().any(|order| matches!(order, Order::HangUp { .. })), "{orders:?}");
    assert!(ask(Action::Pause).0.is_empty(), "what is over cannot be paused");
}
