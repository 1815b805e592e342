//! `recorder explain` and what `check-config` says of peer rules: no network, no data folder, the same decisions.

use std::path::{Path, PathBuf};

use recorder_tests::{Node, Process, process};
use serde_json::{Value, json};

fn vector(number: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let entries = std::fs::read_dir(folder).expect("the vectors").flatten();
    let mut paths = entries.map(|entry| entry.path());
    let is_it =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{number}-")));
    paths.find(is_it).unwrap_or_else(|| panic!("no vector {number}"))
}

fn explained(node: &Node, arguments: &[&str], numbers: &[&str]) -> (i32, String, String) {
    let paths: Vec<String> = numbers.iter().map(|number| vector(number).display().to_string()).collect();
    let mut all = vec!["explain"];
    all.extend(arguments);
    all.extend(paths.iter().map(String::as_str));
    node.run(&all)
}

fn json_of(node: &Node, arguments: &[&str], numbers: &[&str]) -> Value {
    let arguments: Vec<&str> = [&["--json"], arguments].concat();
    let (code, output, errors) = explained(node, &arguments, numbers);
    assert_eq!(code, 0, "{errors}");
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[test]
fn an_invite_is_explained_as_the_daemon_would_treat_it() {
    let node = Node::prepare("[[peer]]\nmatch = \"198.51.100.0/24\"\nprofile = \"rfc7866-strict\"\n");
    let lenient = json_of(&node, &[], &["300"]);
    assert_eq!((&lenient["rule"], &lenient["profile"]), (&Value::Null, &json!("oracle")), "{lenient}");
    assert_eq!(lenient["recognised_by"], "namespace http://acmepacket.com/siprec/extensiondata");
    assert_eq!(
        (&lenient["answer"]["status"], &lenient["correlation"]["ucid"]),
        (&json!(200), &json!("00FA080033699E0055"))
    );
    assert!(lenient["answer"]["sdp"].as_str().is_some_and(|sdp| sdp.contains("a=label:33554501")), "{lenient}");
    let party = json!({
        "address": "sip:+12025550101@peer.example.com", "name": "Caller One", "role": "caller",
        "labels": ["33554501"], "confidence": "high", "has_left": false
    });
    assert_eq!(lenient["parties"][0], party, "{lenient}");
    let names: Vec<_> = lenient["warnings"].as_array().expect("warnings").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["metadata_legacy_namespace", "metadata_legacy_ids", "time_without_zone"]);
    let strict = json_of(&node, &["--peer", "198.51.100.7"], &["100"]);
    assert_eq!(strict["rule"], json!({ "number": 1, "about": "from 198.51.100.0/24", "profile": "rfc7866-strict" }));
    assert_eq!((&strict["answer"]["status"], &strict["refused_because"]), (&json!(403), &json!("no_require_siprec")));
    assert!(!node.data().exists(), "nothing is made");
}

#[test]
fn a_sequence_is_explained_message_by_message_and_keys_stay_out() {
    let node = Node::prepare("[[peer]]\nmatch = \"192.0.2.0/24\"\nprofile = \"cucm-bib\"\n");
    let steps = json_of(&node, &[], &["317a", "317b", "317c"]);
    let status: Vec<_> = steps.as_array().expect("three").iter().map(|step| &step["answer"]["status"]).collect();
    assert_eq!(status, [&json!(200), &Value::Null, &json!(200)]);
    assert_eq!(steps[2]["parties"].as_array().map(Vec::len), Some(2), "both ends, one recording: {}", steps[2]);
    let dialog = json_of(&Node::prepare(""), &[], &["500a", "500b", "500g", "500i"]);
    let sdp = dialog[1]["answer"]["sdp"].as_str().expect("an answer");
    assert_eq!(sdp.matches("a=inactive").count(), 2, "{sdp}");
    assert_eq!(dialog[3]["answer"]["status"], 200, "the tag of the answer is put where it belongs");
    let (code, output, errors) = explained(&Node::prepare(""), &[], &["400"]);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("inline:...") && output.contains("AES_CM_128_HMAC_SHA1_80"), "{output}");
    let (_, again, _) = explained(&Node::prepare(""), &[], &["400"]);
    assert_eq!(output, again, "the same message has the same explanation");
}

#[test]
fn what_is_no_message_is_said_and_what_is_missing_is_named() {
    let node = Node::prepare("");
    let path = node.folder.path().join("letter.txt");
    std::fs::write(&path, "Dear recorder,\n\nplease record.\n").expect("written");
    let path = path.to_str().expect("a path");
    let (code, _, errors) = node.run(&["explain", path]);
    assert!(code == 1 && errors.contains("letter.txt"), "{code} {errors}");
    let (code, _, errors) = node.run(&["explain", "/nonexistent/invite.sip"]);
    assert!(code == 2 && errors.contains("/nonexistent/invite.sip"), "{code} {errors}");
    let (code, _, errors) = node.run(&["explain"]);
    assert!(code == 2 && errors.contains("FILE"), "{code} {errors}");
}

#[test]
fn every_vector_can_be_explained_beside_a_running_server() {
    let mut node = Node::start("");
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")).expect("vectors").flatten() {
        let path = entry.path();
        // A response is nothing that comes to a recorder by itself; it is refused by name.
        let is_request = std::fs::read(&path).is_ok_and(|octets| !octets.starts_with(b"SIP/2.0"));
        if is_request && path.extension().is_some_and(|extension| extension == "sip") {
            let (code, output, errors) = node.run(&["explain", path.to_str().expect("a path")]);
            assert_eq!(code, 0, "{}: {output}{errors}", path.display());
        }
    }
    assert!(Process::status(node.process()).is_none(), "the server lives");
}

#[test]
fn check_config_says_which_rule_means_whom_and_which_never_has_its_turn() {
    let node = Node::prepare(
        "[[peer]]\nmatch = \"10.0.0.0/8\"\nprofile = \"oracle\"\nzone = \"+02:00\"\n\
         [[peer]]\nmatch = \"10.1.0.0/16\"\nprofile = \"avaya\"\n\
         [[peer]]\nidentity = \"*.sbc.example.com\"\ncalled = \"rec\"\nprofile = \"strict\"\n",
    );
    let (code, output, errors) = process::run(&mut node.command(&["check-config"]));
    assert_eq!(code, 0, "{errors}");
    for part in [
        "peer rule 1: from 10.0.0.0/8 -> oracle",
        "zoneless times are +02:00",
        "peer rule 2: never has its turn: rule 1 takes all of it",
        "peer rule 3: with the certificate of *.sbc.example.com, calling rec -> rfc7866-strict",
        "everybody else -> auto",
    ] {
        assert!(output.contains(part), "{part} is not in {output}");
    }
}
