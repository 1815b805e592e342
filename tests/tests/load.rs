//! Many calls at once from one client: every packet that was sent is counted and kept.

use recorder_tests::{Node, process::run, wait};
use serde_json::Value;

#[test]
fn forty_calls_are_kept_packet_for_packet() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let target = format!("127.0.0.1:{}", node.sips);
    let mut load =
        node.replicator(&["load", "--json", "--calls", "40", "--rate", "20", "--duration", "4s", "--to", &target]);
    load.args(["--srtp", "AEAD_AES_128_GCM", "--transport", "tls", "--profile", "genesys-msr"]);
    let (code, output, errors) = run(load.arg("--ca").arg(node.certificate()));
    assert_eq!(code, 0, "{output}{errors}");
    let report: Value = serde_json::from_str(output.trim()).expect("a report in JSON");
    assert_eq!((&report["ok"], &report["failed"]), (&40.into(), &0.into()), "{report}");
    let packets = report["packets"].as_f64().expect("packets");
    assert!(packets > 40.0 * 2.0 * 150.0, "{report}");
    wait::until(60, "forty archived recordings", || {
        let archived = client.get("/recordings?state=archived&limit=100").json();
        archived["items"].as_array().map(Vec::len) == Some(40)
    });
    let kept = node.metric("recorder_rtp_packets_total");
    assert!((kept - packets).abs() < 0.5, "{packets} packets were sent, {kept} kept");
    let recordings = client.get("/recordings?state=archived&limit=100").json();
    let tracks =
        recordings["items"].as_array().into_iter().flatten().flat_map(|item| item["tracks"].as_array().cloned());
    let stored: u64 = tracks.flatten().filter_map(|track| track["packets"].as_u64()).sum();
    assert!((stored as f64 - packets).abs() < 0.5, "{packets} packets were sent, {stored} stored");
    assert!(node.metric("recorder_spool_bytes") < 0.5, "the spool is freed");
}
