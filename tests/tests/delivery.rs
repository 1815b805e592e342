//! Consolidated documents, and their way to subscribers: a real recorder, real receivers, restarts in the middle of it.

use recorder_tests::{
    Call, Client, Node, Slot,
    call::Way,
    heard,
    receiver::{Got, Receiver},
    wait,
};
use serde_json::Value;

/// Quick enough for a test.
const QUICK: &str = "[delivery]\nsettle_ms = 300\nretry_first_ms = 200\nretry_last_s = 1\n";

fn place(node: &Node, client: &Client, caller: &str) -> Value {
    Call::start(node, caller, Way::Udp, &["--duration", "1s"]).finish();
    node.archived(client, &format!("dn={caller}"))
}

fn kinds(all: &[Got]) -> Vec<String> {
    let kind = |got: &Got| match got.header("ce-type") {
        "" => got.json()["type"].as_str().expect("a type").to_owned(),
        of_sound => of_sound.to_owned(),
    };
    all.iter().map(kind).collect()
}

#[test]
fn a_document_and_its_sound_are_handed_over_once_and_a_late_fact_is_the_next_revision() {
    let mut slot = Slot::new();
    let receiver = Receiver::secure(&mut slot, 7);
    let mut node = Node::start(&format!("{QUICK}{}audio = \"wav\"\n", receiver.section("lake")));
    let client = node.client("compliance-officer");
    let recording = place(&node, &client, "5550100");
    let all = receiver.wait(2);
    assert_eq!(kinds(&all), ["interaction.consolidated", "recording.audio"]);
    assert!(all.iter().all(|got| receiver.is_signed(got)), "{all:?}");
    let id = heard::id(&recording);
    let wav = client.get(&format!("/recordings/{id}/audio?format=wav")).body;
    assert!(wav == all[1].body, "the sound that is played is the sound that was handed over");
    let event = all[0].json();
    assert_eq!((&event["specversion"], &event["id"]), (&"1.0".into(), &all[0].header("webhook-id").into()));
    let document = &event["data"];
    assert_eq!((&document["revision"], &document["state"]), (&1.into(), &"complete".into()));
    assert_eq!(document["recordings"][0]["id"], id);
    let interaction = document["interaction"].as_str().expect("an id").to_owned();
    let shown = client.get(&format!("/interactions/{interaction}"));
    assert_eq!(shown.json(), *document, "the API shows what was handed over");
    assert_eq!(client.get("/interactions/nothing").status, 404);
    // Nothing more comes after a restart, until something more is known.
    node.stop();
    node.launch();
    let path = format!("/api/v1/recordings/{id}");
    assert_eq!(client.request("DELETE".parse().expect("a method"), &path, &[], None).status, 200);
    let all = receiver.wait(3);
    let document = &all[2].json()["data"];
    assert_eq!((&document["revision"], &document["supersedes"]), (&2.into(), &1.into()));
    assert_eq!(document["recordings"][0]["state"], "deleted");
    assert!(!document.to_string().contains("5550100"), "nothing about people is left: {document}");
    assert_eq!(kinds(&all), ["interaction.consolidated", "recording.audio", "interaction.consolidated"]);
    let log = node.log();
    assert!(!log.contains("5550100") && !log.contains("whsec_"), "{log}");
}

#[test]
fn failures_are_retried_over_a_kill_and_a_dead_subscriber_holds_nobody_up() {
    let mut slot = Slot::new();
    let (failing, well) = (Receiver::plain(&mut slot, 1), Receiver::plain(&mut slot, 2));
    let nobody = well.section_at("nobody", slot.port());
    failing.answers(|_| 500);
    let events = "events = [\"recording.archived\", \"interaction.consolidated\"]\n";
    let sections = [failing.section("failing"), events.into(), well.section("well"), nobody].concat();
    let mut node = Node::start(&format!("{QUICK}{sections}"));
    let client = node.client("compliance-officer");
    place(&node, &client, "5550100");
    well.wait(1);
    failing.wait(3);
    assert!(failing.all().iter().all(|got| got.json()["type"] == "recording.archived"), "in order");
    wait::until(10, "two items owed", || node.metric("recorder_delivery_pending{subscriber=\"failing\"}") > 1.5);
    let failed = || node.metric("recorder_delivery_failed_total{subscriber=\"nobody\"}");
    wait::until(10, "a failure to connect", || failed() > 0.5);
    node.kill();
    let before = failing.all().len();
    failing.answers(|_| 204);
    node.launch();
    let all = failing.wait(before + 2);
    assert_eq!(kinds(&all[before..]), ["recording.archived", "interaction.consolidated"]);
    assert!(all[..=before].iter().all(|got| got.header("webhook-id") == all[0].header("webhook-id")));
    assert!(all.iter().all(|got| failing.is_signed(got)) && !well.is_signed(&all[0]), "each has a secret of its own");
    wait::until(20, "nothing owed", || node.metric("recorder_delivery_pending{subscriber=\"failing\"}") < 0.5);
    assert_eq!(well.all().len(), 1, "what was handed over stays handed over");
}

#[test]
fn what_is_refused_for_good_is_a_dead_letter_until_somebody_tries_again() {
    let mut slot = Slot::new();
    let receiver = Receiver::plain(&mut slot, 1);
    receiver.answers(|_| 422);
    let node = Node::start(&format!("{QUICK}{}", receiver.section("lake")));
    let (client, operator) = (node.client("compliance-officer"), node.client("administrator"));
    place(&node, &client, "5550100");
    receiver.wait(1);
    wait::until(20, "a dead letter", || node.metric("recorder_delivery_dead{subscriber=\"lake\"}") > 0.5);
    let (code, output, errors) = node.run(&["delivery", "list"]);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("1 dead") && output.contains("status 422 after 1 attempts"), "{output}");
    let page = operator.get("/delivery/dead").json();
    assert_eq!((&page["items"][0]["error"], &page["items"][0]["subscriber"]), (&"status 422".into(), &"lake".into()));
    assert_eq!(operator.get("/delivery").json()["items"][0]["dead"], 1);
    assert_eq!(client.get("/delivery").status, 403);
    let (code, _, errors) = node.run(&["delivery", "retry", "--subscriber", "nobody"]);
    assert_eq!(code, 2, "{errors}");
    receiver.answers(|_| 204);
    let (code, output, errors) = node.run(&["delivery", "retry", "--subscriber", "lake"]);
    assert_eq!((code, output.trim()), (0, "1 to be tried again"), "{errors}");
    let all = receiver.wait(2);
    assert_eq!(all[0].header("webhook-id"), all[1].header("webhook-id"));
    wait::until(20, "no dead letter", || node.metric("recorder_delivery_dead{subscriber=\"lake\"}") < 0.5);
    assert_eq!(receiver.all().len(), 2);
}

#[test]
fn a_subscriber_that_cannot_work_is_named_before_anything_starts() {
    let node =
        Node::prepare("[[delivery.subscriber]]\nname = \"lake\"\nurl = \"http://192.0.2.1/\"\nsecret_files = []\n");
    let (code, _, errors) = node.run(&["check-config"]);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("delivery.subscriber") && errors.contains("lake"), "{errors}");
}
