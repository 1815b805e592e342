//! Calls as a switch tells them over the T-Library link, from its scenario to what the API says of the recording.

use recorder_tests::{
    Client, Node, Switch, heard, live,
    switch::{Place, events, wait_up},
    wait,
};
use serde_json::{Value, json};

/// The one recording of a call, when it is archived and its history has that many lines.
fn told(node: &Node, client: &Client, query: &str, lines: usize) -> Value {
    let id = heard::id(&node.archived(client, query)).to_owned();
    let mut recording = Value::Null;
    wait::until(20, &format!("{lines} lines of history"), || {
        recording = client.get(&format!("/recordings/{id}")).json();
        events(&recording).len() >= lines
    });
    recording
}

fn no_gaps(recording: &Value) -> bool {
    recording["tracks"].as_array().is_some_and(|tracks| tracks.iter().all(|track| track["gaps"] == json!([])))
}

/// Nothing of the calls is in the log: ids alone.
fn assert_discreet(node: &Node) {
    let log = node.log();
    for personal in ["5550100", "gold", "a17"] {
        assert!(!log.contains(personal), "{personal} is in the log: {log}");
    }
}

#[test]
fn a_full_time_recording_knows_parties_agents_user_data_and_the_transfer() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7002"));
    let client = node.client("compliance-officer");
    Switch::play_file(&node, &place, "full-time").finish();
    let recording = told(&node, &client, "call_uuid=00ABCDEFGHIJKLMNOPQRSTUV01234567", 5);
    assert_eq!(recording["conn_id"], "0071023821aec001");
    assert_eq!(
        events(&recording),
        ["ringing", "established", "released", "party_changed", "released"],
        "{:#}",
        recording["history"]
    );
    let history = recording["history"].as_array().expect("a history");
    assert_eq!((&history[0]["dn"], &history[0]["agent"]), (&json!("7001"), &json!("a17")));
    assert_eq!((&history[3]["dn"], &history[3]["third"]), (&json!("7002"), &json!("7001")));
    let data = &recording["user_data"];
    assert_eq!((&data["Segment"], &data["Mood"]), (&json!("gold"), &json!("good")), "{data}");
    assert_eq!((&data["Case/Number"], &data["Name"]), (&json!("4711"), &json!("Müller")), "{data}");
    assert_eq!((&data["GSIP_RECORD"], &data["GRECORD_PARTITIONS"]), (&json!("ON"), &json!("/sales")), "{data}");
    assert_eq!(live::party(&recording, "7001")["agent"], "a17", "{:#}", recording["parties"]);
    let correlation = &recording["correlation"];
    assert_eq!((&correlation["ani"], &correlation["dnis"]), (&json!("5550100"), &json!("8001")), "{correlation}");
    assert!(no_gaps(&recording) && recording["warnings"] == json!([]), "{recording:#}");
    for query in ["ani=5550100", "dnis=8001", "agent=a17", "conn_id=0071023821aec001"] {
        assert_eq!(
            client.get(&format!("/recordings?{query}")).json()["items"].as_array().map(Vec::len),
            Some(1),
            "{query}"
        );
    }
    assert_discreet(&node);
}

#[test]
fn of_two_calls_the_selected_one_is_recorded() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7002"));
    let client = node.client("compliance-officer");
    Switch::play_file(&node, &place, "selective").finish();
    let recording = told(&node, &client, "record_id=selected-1", 4);
    assert_eq!(recording["call_uuid"], "SELECTED000000000000000000000001");
    assert_eq!(events(&recording), ["ringing", "established", "record_start", "released"]);
    assert_eq!(live::count(&client), 1, "the other call is not recorded");
    assert!(no_gaps(&recording));
}

#[test]
fn a_call_in_progress_is_recorded_from_when_it_is_asked_for_until_it_is_stopped() {
    let place = Place::new();
    let node = Node::start(&place.link("7001"));
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    let switch = Switch::play_file(&node, &place, "on-demand");
    wait_up(&node, 1);
    let path = |what: &str| format!("/calls/DEMAND00000000000000000000000001/{what}");
    // It is told of the call a moment later.
    wait::until(10, "a call that is known", || desk.post(&path("start")).status == 202);
    let recording = live::one(&client);
    assert_eq!(recording["call_uuid"], "DEMAND00000000000000000000000001");
    let record_id = recording["record_id"].as_str().expect("a recording id").to_owned();
    assert!(record_id.starts_with("DEMAND00000000000000000000000001_2"), "the id that we asked for: {record_id}");
    assert_eq!(desk.post(&path("start")).status, 202, "asked twice is asked once");
    wait::until(10, "a second of sound", || node.metric("recorder_rtp_packets_total") > 99.5);
    assert_eq!(desk.post("/calls/NOBODY/start").status, 404);
    assert_eq!(client.post(&path("start")).status, 403, "a compliance officer controls nothing");
    assert_eq!(desk.post(&path("stop")).status, 202);
    let recording = node.archived(&client, &format!("record_id={record_id}"));
    assert_eq!(recording["end_cause"], "stopped", "{recording:#}");
    assert_eq!(desk.post(&path("pause")).status, 202, "the call goes on: it would begin paused");
    assert_eq!(desk.post(&path("resume")).status, 202);
    let report = switch.finish();
    let requests = report["requests"].as_array().expect("requests");
    let words: Vec<&str> = requests.iter().filter_map(|request| request["what"].as_str()).collect();
    assert_eq!(words[0], "start", "{report:#}");
    assert!(words.contains(&"stop"), "{report:#}");
    assert_eq!(requests[0]["record_id"], record_id.as_str());
    assert_eq!((&requests[0]["this_dn"], &requests[0]["answer"]), (&json!("7001"), &json!("ack")));
    assert!(requests[0]["reasons"]["actor"].is_string(), "who asked is said: {report:#}");
    assert_eq!(live::count(&client), 1);
}

#[test]
fn a_request_that_the_switch_refuses_records_nothing() {
    let place = Place::new();
    let node = Node::start(&place.link("7001"));
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    let text = std::fs::read_to_string(recorder_tests::script::path("scenarios/on-demand.toml")).expect("a scenario");
    let text = text.replace("for = \"14s\"", "for = \"3s\"").replace("at = \"13s\"", "at = \"3s\"");
    let switch = Switch::play(&node, &place, &format!("{text}\n[[answer]]\nwhat = \"start\"\nerror = 71\n"));
    let path = "/calls/DEMAND00000000000000000000000001/start";
    wait::until(10, "a call that is known", || desk.post(path).status == 202);
    switch.finish();
    assert!(node.metric("recorder_tlib_requests_total{outcome=\"refused\",what=\"start\"}") > 0.5);
    assert_eq!(live::count(&client), 0);
}

#[test]
fn a_link_that_is_lost_in_mid_call_costs_no_sound_and_is_read_again() {
    let place = Place::new();
    let node = Node::start(&place.link("7001"));
    let client = node.client("compliance-officer");
    Switch::play_file(&node, &place, "link-loss").finish();
    let recording = told(&node, &client, "call_uuid=LINKLOSS000000000000000000000001", 3);
    assert_eq!(recording["user_data"]["Meanwhile"], "changed", "{recording:#}");
    assert_eq!(events(&recording).last(), Some(&"released"));
    assert!(no_gaps(&recording) && recording["warnings"] == json!([]), "{recording:#}");
    assert!(recording["duration_ms"].as_u64().is_some_and(|length| (6_000..8_500).contains(&length)), "{recording:#}");
}

#[test]
fn a_standby_that_takes_over_in_mid_call_goes_on_telling() {
    let place = Place::new();
    let node = Node::start(&place.pair("7001"));
    let client = node.client("compliance-officer");
    let report = Switch::play_file(&node, &place, "standby").finish();
    let recording = told(&node, &client, "call_uuid=STANDBY0000000000000000000000001", 3);
    assert_eq!(recording["user_data"]["Server"], "standby", "{recording:#}\n{report:#}");
    assert_eq!(events(&recording).last(), Some(&"released"));
    assert!(no_gaps(&recording), "{recording:#}");
}

#[test]
fn events_that_come_when_all_is_archived_are_joined() {
    let place = Place::new();
    let node = Node::start(&place.link("7001"));
    let client = node.client("compliance-officer");
    let switch = Switch::play_file(&node, &place, "late");
    let before = node.archived(&client, "call_uuid=LATE0000000000000000000000000001");
    assert!(
        events(&before).is_empty() && before["user_data"]["Segment"].is_null(),
        "nothing was told so far: {before:#}"
    );
    switch.finish();
    let recording = told(&node, &client, "call_uuid=LATE0000000000000000000000000001", 3);
    assert_eq!(events(&recording), ["ringing", "established", "released"]);
    let history = recording["history"].as_array().expect("a history");
    assert!(history[0]["at"].as_str() < recording["started_at"].as_str(), "at the time at which it happened");
    assert_eq!(recording["user_data"]["Segment"], "gold", "{recording:#}");
    assert_eq!(recording["correlation"]["dnis"], "8001");
    assert_eq!(live::party(&recording, "7001")["agent"], "a17");
    assert_eq!(recording["state"], "archived");
    for query in ["dnis=8001", "agent=a17"] {
        assert_eq!(
            client.get(&format!("/recordings?{query}")).json()["items"].as_array().map(Vec::len),
            Some(1),
            "{query}"
        );
    }
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

#[test]
fn what_is_told_late_finds_its_recording_after_a_restart_too() {
    let place = Place::new();
    let mut node = Node::start(&place.link("7001"));
    let client = node.client("compliance-officer");
    let switch = Switch::play_file(&node, &place, "late");
    let query = "call_uuid=LATE0000000000000000000000000001";
    let before = node.archived(&client, query);
    assert!(events(&before).is_empty(), "{before:#}");
    node.kill();
    node.launch();
    switch.finish();
    let recording = told(&node, &client, query, 3);
    assert_eq!(events(&recording), ["ringing", "established", "released"]);
    assert_eq!((&recording["id"], &recording["user_data"]["Segment"]), (&before["id"], &json!("gold")));
}

#[test]
fn without_cti_a_call_is_recorded_all_the_same() {
    let place = Place::new();
    // A link is configured, and nobody ever answers.
    let node = Node::start(&place.pair("7001"));
    let client = node.client("compliance-officer");
    let arguments = ["--duration", "2s", "--profile", "genesys-msr"];
    let sent = recorder_tests::call::place(&node, "5550100", recorder_tests::call::Way::Udp, &arguments);
    let recording = node.archived(&client, "dn=5550100");
    heard::assert_exact(&client, &recording, &sent, "7002");
    assert_eq!(recording["history"], json!([]));
    assert!(recording["call_uuid"].is_string() && node.metric("recorder_tlib_links{state=\"up\"}") < 0.5);
}
