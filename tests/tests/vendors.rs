//! Vendors that are more than a tolerance: sequences of vectors, profiles that must be named, keys of other systems, and
//! profiles of one's own, against the real recorder.

use recorder_tests::{
    Client, Node,
    answer::assert_fits,
    heard,
    live::{self, party, warnings},
    media::Stream,
    sip::{Message, Peer, ack, header},
    vector::{bye, inside, invite, load, over},
    wait,
};
use serde_json::{Value, json};

fn rule(profile: &str) -> String {
    format!("[[peer]]\nmatch = \"127.0.0.1\"\nprofile = \"{profile}\"\n")
}

fn tag(answer: &Message) -> String {
    answer.to_tag().expect("a tag").to_owned()
}

fn track(recording: &Value, number: usize) -> &Value {
    &recording["tracks"].as_array().expect("tracks")[number]
}

#[test]
fn avaya_announces_a_party_names_it_and_adds_its_stream() {
    let node = Node::start(&rule("avaya"));
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let first = load("303a");
    let answer = invite(&mut peer, &first);
    assert_fits("303a", &first, &answer);
    let recording = live::one(&client);
    assert_eq!(recording["parties"].as_array().map(Vec::len), Some(1), "a placeholder is no person: {recording}");
    assert_eq!(recording["correlation"]["ucid"], "00AB0900123456789ABC", "{recording}");
    let declared = json!({ "name": "declared_but_absent", "detail": "label 20" });
    assert!(recording["warning_details"].as_array().expect("details").contains(&declared), "{recording}");
    let update = peer.ask(&inside(&load("303b"), &tag(&answer)));
    assert_eq!((update.status, update.body.as_str()), (200, ""), "{}", update.head);
    let named = live::one_when(&client, "Agent Two", |now| now["parties"].as_array().is_some_and(|all| all.len() == 2));
    assert_eq!((&party(&named, "0122")["name"], &party(&named, "0122")["tracks"]), (&json!("Agent Two"), &json!([])));
    let second = inside(&load("303c"), &tag(&answer));
    let grown = invite(&mut peer, &second);
    assert_fits("303c", &second, &grown);
    assert_eq!(grown.port(0), answer.port(0), "the first line is untouched");
    let both =
        live::one_when(&client, "a second track", |now| now["tracks"].as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(track(&both, 1)["party"], party(&both, "0122")["address"], "{both}");
    bye(&mut peer, &first, &answer);
    live::none(&node, &client);
    assert_eq!(live::count(&client), 1);
}

#[test]
fn broadworks_renews_ids_holds_by_zero_address_and_changes_codec() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let first = load("304a");
    let answer = invite(&mut peer, &first);
    assert_fits("304a", &first, &answer);
    let recording = live::one(&client);
    assert_eq!(
        (&recording["profile"], &recording["correlation"]["ext_tracking_id"]),
        (&json!("broadworks"), &json!("trk-0001"))
    );
    assert_eq!(party(&recording, "tel:+1-202-555-0122;ext=7")["role"], "callee", "{recording}");
    let people = recording["parties"].clone();
    let next = |number: &str| inside(&load(number), &tag(&answer));
    let renewed = next("304b");
    assert_fits("304b", &renewed, &invite(&mut peer, &renewed));
    let after = live::one(&client);
    assert_eq!((&after["parties"], after["sessions"].as_array().map(Vec::len)), (&people, Some(1)), "{after}");
    let held = next("304c");
    let answer_held = invite(&mut peer, &held);
    assert_fits("304c", &held, &answer_held);
    assert_eq!(answer_held.body.matches("a=inactive").count(), 2, "{}", answer_held.body);
    live::one_when(&client, "a pause", |now| now["flags"].to_string().contains("hold"));
    let changed = next("304d");
    let answer_changed = invite(&mut peer, &changed);
    assert_fits("304d", &changed, &answer_changed);
    assert!(answer_changed.lines().iter().all(|line| line[0].ends_with(" RTP/AVP 9")), "{}", answer_changed.body);
    assert_eq!([answer_changed.port(0), answer_changed.port(1)], [answer.port(0), answer.port(1)]);
    let now = live::one_when(&client, "the new codec", |now| track(now, 0)["codec"] == "G722");
    assert_eq!(now["tracks"].as_array().map(Vec::len), Some(2), "the same tracks go on: {now}");
    bye(&mut peer, &first, &answer);
    live::none(&node, &client);
    let kept = node.archived(&client, "limit=10");
    assert!(kept["tracks"].to_string().contains("\"hold\""), "{kept}");
}

#[test]
fn mixed_lines_have_everybody_and_say_so() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    for (number, callee) in [("305", "0122"), ("306", "2025550122"), ("322", "+12025550122")] {
        let request = load(number).replace("c=IN IP4 192.0.2.10", "c=IN IP4 127.0.0.10");
        let answer = invite(&mut peer, &request);
        assert_fits(number, &request, &answer);
        let recording = live::one(&client);
        assert_eq!(recording["tracks"].as_array().map(Vec::len), Some(1), "{number}: {recording}");
        assert_eq!(recording["flags"], json!(["mixed"]), "{number}: {recording}");
        let tracks: Vec<_> =
            recording["parties"].as_array().expect("parties").iter().map(|one| &one["tracks"]).collect();
        assert_eq!(tracks, [&json!([0]), &json!([0])], "{number}: {recording}");
        party(&recording, callee);
        if number == "306" {
            assert_eq!(answer.lines()[0][0].split(' ').nth(3), Some("0"), "what we render is chosen: {}", answer.body);
            assert_eq!(recording["user_data"]["businessGroup"], "example-bg", "{recording}");
            let roles = ["2025550101", "2025550122"].map(|number| party(&recording, number)["role"].clone());
            assert_eq!(roles, ["caller", "callee"], "{recording}");
        }
        let id = recording["id"].as_str().expect("an id").to_owned();
        let mut end = || bye(&mut peer, &request, &answer);
        // 305 speaks Opus, which is kept and not rendered.
        if number == "305" {
            end()
        } else {
            mixed_sound(&node, &client, &id, answer.port(0), end)
        }
        live::none(&node, &client);
    }
}

/// What is said on a mixed line is one channel: mono in the file, in both ears of an MP3.
fn mixed_sound(node: &Node, client: &Client, id: &str, port: u16, end: impl FnOnce()) {
    let sound = media::speech::synth(41, 1, media::codec::Law::Mu);
    let before = node.metric("recorder_rtp_packets_total");
    Stream::new("127.0.0.10", 1).send(port, &sound);
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > before + 49.5);
    end();
    let mut recording = Value::Null;
    wait::until(60, "the archive", || {
        recording = client.get(&format!("/recordings/{id}")).json();
        recording["state"] == "archived"
    });
    assert_eq!(recording["flags"], json!(["mixed"]), "{recording}");
    let wav = heard::wav(client, &recording);
    assert_eq!((wav.tag, wav.channels, wav.channel(0)), (7, 1, sound), "{recording}");
    for rate in [8, 16, 32] {
        let mp3 = client.get(&format!("/recordings/{id}/audio?format=mp3&rate={rate}"));
        // 80 ms of the second are the encoder's own.
        let whole = rate * 125;
        assert!(mp3.status == 200 && (whole..2 * whole).contains(&mp3.body.len()), "{rate}: {}", mp3.body.len());
    }
}

#[test]
fn cisco_nbr_counts_lines_and_replaces_a_party_on_transfer() {
    let node = Node::start(&rule("cisco-nbr"));
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let first = load("316a");
    let answer = invite(&mut peer, &first);
    assert_fits("316a", &first, &answer);
    let recording = live::one(&client);
    assert_eq!((&recording["profile"], warnings(&recording).len()), (&json!("cisco-nbr"), 0), "{recording}");
    for (number, line) in [("0101", 0), ("0122", 1)] {
        let who = party(&recording, number);
        assert_eq!((&who["tracks"], &who["confidence"]), (&json!([line]), &json!("high")), "{recording}");
    }
    let second = inside(&load("316b"), &tag(&answer));
    let moved = invite(&mut peer, &second);
    assert_fits("316b", &second, &moved);
    let now = live::one_when(&client, "the guest", |now| now["parties"].to_string().contains("0033"));
    assert_eq!(track(&now, 1)["party"], party(&now, "0033")["address"], "{now}");
    assert_ne!(party(&now, "0122")["left_at"], Value::Null, "{now}");
    assert_eq!(party(&now, "0122")["left_at"], party(&now, "0033")["joined_at"], "{now}");
    assert_eq!(party(&now, "0101")["left_at"], Value::Null, "{now}");
    assert!(!now["flags"].to_string().contains("mixed"), "one after the other: {now}");
    bye(&mut peer, &first, &answer);
    live::none(&node, &client);
    // Whoever is no such peer is turned away.
    assert_eq!(invite(&mut peer, &load("001")).status, 403);
}

/// An ACK that carries an answer.
fn ack_with(request: &str, answer: &Message, sdp: &str) -> String {
    let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    ack(request, answer).replace("Content-Length: 0\r\n\r\n", &body)
}

#[test]
fn both_ends_of_a_built_in_bridge_are_one_recording_by_our_own_offers() {
    let node = Node::start(&rule("cucm-bib"));
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let (near, far) = (load("317a"), load("317c"));
    let first = peer.ask(&near);
    assert_eq!(first.status, 200, "{}", first.head);
    let lines = first.lines();
    assert_eq!(lines.len(), 1, "{}", first.body);
    assert!(lines[0][0].ends_with(" RTP/AVP 0 8 9 101"), "G.711 first: {}", first.body);
    assert!(lines[0].contains(&"a=recvonly") && !first.body.contains("a=label"), "{}", first.body);
    assert!(first.header("Require").is_some_and(|tags| tags.contains("timer")), "{}", first.head);
    // 317b is the ACK as the vector has it.
    peer.send(inside(&load("317b"), &tag(&first)).as_bytes());
    let lone = live::one(&client);
    assert_eq!((&lone["profile"], &lone["correlation"]["refci"]), (&json!("cucm-bib"), &json!("27001")), "{lone}");
    let second = peer.ask(&far);
    assert_eq!(second.status, 200, "{}", second.head);
    let sdp = load("317b").split_once("\r\n\r\n").expect("a body").1.to_owned();
    peer.send(ack_with(&far, &second, &sdp).as_bytes());
    let both = live::one_when(&client, "both ends", |now| now["tracks"].as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(both["id"], lone["id"], "one call, one recording");
    for (number, role, line) in [("1022", "near-end", 0), ("+12025550101", "far-end", 1)] {
        let who = party(&both, number);
        assert_eq!((&who["role"], &who["tracks"]), (&json!(role), &json!([line])), "{both}");
    }
    assert_eq!(warnings(&both), Vec::<&str>::new());
    bye(&mut peer, &near, &first);
    bye(&mut peer, &far, &second);
    live::none(&node, &client);
    assert_eq!(live::count(&client), 1);
}

#[test]
fn any_siprec_client_may_leave_the_offer_to_us_and_a_missing_answer_is_named() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let whole = load("108");
    let head = whole.split_once("\r\n\r\n").expect("a body").0;
    let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-"));
    let request = format!("{}\r\nContent-Length: 0\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"));
    let offer = peer.ask(&request);
    assert_eq!((offer.status, offer.lines().len()), (200, 2), "{}{}", offer.head, offer.body);
    peer.send(ack(&request, &offer).as_bytes());
    // The snapshot request is answered like any other.
    let asked = peer.receive().expect("a request");
    assert!(asked.head.starts_with("UPDATE ") && asked.body.contains("requestsnapshot"), "{}", asked.head);
    peer.oblige(&asked);
    let named = live::one_when(&client, "the warning", |now| now["warnings"].to_string().contains("no_answer_in_ack"));
    assert_eq!(warnings(&named), ["no_answer_in_ack", "no_metadata"]);
    bye(&mut peer, &request, &offer);
    live::none(&node, &client);
}

#[test]
fn ids_of_other_systems_are_kept_and_found() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    for (number, keys, data) in [
        ("300", &[("ucid", "00FA080033699E0055")][..], &[("in-realm", "access-a")][..]),
        ("308", &[("audc_call_id", "7700112233445566")], &[]),
        (
            "309",
            &[
                ("genesys_uuid", "VECTORUUID0000000000000000000001"),
                ("ucid", "00AB0900123456789ABC"),
                ("ac_session_id", "00112233aabbccdd"),
            ],
            &[],
        ),
        ("313", &[("jb_callsid", "0b6f0000-0000-4000-8000-000000000001")], &[("direction", "inbound")]),
        ("531", &[], &[("campaign", "spring"), ("agentId", "7")]),
    ] {
        let request = load(number);
        let answer = invite(&mut peer, &request);
        assert_fits(number, &request, &answer);
        let recording = live::one(&client);
        for (key, value) in keys {
            assert_eq!(recording["correlation"][key], *value, "{number}: {recording}");
        }
        for (key, value) in data {
            assert_eq!(recording["user_data"][key], *value, "{number}: {recording}");
        }
        bye(&mut peer, &request, &answer);
        live::none(&node, &client);
    }
    let found =
        |query: &str| client.get(&format!("/recordings?correlation={query}")).json()["items"].as_array().map(Vec::len);
    assert_eq!(found("ucid%3D00FA*"), Some(1));
    assert_eq!(found("00112233aabbccdd"), Some(1));
    assert_eq!(found("genesys_uuid%3D00FA*"), Some(0));
}

#[test]
fn a_conversation_is_named_by_call_info_over_tls() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let request = load("532");
    let answer = invite(&mut peer, &request);
    assert_fits("532", &request, &answer);
    assert!(
        answer.lines()[1].iter().any(|line| line.starts_with("a=crypto:2 ")),
        "the tag of its line: {}",
        answer.body
    );
    let recording = live::one(&client);
    let uri = "http://dialogflow.googleapis.com/v2beta1/projects/example-project/conversations/VEC_0001";
    assert_eq!(recording["correlation"]["conversation"], uri, "{recording}");
    assert_eq!(recording["user_data"]["Call-Info"], header(&request, "Call-Info").expect("a header"), "{recording}");
    bye(&mut peer, &request, &answer);
}

#[test]
fn roles_by_label_order_hold_only_where_a_rule_says_so() {
    for (section, roles) in
        [(rule("amazon-connect"), ["customer", "agent"].map(Value::from)), (String::new(), [Value::Null, Value::Null])]
    {
        let node = Node::start(&section);
        let client = node.client("compliance-officer");
        let mut peer = Peer::tcp(node.sip);
        let request = load("533");
        let answer = invite(&mut peer, &request);
        assert_fits("533", &request, &answer);
        let recording = live::one(&client);
        // Label 1, the lowest, stands on the second line.
        assert_eq!(
            ["Caller One", "Agent Two"].map(|name| named(&recording, name)["role"].clone()),
            roles,
            "{recording}"
        );
        assert_eq!(recording["user_data"]["AmznConnectAgentUserId"], "00000000-0000-4000-8000-0000000000aa");
        bye(&mut peer, &request, &answer);
    }
}

fn named<'a>(recording: &'a Value, name: &str) -> &'a Value {
    let parties = recording["parties"].as_array().expect("parties");
    parties.iter().find(|party| party["name"] == name).unwrap_or_else(|| panic!("no {name}: {recording}"))
}

#[test]
fn netsapiens_and_oracle_say_who_called() {
    let node = Node::start("[[peer]]\nmatch = \"127.0.0.0/8\"\nprofile = \"auto\"\nzone = \"-05:00\"\n");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    for (number, profile) in [("300", "oracle"), ("314", "netsapiens")] {
        let request = load(number);
        let answer = invite(&mut peer, &request);
        assert_fits(number, &request, &answer);
        let recording = live::one(&client);
        assert_eq!(recording["profile"], profile, "{recording}");
        assert_eq!(named(&recording, "Caller One")["role"], "caller", "{recording}");
        assert_eq!(named(&recording, "Agent Two")["role"], "callee", "{recording}");
        if number == "300" {
            assert_eq!(named(&recording, "Caller One")["joined_at"], "2026-03-04T15:15:00.000Z", "{recording}");
            let zone = json!({ "name": "time_without_zone", "detail": "read as -05:00" });
            assert!(recording["warning_details"].as_array().expect("details").contains(&zone), "{recording}");
        }
        bye(&mut peer, &request, &answer);
        live::none(&node, &client);
    }
}

#[test]
fn names_and_further_addresses_are_kept_as_they_came() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let request = load("324");
    let answer = invite(&mut peer, &request);
    let recording = live::one(&client);
    for name in ["Zoë Ångström", "שלום دنیا 東京"] {
        assert!(request.contains(name), "the vector has it");
        named(&recording, name);
    }
    bye(&mut peer, &request, &answer);
    live::none(&node, &client);
    let request = load("325");
    let answer = invite(&mut peer, &request);
    let recording = live::one(&client);
    let also = named(&recording, "Caller One")["also"].as_array().map(Vec::len);
    assert!(also.is_some_and(|others| others >= 2), "a second address and the number: {recording}");
    bye(&mut peer, &request, &answer);
}

#[test]
fn a_conference_keeps_its_sessions_apart() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let request = load("351");
    let answer = invite(&mut peer, &request);
    let recording = live::one(&client);
    let told = recording["sessions"][0]["communication_sessions"].as_array().expect("two sessions").clone();
    let times: Vec<_> = told.iter().map(|one| one["started_at"].as_str().unwrap_or_default()).collect();
    assert_eq!(times, ["2026-03-04T10:15:00.000Z", "2026-03-04T10:20:00.000Z"], "{recording}");
    assert_ne!(told[0]["id"], told[1]["id"]);
    assert_eq!(recording["tracks"].as_array().map(Vec::len), Some(3));
    assert!(!recording["flags"].to_string().contains("mixed"), "each on a line of its own: {recording}");
    bye(&mut peer, &request, &answer);
}

#[test]
fn a_snapshot_is_asked_for_once_and_completes_the_recording() {
    for number in ["108", "331", "336"] {
        let node = Node::start("");
        let client = node.client("compliance-officer");
        let mut peer = Peer::tcp(node.sip);
        let request = load(number);
        let answer = invite(&mut peer, &request);
        assert_fits(number, &request, &answer);
        let asked = peer.receive().expect("a request");
        assert!(asked.head.starts_with("UPDATE "), "{number}: {}", asked.head);
        assert_eq!(asked.header("Content-Disposition"), Some("recording-session"), "{number}");
        assert!(asked.body.contains("<requestsnapshot ") && !asked.body.contains("v=0"), "{number}: {}", asked.body);
        peer.oblige(&asked);
        let before = live::one(&client);
        assert_ne!(before["sessions"][0]["metadata"], "complete", "{number}: {before}");
        // What was asked for comes in an UPDATE of its own (RFC 7866 9.1).
        let whole = load("001");
        let at = whole.find("<?xml").expect("a document");
        let document = whole[at..].split("\r\n--").next().expect("its end");
        let update = format!(
            "UPDATE sip:srs@recorder.example.net SIP/2.0\r\nVia: {}-u\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: 2 UPDATE\r\nContent-Type: application/rs-metadata+xml\r\n\
             Content-Disposition: recording-session\r\nContent-Length: {}\r\n\r\n{document}",
            header(&request, "Via").expect("a Via"),
            header(&request, "From").expect("a From"),
            answer.header("To").expect("a To"),
            header(&request, "Call-ID").expect("a Call-ID"),
            document.len(),
        );
        assert_eq!(peer.ask(&update).status, 200, "{number}");
        let whole = live::one_when(&client, "a complete recording", |now| now["sessions"][0]["metadata"] == "complete");
        assert_eq!(named(&whole, "Agent Two")["tracks"], json!([1]), "{number}: {whole}");
        // Nothing more is asked: the next thing that comes is the answer to the BYE.
        bye(&mut peer, &request, &answer);
    }
}

/// A profile of one's own, in the folder that `[sip] profiles` names.
fn own(text: &str) -> Node {
    let mut node = Node::prepare("[[peer]]\nmatch = \"127.0.0.1\"\nprofile = \"house\"\n");
    let folder = node.folder.path().join("profiles");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("house.toml"), text).expect("a file");
    node.launch_with(&[("RECORDER__SIP__PROFILES", folder.to_str().expect("a path"))]);
    node
}

#[test]
fn a_profile_of_ones_own_decides_about_keys_in_the_clear_and_best_effort_srtp() {
    let node =
        own("name = \"house\"\nextends = \"rfc7866\"\n[security]\nsdes_over_clear = true\nbest_effort_srtp = true\n\
         [[key]]\nname = \"house_id\"\nheader = \"User-Agent\"\n");
    let client = node.client("compliance-officer");
    let mut peer = Peer::udp(node.sip);
    let request = load("407");
    let answer = invite(&mut peer, &request);
    assert_fits("407", &request, &answer);
    let recording = live::one(&client);
    assert!(warnings(&recording).contains(&"sdes_over_clear_signaling"), "{recording}");
    assert_eq!(recording["correlation"]["house_id"], "vector-src/1.0", "{recording}");
    bye(&mut peer, &request, &answer);
    live::none(&node, &client);
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let request = over(&load("403"), "TLS");
    let answer = invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.lines().iter().all(|line| line[0].contains(" RTP/AVP ")), "the protocol stays: {}", answer.body);
    assert_eq!(answer.body.matches("a=crypto:1 ").count(), 2, "{}", answer.body);
    let recording = live::one(&client);
    assert_eq!((warnings(&recording), &track(&recording, 0)["srtp"]), (vec![], &json!(true)), "{recording}");
    bye(&mut peer, &request, &answer);
}

#[test]
fn a_fault_in_a_profile_names_file_line_and_key() {
    let node = Node::prepare("");
    let folder = node.folder.path().join("profiles");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("house.toml"), "name = \"house\"\n[tolerate]\nno_sip_scr = true\n").expect("a file");
    let mut command = node.command(&["check-config"]);
    command.env("RECORDER__SIP__PROFILES", &folder);
    let (code, _, errors) = recorder_tests::process::run(&mut command);
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("house.toml:3") && errors.contains("no_sip_scr"), "{errors}");
    for (rule, parts) in [
        ("[[peer]]\nmatch = \"127.0.0.1\"\nprofile = \"nobody\"\n", ["rule 1", "\"nobody\""]),
        ("[[peer]]\nprofile = \"auto\"\n", ["rule 1", "`match`"]),
        ("[[peer]]\nmatch = \"127.0.0.1\"\nprofile = \"auto\"\nzone = \"CET\"\n", ["zone", "\"CET\""]),
    ] {
        let (code, _, errors) = Node::prepare(rule).run(&["check-config"]);
        assert!(code == 2 && parts.iter().all(|part| errors.contains(part)), "{code} {errors}");
    }
}
