//! What the switch joins: recordings of a call that is transferred, gets another ConnID and becomes a conference are one
//! interaction with one history, and what is told late is the next revision of its document.

use recorder_tests::{
    Client, Node, Slot, Switch,
    receiver::Receiver,
    switch::{Place, wait_up},
    wait,
};
use serde_json::{Value, json};

const MAIN: &str = "JOINED0000000000000000000000000A";
const CONSULTATION: &str = "JOINED0000000000000000000000000B";
const QUICK: &str = "[delivery]\nsettle_ms = 300\nretry_first_ms = 200\nretry_last_s = 1\n";

/// The document, when it is complete and knows of so many recordings.
fn complete(client: &Client, recordings: usize) -> Value {
    let mut document = Value::Null;
    wait::until(40, "a complete document", || {
        let answer = client.get(&format!("/interactions/{MAIN}"));
        document = if answer.status == 200 { answer.json() } else { Value::Null };
        let of_it = document["recordings"].as_array().map_or(0, Vec::len);
        document["state"] == "complete" && of_it == recordings
    });
    document
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list:#}"));
    items.iter().map(|item| item[key].as_str().unwrap_or_default()).collect()
}

/// `event dn other third`, as somebody reads it.
fn told(document: &Value) -> Vec<String> {
    let line = |line: &Value| {
        let words = ["event", "dn", "other", "third"].map(|key| line[key].as_str().unwrap_or("-"));
        words.join(" ")
    };
    document["history"].as_array().expect("a history").iter().map(line).collect()
}

#[test]
fn a_transferred_call_with_two_conn_ids_and_a_conference_is_one_interaction_with_one_history() {
    let mut slot = Slot::new();
    let receiver = Receiver::plain(&mut slot, 9);
    let place = Place::new();
    let node = Node::start(&format!("{QUICK}{}{}", receiver.section("lake"), place.link("7001-7004")));
    let client = node.client("compliance-officer");
    let switch = Switch::play_file(&node, &place, "joined");
    wait_up(&node, 1);
    let document = complete(&client, 3);
    assert_joined(&document);
    assert_told(&document);
    assert_eq!(document["user_data"].get("Outcome"), None, "that is told later");
    let before = document["revision"].as_u64().expect("a revision");
    wait::until(10, "what is shown is handed over", || {
        receiver.all().last().is_some_and(|got| got.json()["data"] == document)
    });
    let by_conn = client.get("/recordings?conn_id=00710238210000c1").json();
    assert_eq!(by_conn["items"].as_array().map(Vec::len), Some(2), "both recordings of the call, by its later ConnID");
    // The names of the call, in any case, lead to it; the consultation has no document of its own any more.
    let lower = client.get(&format!("/interactions/{}", MAIN.to_ascii_lowercase()));
    assert_eq!(lower.json()["recordings"], document["recordings"]);
    assert_ne!(client.get(&format!("/interactions/{CONSULTATION}")).json()["state"], "complete");
    assert_late(&node, &client, &receiver, before);
    switch.finish();
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(!node.log().contains("5550100") && !node.log().contains("a17"), "{}", node.log());
}

/// Every id and everybody is in one document.
fn assert_joined(document: &Value) {
    assert_eq!(document["interaction"], MAIN);
    assert_eq!(document["call_uuids"], json!([MAIN, CONSULTATION]), "{document:#}");
    assert_eq!(
        document["conn_ids"],
        json!(["00710238210000a1", "00710238210000b1", "00710238210000c1"]),
        "both ConnIDs of the call, and that of the consultation"
    );
    assert_eq!((&document["ani"], &document["dnis"]), (&json!("5550100"), &json!("8001")));
    let recordings = &document["recordings"];
    assert_eq!(texts(recordings, "call_uuid"), [MAIN, CONSULTATION, MAIN], "by their beginning");
    assert_eq!(texts(recordings, "state"), ["archived"; 3]);
    assert_eq!(texts(recordings, "conn_id"), ["00710238210000a1", "00710238210000b1", "00710238210000c1"]);
    let agents = |digits: &str| {
        let parties = document["parties"].as_array().expect("parties");
        let one = parties.iter().find(|party| party["address"].as_str().is_some_and(|text| text.contains(digits)));
        one.unwrap_or_else(|| panic!("no {digits}: {document:#}"))["agents"].clone()
    };
    assert_eq!((agents("7001"), agents("7002"), agents("7003")), (json!(["a17"]), json!(["a18"]), json!(["a19"])));
}

/// The story in its order, each thing once although several recordings heard of it.
fn assert_told(document: &Value) {
    let expected = [
        "ringing 7001 5550100 -",
        "established 7001 5550100 -",
        "dialing 7001 7002 -",
        "ringing 7002 7001 -",
        "established 7001 7002 -",
        "established 7002 7001 -",
        "released 7001 7002 -",
        "released 7001 5550100 -",
        "party_changed 7002 5550100 7001",
        "ringing 7003 5550100 -",
        "established 7003 5550100 -",
        "released 7002 5550100 -",
        "party_added 7003 5550100 7004",
        "party_changed 7004 5550100 7003",
        "released 7004 5550100 -",
        "party_deleted 7003 5550100 7004",
    ];
    let mut story = told(document);
    // Events of one step have one time; they stand by their names.
    assert!(document["history"].as_array().expect("a history").is_sorted_by_key(|line| line["at"].as_str()));
    let mut wanted = expected.map(str::to_owned).to_vec();
    let times = |story: &[String]| {
        story.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((times(&story).first(), times(&story).len()), (times(&wanted).first(), wanted.len()), "{story:#?}");
    story.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(story, wanted);
    let mood: Vec<&Value> =
        document["user_data_told"].as_array().expect("user data").iter().filter(|one| one["key"] == "Mood").collect();
    assert_eq!(mood.iter().map(|one| &one["value"]).collect::<Vec<_>>(), ["good", "better"], "{document:#}");
    assert!(mood[0]["at"].as_str() < mood[1]["at"].as_str() && mood[1]["sources"] == json!(["tlib:0"]), "{mood:#?}");
    assert_eq!(document["user_data"]["Mood"], "better");
}

/// What the switch tells when all is archived and handed over comes with the next revision.
fn assert_late(node: &Node, client: &Client, receiver: &Receiver, before: u64) {
    wait::until(30, "the next revision", || {
        receiver.all().last().is_some_and(|got| got.json()["data"]["user_data"]["Outcome"] == "sold")
    });
    let all = receiver.all();
    let document = all.last().expect("a document").json()["data"].clone();
    assert_eq!(document["interaction"], MAIN);
    let revision = document["revision"].as_u64().expect("a revision");
    assert!(revision > before && document["supersedes"] == json!(revision - 1), "{revision} after {before}");
    let sold = document["user_data_told"].as_array().expect("user data").iter().find(|one| one["key"] == "Outcome");
    let sold = sold.unwrap_or_else(|| panic!("{document:#}"));
    assert!(
        sold["at"].as_str()
            < document["history"].as_array().and_then(|lines| lines.last()).and_then(|line| line["at"].as_str())
    );
    assert_eq!(
        told(&document).last().map(String::as_str),
        Some("released 7003 5550100 -"),
        "at the time at which it happened"
    );
    assert_eq!(complete(client, 3)["revision"], document["revision"]);
    assert!(node.metric("recorder_delivery_dead{subscriber=\"lake\"}") < 0.5);
}
