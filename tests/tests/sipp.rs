//! Calls of sipp, a client that nobody here wrote, its second line sent by ffmpeg, another: what they stream comes back
//! octet for octet.

use std::{path::PathBuf, process::Command};

use recorder_tests::{Node, Process, heard, script, wait};

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
    for (key, value) in keys {
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
