//! What is recorded for good, provisionally or never: by rules, against the real recorder. What nobody asks for in time is
//! destroyed with its key, and leaves a tombstone.

use recorder_tests::{
    Client, Node,
    call::{Call, Way, place},
    heard, live,
    node::files,
    wait,
};
use serde_json::{Value, json};

const RULES: &str = "[policy]\nkeep-grace-s = 4\n\
    [[policy.rule]]\nname = \"board\"\nnumber = [\"7009\"]\nthen = \"never\"\n\
    [[policy.rule]]\nname = \"floor\"\nnumber = [\"70*\"]\nthen = \"provisional\"\nretention = \"short\"\n\
    [[policy.rule]]\nname = \"sales\"\nnumber = [\"7100-7199\"]\nthen = \"record\"\nretention = \"mifid\"\nset-partition = \"/sales\"\n";

fn find(client: &Client, caller: &str) -> Option<Value> {
    client.get(&format!("/recordings?dn={caller}")).json()["items"].as_array().expect("items").first().cloned()
}

fn waiting(client: &Client, caller: &str) -> Value {
    let mut found = None;
    wait::until(20, "the end of the call", || {
        found = find(client, caller).filter(|recording| recording["state"] == "finalizing");
        found.is_some()
    });
    found.expect("just found")
}

fn gone(client: &Client, id: &Value) {
    let path = format!("/recordings/{}", id.as_str().expect("an id"));
    wait::until(20, "the destruction", || client.get(&path).json()["state"] == "deleted");
}

/// Nothing of the recording is in spool, staging or archive.
fn assert_nothing_left(node: &Node, id: &Value) {
    let id = id.as_str().expect("an id");
    let is_of_it = |path: &std::path::PathBuf| path.to_string_lossy().contains(id);
    let left: Vec<_> = files(&node.data()).into_iter().filter(is_of_it).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_provisional_recording_is_kept_when_asked_for_in_time_and_destroyed_when_not() {
    let node = Node::start(RULES);
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    let call = Call::start(&node, "7001", Way::Tcp, &["--duration", "2s"]);
    let recording = live::one(&client);
    assert_eq!((&recording["provisional"], &recording["correlation"]["retention"]), (&json!(true), &json!("short")));
    assert_eq!(recording["correlation"]["policy_rule"], "floor");
    call.finish();
    // Over, and kept within the time of grace.
    let recording = waiting(&client, "7001");
    let id = recording["id"].clone();
    let keep = desk.post(&format!("/recordings/{}/keep", id.as_str().unwrap()));
    assert_eq!(keep.status, 200, "{}", keep.json());
    let kept = node.archived(&client, "dn=7001");
    assert_eq!((&kept["id"], &kept["provisional"]), (&id, &json!(false)));
    assert!(heard::wav(&client, &kept).channel(0).len() > 12_000);
    // Another that nobody asks for.
    place(&node, "7002", Way::Udp, &["--duration", "1s"]);
    let id = waiting(&client, "7002")["id"].clone();
    let media = client.get(&format!("/recordings/{}/audio?format=wav", id.as_str().unwrap()));
    assert_eq!(media.status, 409, "it is provisional");
    gone(&client, &id);
    assert_nothing_left(&node, &id);
    let late = desk.post(&format!("/recordings/{}/keep", id.as_str().unwrap()));
    assert_eq!(late.status, 409, "too late: {}", late.json());
    let tombstone = client.get(&format!("/recordings/{}", id.as_str().unwrap())).json();
    assert_eq!((&tombstone["state"], &tombstone["parties"]), (&json!("deleted"), &json!([])));
    for result in ["kept", "expired"] {
        let counted = node.metric(&format!("recorder_provisional_total{{result=\"{result}\"}}"));
        assert!((counted - 1.0).abs() < 0.5, "{result}: {counted}");
    }
    let (code, output, error) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{error}");
}

#[test]
fn a_restart_in_the_time_of_grace_neither_keeps_nor_loses() {
    let mut node = Node::start(&RULES.replace("keep-grace-s = 4", "keep-grace-s = 20"));
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    for caller in ["7003", "7004"] {
        place(&node, caller, Way::Udp, &["--duration", "1s"]);
    }
    let [wanted, other] = ["7003", "7004"].map(|caller| waiting(&client, caller)["id"].clone());
    node.kill();
    node.launch();
    let keep = desk.post(&format!("/recordings/{}/keep", wanted.as_str().unwrap()));
    assert_eq!(keep.status, 200, "{}", keep.json());
    assert_eq!(node.archived(&client, "dn=7003")["id"], wanted);
    let path = format!("/recordings/{}", other.as_str().unwrap());
    wait::until(40, "the destruction", || client.get(&path).json()["state"] == "deleted");
    assert_nothing_left(&node, &other);
}

#[test]
fn what_is_never_recorded_is_declined_and_what_has_a_class_says_so() {
    let node = Node::start(RULES);
    let client = node.client("compliance-officer");
    let (code, output) = Call::start(&node, "7009", Way::Tcp, &["--duration", "1s"]).ended();
    assert!(code == Some(1) && output.contains("603"), "{code:?} {output}");
    assert!(find(&client, "7009").is_none());
    assert!(node.metric("recorder_recordings_total{result=\"refused\"}") > 0.5);
    place(&node, "7150", Way::Udp, &["--duration", "1s", "--agent", "8001"]);
    let recording = node.archived(&client, "dn=7150");
    let keys = &recording["correlation"];
    assert_eq!(
        (&keys["policy_rule"], &keys["retention"], &keys["partition"]),
        (&json!("sales"), &json!("mifid"), &json!("/sales"))
    );
    assert_eq!(recording["provisional"], false);
    // The default says nothing but that it is recorded.
    place(&node, "8000", Way::Udp, &["--duration", "1s", "--agent", "8001"]);
    assert_eq!(node.archived(&client, "dn=8000")["correlation"]["policy_rule"], Value::Null);
}

#[test]
fn the_policy_is_explained_without_a_call_and_faults_name_their_key() {
    let node = Node::prepare(RULES);
    let asked = |words: &[&str]| {
        let (code, output, error) = node.run(&[&["explain-policy", "--json"], words].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str::<Value>(&output).expect("JSON")
    };
    let said = asked(&["--dn", "7001"]);
    assert_eq!(
        (&said["treatment"], &said["rule"], &said["keep_grace_s"]),
        (&json!("provisional"), &json!("floor"), &json!(4))
    );
    assert_eq!(said["rules"][0], json!({"rule": "board", "decides": false, "unmet": "number"}));
    let said = asked(&["--number", "8000"]);
    assert_eq!((&said["treatment"], &said["rule"]), (&json!("record"), &Value::Null));
    let (code, output, _) = node.run(&["explain-policy", "--dn", "7009"]);
    assert_eq!((code, output.lines().last()), (0, Some("never")), "{output}");
    let (code, _, error) = node.run(&["explain-policy", "--data", "gold"]);
    assert!(code == 2 && error.contains("--data gold"), "{error}");
    let wrong = Node::prepare("[[policy.rule]]\nname = \"a\"\ndn = [\"9-1\"]\nthen = \"record\"\n");
    let (code, _, error) = wrong.run(&["check-config"]);
    assert!(code == 2 && error.contains("policy.rule.0.dn"), "{code} {error}");
}
