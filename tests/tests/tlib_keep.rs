//! Provisional recordings that somebody wants kept after the call, as the switch tells it: in time all of it is archived,
//! too late nothing is left.

use recorder_tests::{
    Node, Switch, heard,
    node::files,
    switch::{Place, events, wait_metric, wait_up},
    wait,
};
use serde_json::{Value, json};

const POLICY: &str = "[policy]\ndefault = \"provisional\"\nkeep-grace-s = 7\n";

#[test]
fn a_keep_after_the_call_keeps_all_of_it_and_one_that_is_too_late_nothing() {
    let place = Place::new();
    let node = Node::start(&format!("{POLICY}{}", place.link("7001-7002")));
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    let switch = Switch::play_file(&node, &place, "kept");
    wait_up(&node, 1);
    let of = |uuid: &str| {
        let page = client.get(&format!("/recordings?call_uuid={uuid}")).json();
        page["items"].as_array().and_then(|items| items.first().cloned()).unwrap_or(Value::Null)
    };
    // Over, and nobody has asked for either of them.
    let mut waiting = Vec::new();
    wait::until(20, "two calls that are over", || {
        waiting = vec![of("KEPT0000000000000000000000000001"), of("NOTKEPT0000000000000000000000002")];
        waiting.iter().all(|one| one["state"] == "finalizing" && one["provisional"] == true)
    });
    let [kept, lost] = [0, 1].map(|at| waiting[at]["id"].as_str().expect("an id").to_owned());
    assert_eq!(client.get(&format!("/recordings/{kept}/audio?format=wav")).status, 409, "it is provisional");
    // In time: the whole call, from before the keep.
    let recording = node.archived(&client, "call_uuid=KEPT0000000000000000000000000001");
    assert_eq!((&recording["id"], &recording["provisional"]), (&json!(kept), &json!(false)));
    let length = recording["duration_ms"].as_u64().expect("a length");
    assert!((1_700..2_600).contains(&length), "{recording:#}");
    let wav = heard::wav(&client, &recording);
    assert!(
        (wav.channel(0).len() / 8).abs_diff(length as usize) <= 40,
        "{} octets of {length} ms",
        wav.channel(0).len()
    );
    assert!(recording["tracks"].as_array().expect("tracks").iter().all(|track| track["gaps"] == json!([])));
    let history = recording["history"].as_array().expect("a history");
    assert_eq!(events(&recording), ["ringing", "established", "released", "record_start"], "{recording:#}");
    assert_eq!((&history[3]["dn"], &history[3]["source"]), (&json!("7001"), &json!("tlib:0")), "who asked for it");
    // Too late.
    let path = format!("/recordings/{lost}");
    wait::until(20, "the destruction", || client.get(&path).json()["state"] == "deleted");
    let report = switch.finish();
    assert_eq!(report["sent"]["EventPrivateInfo"], 2, "both were told: {report:#}");
    wait_metric(&node, "recorder_tlib_messages_total{link=\"0\",result=\"received\"}", 10.0);
    assert_destroyed(&node, &client, &lost);
    assert_eq!(desk.post(&format!("{path}/keep")).status, 409, "nobody else can either");
    for result in ["kept", "expired"] {
        let counted = node.metric(&format!("recorder_provisional_total{{result=\"{result}\"}}"));
        assert!((counted - 1.0).abs() < 0.5, "{result}: {counted}");
    }
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(!node.log().contains("5550100") && !node.log().contains("complaint"), "{}", node.log());
}

/// The tombstone says why, the key is gone, and nothing can be heard.
fn assert_destroyed(node: &Node, client: &recorder_tests::Client, id: &str) {
    let tombstone = client.get(&format!("/recordings/{id}")).json();
    assert_eq!((&tombstone["state"], &tombstone["parties"]), (&json!("deleted"), &json!([])), "{tombstone:#}");
    assert_eq!((&tombstone["user_data"], &tombstone["history"]), (&json!({}), &json!([])), "{tombstone:#}");
    for format in ["wav", "mp3"] {
        assert_eq!(client.get(&format!("/recordings/{id}/audio?format={format}")).status, 404, "{format}");
    }
    let left: Vec<_> = files(&node.data()).into_iter().filter(|path| path.to_string_lossy().contains(id)).collect();
    assert!(left.is_empty(), "no key, no chunk, no object: {left:?}");
    let ledger = std::fs::read_to_string(node.data().join("ledger/ledger.jsonl")).expect("a ledger");
    let of_it = |line: &&str| line.contains("\"recording_deleted\"") && line.contains(id);
    let deleted: Vec<&str> = ledger.lines().filter(of_it).collect();
    assert!(deleted.len() == 1 && deleted[0].contains("\"reason\":\"not_kept\""), "{deleted:?}");
    assert!(!ledger.lines().any(|line| line.contains("\"recording_kept\"") && line.contains(id)), "nothing kept it");
    let (code, _, _) = node.run(&["export", id, "--to", "exported"]);
    assert_eq!(code, 1, "there is nothing to export");
}
