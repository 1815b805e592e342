//! Bad input: one clear line, the right status, a count, and never the loss of what could be kept.

use std::{net::TcpListener, process::Command};

use recorder_tests::{
    Call, Node, Process,
    call::{Way, wait_live},
    heard,
    media::{Stream, genesys_invite},
    process::run,
    sip::Peer,
    vector::{bye, invite, load},
    wait,
};
use serde_json::Value;

/// `serve` ends with 2 and one line that names `name`.
fn assert_refused(node: &Node, environment: &[(&str, &str)], name: &str) {
    let mut command = node.command(&["serve"]);
    let (code, _, errors) = run(command.envs(environment.iter().copied()));
    let faults: Vec<_> = errors.lines().filter(|line| line.starts_with("recorder: ")).collect();
    assert_eq!((code, faults.len()), (2, 1), "{name}: {errors}");
    assert!(faults[0].to_lowercase().contains(name), "{name} is not named: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_configuration_that_cannot_work_is_named() {
    let node = Node::prepare("");
    let (code, _, errors) = node.run(&["check-config"]);
    assert_eq!(code, 0, "{errors}");
    for (key, value, name) in [
        ("RECORDER__ARCHIVE__URL", "ftp://host/x", "archive.url"),
        ("RECORDER__ARCHIVE__URL", "s3:", "archive.url"),
        ("RECORDER__ARCHIVE__URL", "file:/proc/nowhere", "archive.url"),
        ("RECORDER__DATA_DIR", "/proc/nowhere/data", "data_dir"),
        ("RECORDER__DATA_DIR", "/dev/null/data", "data_dir"),
        ("RECORDER__MEDIA__PORTS", "20000", "ports"),
        ("RECORDER__MEDIA__PORTS", "3000-2000", "ports"),
        ("RECORDER__SIP__UDP", "nonsense", "sip.udp"),
        ("RECORDER__CATALOG__URL", "nosuch:thing", "catalog.url"),
        ("RECORDER__SIP__COLOUR", "green", "colour"),
    ] {
        assert_refused(&node, &[(key, value)], name);
    }
    let unknown = Node::prepare("[colour]\nx = 1\n");
    assert_refused(&unknown, &[], "colour");
    let (code, _, errors) = unknown.run(&["check-config"]);
    assert!(code == 2 && errors.contains("colour"), "{code} {errors}");
    let missing =
        run(Command::new(recorder_tests::process::binary("recorder")).args(["serve", "--config", "/nonexistent.toml"]));
    assert!(missing.0 == 2 && missing.2.contains("/nonexistent.toml"), "{missing:?}");
    let peer = Node::prepare("[[peer]]\nmatch = \"127.0.0.1\"\nprofile = \"no-such-profile\"\n");
    assert_refused(&peer, &[], "no-such-profile");
}

#[test]
fn a_port_in_use_is_named() {
    let mut node = Node::prepare("");
    let port = node.slot.port();
    let address = format!("127.0.0.1:{port}");
    let _tcp = TcpListener::bind(&address).expect("a free port");
    let _udp = std::net::UdpSocket::bind(&address).expect("a free port");
    for key in ["sip.udp", "sip.tcp", "sip.tls", "http.listen", "http.metrics"] {
        let name = format!("RECORDER__{}", key.replace('.', "__").to_uppercase());
        assert_refused(&node, &[(&name, &address)], key);
    }
    // A second recorder on the same data folder would write into the first one's ledger.
    node.launch();
    let off = [
        ("RECORDER__SIP__UDP", "off"),
        ("RECORDER__SIP__TCP", "off"),
        ("RECORDER__SIP__TLS", "off"),
        ("RECORDER__HTTP__LISTEN", "off"),
        ("RECORDER__HTTP__METRICS", "off"),
    ];
    let (code, _, errors) = run(node.command(&["serve"]).envs(off));
    assert_eq!(code, 2, "{errors}");
    assert!(errors.lines().any(|line| line.starts_with("recorder: data_dir")), "{errors}");
}

#[test]
fn garbage_on_the_sip_ports_is_counted_and_changes_nothing() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let garbage: [&[u8]; 5] = [
        b"\0\xff\x80garbage",
        b"GET / HTTP/1.1\r\n\r\n",
        b"INVITE\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nVia: broken\r\n\r\n",
        &[0x41; 60_000],
    ];
    for octets in garbage {
        Peer::udp(node.sip).send(octets);
        Peer::tcp(node.sip).send(octets);
    }
    wait::until(10, "garbage counted", || node.metric("recorder_sip_malformed_total") > 3.5);
    // No From: a server cannot answer but with 400, or not at all.
    let broken = load("001").replacen("From:", "Frob:", 1);
    let mut peer = Peer::tcp(node.sip);
    peer.send(broken.as_bytes());
    assert!(peer.receive().is_none_or(|answer| answer.status == 400));
    let request = load("001");
    let mut peer = Peer::tcp(node.sip);
    let answer = invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "the node still records");
    bye(&mut peer, &request, &answer);
    assert_eq!(client.get("/recordings?limit=100").json()["items"].as_array().map(Vec::len), Some(1));
}

const GOOD: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
const BAD: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=\r\n";

#[test]
fn a_line_without_usable_keys_is_refused_and_a_call_without_any_line_too() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let line = |crypto: &str| format!("40000 RTP/SAVP 0\r\n{}", crypto.trim_end());
    let half = genesys_invite("TLS", "half", &[&line(BAD), &line(GOOD)]);
    let answer = invite(&mut peer, &half);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.port(0), 0, "{}", answer.body);
    assert_ne!(answer.port(1), 0, "{}", answer.body);
    let key = answer.lines()[1].iter().find(|line| line.starts_with("a=crypto:1 ")).map(|line| (*line).to_owned());
    assert!(key.is_some_and(|key| !key.contains("WVNfX19z")), "a fresh key: {}", answer.body);
    let live = client.get("/recordings?state=live").json();
    assert!(live["items"][0]["warnings"].to_string().contains("crypto"), "{live}");
    bye(&mut peer, &half, &answer);
    let none = invite(&mut peer, &genesys_invite("TLS", "none", &[&line(BAD), &line(BAD)]));
    assert_eq!(none.status, 488, "{}", none.head);
    // Keys that everybody on the way can read protect nothing (RFC 4568).
    let clear = invite(&mut Peer::tcp(node.sip), &genesys_invite("TCP", "clear", &[&line(GOOD)]));
    assert_eq!(clear.status, 488, "{}", clear.head);
    assert!(clear.header("Warning").is_some_and(|warning| warning.starts_with("399")), "{}", clear.head);
}

#[test]
fn plain_media_is_refused_where_srtp_is_required() {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__SRTP", "required")]);
    let plain = invite(&mut Peer::tcp(node.sip), &load("001"));
    assert_eq!(plain.status, 488, "{}", plain.head);
    let client = node.client("compliance-officer");
    let sent =
        recorder_tests::call::place(&node, "5550100", Way::Tls("AES_CM_128_HMAC_SHA1_80"), &["--duration", "1s"]);
    heard::assert_exact(&client, &node.archived(&client, "dn=5550100"), &sent, "7002");
}

#[test]
fn media_of_a_stranger_is_dropped_and_counted() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let mut own = Stream::new("127.0.0.1", 7);
    let mut stranger = Stream::new("127.0.0.2", 7);
    let request = genesys_invite("TCP", "stranger", &[&format!("{} RTP/AVP 0", own.port())]);
    let answer = invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let sound = media::speech::synth(5, 2, media::codec::Law::Mu);
    let noise = media::speech::synth(6, 2, media::codec::Law::Mu);
    let port = answer.port(0);
    for (own_sound, noise) in sound.chunks(1600).zip(noise.chunks(1600)) {
        own.send(port, own_sound);
        stranger.send(port, noise);
        own.raw(port, b"short");
        own.raw(port, &[0x00; 40]);
    }
    wait::until(10, "100 packets kept", || node.metric("recorder_rtp_packets_total") > 99.5);
    wait::until(10, "120 packets refused", || node.metric("recorder_rtp_refused_packets_total") > 119.5);
    bye(&mut peer, &request, &answer);
    let recording = node.archived(&client, "record_id=stranger");
    assert_eq!(recording["tracks"][0]["packets"], 100, "{recording}");
    let wav = heard::wav(&client, &recording);
    assert!(wav.find(0, &sound).is_some(), "the sound of the peer is whole");
    assert!(wav.find(0, &noise[1600..3200]).is_none(), "the stranger is not heard");
}

#[test]
fn srtp_that_fails_authentication_is_dropped_and_counted() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let call = Call::start(&node, "5550100", Way::Tls("AEAD_AES_256_GCM"), &["--duration", "3s"]);
    wait_live(&node, 1);
    wait::until(10, "packets", || node.metric("recorder_rtp_packets_total") > 50.0);
    let noise = media::speech::synth(6, 1, media::codec::Law::Mu);
    let mut forger = Stream::new("127.0.0.1", 9);
    let (low, high) = node.slot.media();
    for port in (low..=high).step_by(2) {
        forger.send(port, &noise[..480]);
    }
    let sent = call.finish();
    let recording = node.archived(&client, "dn=5550100");
    heard::assert_exact(&client, &recording, &sent, "7002");
    let turned_away = node.metric("recorder_srtp_failures_total") + node.metric("recorder_rtp_refused_packets_total");
    assert!(turned_away > 5.5, "{turned_away}");
}

#[test]
fn a_token_without_the_right_is_refused_and_audited() {
    let node = Node::start("");
    let officer = node.client("compliance-officer");
    recorder_tests::call::place(&node, "5550100", Way::Udp, &["--duration", "1s"]);
    let recording = node.archived(&officer, "dn=5550100");
    let audio = format!("/recordings/{}/audio?format=wav", heard::id(&recording));
    let auditor = node.client("auditor");
    let refused = auditor.get(&audio);
    assert_eq!((refused.status.as_u16(), refused.header("content-type")), (403, "application/problem+json"));
    assert_eq!(node.client("administrator").get(&audio).status, 403);
    assert_eq!(node.client("integration").get(&audio).status, 403);
    assert_eq!(officer.get(&audio).status, 200);
    assert_eq!(officer.with_token("rec_nobody").get(&audio).status, 401);
    assert_eq!(officer.get("/audit").status, 403);
    let audit = auditor.get("/audit?limit=100").json();
    let facts = audit["items"].as_array().expect("facts");
    let plays = |result: &str| {
        let is_it = |fact: &&Value| {
            fact["action"] == "play" && fact["result"] == result && fact["recording"] == recording["id"]
        };
        facts.iter().filter(is_it).count()
    };
    assert_eq!((plays("denied"), plays("allowed")), (3, 1), "{audit}");
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

#[test]
fn malformed_metadata_costs_no_sound() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let mut own = Stream::new("127.0.0.1", 7);
    // Only the XML is broken; offered from here, so that the sound is let in.
    let broken = load("001").replace("</participant>", "<participan>x");
    let request = sized(&broken.replace("c=IN IP4 192.0.2.10", "c=IN IP4 127.0.0.1"));
    let answer = invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let sound = media::speech::synth(5, 1, media::codec::Law::Mu);
    own.send(answer.port(0), &sound);
    wait::until(10, "50 packets", || node.metric("recorder_rtp_packets_total") > 49.5);
    bye(&mut peer, &request, &answer);
    let recording = node.archived(&client, "limit=10");
    let warnings = recording["warnings"].to_string();
    assert!(warnings.contains("metadata_"), "{recording}");
    assert!(heard::wav(&client, &recording).find(0, &sound).is_some(), "the sound is kept");
}

#[test]
fn a_full_disk_refuses_new_calls() {
    let node = Node::prepare("");
    let mut command = node.command(&["serve"]);
    command.env("RECORDER__SPOOL__RESERVE_MIB", (1_u64 << 30).to_string());
    let _process = Process::start(&mut command, &node.folder.path().join("log"));
    wait::until(10, "a listener", || std::net::TcpStream::connect(("127.0.0.1", node.sip)).is_ok());
    let mut peer = Peer::tcp(node.sip);
    wait::until(10, "a node that says it is full", || peer.ask(&load("519")).status == 503);
    let answer = invite(&mut peer, &load("001"));
    assert_eq!(answer.status, 503, "{}", answer.head);
    assert!(answer.header("Retry-After").is_some(), "{}", answer.head);
    assert_eq!(recorder_tests::http::plain_get(node.metrics, "/readyz").0, 503, "a call would not be kept");
}

/// The message with the Content-Length that it has.
fn sized(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").expect("a body");
    let head: Vec<_> = head
        .split("\r\n")
        .map(|line| {
            if line.starts_with("Content-Length") { format!("Content-Length: {}", body.len()) } else { line.to_owned() }
        })
        .collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}
