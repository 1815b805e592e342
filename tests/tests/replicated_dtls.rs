//! DTLS-SRTP from the companion to the recorder, in every role: what comes back is what was sent, octet for octet.

use recorder_tests::{
    Call, Node,
    call::{Way, place},
    heard,
    process::run,
    wait,
};
use serde_json::json;

const AGENT: &str = "7002";
const KEYED: &str = "recorder_dtls_handshakes_total{result=\"keyed\"}";

/// Options of a call whose keys come by DTLS; longer than the recorder waits with its first report.
fn options<'a>(setup: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--setup", setup, "--duration", "9s"], more].concat()
}

#[test]
fn the_companion_shakes_hands_in_both_roles_and_is_heard_octet_for_octet() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    // The recorder is active to actpass (M1).
    let all = [("5557101", "actpass", "server"), ("5557102", "active", "client"), ("5557103", "passive", "server")];
    let calls: Vec<_> = all
        .iter()
        .map(|(caller, setup, _)| {
            Call::start(&node, caller, Way::Tls("dtls"), &options(setup, &["--seed", &caller[4..]]))
        })
        .collect();
    for (call, (caller, setup, role)) in calls.into_iter().zip(all) {
        let sent = call.finish();
        for side in ["left", "right"] {
            let line = sent.line(side);
            assert_eq!(line["dtls"], role, "{setup}: {line}");
            assert!(line["receiver_reports"].as_u64() > Some(0), "{setup}: RTCP under keys of its own: {line}");
        }
        let recording = node.archived(&client, &format!("dn={caller}"));
        heard::assert_exact(&client, &recording, &sent, AGENT);
        assert_eq!(recording["warnings"], json!([]), "{recording}");
        for track in recording["tracks"].as_array().expect("tracks") {
            assert_eq!((&track["srtp"], &track["packets"], &track["lost"]), (&json!(true), &json!(450), &json!(0)));
        }
    }
    // Two lines of two transports each (M5).
    let keyed = node.metric(KEYED);
    assert!((keyed - 12.0).abs() < 0.5, "{keyed} handshakes");
    assert_eq!(node.metric("recorder_srtp_failures_total"), 0.0);
}

#[test]
fn a_pause_and_a_re_invite_go_on_under_the_same_keys() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let more = ["--pause-at", "600ms", "--pause-for", "400ms", "--reinvite-at", "1500ms", "--update-at", "1700ms"];
    let sent = place(&node, "5557111", Way::Tls("dtls"), &options("active", &more));
    let recording = node.archived(&client, "dn=5557111");
    heard::assert_exact(&client, &recording, &sent, AGENT);
    assert_eq!(recording["tracks"][0]["gaps"][0]["cause"], "paused", "{recording}");
    assert!((node.metric(KEYED) - 4.0).abs() < 0.5, "no further handshake");
}

#[test]
fn a_recorder_without_dtls_refuses_and_a_load_shakes_hands_for_each_line() {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__DTLS", "false")]);
    let (code, output) = Call::start(&node, "5557121", Way::Tls("dtls"), &options("actpass", &[])).ended();
    assert!(code == Some(1) && output.contains("refused: 488"), "{output}");

    let node = Node::start("");
    let target = format!("127.0.0.1:{}", node.sips);
    let mut load =
        node.replicator(&["load", "--json", "--srtp", "dtls", "--calls", "6", "--rate", "10", "--to", &target]);
    load.args(["--duration", "2s", "--ca"]).arg(node.certificate());
    let (code, report, errors) = run(&mut load);
    assert_eq!(code, 0, "{report}{errors}");
    let report: serde_json::Value = serde_json::from_str(report.trim()).expect("a report");
    assert_eq!((&report["ok"], &report["failed"]), (&json!(6), &json!(0)), "{report}");
    assert!((node.metric(KEYED) - 12.0).abs() < 0.5, "one for each line: RTCP shares its port");
    let sent = report["packets"].as_u64().expect("packets");
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") as u64 == sent);
    assert_eq!(node.metric("recorder_srtp_failures_total"), 0.0);
}
