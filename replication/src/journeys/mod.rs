//! Whole calls and loads against the real signaling stack, with ears where the recorder has its capture.

mod impaired;
mod recorder;

use std::time::Duration;

use crypto::srtp::Suite;
use signaling_core::event::{LineState, Transport};

use self::recorder::{Manner, Recorder};
use crate::{
    call::{self, CallError, CallSpec, Law, Layout, Pause, Profile, Trust},
    identity::Chosen,
    load::{self, LoadSpec},
    tape::Tape,
};

/// The first octets of a side's test speech.
fn speech(spec: &CallSpec, side: usize, count: usize) -> Vec<u8> {
    let audio = [&spec.left, &spec.right][side];
    let mut octets = Vec::new();
    Tape::load(audio, spec.law, side, 1).unwrap().copy(0, count, &mut octets);
    octets
}

#[tokio::test]
async fn an_rfc7866_call_over_udp_is_heard_as_it_was_sent() {
    let recorder = Recorder::start(Manner::Kind).await;
    let spec = recorder.call(Transport::Udp);
    let report = call::run(spec.clone()).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!(report.dialogs.len(), 1);
    let lines = &report.dialogs[0].lines;
    assert_eq!(lines.iter().map(|line| (line.packets, line.octets)).collect::<Vec<_>>(), [(15, 2400), (15, 2400)]);
    let heard = recorder.stop().await;
    let offered = &heard.offered[0];
    let warnings: Vec<_> = offered.warnings.iter().map(|warning| warning.name).collect();
    assert_eq!((offered.profile.as_str(), &warnings[..]), ("rfc7866", &["large_udp_request"][..]));
    assert_eq!(offered.call_id, report.dialogs[0].call_id);
    assert_eq!(offered.correlation.get("genesys_uuid"), Some(&report.call_uuid));
    let metadata = offered.metadata.as_ref().unwrap();
    assert!(metadata.complete);
    assert_eq!(metadata.participants[1].aors, ["sip:7002@replicator.invalid"]);
    assert_eq!(heard.sound(0), speech(&spec, 0, 2400));
    assert_eq!(heard.sound(1), speech(&spec, 1, 2400));
    assert_eq!(heard.ended, 1);
}

#[tokio::test]
async fn a_per_party_genesys_call_is_two_sessions_with_one_id_under_tls_and_srtp() {
    let recorder = Recorder::start(Manner::Kind).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, recorder.ca_pem()).unwrap();
    let spec = CallSpec {
        profile: Profile::GenesysMsr,
        layout: Layout::PerParty,
        srtp: Some(Suite::AeadAes256Gcm),
        law: Law::Pcma,
        trust: Some(Trust::Ca(ca)),
        chosen: Chosen { record_id: Some("R7".to_owned()), ..Chosen::default() },
        dump_sent: Some(folder.path().to_owned()),
        ..recorder.call(Transport::Tls)
    };
    let report = call::run(spec.clone()).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let heard = recorder.stop().await;
    let calls: Vec<_> = heard.offered.iter().map(|offered| offered.genesys.as_ref().unwrap()).collect();
    assert!(calls.iter().all(|call| call.record_id == "R7" && call.call_uuid.as_ref() == Some(&report.call_uuid)));
    let parties: Vec<_> = calls.iter().map(|call| (call.dn.as_deref(), call.record_dn.as_deref())).collect();
    assert_eq!(parties, [(Some("7001"), Some("7002")), (Some("7002"), Some("7002"))]);
    for (side, name) in ["left.alaw", "right.alaw"].into_iter().enumerate() {
        assert_eq!(heard.sound(side), speech(&spec, side, 2400));
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), speech(&spec, side, 2400));
    }
    assert_eq!(heard.ended, 2);
}

#[tokio::test]
async fn a_pause_is_offered_and_nothing_of_it_leaves() {
    let recorder = Recorder::start(Manner::Kind).await;
    let pause = Pause { at: Duration::from_millis(200), length: Duration::from_millis(100) };
    let spec = CallSpec { pause: Some(pause), duration: Duration::from_millis(800), ..recorder.call(Transport::Tcp) };
    let report = call::run(spec.clone()).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let sent = &report.dialogs[0].lines[0].sent;
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].to_ms >= 200 && sent[1].from_ms >= 300, "{sent:?}");
    let heard = recorder.stop().await;
    let held = vec![LineState::Inactive; 2];
    assert_eq!(heard.reoffered, [held, vec![LineState::Active; 2]]);
    let whole = speech(&spec, 0, 6400);
    let expected: Vec<u8> =
        sent.iter().flat_map(|span| &whole[span.from_ms as usize * 8..span.to_ms as usize * 8]).copied().collect();
    assert_eq!(heard.sound(0), expected);
}

#[tokio::test]
async fn reinvite_and_update_leave_the_sound_alone() {
    let recorder = Recorder::start(Manner::Kind).await;
    let at = |millis| Some(Duration::from_millis(millis));
    let siprec = CallSpec { reinvite_at: at(60), update_at: at(120), ..recorder.call(Transport::Udp) };
    let genesys = CallSpec { profile: Profile::GenesysMsr, ..siprec.clone() };
    for spec in [siprec, genesys] {
        let report = call::run(spec).await.unwrap();
        assert!(report.ok, "{:?}", report.problems);
        assert_eq!(report.dialogs[0].lines[1].packets, 15);
    }
    let heard = recorder.stop().await;
    assert_eq!((heard.metadata, heard.lines()), (1, 4));
}

#[tokio::test]
async fn a_full_recorder_fails_the_call_with_its_retry_after() {
    let recorder = Recorder::start(Manner::Full).await;
    let refused = call::run(recorder.call(Transport::Tcp)).await.unwrap_err();
    let CallError::Refused { status, retry_after, .. } = refused else { panic!("{refused}") };
    assert_eq!((status, retry_after), (503, Some(Duration::from_secs(7))));
    recorder.stop().await;
}

#[tokio::test]
async fn a_rejected_line_is_reported_and_the_rest_is_replicated() {
    let recorder = Recorder::start(Manner::Picky).await;
    let spec = recorder.call(Transport::Udp);
    let report = call::run(spec.clone()).await.unwrap();
    assert!(!report.ok);
    assert_eq!(report.problems, ["right line: rejected by the recorder"]);
    assert_eq!(report.dialogs[0].lines[1].remote, None);
    assert_eq!(recorder.stop().await.sound(0), speech(&spec, 0, 2400));
}

#[tokio::test]
async fn a_snapshot_that_is_asked_for_comes_at_once_in_a_request_of_its_own() {
    let recorder = Recorder::start(Manner::Forgetful).await;
    let report = call::run(recorder.call(Transport::Tcp)).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let heard = recorder.stop().await;
    assert_eq!((heard.metadata, heard.reoffered.len()), (1, 0));
}

#[tokio::test]
async fn a_recorder_that_hangs_up_ends_the_call_early() {
    let recorder = Recorder::start(Manner::Rude).await;
    let spec = CallSpec { duration: Duration::from_secs(600), ..recorder.call(Transport::Tcp) };
    let report = call::run(spec).await.unwrap();
    assert!(!report.ok);
    assert_eq!(report.problems, ["dialog 1: ended by the recorder"]);
    recorder.stop().await;
}

#[tokio::test]
async fn nobody_there_is_an_error_that_names_the_address() {
    let recorder = Recorder::start(Manner::Kind).await;
    let spec = recorder.call(Transport::Tcp);
    recorder.stop().await;
    let CallError::Unreachable(said) = call::run(spec.clone()).await.unwrap_err() else { panic!() };
    assert!(said.contains(&spec.target.to_string()), "{said}");
}

#[tokio::test]
async fn a_leg_gap_lets_the_first_leg_run_ahead_on_one_timeline() {
    let recorder = Recorder::start(Manner::Kind).await;
    let spec = CallSpec {
        profile: Profile::GenesysMsr,
        layout: Layout::PerParty,
        leg_gap: Duration::from_millis(100),
        reverse_legs: true,
        ..recorder.call(Transport::Tcp)
    };
    let report = call::run(spec.clone()).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let [first, second] = [0, 1].map(|dialog: usize| report.dialogs[dialog].lines[0].clone());
    assert_eq!((first.side, second.side), ("right", "left"));
    assert_eq!(first.packets, 15);
    let from = second.sent[0].from_ms as usize;
    assert!(from >= 80, "{from}");
    let heard = recorder.stop().await;
    assert_eq!(heard.sound(1), speech(&spec, 0, 2400)[from * 8..]);
}

#[tokio::test]
async fn a_load_sends_every_packet_of_every_call() {
    let recorder = Recorder::start(Manner::Kind).await;
    let secure = CallSpec { srtp: Some(Suite::AesCm128Sha1_80), ..recorder.call(Transport::Tls) };
    let own_keys = LoadSpec { call: secure, calls: 4, rate: 40.0, burst: 5, shared_key: false, rtcp_mux: false };
    let shared = LoadSpec { shared_key: true, ..own_keys.clone() };
    let plain = LoadSpec { call: recorder.call(Transport::Udp), burst: 1, ..own_keys.clone() };
    let calls = own_keys.call.clone();
    for spec in [own_keys, shared, plain] {
        let report = load::run(spec).await.unwrap();
        assert_eq!((report.ok, report.failed), (4, 0), "{:?}", report.failures);
        assert_eq!((report.packets, report.send_errors), (4 * 2 * 15, 0));
        assert!(report.setup_p99_ms >= report.setup_p50_ms && report.setup_p50_ms > 0.0);
    }
    let heard = recorder.stop().await;
    assert_eq!((heard.lines(), heard.ended), (24, 12));
    for line in 0..24 {
        assert_eq!(heard.sound(line), speech(&calls, line % 2, 2400), "line {line}");
    }
}

#[tokio::test]
async fn a_load_on_a_full_recorder_counts_its_refusals() {
    let recorder = Recorder::start(Manner::Full).await;
    let spec = LoadSpec {
        call: recorder.call(Transport::Tcp),
        calls: 3,
        rate: 100.0,
        burst: 5,
        shared_key: false,
        rtcp_mux: false,
    };
    let report = load::run(spec).await.unwrap();
    assert_eq!((report.ok, report.failed, report.packets), (0, 3, 0));
    assert!(report.failures.keys().all(|cause| cause.starts_with("refused: 503")), "{:?}", report.failures);
    recorder.stop().await;
}

#[tokio::test]
async fn sessions_without_sound_are_set_up_held_and_ended_over_every_transport() {
    let recorder = Recorder::start(Manner::Kind).await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let call = CallSpec { duration: Duration::from_millis(50), ..recorder.call(transport) };
        let spec = LoadSpec { call, calls: 30, rate: 1000.0, burst: 5, shared_key: false, rtcp_mux: true };
        let report = load::set_up(spec, 2).await.unwrap();
        assert_eq!((report.ok, report.failed, report.packets), (30, 0, 0), "{:?}", report.failures);
        assert!(report.setup_max_ms >= report.setup_p50_ms && report.setup_p50_ms > 0.0);
        assert!(report.setup_per_s > 0.0 && report.setup_per_s < 2000.0, "{}", report.setup_per_s);
    }
    let heard = recorder.stop().await;
    assert_eq!((heard.offered.len(), heard.ended), (90, 90));
    assert!(heard.offered.iter().all(|offered| offered.offer.lines.iter().all(|line| line.rtcp_mux)));
}

#[tokio::test]
async fn a_full_recorder_is_timed_by_the_load_without_sound() {
    let recorder = Recorder::start(Manner::Full).await;
    let spec = LoadSpec {
        call: recorder.call(Transport::Udp),
        calls: 5,
        rate: 1000.0,
        burst: 5,
        shared_key: false,
        rtcp_mux: false,
    };
    let report = load::set_up(spec, 1).await.unwrap();
    assert_eq!((report.ok, report.failed, report.busy), (0, 5, 5), "{:?}", report.failures);
    assert!(report.busy_max_ms >= report.busy_p99_ms && report.busy_p99_ms > 0.0);
    recorder.stop().await;
}
