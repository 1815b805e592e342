//! Lines whose keys come of a DTLS handshake: what capture is told, what is kept of the keys, what is said.

use model::{DtlsTerms, OpenTrack, RetuneTrack, Secret, SrtpKeys, TrackKeys};
use signaling_core::event::{Dtls, Fingerprint};

use super::{restore::Ledger, *};

fn agreed(print: u8, is_client: bool, generation: &str) -> Dtls {
    let fingerprints = vec![Fingerprint(vec![print; 32])];
    Dtls { is_client, fingerprints, own: [1; 32], generation: generation.into() }
}

fn offer(dtls: &Dtls) -> Offer {
    let mut offer = two(LineState::Active);
    offer.lines.iter_mut().for_each(|line| line.dtls = Some(Box::new(dtls.clone())));
    offer
}

fn keys(octet: u8) -> SrtpKeys {
    SrtpKeys { suite: "AEAD_AES_128_GCM".into(), key_salt: Secret::new(vec![octet; 28]), mki: None }
}

fn keyed(track: TrackId, octet: u8) -> Input {
    Input::Capture(Report::TrackKeyed(Box::new(TrackKeys { track, remote: keys(octet), local: keys(octet + 1) })))
}

fn reoffered(world: &mut World, offer: Offer) -> Vec<RetuneTrack> {
    let (dialog, metadata, warnings) = (DialogId(1), None, Vec::new());
    world.feed(Input::Signal(Event::Reoffered { dialog, offer, metadata, warnings }));
    let retune = |order: &Order| match order {
        Order::RetuneTrack(retune) => Some((**retune).clone()),
        _ => None,
    };
    world.orders.iter().filter_map(retune).collect()
}

/// A live call, and its tracks.
fn live(world: &mut World, dtls: &Dtls) -> (Ledger, Vec<OpenTrack>) {
    world.feed(Input::Signal(Event::Offered(offered(1, offer(dtls)))));
    let mut ledger = Ledger::default();
    ledger.read(&world.facts);
    (ledger, world.open_orders())
}

#[test]
fn capture_is_told_whom_to_expect_and_the_answer_has_no_key() {
    let mut world = World::new();
    let (_, open) = live(&mut world, &agreed(7, true, ""));
    let terms = DtlsTerms { is_client: true, fingerprints: vec![vec![7; 32]] };
    for track in &open {
        assert_eq!((track.dtls.as_ref(), &track.srtp_remote, &track.srtp_local), (Some(&terms), &None, &None));
    }
    assert_eq!(world.grants(), [20_000, 20_002].map(|port| LineGrant::Accept { port, srtp: None }));
    let is_srtp = |fact: &Fact| matches!(fact, Fact::TrackOpened(opened) if opened.srtp);
    assert_eq!(world.facts.iter().filter(|fact| is_srtp(fact)).count(), 2);
    world.feed(keyed(open[0].track, 3));
    assert_eq!(world.orders, [Order::KeepState { recording: open[0].track.recording }]);
    assert!(world.facts.is_empty(), "no key in the ledger");
    reoffered(&mut world, offer(&agreed(7, true, "")));
    assert_eq!(world.grants(), [20_000, 20_002].map(|port| LineGrant::Accept { port, srtp: None }));
}

#[test]
fn only_another_agreement_is_another_handshake() {
    let mut world = World::new();
    live(&mut world, &agreed(7, true, "a"));
    let terms = |world: &mut World, dtls| {
        let retunes = reoffered(world, offer(&dtls));
        assert!(retunes.iter().all(|retune| retune.srtp_remote.is_none()));
        retunes.into_iter().map(|retune| retune.dtls).collect::<Vec<_>>()
    };
    assert_eq!(terms(&mut world, agreed(7, true, "a")), [None, None]);
    let new = |print, is_client| Some(DtlsTerms { is_client, fingerprints: vec![vec![print; 32]] });
    assert_eq!(terms(&mut world, agreed(8, true, "a")), [new(8, true), new(8, true)], "a fingerprint");
    assert_eq!(terms(&mut world, agreed(8, false, "a")), [new(8, false), new(8, false)], "M8: the role");
    assert_eq!(terms(&mut world, agreed(8, false, "b")), [new(8, false), new(8, false)], "tls-id or ufrag");
    assert_eq!(terms(&mut world, agreed(8, false, "b")), [None, None]);
    let restarted = Dtls { own: [2; 32], ..agreed(8, false, "b") };
    assert_eq!(terms(&mut world, restarted), [new(8, false), new(8, false)], "our certificate after a restart");
}

#[test]
fn after_a_crash_keyed_lines_go_on_with_their_keys_and_others_wait_again() {
    let mut world = World::new();
    let (ledger, open) = live(&mut world, &agreed(7, false, ""));
    world.feed(keyed(open[0].track, 3));
    world.crash(open[0].track.recording, &ledger, &[1]).expect("it goes on");
    let again = world.open_orders();
    assert_eq!((&again[0].srtp_remote, &again[0].srtp_local), (&Some(keys(3)), &Some(keys(4))));
    assert_eq!((&again[0].dtls, again[0].joins_late), (&None, true));
    assert_eq!((&again[1].srtp_remote, again[1].dtls.is_some()), (&None, true), "never plain");
}

#[test]
fn what_goes_wrong_is_said_once_on_the_recording() {
    let mut world = World::new();
    let (_, open) = live(&mut world, &agreed(7, true, ""));
    let mut names = Vec::new();
    for report in [
        Report::HandshakeFailed { track: open[0].track, cause: "timeout" },
        Report::TrackSevered { track: open[1].track },
        Report::TrackSevered { track: open[0].track },
    ] {
        world.feed(Input::Capture(report));
        names.extend(world.facts.iter().filter_map(|fact| match fact {
            Fact::WarningRaised { name, detail, .. } => Some((name.clone(), detail.clone())),
            _ => None,
        }));
    }
    let expected = [("dtls_handshake_failed", Some("timeout")), ("dtls_fingerprint_mismatch", None)];
    assert_eq!(names, expected.map(|(name, detail)| (name.to_owned(), detail.map(str::to_owned))));
}
