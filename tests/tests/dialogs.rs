//! What happens inside a live dialog: INFO, control by a vendor's header, lines that go and labels that move, take-over,
//! duplicate coverage, sessions without lines, lost messages, against the real recorder.

use recorder_tests::{
    Client, Node,
    answer::assert_fits,
    live::{self, party, warnings},
    sip::{Message, Peer, ack, header},
    vector::{bye, fresh, inside, invite, load, over},
};
use serde_json::{Value, json};

struct Call {
    node: Node,
    client: Client,
    peer: Peer,
    first: String,
    answer: Message,
}

impl Call {
    /// Dialog 500, established.
    fn new(section: &str) -> Self {
        let node = Node::start(section);
        let client = node.client("compliance-officer");
        let mut peer = Peer::tcp(node.sip);
        let first = load("500a");
        let answer = invite(&mut peer, &first);
        assert_fits("500a", &first, &answer);
        Self { node, client, peer, first, answer }
    }

    fn next(&self, number: &str) -> String {
        inside(&load(number), self.answer.to_tag().expect("a tag"))
    }

    fn end(mut self) -> Value {
        bye(&mut self.peer, &self.first, &self.answer);
        live::none(&self.node, &self.client);
        self.node.archived(&self.client, "limit=10")
    }
}

#[test]
fn info_and_a_lower_cseq_harm_nothing_and_digits_are_stored_nowhere() {
    let mut call = Call::new("");
    for number in ["521", "522", "523"] {
        let answer = call.peer.ask(&call.next(number));
        assert_eq!(answer.status, 200, "{number}: {}", answer.head);
    }
    // 514 asks as an earlier request would.
    let lower = call.next("500d").replace("CSeq: 4 INVITE", "CSeq: 2 INVITE");
    assert_eq!(invite(&mut call.peer, &lower).status, 500, "RFC 3261 12.2.2");
    let recording = live::one(&call.client);
    assert_eq!((&recording["paused"], warnings(&recording).len()), (&json!(false), 0), "no effect: {recording}");
    for file in recorder_tests::node::files(&call.node.data()) {
        let octets = std::fs::read(&file).unwrap_or_default();
        assert!(!octets.windows(8).any(|eight| eight == b"Signal=5"), "{}", file.display());
    }
    let kept = call.end();
    assert!(!kept["flags"].to_string().contains("paused"), "{kept}");
}

#[test]
fn audiocodes_pauses_and_resumes_by_its_header() {
    let mut call = Call::new("[[peer]]\nmatch = \"127.0.0.1\"\nprofile = \"audiocodes\"\n");
    let pause = call.next("523");
    assert_eq!(call.peer.ask(&pause).status, 200);
    live::one_when(&call.client, "a pause", |now| now["paused"] == true);
    // A retransmission of the same wish changes nothing.
    let again = fresh(&pause.replace("CSeq: 22", "CSeq: 23"));
    assert_eq!(call.peer.ask(&again).status, 200);
    let resume = fresh(&pause.replace("CSeq: 22", "CSeq: 24").replace("pause-siprec", "resume-siprec"));
    assert_eq!(call.peer.ask(&resume).status, 200);
    live::one_when(&call.client, "a resumption", |now| now["paused"] == false);
    let kept = call.end();
    for track in kept["tracks"].as_array().expect("tracks") {
        let gaps = track["gaps"].as_array().expect("gaps");
        assert!(gaps.len() == 1 && gaps[0]["cause"] == "paused", "{kept}");
    }
}

#[test]
fn all_lines_may_go_and_come_back_in_the_same_dialog() {
    let mut call = Call::new("");
    let stopped = call.next("526");
    let answer = invite(&mut call.peer, &stopped);
    assert_fits("526", &stopped, &answer);
    assert_eq!([answer.port(0), answer.port(1)], [0, 0], "{}", answer.body);
    let closed =
        |now: &Value| now["tracks"].as_array().is_some_and(|all| all.iter().all(|track| track["closed"] == true));
    live::one_when(&call.client, "closed tracks", closed);
    // The dialog is kept for what comes next (persistent recording session).
    let again = call.next("527");
    let answer = invite(&mut call.peer, &again);
    assert_fits("527", &again, &answer);
    let now =
        live::one_when(&call.client, "new tracks", |now| now["tracks"].as_array().is_some_and(|all| all.len() == 4));
    assert_eq!(live::count(&call.client), 1, "{now}");
    call.end();
}

#[test]
fn labels_move_and_attribution_follows_while_tracks_stay() {
    let mut call = Call::new("");
    let before = live::one(&call.client);
    let moved = call.next("527");
    let answer = invite(&mut call.peer, &moved);
    assert_fits("527", &moved, &answer);
    assert_eq!([answer.port(0), answer.port(1)], [call.answer.port(0), call.answer.port(1)], "tracks follow the line");
    let now = live::one_when(&call.client, "the warning", |now| warnings(now) == ["label_swap"]);
    let on = |recording: &Value, track: usize| recording["tracks"][track]["party"].clone();
    assert_eq!((on(&now, 0), on(&now, 1)), (on(&before, 1), on(&before, 0)), "{now}");
    assert_eq!(now["tracks"].as_array().map(Vec::len), Some(2), "{now}");
    call.end();
}

#[test]
fn a_session_that_is_replaced_goes_on_in_the_same_recording() {
    let mut call = Call::new("");
    let before = live::one(&call.client);
    let value = format!(
        "{};to-tag={};from-tag=d500",
        header(&call.first, "Call-ID").expect("a Call-ID"),
        call.answer.to_tag().expect("a tag")
    );
    let taking = load("515").replace("nope@192.0.2.99;to-tag=a;from-tag=b", &value);
    let answer = call.peer.ask(&taking);
    assert_fits("515", &taking, &answer);
    call.peer.send(ack(&taking, &answer).as_bytes());
    let ended = call.peer.receive().expect("a BYE for the old dialog");
    assert!(ended.head.starts_with("BYE ") && ended.head.contains("500-dlg@192.0.2.10"), "{}", ended.head);
    call.peer.oblige(&ended);
    let after = live::one_when(&call.client, "the second session", |now| {
        now["sessions"].as_array().is_some_and(|all| all.len() == 2)
    });
    assert_eq!(after["id"], before["id"], "one recording");
    bye(&mut call.peer, &taking, &answer);
    live::none(&call.node, &call.client);
    let kept = call.node.archived(&call.client, "limit=10");
    assert_eq!(kept["tracks"].as_array().map(Vec::len), Some(4), "{kept}");
    assert_eq!(live::count(&call.client), 1);
}

#[test]
fn the_same_call_from_a_second_client_is_another_recording_and_both_say_so() {
    let mut call = Call::new("");
    let first = live::one(&call.client);
    let second = load("518");
    let answer = invite(&mut call.peer, &second);
    assert_fits("518", &second, &answer);
    let both = || call.client.get("/recordings?state=live").json()["items"].as_array().cloned().unwrap_or_default();
    recorder_tests::wait::until(5, "two recordings that know of each other", || {
        let both = both();
        both.len() == 2 && both.iter().all(|one| one["warnings"].to_string().contains("duplicate_coverage"))
    });
    let both = both();
    let ids: Vec<_> = both.iter().map(|one| one["id"].as_str().expect("an id")).collect();
    for recording in &both {
        let detail = recording["warning_details"][0]["detail"].as_str().expect("a detail");
        let other = ids.iter().find(|id| **id != recording["id"].as_str().expect("an id")).expect("another");
        assert!(detail.contains(other), "{recording}");
        assert_eq!(recording["record_id"], first["record_id"], "the same communication session");
    }
    bye(&mut call.peer, &second, &answer);
    bye(&mut call.peer, &call.first.clone(), &call.answer.clone());
    live::none(&call.node, &call.client);
}

#[test]
fn a_session_may_begin_without_any_line_and_get_them_later() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let empty = load("429");
    let answer = invite(&mut peer, &empty);
    assert_eq!((answer.status, answer.lines().len()), (200, 0), "{}{}", answer.head, answer.body);
    let recording = live::one(&client);
    assert_eq!(recording["tracks"], json!([]), "{recording}");
    let offer = "v=0\r\no=SRC 7001 2 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                 m=audio 40000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n";
    let grown = request_in(&empty, &answer, "INVITE", 2, offer);
    let second = invite(&mut peer, &grown);
    assert_fits("429", &grown, &second);
    live::one_when(&client, "a track", |now| now["tracks"].as_array().is_some_and(|all| all.len() == 1));
    bye(&mut peer, &empty, &answer);
    live::none(&node, &client);
}

/// A request with an offer inside the dialog that `first` opened with `answer`.
fn request_in(first: &str, answer: &Message, method: &str, cseq: u32, sdp: &str) -> String {
    let value = |name| header(first, name).unwrap_or_default();
    format!(
        "{method} sip:srs@recorder.example.net SIP/2.0\r\nVia: {}-{method}{cseq}\r\nMax-Forwards: 70\r\nFrom: {}\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: {}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        value("Via"),
        value("From"),
        answer.header("To").unwrap_or_default(),
        value("Call-ID"),
        value("Contact"),
        sdp.len()
    )
}

/// An offer of `lines` audio lines.
fn lines(lines: usize) -> String {
    let head = "v=0\r\no=SRC 7001 7 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n".to_owned();
    (0..lines).fold(head, |sdp, line| {
        sdp + &format!("m=audio {} RTP/AVP 0 101\r\na=label:{}\r\na=sendonly\r\n", 40_000 + 10 * line, line + 1)
    })
}

#[test]
fn sixteen_lines_are_kept_the_next_is_turned_down_and_too_many_are_refused() {
    let mut call = Call::new("");
    let many = request_in(&call.first, &call.answer, "UPDATE", 30, &lines(17));
    let answer = call.peer.ask(&many);
    assert_fits("17 lines", &many, &answer);
    let ports: Vec<u16> = (0..17).map(|line| answer.port(line)).collect();
    assert!(ports[..16].iter().all(|port| *port != 0) && ports[16] == 0, "{ports:?}");
    assert_eq!(ports[..2], [call.answer.port(0), call.answer.port(1)]);
    let refused = request_in(&call.first, &call.answer, "UPDATE", 31, &lines(65));
    assert_eq!(call.peer.ask(&refused).status, 488);
    let now = live::one(&call.client);
    assert_eq!(now["tracks"].as_array().map(Vec::len), Some(16), "the session goes on as it was: {now}");
    assert!(warnings(&now).contains(&"partial_media"), "{now}");
    call.end();
}

#[test]
fn an_offer_that_crosses_ours_meets_491_and_a_repeated_bye_481() {
    let mut call = Call::new("");
    // Ours is open from the 200 to the ACK.
    let delayed = call.next("500g");
    let ours = call.peer.ask(&delayed);
    assert_eq!((ours.status, ours.lines().len()), (200, 2), "{}", ours.head);
    let crossing = request_in(&call.first, &call.answer, "UPDATE", 31, &lines(2));
    assert_eq!(call.peer.ask(&crossing).status, 491, "RFC 3261 14.2, RFC 3311 5.2");
    call.peer.send(ack(&delayed, &ours).as_bytes());
    let later = fresh(&request_in(&call.first, &call.answer, "UPDATE", 32, &lines(2)));
    let answered = call.peer.ask(&later);
    assert_fits("after the ACK", &later, &answered);
    let ended = call.peer.ask(&call.next("500i").replace("CSeq: 9 BYE", "CSeq: 40 BYE"));
    assert_eq!(ended.status, 200, "{}", ended.head);
    let again = fresh(&call.next("500i").replace("CSeq: 9 BYE", "CSeq: 41 BYE"));
    assert_eq!(call.peer.ask(&again).status, 481);
}

#[test]
fn session_timers_are_agreed_as_rfc_4028_says() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let small = invite(&mut peer, &load("510"));
    assert_eq!((small.status, small.header("Min-SE")), (422, Some("90")), "{}", small.head);
    for (number, interval, requires) in [("511", Some("90;refresher=uas"), true), ("512", None, false)] {
        let request = load(number);
        let answer = invite(&mut peer, &request);
        assert_fits(number, &request, &answer);
        assert_eq!(answer.header("Session-Expires"), interval, "{number}: {}", answer.head);
        assert_eq!(answer.header("Require").is_some_and(|tags| tags.contains("timer")), requires, "{number}");
        bye(&mut peer, &request, &answer);
    }
    live::none(&node, &client);
}

#[test]
fn offers_with_keys_are_answered_line_by_line_over_tls() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let keys = |line: &[&str]| -> Vec<String> {
        line.iter().filter_map(|line| line.strip_prefix("a=crypto:")).map(str::to_owned).collect()
    };
    let ask = |number: &str, peer: &mut Peer| {
        let request = load(number);
        let answer = invite(peer, &request);
        assert_fits(number, &request, &answer);
        bye(peer, &request, &answer);
        live::none(&node, &client);
        (request, answer)
    };
    let (request, answer) = ask("400", &mut peer);
    let chosen: Vec<String> = answer.lines().iter().flat_map(|line| keys(line)).collect();
    assert!(chosen.iter().all(|key| key.starts_with("1 AES_CM_128_HMAC_SHA1_80 inline:")), "{chosen:?}");
    assert!(chosen[0] != chosen[1] && chosen.iter().all(|key| !request.contains(key.as_str())), "keys of our own");
    let (_, answer) = ask("401", &mut peer);
    let chosen = keys(&answer.lines()[0]);
    // 44 octets of key and salt are 60 characters of base64 with one sign of padding.
    let value = chosen[0].strip_prefix("1 AEAD_AES_256_GCM inline:").expect("the first suite");
    assert_eq!(value.split('|').next().map(str::len), Some(60), "{value}");
    let (_, answer) = ask("405", &mut peer);
    assert_eq!((answer.port(0), answer.port(1) != 0), (0, true), "its only key is invalid: {}", answer.body);
    let (_, answer) = ask("406", &mut peer);
    assert!(keys(&answer.lines()[0])[0].starts_with("2 "), "{}", answer.body);
    let (_, answer) = ask("403", &mut peer);
    assert!(!answer.body.contains("a=crypto"), "{}", answer.body);
    // 407 is the same offer in the clear.
    let refused = invite(&mut Peer::udp(node.sip), &over(&load("407"), "UDP"));
    assert!(refused.header("Warning").is_some_and(|warning| warning.starts_with("399 ")), "{}", refused.head);
}

#[test]
fn lines_are_answered_by_capability() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let mut ask = |number: &str| {
        let request = load(number);
        let answer = invite(&mut peer, &request);
        if answer.status == 200 {
            assert_fits(number, &request, &answer);
            bye(&mut peer, &request, &answer);
            live::none(&node, &client);
        }
        answer
    };
    for (number, kept) in [("418", "11000"), ("419", "110"), ("420", "110"), ("425", "10")] {
        let answer = ask(number);
        let ports: String = (0..kept.len()).map(|line| if answer.port(line) == 0 { '0' } else { '1' }).collect();
        assert_eq!(ports, kept, "{number}: {}", answer.body);
    }
    let refused = ask("424");
    assert!(refused.header("Warning").is_some_and(|warning| warning.starts_with("305 ")), "{}", refused.head);
    let directions =
        |answer: &Message| answer.lines().iter().map(|line| line.contains(&"a=recvonly")).collect::<Vec<_>>();
    assert_eq!(directions(&ask("412")), [true, false]);
    assert_eq!(directions(&ask("411")), [true, true]);
    let bundled = ask("409");
    assert!(
        !bundled.body.contains("a=group") && !bundled.body.contains("a=ice") && bundled.body.contains("a=rtcp-mux")
    );
    assert_ne!(bundled.port(0), bundled.port(1));
    assert!(ask("410").body.contains("RTP/AVPF"), "the profile is kept");
    // What we cannot render gives way to what we can.
    assert!(ask("423").body.contains("RTP/AVP 8 18 101"));
    assert!(ask("422").body.contains("a=fmtp:111 maxplaybackrate=16000; sprop-maxcapturerate=16000; useinbandfec=1"));
    assert_eq!(party_count(&ask("427")), 2);
}

fn party_count(answer: &Message) -> usize {
    answer.lines().len()
}

#[test]
fn datagrams_that_are_cut_short_are_counted() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::udp(node.sip);
    let answer = invite(&mut peer, &load("211"));
    assert_eq!(answer.status, 400, "{}", answer.head);
    assert!(node.metric("recorder_sip_truncated_datagrams_total") > 0.5, "the counter");
    assert_eq!(live::count(&client), 0);
}

#[test]
fn a_party_that_leaves_between_two_snapshots_has_left() {
    let mut call = Call::new("");
    let before = live::one(&call.client);
    assert_eq!(party(&before, "0122")["left_at"], Value::Null);
    let whole = call.next("500c");
    // Agent Two becomes somebody else, letter by letter of the same length.
    let other = whole.replace("+12025550122", "+12025550199").replace("Agent Two", "Agent Six");
    let answer = invite(&mut call.peer, &other);
    assert_fits("500c", &other, &answer);
    let now = live::one_when(&call.client, "Agent Six", |now| now["parties"].to_string().contains("0199"));
    assert_ne!(party(&now, "0122")["left_at"], Value::Null, "{now}");
    assert_eq!(now["tracks"][1]["party"], party(&now, "0199")["address"], "{now}");
    call.end();
}
