//! RFC 4475 and RFC 5118: each message of `tests/torture` through the parser and through the live recorder, which
//! records a call afterwards as before.

use recorder_tests::{
    Node,
    call::{Way, place},
    heard, script,
    sip::Peer,
};
use signaling_core::sip::{message::Message as Parsed, parse};

/// A row of EXPECT.tsv: what the parser makes of the message, and how the recorder answers.
struct Case {
    file: String,
    octets: Vec<u8>,
    parser: Vec<String>,
    /// Final statuses that are right; none: it is dropped.
    live: Vec<u16>,
}

fn cases() -> Vec<Case> {
    let folder = script::path("torture");
    let table = std::fs::read_to_string(folder.join("EXPECT.tsv")).expect("a table");
    let case = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, parser, live, what] = columns[..] else { panic!("four columns: {line}") };
        assert!(!what.is_empty(), "{file} is described");
        let octets = std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let statuses = live.split(',').filter(|word| *word != "drop");
        Case {
            file: file.to_owned(),
            octets,
            parser: parser.split('|').map(str::to_owned).collect(),
            live: statuses.map(|status| status.parse().expect("a status")).collect(),
        }
    };
    let cases: Vec<Case> = table.lines().skip(1).map(case).collect();
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let messages = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "sip")).count();
    assert_eq!((cases.len(), messages), (60, 60), "every section of both RFCs has its message and its row");
    cases
}

#[test]
fn the_parser_takes_what_is_lawful_and_refuses_what_is_not() {
    for Case { file, octets, parser, .. } in cases() {
        let found = match parse::parse(&octets) {
            Ok(Parsed::Request(_)) => "request",
            Ok(Parsed::Response(_)) => "response",
            Err(_) => "refused",
        };
        assert!(parser.iter().any(|lawful| lawful == found), "{file}: {found}, not {parser:?}");
    }
}

/// A lawful message like any other, to see what a peer hears next.
fn ping(number: usize, transport: &str) -> String {
    format!(
        "OPTIONS sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5999;rport;branch=z9hG4bKping{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:ping@127.0.0.1>;tag=p{number}\r\nTo: <sip:srs@127.0.0.1>\r\n\
         Call-ID: ping-{number}\r\nCSeq: 77 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The final answers to a message; a ping behind it shows when there is none. A new session waits its turn, so that its
/// answer may come behind the ping's: where one is `due`, it is waited for first.
fn answers(peer: &mut Peer, message: &[u8], is_due: bool, number: usize, transport: &str) -> Vec<u16> {
    peer.send(message);
    let mut statuses = Vec::new();
    while is_due && statuses.is_empty() {
        let answer = peer.receive().unwrap_or_else(|| panic!("no answer to message {number}"));
        statuses.extend(Some(answer.status).filter(|status| *status >= 200));
    }
    peer.send(ping(number, transport).as_bytes());
    loop {
        let answer = peer.receive().unwrap_or_else(|| panic!("no answer to ping {number}: {statuses:?}"));
        if answer.header("Call-ID") == Some(&*format!("ping-{number}")) {
            assert_eq!(answer.status, 200, "{}", answer.head);
            // Nobody sends an ACK here: an answer to an INVITE may come twice.
            statuses.dedup();
            return statuses;
        }
        statuses.extend(Some(answer.status).filter(|status| *status >= 200));
    }
}

fn assert_answered(file: &str, live: &[u16], statuses: &[u16]) {
    match statuses {
        [] => assert!(live.is_empty(), "{file}: no answer instead of {live:?}"),
        [status] => assert!(live.contains(status), "{file}: {status} instead of {live:?}"),
        _ => panic!("{file}: {statuses:?}"),
    }
}

/// The node records a call, and nothing that came before left a recording.
fn records(node: &Node, caller: &str) {
    let client = node.client("compliance-officer");
    let sent = place(node, caller, Way::Udp, &["--duration", "1s"]);
    let recording = node.archived(&client, &format!("dn={caller}"));
    heard::assert_exact(&client, &recording, &sent, "7002");
    let all = client.get("/recordings?limit=100").json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1), "{all}");
}

#[test]
fn the_live_recorder_answers_by_rule_over_udp_and_records_afterwards() {
    let node = Node::start("");
    for (number, Case { file, octets, live, .. }) in cases().into_iter().enumerate() {
        let mut peer = Peer::udp(node.sip);
        assert_answered(&file, &live, &answers(&mut peer, &octets, !live.is_empty(), number, "UDP"));
    }
    assert!(node.metric("recorder_recordings_live") < 0.5);
    records(&node, "5550101");
}

/// Messages whose framing a stream cannot survive, or that promise octets which never come.
const BREAKS_THE_STREAM: &[&str] = &["3.1.1.8-", "3.1.2.2-", "3.1.2.3-", "3.3.9-", "3.4.1-"];

#[test]
fn the_live_recorder_answers_by_rule_over_tcp_and_tls_and_records_afterwards() {
    let node = Node::start("");
    for (number, Case { file, octets, live, .. }) in cases().into_iter().enumerate() {
        if BREAKS_THE_STREAM.iter().any(|prefix| file.starts_with(prefix)) {
            // The connection may go; the recorder stays.
            Peer::tcp(node.sip).send(&octets);
            continue;
        }
        let (mut peer, transport) = match number % 2 {
            0 => (Peer::tcp(node.sip), "TCP"),
            _ => (Peer::tls(node.sips, &node.certificate()), "TLS"),
        };
        assert_answered(&file, &live, &answers(&mut peer, &octets, !live.is_empty(), number, transport));
    }
    records(&node, "5550102");
}

/// As a recording client would send it: with `Require: siprec` and the feature tag.
fn as_recording_client(octets: &[u8]) -> Vec<u8> {
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let (head, rest) = octets.split_at(end);
    let head = String::from_utf8_lossy(head).into_owned();
    let contact = head.split("\r\n").find(|line| line.starts_with("Contact:")).unwrap_or_default().to_owned();
    let tagged = if contact.is_empty() { head } else { head.replacen(&contact, &format!("{contact};+sip.src"), 1) };
    // A number that the BYE of the tests is above of.
    let counted = tagged.split("\r\n").map(|line| if line.starts_with("CSeq:") { "CSeq: 8 INVITE" } else { line });
    [counted.collect::<Vec<_>>().join("\r\n").as_bytes(), b"\r\nRequire: siprec", rest].concat()
}

#[test]
fn torture_in_the_dress_of_a_recording_client_gets_one_final_answer_and_leaves_nothing_live() {
    let node = Node::start("");
    let mut number = 1_000;
    for Case { file, octets, .. } in cases().into_iter().filter(|case| case.octets.starts_with(b"INVITE")) {
        number += 1;
        let request = as_recording_client(&octets);
        let mut peer = Peer::udp(node.sip);
        peer.send(&request);
        let answer = loop {
            let answer = peer.receive().unwrap_or_else(|| panic!("{file}: no answer"));
            if answer.status >= 200 {
                break answer;
            }
        };
        assert!((200..700).contains(&answer.status), "{file}: {}", answer.head);
        if answer.status == 200 {
            let text = String::from_utf8_lossy(&request).into_owned();
            peer.send(recorder_tests::sip::ack(&text, &answer).as_bytes());
            recorder_tests::vector::bye(&mut peer, &text, &answer);
        }
    }
    recorder_tests::wait::until(10, "nothing live", || node.metric("recorder_recordings_live") < 0.5);
    assert!(answers(&mut Peer::udp(node.sip), &[], false, number, "UDP").is_empty(), "it answers a ping");
}
