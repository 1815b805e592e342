//! The recorder calls itself and hears what it kept, against the real recorder, the real companion and a real archive; and
//! says so when it does not.

use recorder_tests::{
    Node,
    http::{plain_get, try_get},
    process::binary,
    wait,
};
use serde_json::Value;

fn section(every: u64, more: &str) -> String {
    format!("[canary]\nevery_s = {every}\nreplicator = \"{}\"\n{more}", binary("replicator").display())
}

fn ready(node: &Node) -> (u16, Value) {
    let (status, body) = plain_get(node.metrics, "/readyz");
    (status, serde_json::from_str(&body).expect("JSON"))
}

fn runs(node: &Node, result: &str) -> f64 {
    node.metric(&format!("recorder_canary_runs_total{{result=\"{result}\"}}"))
}

#[test]
fn a_canary_that_is_heard_makes_the_node_ready_and_leaves_no_sound() {
    let mut node = Node::prepare(&section(600, "gates_readiness = true\n"));
    // It is not ready before.
    node.launch();
    assert!(runs(&node, "ok") > 0.5);
    assert!(node.metric("recorder_canary_last_success_timestamp_seconds") > 1.7e9);
    assert!(node.metric("recorder_canary_seconds") > 2.0, "two seconds were sung");
    let client = node.client("compliance-officer");
    let page = client.get("/recordings?limit=10").json();
    let items = page["items"].as_array().expect("items");
    assert!(items.iter().all(|item| item["state"] == "deleted"), "{page}");
    assert_eq!(items.len(), 1, "it is on record that it was");
}

#[test]
fn a_canary_that_is_refused_takes_readiness_away_and_says_where() {
    let rule = "[[policy.rule]]\nname = \"nobody\"\nnumber = [\"canary*\"]\nthen = \"never\"\n";
    let mut node = Node::prepare(&format!("{rule}{}", section(600, "gates_readiness = true\n")));
    node.spawn_with(&[]);
    let is_told = || try_get(node.metrics, "/readyz").is_ok_and(|(_, body)| body.contains("call: the replicator"));
    wait::until(60, "a canary", is_told);
    let (status, said) = ready(&node);
    assert_eq!((status, &said["failing"][0]["condition"]), (503, &Value::from("canary")), "{said}");
    assert!(runs(&node, "call") > 0.5);
    assert!(node.log().contains("the canary was not recorded"), "{}", node.log());
    let wrong = Node::prepare("[canary]\nevery_s = 3\n");
    let (code, _, error) = wrong.run(&["check-config"]);
    assert!(code == 2 && error.contains("canary.every_s"), "{error}");
}
