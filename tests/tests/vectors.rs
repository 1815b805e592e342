//! The vectors of `tests/vectors` against the real recorder: every row of EXPECT.tsv that belongs to the main job.

use recorder_tests::{
    Client, Node,
    media::{Stream, genesys_invite},
    sip::{Message, Peer, header},
    vector::{bye, fresh, inside, invite, load, over},
    wait,
};
use serde_json::Value;

/// The loopback of the tests, read to the letter of RFC 7866 6.2.
const STRICT: &str = "[[peer]]\nmatch = \"127.0.0.1/32\"\nprofile = \"rfc7866-strict\"\n";

/// "200 as 001": one plain SDP answer, every line `recvonly` with its label, `+sip.srs` in Contact.
fn assert_as_001(number: &str, answer: &Message) {
    assert_eq!(answer.status, 200, "{number}: {}", answer.head);
    assert!(answer.header("Contact").is_some_and(|contact| contact.contains("+sip.srs")), "{number}: {}", answer.head);
    assert_eq!(answer.header("Content-Type"), Some("application/sdp"), "{number}");
    assert_eq!(answer.lines().len(), 2, "{number}: {}", answer.body);
    assert_lines(number, answer, &["1", "2"], "a=recvonly");
}

fn assert_lines(number: &str, answer: &Message, labels: &[&str], direction: &str) {
    let lines = answer.lines();
    assert_eq!(lines.len(), labels.len(), "{number}: {}", answer.body);
    for (index, (line, label)) in lines.iter().zip(labels).enumerate() {
        assert!(line.contains(&&*format!("a=label:{label}")), "{number}: {line:?}");
        assert!(line.contains(&direction), "{number}: {direction} is not in {line:?}");
        assert_ne!(answer.port(index), 0, "{number}: {line:?}");
        assert!(line[0].contains(" RTP/AVP 0 101"), "{number}: every offered payload type is kept: {line:?}");
    }
    // A plain body: the answer carries no metadata (RFC 7866 section 9).
    assert!(!answer.body.contains("<recording"), "{number}");
}

/// The one live recording, once both its parties are there.
fn live(client: &Client) -> Value {
    let mut found = Value::Null;
    wait::until(10, "one live recording", || {
        let items = client.get("/recordings?state=live").json()["items"].as_array().cloned().unwrap_or_default();
        assert!(items.len() <= 1, "{items:?}");
        found = items.into_iter().next().unwrap_or(Value::Null);
        !found.is_null()
    });
    let id = found["id"].as_str().expect("an id");
    client.get(&format!("/recordings/{id}")).json()
}

fn none_live(node: &Node, client: &Client) {
    wait::until(10, "no live session", || node.metric("recorder_recordings_live") < 0.5);
    wait::until(10, "no live recording", || {
        client.get("/recordings?state=live").json()["items"].as_array().is_some_and(Vec::is_empty)
    });
}

fn recordings(client: &Client) -> usize {
    client.get("/recordings?limit=100").json()["items"].as_array().map(Vec::len).expect("a list")
}

/// Stream 1 is Caller One, stream 2 is Agent Two.
fn assert_parties(number: &str, recording: &Value) {
    let parties = recording["parties"].as_array().expect("parties");
    let names: Vec<_> = parties.iter().map(|party| party["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["Caller One", "Agent Two"], "{number}: {recording}");
    let tracks = recording["tracks"].as_array().expect("tracks");
    for (track, (label, digits)) in tracks.iter().zip([("1", "+12025550101"), ("2", "+12025550122")]) {
        assert_eq!(track["label"], label, "{number}: {recording}");
        assert!(track["party"].as_str().is_some_and(|party| party.contains(digits)), "{number}: {recording}");
    }
}

fn warnings(recording: &Value) -> Vec<&str> {
    recording["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect()
}

/// Sends a vector that is to be kept, looks at the recording, and ends it.
fn kept(node: &Node, client: &Client, peer: &mut Peer, request: &str, number: &str) -> Value {
    let answer = invite(peer, request);
    assert_as_001(number, &answer);
    let recording = live(client);
    bye(peer, request, &answer);
    none_live(node, client);
    recording
}

#[test]
fn what_is_as_001_is_read_as_001() {
    for (section, profile) in [("", "lenient"), (STRICT, "strict")] {
        let node = Node::start(section);
        let client = node.client("compliance-officer");
        let mut peer = Peer::tcp(node.sip);
        for number in ["001", "002", "003", "005", "006", "200", "202", "203", "205"] {
            let recording = kept(&node, &client, &mut peer, &load(number), number);
            assert_parties(number, &recording);
            assert_eq!(warnings(&recording), Vec::<&str>::new(), "{number} {profile}");
        }
    }
}

#[test]
fn the_baseline_is_the_same_over_udp_and_tls() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let peers = [("UDP", Peer::udp(node.sip)), ("TLS", Peer::tls(node.sips, &node.certificate()))];
    for (transport, mut peer) in peers {
        let request = over(&load("001"), transport).replace("001-", &format!("001{transport}-"));
        let recording = kept(&node, &client, &mut peer, &request, transport);
        assert_parties(transport, &recording);
    }
}

#[test]
fn lenient_takes_with_a_warning_what_strict_refuses() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    for (number, warning) in [("100", "no_require_siprec"), ("204", "unterminated_multipart")] {
        let recording = kept(&node, &client, &mut peer, &load(number), number);
        assert_eq!(warnings(&recording), [warning], "{number}");
        assert_parties(number, &recording);
    }
    let strict = Node::start(STRICT);
    let client = strict.client("compliance-officer");
    let mut peer = Peer::tcp(strict.sip);
    for (number, status) in [("100", 403), ("204", 400)] {
        let answer = invite(&mut peer, &load(number));
        assert_eq!(answer.status, status, "{number}: {}", answer.head);
    }
    assert_eq!(recordings(&client), 0);
}

#[test]
fn what_is_no_recording_session_leaves_nothing() {
    for section in ["", STRICT] {
        let node = Node::start(section);
        let client = node.client("compliance-officer");
        let mut peer = Peer::tcp(node.sip);
        let plain = invite(&mut peer, &load("105"));
        assert!(plain.status == 403 || plain.status == 421, "105: {}", plain.head);
        let unknown = invite(&mut peer, &load("106"));
        assert_eq!((unknown.status, unknown.header("Unsupported")), (420, Some("example-unknown")), "{}", unknown.head);
        assert_eq!(invite(&mut peer, &load("107")).status, 403);
        let required = invite(&mut peer, &load("206"));
        assert_eq!(required.status, 415, "{}", required.head);
        let accept = required.header("Accept").unwrap_or_default();
        for kind in ["multipart/mixed", "application/sdp", "application/rs-metadata+xml", "application/rs-metadata"] {
            assert!(accept.split(',').any(|listed| listed.trim() == kind), "{kind}: {accept}");
        }
        assert_eq!(invite(&mut peer, &load("513")).status, 481);
        assert_eq!(recordings(&client), 0);
        assert!(node.metric("recorder_recordings_live") < 0.5);
    }
}

#[test]
fn options_say_what_we_are() {
    let node = Node::start("");
    let answer = Peer::tcp(node.sip).ask(&load("519"));
    assert_eq!(answer.status, 200, "{}", answer.head);
    let lists = |field: &str, values: &[&str]| {
        let listed: Vec<_> =
            answer.header(field).unwrap_or_default().split(',').map(str::trim).map(str::to_owned).collect();
        for value in values {
            assert!(listed.iter().any(|one| one == value), "{field} without {value}: {}", answer.head);
        }
    };
    lists("Accept", &["application/sdp", "multipart/mixed", "application/rs-metadata+xml", "application/rs-metadata"]);
    lists("Supported", &["siprec", "timer", "replaces"]);
    assert!(answer.header("Contact").is_some_and(|contact| contact.contains("+sip.srs")), "{}", answer.head);
}

#[test]
fn a_cancelled_invite_leaves_no_recording() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    assert_eq!(peer.ask(&load("520")).status, 481, "alone");
    // Behind an INVITE in the same segment, with its Call-ID, tags and branch: the INVITE is pending when the CANCEL is
    // read, though the answer may be decided already and cross it.
    for request in [load("001"), genesys_invite("TCP", "cancelled", &["40000 RTP/AVP 0"])] {
        let statuses = cancelled(&mut peer, &request);
        assert!(statuses.contains(&("CANCEL".to_owned(), 200)), "{statuses:?}");
        assert!(statuses.contains(&("INVITE".to_owned(), 487)), "{statuses:?}");
        none_live(&node, &client);
        wait::until(5, "no trace of an empty recording", || recordings(&client) == 0);
    }
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

/// Sends an INVITE with its CANCEL and returns the final responses to both.
fn cancelled(peer: &mut Peer, request: &str) -> Vec<(String, u16)> {
    peer.send(format!("{request}{}", cancel_of(request)).as_bytes());
    let mut statuses = Vec::new();
    while statuses.len() < 2 {
        let message = peer.receive().expect("an answer");
        if message.status >= 200 {
            let method = message.header("CSeq").and_then(|cseq| cseq.split(' ').nth(1)).unwrap_or_default().to_owned();
            if method == "INVITE" {
                peer.send(recorder_tests::sip::ack(request, &message).as_bytes());
            }
            statuses.push((method, message.status));
        }
    }
    statuses
}

fn cancel_of(request: &str) -> String {
    let value = |name| header(request, name).unwrap_or_default();
    let uri = request.split(' ').nth(1).expect("a Request-URI");
    format!(
        "CANCEL {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
        value("Via"),
        value("From"),
        value("To"),
        value("Call-ID"),
    )
}

#[test]
fn a_part_that_nobody_understands_is_kept_and_exported() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let request = load("205");
    let recording = kept(&node, &client, &mut peer, &request, "205");
    let part = request.split("Content-Type: application/gtd\r\n\r\n").nth(1).expect("a third part");
    let octets = part.split("\r\n--vec-boundary--").next().expect("a closing delimiter").as_bytes();
    let expected = serde_json::json!(
        [{ "content_type": "application/gtd", "disposition": "signal;handling=optional", "bytes": octets.len() }]
    );
    assert_eq!(recording["attachments"], expected, "{recording}");
    let archived = node.archived(&client, "limit=10");
    assert_eq!(archived["attachments"], expected, "{archived}");
    let folder = node.folder.path().join("exported");
    let to = folder.to_str().expect("a path");
    let (code, output, errors) = node.run(&["export", archived["id"].as_str().expect("an id"), "--to", to]);
    assert_eq!(code, 0, "{errors}");
    let file = folder.join("attachment-1.bin");
    assert!(output.contains("attachment-1.bin") && !folder.join("attachment-2.bin").exists(), "{output}");
    assert_eq!(std::fs::read(file).expect("the attachment"), octets);
}

/// The party of that name.
fn party<'a>(recording: &'a Value, name: &str) -> &'a Value {
    let parties = recording["parties"].as_array().expect("parties");
    parties.iter().find(|party| party["name"] == name).unwrap_or_else(|| panic!("no {name}: {recording}"))
}

fn track<'a>(recording: &'a Value, label: &str) -> &'a Value {
    let tracks = recording["tracks"].as_array().expect("tracks");
    tracks.iter().find(|track| track["label"] == label).unwrap_or_else(|| panic!("no track {label}: {recording}"))
}

/// A minute after ten on the day of the vectors.
fn minute(minute: u8) -> String {
    format!("2026-03-04T10:{minute}:00.000Z")
}

/// The one live recording, when it has become what is waited for.
fn live_when(client: &Client, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut recording = Value::Null;
    wait::until(5, what, || {
        recording = live(client);
        is_it(&recording)
    });
    recording
}

/// A vector whose media comes from this host. As long as the address whose place it takes.
fn near(number: &str) -> String {
    load(number).replace("c=IN IP4 192.0.2.10", "c=IN IP4 127.0.0.10")
}

#[test]
fn partial_metadata_adds_to_what_is_known() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let answer = invite(&mut peer, &near("330a"));
    assert_as_001("330a", &answer);
    let tag = answer.to_tag().expect("a tag").to_owned();
    let first = live(&client);
    for name in ["Caller One", "Agent Two"] {
        assert_eq!(party(&first, name)["joined_at"], minute(15), "{first}");
    }
    assert_eq!(first["sessions"][0]["started_at"], minute(15), "{first}");
    assert_eq!(first["sessions"][0]["grouped_at"], minute(15), "{first}");

    let joined = invite(&mut peer, &inside(&near("330b"), &tag));
    assert_eq!(joined.status, 200, "{}", joined.head);
    assert_lines("330b", &joined, &["1", "2", "3"], "a=recvonly");
    let three = live_when(&client, "a third party", |now| now["parties"].as_array().is_some_and(|all| all.len() == 3));
    assert_eq!(party(&three, "Guest Three")["joined_at"], minute(16), "{three}");
    for name in ["Caller One", "Agent Two"] {
        assert_eq!(party(&three, name), party(&first, name), "unchanged though absent from the document");
    }

    // Agent Two says something before leaving: what was kept of it stays.
    let mut agent = Stream::new("127.0.0.10", 2);
    agent.send(joined.port(1), &[0x55; 1_600]);
    wait::until(5, "ten packets", || node.metric("recorder_rtp_packets_total") > 9.5);
    let left = invite(&mut peer, &inside(&near("330c"), &tag));
    assert_eq!((left.status, left.port(0) != 0, left.port(2) != 0), (200, true, true), "{}", left.head);
    assert!(left.lines()[1][0].starts_with("m=audio 0 "), "{}", left.body);
    let two = live_when(&client, "a closed stream", |now| track(now, "2")["closed"] == true);
    assert_eq!(party(&two, "Agent Two")["left_at"], minute(17), "{two}");
    assert_eq!(track(&two, "2")["stream_to"], minute(17), "{two}");
    for name in ["Caller One", "Guest Three"] {
        assert_eq!(party(&two, name)["left_at"], Value::Null, "{two}");
    }
    assert_eq!((&track(&two, "1")["closed"], &two["sessions"][0]["stopped_at"]), (&Value::Bool(false), &Value::Null));

    let ended = peer.ask(&inside(&load("330d"), &tag));
    assert_eq!(ended.status, 200, "{}", ended.head);
    none_live(&node, &client);
    let kept = node.archived(&client, "limit=10");
    assert_eq!((&kept["id"], kept["tracks"].as_array().map(Vec::len)), (&first["id"], Some(3)), "{kept}");
    assert_eq!(party(&kept, "Agent Two")["left_at"], minute(17), "who has left is still known: {kept}");
    assert_eq!(
        (&track(&kept, "2")["party"], &track(&kept, "2")["packets"]),
        (&party(&kept, "Agent Two")["address"], &10.into())
    );
    assert_eq!(
        (&track(&kept, "1")["stream_to"], &track(&kept, "2")["stream_to"]),
        (&minute(18).into(), &minute(17).into())
    );
    let session = &kept["sessions"][0];
    assert_eq!((&session["started_at"], &session["stopped_at"]), (&minute(15).into(), &minute(18).into()), "{kept}");
    assert_reason(
        &client,
        &kept,
        "Q.850;cause=16;text=\"Normal call clearing\"",
        ("Q.850", 16, "Normal call clearing"),
    );
    assert_eq!(warnings(&kept), Vec::<&str>::new());
}

/// The `Reason` of the BYE is kept as it came and taken apart, and the recording is found by its cause.
fn assert_reason(client: &Client, recording: &Value, header: &str, (protocol, cause, text): (&str, u16, &str)) {
    let session = &recording["sessions"][0];
    assert_eq!((&session["end_cause"], &session["reason"]), (&"bye".into(), &header.into()), "{recording}");
    let reason = serde_json::json!([{ "protocol": protocol, "cause": cause, "text": text }]);
    assert_eq!(session["reasons"], reason, "{recording}");
    assert_eq!((&recording["end_cause"], &recording["end_reason"]), (&"bye".into(), &header.into()), "{recording}");
    for (asked, found) in [(format!("{cause}"), 1), (format!("{protocol};cause={cause}"), 1), (format!("1{cause}"), 0)]
    {
        let items = client.get(&format!("/recordings?cause={asked}")).json()["items"].as_array().map(Vec::len);
        assert_eq!(items, Some(found), "{asked}");
    }
}

#[test]
fn a_time_that_is_none_costs_itself_alone() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    // As long as the time whose place it takes, so that Content-Length stays true.
    let request = load("330a").replace("2026-03-04T10:15:00.000Z", "yesterday at ten o'clock");
    let recording = kept(&node, &client, &mut peer, &request, "330a");
    assert_eq!(warnings(&recording), ["bad_time"]);
    assert_eq!(party(&recording, "Agent Two")["joined_at"], Value::Null, "{recording}");
    let zoned = load("330a").replace("330-part", "331-part").replace("10:15:00.000Z", "13:15:00+0300");
    let recording = kept(&node, &client, &mut peer, &zoned, "330a");
    assert_eq!((warnings(&recording), &party(&recording, "Agent Two")["joined_at"]), (vec![], &minute(15).into()));
}

#[test]
fn a_dialog_goes_through_its_whole_life() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let first = invite(&mut peer, &load("500a"));
    assert_as_001("500a", &first);
    let tag = first.to_tag().expect("a tag").to_owned();
    let next = |number: &str| inside(&load(number), &tag);
    let ports = [first.port(0), first.port(1)];

    let held = invite(&mut peer, &next("500b"));
    assert_eq!(held.status, 200, "{}", held.head);
    assert_lines("500b", &held, &["1", "2"], "a=inactive");
    assert_eq!([held.port(0), held.port(1)], ports, "the ports are kept");
    let resumed = invite(&mut peer, &next("500c"));
    assert_lines("500c", &resumed, &["1", "2"], "a=recvonly");
    let same = invite(&mut peer, &next("500d"));
    assert_eq!((same.status, &same.body), (200, &resumed.body), "the same offer has the same answer");
    let refresh = peer.ask(&next("500e"));
    assert_eq!((refresh.status, refresh.body.as_str()), (200, ""), "{}", refresh.head);
    assert!(refresh.header("Session-Expires").is_some(), "{}", refresh.head);
    assert!(refresh.header("Require").is_some_and(|tags| tags.contains("timer")), "{}", refresh.head);
    let update = peer.ask(&next("500f"));
    assert_eq!(update.status, 200, "{}", update.head);
    assert_lines("500f", &update, &["1", "2"], "a=recvonly");
    assert_delayed_offer(&mut peer, &next("500g"));
    let bad = invite(&mut peer, &next("500h"));
    assert_eq!(bad.status, 488, "{}", bad.head);
    let recording = live(&client);
    assert_eq!(recording["tracks"].as_array().map(Vec::len), Some(2), "no stream was added: {recording}");
    let ended = peer.ask(&next("500i"));
    assert_eq!(ended.status, 200, "{}", ended.head);
    none_live(&node, &client);
    let kept = node.archived(&client, "limit=10");
    assert_eq!(kept["id"], recording["id"], "one dialog, one recording");
    assert!(kept["flags"].to_string().contains("paused"), "{kept}");
    let header = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert_reason(&client, &kept, header, ("SIP", 200, "Call completed elsewhere"));
    for track in kept["tracks"].as_array().expect("tracks") {
        let gaps = track["gaps"].as_array().expect("gaps");
        assert!(gaps.len() == 1 && gaps[0]["cause"] == "paused", "the pause of 500b, ended by 500c: {kept}");
    }
    // Nothing more can be asked of it.
    assert_eq!(peer.ask(&fresh(&next("500e"))).status, 481);
}

/// A re-INVITE without an offer gets one, and the ACK answers it.
fn assert_delayed_offer(peer: &mut Peer, request: &str) {
    let offer = peer.ask(request);
    assert_eq!(offer.status, 200, "{}", offer.head);
    let lines = offer.lines();
    assert_eq!(lines.len(), 2, "{}", offer.body);
    for (line, label) in lines.iter().zip(["a=label:1", "a=label:2"]) {
        assert!(line.contains(&label) && line.contains(&"a=recvonly"), "{line:?}");
    }
    let mut answer = "v=0\r\no=SRC 7001 7 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n".to_owned();
    for (label, port) in [("1", 40000), ("2", 40010)] {
        answer += &format!(
            "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=label:{label}\r\na=sendonly\r\n"
        );
    }
    let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    peer.send(recorder_tests::sip::ack(request, &offer).replace("Content-Length: 0\r\n\r\n", &body).as_bytes());
}
