//! Clients that nobody here wrote, as they are: PJSIP with SRTP, and rtpengine's SIPREC subscription. What they play comes
//! back octet for octet.

use std::process::Command;

use media::{codec::Law, speech};
use recorder_tests::{
    Client, Node, Process, heard, media::Stream, rtpengine::Engine, script, sip::Peer, siprec, vector, wait, wav,
};
use serde_json::Value;

const LABELS: [&str; 2] = ["96", "97"];

/// Two seconds of test speech for each side of a call.
fn sounds(seed: u64) -> [Vec<u8>; 2] {
    [seed, seed + 100].map(|seed| speech::synth(seed, 2, Law::Mu))
}

/// As PJSIP sends it: it decodes and encodes again, and of the two zeros of mu-law knows one.
fn encoded_again(sounds: [Vec<u8>; 2]) -> [Vec<u8>; 2] {
    sounds.map(|sound| sound.into_iter().map(|octet| if octet == 0x7f { 0xff } else { octet }).collect())
}

/// Both sides are there, octet for octet, each in the channel of its party.
fn assert_heard(client: &Client, recording: &Value, caller: &str, sounds: &[Vec<u8>; 2]) {
    let wav = heard::wav(client, recording);
    assert_eq!((wav.tag, wav.channels, heard::channel(recording, caller)), (7, 2, 0), "{recording}");
    for (who, sound) in [caller, "7002"].iter().zip(sounds) {
        heard::assert_side(&wav, heard::channel(recording, who), sound, who);
    }
}

/// PJSIP as a recording client, in a folder of its own with its sounds.
fn pjsip(node: &mut Node, suite: &str, caller: &str, seed: u64) -> Process {
    let folder = node.folder.path().join(format!("pjsip-{caller}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, sound) in ["left.wav", "right.wav"].iter().zip(sounds(seed)) {
        std::fs::write(folder.join(name), wav::mono(7, &sound)).expect("a file");
    }
    std::fs::write(folder.join("metadata.xml"), siprec::document(caller, LABELS)).expect("a file");
    // RTP and RTCP of two lines, from an even port on.
    let ports: Vec<u16> = (0..8).map(|_| node.slot.port()).collect();
    let media = ports[0].next_multiple_of(2).to_string();
    let mut command = Command::new(script::path("tools/python/bin/python"));
    command.arg(script::path("clients/pjsua_src.py")).args([&node.sips.to_string(), suite]);
    command.args(["left.wav", "right.wav", "metadata.xml", "3", &media]).arg(node.certificate()).current_dir(&folder);
    Process::start(&mut command, &folder.join("log"))
}

#[test]
fn pjsip_records_over_tls_with_srtp_of_four_suites() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let suites =
        ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32"];
    let mut calls = Vec::new();
    for (seed, suite) in (30_u64..).zip(suites) {
        let caller = format!("55502{seed}");
        calls.push((suite, seed, caller.clone(), pjsip(&mut node, suite, &caller, seed)));
    }
    for (suite, seed, caller, mut process) in calls {
        let status = process.wait(40);
        let output = process.output();
        assert!(status.success() && output.contains("\nstatus 200\n"), "{suite}: {status}\n{output}");
        let recording = node.archived(&client, &format!("dn={caller}"));
        assert_heard(&client, &recording, &caller, &encoded_again(sounds(seed)));
        // It counts what it has sent a moment before it hangs up.
        for (track, line) in recording["tracks"]
            .as_array()
            .expect("tracks")
            .iter()
            .zip(output.lines().filter(|line| line.starts_with("sent ")))
        {
            let sent: u64 = line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count");
            let kept = track["packets"].as_u64().expect("packets");
            assert!((sent..sent + 10).contains(&kept), "{suite}: {kept} of {sent} packets: {recording}");
        }
        assert_eq!(recording["warnings"], serde_json::json!([]), "{suite}: {recording}");
    }
    let (lost, failed) = (node.metric("recorder_rtp_lost_packets_total"), node.metric("recorder_srtp_failures_total"));
    assert!(lost + failed < 0.5, "{lost} packets lost, {failed} not authentic");
}

/// The labels of the lines of an offer.
fn labels(sdp: &str) -> [String; 2] {
    let labels: Vec<String> = sdp.lines().filter_map(|line| line.strip_prefix("a=label:")).map(str::to_owned).collect();
    labels.try_into().unwrap_or_else(|labels| panic!("two labels: {labels:?}"))
}

/// A call that rtpengine relays and forks to the recorder.
fn forked(node: &Node, engine: &mut Engine, peer: &mut Peer, way: (&str, &str), caller: &str, seed: u64) {
    let (transport, protocol) = way;
    let mut sides = [Stream::new("127.0.0.1", 1), Stream::new("127.0.0.1", 2)];
    let towards = engine.relay(caller, [sides[0].port(), sides[1].port()]);
    let (offer, tag) = engine.subscribe(caller, protocol);
    let named = labels(&offer);
    let invite = siprec::invite(transport, caller, &offer, [&named[0], &named[1]]);
    let answer = vector::invite(peer, &invite);
    assert_eq!(answer.status, 200, "{}\n{offer}", answer.head);
    // It refuses an answer that drops a codec or a label.
    engine.subscribed(caller, &tag, &answer.body);
    let sounds = sounds(seed);
    let before = node.metric("recorder_rtp_packets_total");
    for (left, right) in sounds[0].chunks(160).zip(sounds[1].chunks(160)) {
        sides[0].send(towards[0], left);
        sides[1].send(towards[1], right);
        wait::pass(std::time::Duration::from_millis(20));
    }
    let packets = sounds.iter().map(|sound| sound.len().div_ceil(160)).sum::<usize>() as f64;
    wait::until(5, "every packet", || node.metric("recorder_rtp_packets_total") > before + packets - 0.5);
    vector::bye(peer, &invite, &answer);
}

#[test]
fn rtpengine_forks_a_call_by_its_siprec_subscription_plain_and_protected() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut engine = Engine::start(node.folder.path());
    let peers =
        [("TCP", "RTP/AVP", Peer::tcp(node.sip)), ("TLS", "RTP/SAVP", Peer::tls(node.sips, &node.certificate()))];
    for (seed, (transport, protocol, mut peer)) in (50..).zip(peers) {
        let caller = format!("55503{seed}");
        forked(&node, &mut engine, &mut peer, (transport, protocol), &caller, seed);
        let recording = node.archived(&client, &format!("dn={caller}"));
        assert_heard(&client, &recording, &caller, &sounds(seed));
    }
    let failed = node.metric("recorder_srtp_failures_total");
    assert!(failed < 0.5, "{failed} packets were not authentic");
}
