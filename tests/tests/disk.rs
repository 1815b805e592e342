//! Disks that fill up, slow down, get stuck and fail while calls go on: nothing is promised that cannot be kept, what
//! was kept stays, and what is missing is told as a gap.

use recorder_tests::{
    Call, Client, Node,
    call::{Sent, Way, wait_live},
    chaos::{
        Shim,
        clerk::{Clerk, bye},
        disk::{Mount, tmpfs},
        frames::Frames,
        shim::{Calls, EIO, ENOSPC},
    },
    heard,
    media::{Stream, genesys_invite},
    sip::{Peer, ack},
    vector, wait,
};
use serde_json::Value;

/// Calls of every way, at once.
fn calls(node: &Node, duration: &str) -> Vec<Call> {
    let start =
        |(index, way): (usize, Way)| Call::start(node, &format!("555{index:04}"), way, &["--duration", duration]);
    let calls = Way::ALL.into_iter().enumerate().map(start).collect();
    wait_live(node, Way::ALL.len() as u32);
    calls
}

fn packets(node: &Node) -> f64 {
    node.metric("recorder_rtp_packets_total")
}

/// Waits until so many packets more have been kept or refused: proof that the packet threads go on.
fn more_packets(node: &Node, count: f64) {
    let before = packets(node);
    wait::until(20, "packets", || packets(node) > before + count);
}

fn finish(node: &Node, client: &Client, calls: Vec<Call>) -> Vec<(Sent, Value)> {
    let sent: Vec<Sent> = calls.into_iter().map(Call::finish).collect();
    let found = |sent: Sent| {
        let recording = node.archived(client, &format!("dn={}", sent.caller));
        (sent, recording)
    };
    sent.into_iter().map(found).collect()
}

/// The frames of both sides of a call.
fn frames(client: &Client, sent: &Sent, recording: &Value) -> [Frames; 2] {
    let wav = heard::wav(client, recording);
    [("left", sent.caller.as_str()), ("right", "7002")].map(|(side, number)| {
        Frames::compare(&sent.octets(side), &wav.channel(heard::channel(recording, number)), 0xff)
    })
}

fn causes(recording: &Value) -> Vec<String> {
    let tracks = recording["tracks"].as_array().into_iter().flatten();
    let gaps = tracks.flat_map(|track| track["gaps"].as_array().cloned().unwrap_or_default());
    gaps.map(|gap| gap["cause"].as_str().unwrap_or_default().to_owned()).collect()
}

fn assert_verified(node: &Node) {
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

/// An INVITE over UDP and its final answer.
fn invite(node: &Node, name: &str) -> Option<recorder_tests::sip::Message> {
    let request = vector::fresh(&genesys_invite("UDP", name, &["40000 RTP/AVP 0"]));
    let clerk = Clerk::new(node.sip);
    let answer = clerk.ask(&request, "1 INVITE")?;
    clerk.send(&ack(&request, &answer));
    if answer.status == 200 {
        clerk.ask(&bye(&request, &answer), "2 BYE");
    }
    Some(answer)
}

/// So many INVITEs that were taken in and wait for their answers.
fn crowd(node: &Node, count: usize) -> Vec<(Clerk, String)> {
    let enter = |number: usize| {
        let request = vector::fresh(&genesys_invite("UDP", &format!("crowd{number}"), &["40000 RTP/AVP 0"]));
        let clerk = Clerk::new(node.sip);
        clerk.send(&request);
        let first = clerk.response("1 INVITE").expect("an answer at once");
        (first.status == 100).then_some((clerk, request))
    };
    (0..count).filter_map(enter).collect()
}

/// Fills the disk until chunks are lost.
fn overflow(node: &Node, disk: &Mount) {
    let lost = || node.metric("recorder_spool_lost_chunks_total");
    let before = lost();
    wait::until(20, "lost chunks", || {
        disk.fill(0);
        lost() > before
    });
}

#[test]
fn a_full_disk_refuses_new_calls_keeps_the_live_ones_and_goes_on() {
    let mut node = Node::prepare("[spool]\nreserve_mib = 16\n");
    let disk = tmpfs(&node.data(), 1024);
    node.launch();
    let client = node.client("compliance-officer");
    let live = calls(&node, "16s");
    // One that is hung up while nothing can be written.
    let (mut peer, mut own) = (Peer::tcp(node.sip), Stream::new("127.0.0.1", 7));
    let request = genesys_invite("TCP", "short", &[&format!("{} RTP/AVP 0", own.port())]);
    let answer = vector::invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let sound = media::speech::synth(5, 1, media::codec::Law::Mu);
    own.send(answer.port(0), &sound);
    more_packets(&node, 200.0);

    disk.fill(8 << 20);
    let refused = |answer: Option<recorder_tests::sip::Message>| answer.filter(|answer| answer.status == 503);
    let mut answer_503 = None;
    wait::until(20, "a 503", || {
        answer_503 = refused(invite(&node, &format!("full{}", packets(&node))));
        answer_503.is_some()
    });
    let refusal = answer_503.expect("just seen");
    assert!(refusal.header("Retry-After").is_some(), "{}", refusal.head);
    more_packets(&node, 100.0);
    assert!(node.metric("recorder_spool_lost_chunks_total") < 0.5, "the reserve is for the live ones");

    overflow(&node, &disk);
    vector::bye(&mut peer, &request, &answer);
    let live_before = packets(&node);
    more_packets(&node, 100.0);
    disk.empty();
    wait::until(20, "a call that is taken again", || {
        invite(&node, &format!("room{}", packets(&node))).is_some_and(|answer| answer.status == 200)
    });
    assert!(packets(&node) > live_before, "the live ones go on");

    let short = node.archived(&client, "record_id=short");
    assert!(heard::wav(&client, &short).find(0, &sound).is_some(), "what was kept before is there: {short}");
    for (sent, recording) in finish(&node, &client, live) {
        let causes = causes(&recording);
        assert!(!causes.is_empty() && causes.iter().all(|cause| cause == "overload"), "{}", recording["tracks"]);
        for frames in frames(&client, &sent, &recording) {
            assert_eq!(frames.foreign, 0, "{}", recording["tracks"]);
            assert!(
                frames.missing.iter().all(|frame| (20..780).contains(frame)),
                "{frames:?}: {}",
                recording["tracks"]
            );
        }
    }
    assert_verified(&node);
}

#[test]
fn a_stuck_disk_stops_neither_packets_nor_the_100_and_holds_the_200_back() {
    let mut node = Node::prepare("");
    let shim = Shim::new(node.folder.path());
    node.launch_with(&shim.environment());
    let client = node.client("compliance-officer");
    let live = calls(&node, "18s");

    // The ledger cannot be made durable: what was heard is acknowledged as heard, nothing as recorded.
    shim.only("/ledger/");
    shim.hold(Calls::Sync);
    let clerk = Clerk::new(node.sip);
    let request = vector::fresh(&genesys_invite("UDP", "held", &["40000 RTP/AVP 0"]));
    clerk.send(&request);
    let first = clerk.response("1 INVITE").expect("an answer at once");
    assert_eq!(first.status, 100, "{}", first.head);
    wait::until(10, "a ledger that waits for the disk", || shim.held(Calls::Sync) > 0);
    more_packets(&node, 200.0);
    assert!(clerk.response("1 INVITE").is_none_or(|answer| answer.status < 200), "an answer that is not written down");
    let waiting = crowd(&node, 80);
    // A hiccup is waited for: it takes two seconds, which this sound lasts, until the disk counts as stuck.
    more_packets(&node, 500.0);
    let refusal = invite(&node, "toomany").expect("an answer at once");
    assert_eq!(refusal.status, 503, "{}", refusal.head);
    assert!(refusal.header("Retry-After").is_some(), "{}", refusal.head);
    shim.release(Calls::Sync);
    for (clerk, request) in &waiting {
        let answer = clerk.ask(request, "1 INVITE").expect("a final answer");
        assert_eq!(answer.status, 200, "whoever was taken in is served: {}", answer.head);
        clerk.send(&ack(request, &answer));
        clerk.ask(&bye(request, &answer), "2 BYE").expect("an answer to BYE");
    }
    let answer = clerk.ask(&request, "1 INVITE").expect("a final answer");
    assert_eq!(answer.status, 200, "{}", answer.head);
    clerk.send(&ack(&request, &answer));
    clerk.ask(&bye(&request, &answer), "2 BYE");

    // The spool cannot be written: the packets wait in memory.
    shim.only("/spool");
    shim.hold(Calls::Write);
    wait::until(10, "a spool that waits for the disk", || shim.held(Calls::Write) > 0);
    more_packets(&node, 400.0);
    shim.release(Calls::Write);
    for (sent, recording) in finish(&node, &client, live) {
        assert_eq!(causes(&recording), Vec::<String>::new(), "{}", recording["tracks"]);
        heard::assert_exact(&client, &recording, &sent, "7002");
    }
    assert_verified(&node);
}

#[test]
fn a_slow_disk_costs_no_sound_and_one_that_stays_stuck_costs_a_gap() {
    let mut node = Node::prepare("[spool]\nmemory_mib = 1\n");
    let shim = Shim::new(node.folder.path());
    node.launch_with(&shim.environment());
    let client = node.client("compliance-officer");
    shim.delay(Calls::Sync, 500, 50, 400);
    shim.delay(Calls::Write, 20, 50, 400);
    let slow = finish(&node, &client, calls(&node, "3s"));
    for (sent, recording) in &slow {
        assert_eq!(causes(recording), Vec::<String>::new(), "{}", recording["tracks"]);
        heard::assert_exact(&client, recording, sent, "7002");
    }
    shim.delay(Calls::Sync, 0, 0, 0);
    shim.delay(Calls::Write, 0, 0, 0);

    // A megabyte is four calls for eight seconds.
    let stuck: Vec<Call> =
        (0..4).map(|index| Call::start(&node, &format!("556{index:04}"), Way::Udp, &["--duration", "18s"])).collect();
    wait_live(&node, 4);
    more_packets(&node, 100.0);
    shim.only("/spool");
    shim.hold(Calls::Write);
    shim.hold(Calls::Sync);
    wait::until(30, "a full queue", || node.metric("recorder_spool_refused_chunks_total") > 0.5);
    more_packets(&node, 100.0);
    shim.release(Calls::Write);
    shim.release(Calls::Sync);
    for (sent, recording) in finish(&node, &client, stuck) {
        let causes = causes(&recording);
        assert!(!causes.is_empty() && causes.iter().all(|cause| cause == "overload"), "{}", recording["tracks"]);
        for frames in frames(&client, &sent, &recording) {
            assert!(
                frames.foreign == 0 && !frames.missing.is_empty() && frames.missing.len() < frames.loud / 2,
                "{frames:?}"
            );
        }
    }
    assert!(node.metric("recorder_capture_kernel_dropped_packets_total") < 0.5, "the packet threads never waited");
    assert_verified(&node);
}

#[test]
fn a_disk_that_fails_now_and_then_is_told_counted_and_survived() {
    let mut node = Node::prepare("");
    let shim = Shim::new(node.folder.path());
    node.launch_with(&shim.environment());
    let client = node.client("compliance-officer");
    let live = calls(&node, "8s");
    more_packets(&node, 100.0);
    shim.only("/spool");
    shim.fail(Calls::Sync, 1, EIO);
    wait::until(10, "a failed sync", || shim.fails_left(Calls::Sync) == 0);
    shim.fail(Calls::Write, 3, ENOSPC);
    wait::until(10, "failed writes", || shim.fails_left(Calls::Write) == 0);
    assert!(node.metric("recorder_disk_failures_total") > 3.5, "one sync and three writes");
    for (sent, recording) in finish(&node, &client, live) {
        assert!(causes(&recording).iter().all(|cause| cause == "overload"), "{}", recording["tracks"]);
        for frames in frames(&client, &sent, &recording) {
            assert_eq!(frames.foreign, 0, "{}", recording["tracks"]);
            assert!(frames.missing.len() < 40, "{frames:?}");
        }
    }
    wait::until(20, "a call that is taken again", || {
        invite(&node, &format!("again{}", packets(&node))).is_some_and(|answer| answer.status == 200)
    });
    let sent = recorder_tests::call::place(&node, "5570001", Way::Udp, &["--duration", "1s"]);
    heard::assert_exact(&client, &node.archived(&client, "dn=5570001"), &sent, "7002");

    // A ledger that cannot say what is durable promises nothing more.
    shim.only("/ledger/");
    shim.fail(Calls::Sync, 1, EIO);
    let answer = invite(&node, "unwritten").expect("an answer");
    assert_eq!(answer.status, 503, "{}", answer.head);
    assert!(answer.header("Retry-After").is_some(), "{}", answer.head);
    assert_eq!(shim.fails_left(Calls::Sync), 0);
    node.kill();
    node.launch();
    assert_eq!(invite(&node, "written").map(|answer| answer.status), Some(200));
    wait::until(20, "an idle node", || node.metric("recorder_recordings_live") < 0.5);
    assert_verified(&node);
}
