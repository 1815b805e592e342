//! What the API may do with a recording beside playing it whole: end it, throw it away, other renderings.

use recorder_tests::{
    Call, Client, Node,
    call::{Way, place, wait_live},
    heard,
    node::files,
    process::run,
    wait,
};

fn live(client: &Client, number: &str) -> String {
    let mut id = String::new();
    wait::until(10, "a live recording", || {
        let list = client.get(&format!("/recordings?dn={number}&state=live")).json();
        list["items"][0]["id"].as_str().unwrap_or_default().clone_into(&mut id);
        !id.is_empty()
    });
    id
}

#[test]
fn stop_keeps_what_was_said_until_then() {
    let node = Node::start("");
    let (client, desk) = (node.client("compliance-officer"), node.client("supervisor"));
    let call = Call::start(&node, "5550100", Way::Udp, &["--duration", "5s"]);
    wait_live(&node, 1);
    let id = live(&client, "5550100");
    wait::until(10, "two seconds", || node.metric("recorder_rtp_packets_total") > 199.5);
    assert_eq!(client.post(&format!("/recordings/{id}/stop")).status, 403, "a compliance officer controls nothing");
    assert_eq!(desk.post(&format!("/recordings/{id}/stop")).status, 200);
    let recording = node.archived(&client, "dn=5550100");
    let length = recording["duration_ms"].as_u64().expect("a duration");
    assert!((1900..4500).contains(&length), "{length} ms");
    // The client is told by BYE, or goes on for nobody: either way its end is its own affair.
    let (_, output) = call.ended();
    assert!(!output.contains("panicked"), "{output}");
    assert_eq!(desk.post(&format!("/recordings/{id}/pause")).status, 409, "it is over");
}

#[test]
fn only_a_provisional_recording_can_be_discarded() {
    let node = Node::start("");
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    let call = Call::start(&node, "5550100", Way::Udp, &["--duration", "2s"]);
    wait_live(&node, 1);
    let id = live(&client, "5550100");
    assert_eq!(desk.post(&format!("/recordings/{id}/discard")).status, 409);
    let sent = call.finish();
    heard::assert_exact(&client, &node.archived(&client, "dn=5550100"), &sent, "7002");
}

#[test]
fn a_deleted_recording_is_gone_and_a_held_one_is_not() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--duration", "1s"]);
    let recording = node.archived(&client, "dn=5550100");
    let path = format!("/api/v1/recordings/{}", heard::id(&recording));
    let ask =
        |method: &str, path: &str| client.request(method.parse().expect("a method"), path, &[], None).status.as_u16();
    assert_eq!(ask("POST", &format!("{path}/hold")), 200);
    assert_eq!(ask("DELETE", &path), 409, "on hold");
    assert_eq!(ask("DELETE", &format!("{path}/hold")), 200);
    assert_eq!(ask("DELETE", &path), 200);
    wait::until(10, "an empty archive", || files(&node.data().join("archive")).is_empty());
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

#[test]
fn every_mp3_rate_plays() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--duration", "3s"]);
    let recording = node.archived(&client, "dn=5550100");
    for (rate, channels) in [(8, 1), (16, 2), (32, 2)] {
        let answer = client.get(&format!("/recordings/{}/audio?format=mp3&rate={rate}", heard::id(&recording)));
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "audio/mpeg"), "{rate} kbit/s");
        let file = node.folder.path().join(format!("{rate}.mp3"));
        std::fs::write(&file, &answer.body).expect("a file");
        let mut probe = std::process::Command::new("ffprobe");
        probe.args(["-v", "error", "-show_entries", "stream=channels,bit_rate", "-of", "csv=p=0"]).arg(&file);
        let (code, said, errors) = run(&mut probe);
        assert_eq!((code, said.trim()), (0, &*format!("{channels},{}", rate * 1000)), "{errors}");
    }
    let (code, said, errors) = node.run(&["export", heard::id(&recording), "--to", "exported"]);
    assert_eq!(code, 0, "{errors}");
    let wav = std::fs::read(node.folder.path().join("exported/audio.wav")).expect(&said);
    assert!(wav == client.get(&format!("/recordings/{}/audio?format=wav", heard::id(&recording))).body);
}

/// The audit facts of exports: actor, result, detail.
fn exports(node: &Node) -> Vec<(String, String, String)> {
    let answer = node.client("auditor").get("/audit?limit=1000");
    assert_eq!(answer.status, 200);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let items = answer.json()["items"].as_array().expect("items").clone();
    let exports = items.iter().filter(|item| item["action"] == "export");
    exports.map(|item| (text(&item["actor"]["id"]), text(&item["result"]), text(&item["detail"]))).collect()
}

#[test]
fn an_export_on_the_command_line_is_on_record_before_anything_leaves() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--duration", "1s"]);
    let recording = node.archived(&client, "dn=5550100");
    let id = heard::id(&recording);
    assert_eq!(node.run(&["export", id, "--to", "beside"]).0, 0);
    wait::until(10, "the fact", || exports(&node).len() == 1);
    let (actor, result, detail) = exports(&node).remove(0);
    assert_eq!((actor.as_str(), result.as_str()), ("command-line", "allowed"));
    assert!(detail.starts_with("to beside (uid "), "{detail}");
    assert!(files(&node.data().join("audit")).is_empty(), "nothing is left in the inbox");

    // Without a server the command writes it down itself.
    assert_eq!(node.stop(), Some(0));
    assert_eq!(node.run(&["export", id, "--to", "alone"]).0, 0);
    // Whoever has the ledger and does not answer keeps the recording where it is.
    let held =
        std::fs::OpenOptions::new().read(true).open(node.data().join("ledger/ledger.jsonl")).expect("the ledger");
    held.lock().expect("for this process alone");
    let (code, _, errors) = node.run(&["export", id, "--to", "refused"]);
    assert!(code == 1 && errors.contains("not on record"), "{errors}");
    assert!(files(&node.folder.path().join("refused")).is_empty() && files(&node.data().join("audit")).is_empty());
    drop(held);
    node.launch();
    wait::until(10, "both facts", || exports(&node).len() == 2);
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}
