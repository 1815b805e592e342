//! A crash during live calls costs no finished call and of the live ones only what was not yet on disk; a drain costs
//! nothing.

use recorder_tests::{
    Call, Client, Node,
    call::{Sent, Way, assert_sealed, place, wait_live},
    heard,
    sip::Peer,
    vector, wait,
    wav::{self, Wav},
};
use serde_json::Value;

/// Octets that may be missing at the end: the chunk that was open, and one that was not yet durable.
const LAST_CHUNKS: usize = 8000 * 3;

#[test]
fn a_crash_whose_clients_are_gone_keeps_everything_up_to_the_last_chunk() {
    // The clients die with the recorder: nobody is heard again.
    let mut node = Node::start("[session]\nresume_wait_s = 2\n");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--duration", "2s"]);
    let before = node.archived(&client, "dn=5550100");
    let intact = heard::wav(&client, &before);

    let sides = [1, 2].map(|seed| media::speech::synth(seed, 60, media::codec::Law::Mu));
    let files = ["left.wav", "right.wav"].map(|name| node.folder.path().join(name));
    for (file, side) in files.iter().zip(&sides) {
        std::fs::write(file, wav::mono(7, side)).expect("a file");
    }
    let sound = ["--duration", "60s", "--left", "left.wav", "--right", "right.wav"];
    let ways = Way::ALL.iter().cycle();
    let calls: Vec<_> = (0..10).zip(ways).map(|(index, way)| start(&node, index, *way, &sound)).collect();
    wait_live(&node, 10);
    let packets = || node.metric("recorder_rtp_packets_total");
    let first = packets();
    wait::until(30, "six seconds of ten calls", || packets() > first + 6000.0);
    node.kill();
    drop(calls);
    // What lies in the spool when the power goes is as sealed as the archive.
    assert_sealed(&[node.data()], &sides);

    node.launch();
    for index in 0..10 {
        let recording = node.archived(&client, &format!("dn=55502{index:02}"));
        assert_crashed(&recording, &heard::wav(&client, &recording), &sides, index);
    }
    let after = client.get(&format!("/recordings/{}", heard::id(&before))).json();
    assert_eq!(heard::wav(&client, &after), intact);
    assert_eq!(after["tracks"], before["tracks"]);
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
    // The node records again.
    let sent = place(&node, "5550300", Way::Tls("AEAD_AES_256_GCM"), &["--duration", "1s"]);
    heard::assert_exact(&client, &node.archived(&client, "dn=5550300"), &sent, "7002");
}

fn start(node: &Node, index: usize, way: Way, sound: &[&str]) -> Call {
    let profile = if index.is_multiple_of(2) { "rfc7866" } else { "genesys-msr" };
    let call = Call::start(node, &format!("55502{index:02}"), way, &[sound, &["--profile", profile]].concat());
    // One after another: ten handshakes at once would be another test.
    wait::until(20, "a session", || node.metric("recorder_sip_dialogs") >= (index + 1) as f64);
    call
}

fn assert_crashed(recording: &Value, wav: &Wav, sides: &[Vec<u8>; 2], index: usize) {
    for (channel, side) in sides.iter().enumerate() {
        let gaps = recording["tracks"][channel]["gaps"].as_array().expect("gaps");
        assert!(gaps.iter().any(|gap| gap["cause"] == "crash"), "call {index}: {recording}");
        let packets = recording["tracks"][channel]["packets"].as_u64().expect("packets") as usize;
        let kept = wav.find(channel, &side[..packets * 160]);
        assert!(kept.is_some(), "call {index}: the first {packets} packets are not in channel {channel}");
        assert!(packets * 160 + LAST_CHUNKS > 8000 * 6, "call {index}: only {packets} packets are left");
    }
}

/// Ten calls of every kind, a kill in the middle, and a restart while the clients keep sending.
#[test]
fn live_calls_go_on_after_a_crash() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let sides = [1, 2].map(|seed| media::speech::synth(seed, 30, media::codec::Law::Mu));
    let files = ["left.wav", "right.wav"].map(|name| node.folder.path().join(name));
    for (file, side) in files.iter().zip(&sides) {
        std::fs::write(file, wav::mono(7, side)).expect("a file");
    }
    // A re-INVITE and an UPDATE in dialogs that the process did not begin.
    let sound = ["--duration", "24s", "--left", "left.wav", "--right", "right.wav"];
    let later = ["--reinvite-at", "19s", "--update-at", "21s"];
    let ways = Way::ALL.iter().cycle();
    let calls: Vec<_> =
        (0..10).zip(ways).map(|(index, way)| start(&node, index, *way, &[&sound[..], &later].concat())).collect();
    wait_live(&node, 10);
    let packets = |node: &Node| node.metric("recorder_rtp_packets_total");
    let first = packets(&node);
    wait::until(30, "three seconds of ten calls", || packets(&node) > first + 3000.0);
    let killed_at = nanos();
    node.kill();
    let launched_at = nanos();
    node.launch();
    wait_live(&node, 10);
    wait::until(10, "sound again", || packets(&node) > 2000.0);
    assert_eq!(node.metric("recorder_srtp_failures_total"), 0.0, "roll-over counters are found");

    let sent: Vec<_> = calls.into_iter().map(Call::finish).collect();
    let mut worst = (0, 0);
    for sent in &sent {
        let recording = node.archived(&client, &format!("dn={}", sent.caller));
        assert!(recording["flags"].to_string().contains("crash"), "{recording}");
        assert_eq!(recording["tracks"].as_array().map(Vec::len), Some(4), "{recording}");
        assert_resumed(&recording, &heard::wav(&client, &recording), sent);
        let (from, to) = crash_gap(&node, heard::id(&recording));
        worst.0 = worst.0.max(killed_at.saturating_sub(from) / 1_000_000);
        worst.1 = worst.1.max(to.saturating_sub(launched_at) / 1_000_000);
    }
    println!("lost before the kill: {} ms at most; kept again {} ms after the start", worst.0, worst.1);
    // The goals are 200 ms and 2 s; a machine that builds at the same time gets twice as much.
    assert!(worst.0 <= 400 && worst.1 <= 4_000, "{worst:?}");
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

#[expect(clippy::disallowed_methods, reason = "the ledger of a real process tells real time")]
fn nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_nanos() as u64
}

/// The longest of the crash gaps that the ledger tells of a recording: the earliest last packet, the latest first one.
fn crash_gap(node: &Node, id: &str) -> (u64, u64) {
    let ledger = std::fs::read_to_string(node.data().join("ledger/ledger.jsonl")).expect("a ledger");
    let closed = ledger.lines().filter(|line| line.contains("\"track_closed\"") && line.contains(id));
    let gaps = closed.flat_map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["fact"]["gaps"].as_array().cloned().unwrap_or_default()
    });
    let crashes: Vec<Value> = gaps.filter(|gap| gap["cause"] == "crash").collect();
    assert_eq!(crashes.len(), 2, "one gap a side: {crashes:?}");
    let all = |key: &str| crashes.iter().map(|gap| gap[key].as_u64().expect("nanoseconds")).collect::<Vec<_>>();
    let (from, to) = (all("from"), all("to"));
    (*from.iter().min().expect("two"), *to.iter().max().expect("two"))
}

/// What was kept before and after the crash stands in the channel sample for sample, as far apart as it was spoken.
fn assert_resumed(recording: &Value, wav: &Wav, sent: &Sent) {
    let tracks = recording["tracks"].as_array().expect("tracks");
    for (side, number) in [("left", sent.caller.as_str()), ("right", "7002")] {
        let channel = heard::channel(recording, number);
        let sound = sent.octets(side);
        let of = |index: usize| &tracks[index];
        let octets = |index: usize| of(index)["packets"].as_u64().expect("packets") as usize * 160;
        assert_eq!(of(channel)["party"], of(channel + 2)["party"], "{recording}");
        assert_eq!(of(channel)["gaps"][0]["cause"], "crash", "{recording}");
        let before = wav.find(channel, &sound[..octets(channel)]).expect("what came before the crash");
        let from = sound.len() - octets(channel + 2);
        let after = wav.find(channel, &sound[from..]).expect("what came after the crash");
        let drift = (after - before).abs_diff(from);
        assert!(drift <= 8 * 60, "{side}: {drift} samples out of place");
        assert!(from > octets(channel), "{side}: something is lost in a crash");
    }
}

#[test]
fn a_drain_refuses_new_calls_and_finishes_the_live_one() {
    let mut node = Node::start("");
    let client: Client = node.client("compliance-officer");
    let call = Call::start(&node, "5550100", Way::Tcp, &["--duration", "6s"]);
    wait_live(&node, 1);
    // A connection from before, as a proxy would have.
    let mut peer = Peer::tcp(node.sip);
    assert_eq!(peer.ask(&vector::load("519")).status, 200);
    node.process().signal("TERM");
    wait::until(5, "a node that is not ready", || recorder_tests::http::plain_get(node.metrics, "/readyz").0 == 503);
    let options = peer.ask(&vector::load("519").replacen("519-", "519d-", 1));
    assert_eq!(options.status, 503, "{}", options.head);
    assert!(options.header("Retry-After").is_some(), "{}", options.head);
    let invite = vector::invite(&mut peer, &vector::load("001"));
    assert_eq!(invite.status, 503, "{}", invite.head);
    assert!(invite.header("Retry-After").is_some(), "{}", invite.head);
    let sent = call.finish();
    assert_eq!(node.process().wait(30).code(), Some(0));
    node.launch();
    heard::assert_exact(&client, &node.archived(&client, "dn=5550100"), &sent, "7002");
}
