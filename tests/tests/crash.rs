//! A crash during live calls costs no finished call and of the live ones only what was not yet on disk; a drain costs
//! nothing.

use recorder_tests::{
    Call, Client, Node,
    call::{Way, assert_sealed, place, wait_live},
    heard,
    sip::Peer,
    vector, wait,
    wav::{self, Wav},
};
use serde_json::Value;

/// Octets that may be missing at the end: the chunk that was open, and one that was not yet durable.
const LAST_CHUNKS: usize = 8000 * 3;

#[test]
fn a_crash_keeps_everything_up_to_the_last_chunk() {
    let mut node = Node::start("");
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
