//! SRTP keys in signaling that anybody can read (RFC 4568 8.3; B21 and K1 of the checklist): refused, or taken and said,
//! as configured. The companion says it, too, and does it only when told to.

use recorder_tests::{
    Call, Node,
    call::{Way, place},
    heard,
    live::warnings,
};

const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
const CLEAR: [(&str, Way); 2] = [("5559101", Way::Udp), ("5559102", Way::Tcp)];
const KEYS: [&str; 4] = ["--srtp", SUITE, "--duration", "1s"];

#[test]
fn keys_in_the_clear_are_refused_by_name_and_nothing_is_recorded() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    for (caller, way) in CLEAR {
        let (code, output) = Call::start(&node, caller, way, &KEYS).ended();
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains("refused: 488") && output.contains("keys leave in the clear"), "{output}");
    }
    assert_eq!(client.get("/recordings?limit=10").json()["items"].as_array().map(Vec::len), Some(0));
    let refused = node.metric("recorder_sip_requests_total{code=\"488\",method=\"INVITE\"}");
    assert!((refused - 2.0).abs() < 0.5, "{refused}");
    // The same keys under TLS, which is what the companion takes when no transport is named.
    let mut command = node.replicator(&["call", "--caller", "5559103", "--to", &format!("127.0.0.1:{}", node.sips)]);
    let (code, said, errors) = recorder_tests::process::run(command.args(KEYS).arg("--ca").arg(node.certificate()));
    assert_eq!((code, errors.contains("in the clear")), (0, false), "{said}{errors}");
    let recording = node.archived(&client, "dn=5559103");
    assert_eq!(warnings(&recording), [""; 0], "{recording}");
}

#[test]
fn where_the_configuration_takes_keys_in_the_clear_the_recording_says_so() {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__SDES_OVER_CLEAR_SIGNALING", "warn")]);
    let client = node.client("compliance-officer");
    for (caller, way) in CLEAR {
        let sent = place(&node, caller, way, &KEYS);
        let recording = node.archived(&client, &format!("dn={caller}"));
        heard::assert_exact(&client, &recording, &sent, "7002");
        assert!(warnings(&recording).contains(&"sdes_over_clear_signaling"), "{recording}");
        for track in recording["tracks"].as_array().expect("tracks") {
            assert_eq!(track["srtp"], true, "{recording}");
        }
    }
}
