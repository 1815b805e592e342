//! Calls of sipp, a client that nobody here wrote, its second line sent by ffmpeg, another: what they stream comes back
//! octet for octet.

use std::{path::PathBuf, process::Command};

use recorder_tests::{Client, Node, Process, heard, script, wait};
use serde_json::Value;

/// Two seconds of test speech.
fn sound(seed: u64) -> Vec<u8> {
    media::speech::synth(seed, 2, media::codec::Law::Mu)
}

/// The seed of the other side's.
const fn agent(seed: u64) -> u64 {
    seed + 100
}

/// A sipp that plays `scenario` once, in a folder of its own with its sound.
fn start(node: &mut Node, scenario: &str, transport: &str, port: u16, keys: &[(&str, &str)], seed: u64) -> Process {
    let folder: PathBuf = node.folder.path().join(format!("sipp-{seed}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("sound.ulaw"), sound(seed)).expect("a file");
    std::fs::write(folder.join("agent.ulaw"), sound(agent(seed))).expect("a file");
    // Audio, video and their RTCP stand in a row from an even port on.
    let ports: Vec<u16> = (0..9).map(|_| node.slot.port()).collect();
    let media = ports[0].next_multiple_of(2);
    let mut sipp = Command::new("sipp");
    sipp.arg(format!("127.0.0.1:{port}")).arg("-sf").arg(script::path(&format!("sipp/{scenario}.xml")));
    sipp.args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &node.slot.port().to_string(), "-t", transport]);
    sipp.args(["-m", "1", "-r", "1", "-nostdin", "-trace_err", "-timeout", "30", "-timeout_error"]);
    sipp.args(["-mp", &media.to_string()]);
    let padding = [("padding", "-")];
    let without = padding.iter().filter(|(padding, _)| !keys.iter().any(|(key, _)| key == padding));
    for (key, value) in keys.iter().chain(without) {
        sipp.args(["-key", key, value]);
    }
    Process::start(sipp.current_dir(&folder), &folder.join("log"))
}

fn finish(mut process: Process) {
    let status = process.wait(40);
    assert!(status.success(), "sipp ended with {status}:\n{}", process.output());
}

/// SIP of sipp carried over TLS: sipp of Debian has none of its own.
fn edge(node: &mut Node) -> (Process, u16) {
    let port = node.slot.port();
    let mut socat = Command::new("socat");
    socat.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"));
    socat.arg(format!("OPENSSL:127.0.0.1:{},cafile={},verify=1,no-sni", node.sips, node.certificate().display()));
    let process = Process::start(&mut socat, &node.folder.path().join("socat.log"));
    wait::until(10, "socat", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (process, port)
}

#[test]
fn siprec_of_sipp_comes_back_over_udp_tcp_and_tls() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let (_edge, tls) = edge(&mut node);
    let (sip, mut calls) = (node.sip, Vec::new());
    for (seed, (transport, port)) in [("u1", sip), ("t1", sip), ("t1", tls)].into_iter().enumerate() {
        let (seed, caller) = (seed as u64 + 10, format!("55501{seed:02}"));
        calls.push((seed, caller.clone(), start(&mut node, "siprec", transport, port, &[("caller", &caller)], seed)));
    }
    for (seed, caller, process) in calls {
        finish(process);
        let recording = node.archived(&client, &format!("dn={caller}"));
        let wav = heard::wav(&client, &recording);
        assert_eq!((wav.tag, wav.channels, heard::channel(&recording, &caller)), (7, 2, 0));
        let sides = [(caller.as_str(), sound(seed)), ("7002", sound(agent(seed)))];
        let starts = sides.map(|(who, sent)| heard::assert_side(&wav, heard::channel(&recording, who), &sent, who));
        assert!(starts.contains(&0), "the recording begins with its first packet: {starts:?}");
        assert_eq!(recording["tracks"][0]["label"], "96", "{recording}");
        assert_eq!(recording["tracks"][1]["label"], "97", "{recording}");
        assert_eq!(recording["tracks"][1]["packets"], 100, "{recording}");
    }
}

/// Octets of metadata beyond what the scenario needs: INVITEs of 2 to 12 kB, and one as large as UDP carries.
const PADDINGS: [usize; 4] = [100, 2_000, 6_000, 10_000];

#[test]
fn invites_of_12_kb_come_over_tcp_and_tls() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let (_edge, tls) = edge(&mut node);
    let padding = "x".repeat(PADDINGS[3]);
    let mut calls = Vec::new();
    for (seed, port) in (30..).zip([node.sip, tls]) {
        let caller = format!("55501{seed}");
        let keys = [("caller", &*caller), ("padding", &*padding)];
        calls.push((seed, caller.clone(), start(&mut node, "siprec", "t1", port, &keys, seed)));
    }
    for (seed, caller, process) in calls {
        finish(process);
        assert_came_back(&node, &client, &caller, seed);
    }
}

#[test]
fn invites_of_2_to_12_kb_come_over_udp_in_fragments() {
    if !alone_on_a_narrow_network("invites_of_2_to_12_kb_come_over_udp_in_fragments") {
        return;
    }
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let before = reassembled();
    let mut calls = Vec::new();
    for (seed, padding) in (40..).zip(PADDINGS) {
        let (port, caller, padding) = (node.sip, format!("55501{seed}"), "x".repeat(padding));
        let keys = [("caller", &*caller), ("padding", &*padding)];
        calls.push((seed, caller.clone(), start(&mut node, "siprec", "u1", port, &keys, seed)));
    }
    for (seed, caller, process) in calls {
        finish(process);
        let recording = assert_came_back(&node, &client, &caller, seed);
        let warnings = recording["warnings"].as_array().expect("warnings");
        assert!(warnings.contains(&Value::from("large_udp_request")), "{recording}");
    }
    let (sent, pieces) = (PADDINGS.len() as u64, reassembled() - before);
    assert!(pieces >= sent, "{pieces} datagrams of {sent} INVITEs came in fragments");
}

/// What sipp and ffmpeg streamed is there, octet for octet.
fn assert_came_back(node: &Node, client: &Client, caller: &str, seed: u64) -> Value {
    let recording = node.archived(client, &format!("dn={caller}"));
    let wav = heard::wav(client, &recording);
    for (who, sent) in [(caller, sound(seed)), ("7002", sound(agent(seed)))] {
        heard::assert_side(&wav, heard::channel(&recording, who), &sent, who);
    }
    recording
}

/// Loopback carries datagrams of 64 kB in one piece. So the test runs once more, by itself in a network of its own whose
/// loopback is as narrow as Ethernet; true there, false here when that run was well.
fn alone_on_a_narrow_network(test: &str) -> bool {
    const INSIDE: &str = "RECORDER_TEST_NARROW_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let me = std::env::current_exe().expect("a test has a path");
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "sh", "-c", "ip link set lo mtu 1500 up && exec \"$0\" --exact \"$1\" --nocapture"]);
    let (code, output, errors) = recorder_tests::process::run(unshare.arg(me).arg(test).env(INSIDE, "1"));
    assert!(code == 0 && output.contains("1 passed"), "{output}{errors}");
    false
}

/// Datagrams that this network has put together from fragments.
fn reassembled() -> u64 {
    let counters = std::fs::read_to_string("/proc/self/net/snmp").expect("counters of IP");
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("Ip: ")).map(|line| line.split(' '));
    let (mut names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let at = names.position(|name| name == "ReasmOKs").expect("a counter of fragments");
    values.into_iter().nth(at).and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn a_pair_of_legs_of_two_sipps_is_one_stereo_recording() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let port = node.sip;
    let left = start(&mut node, "genesys", "u1", port, &[("record", "sipp-pair"), ("dn", "5550100")], 20);
    let right = start(&mut node, "genesys", "t1", port, &[("record", "sipp-pair"), ("dn", "7002")], 21);
    finish(left);
    finish(right);
    let recording = node.archived(&client, "record_id=sipp-pair");
    let wav = heard::wav(&client, &recording);
    assert_eq!((wav.tag, wav.channels), (7, 2));
    for (number, seed) in [("5550100", 20), ("7002", 21)] {
        heard::assert_side(&wav, heard::channel(&recording, number), &sound(seed), number);
    }
}
