//! Peers that go without a word: a session that nobody refreshes, one of a client that forgot it, a CANCEL that comes too
//! late, against the real recorder. The sound is kept, and why it ended is said.

use std::time::{Duration, Instant};

use recorder_tests::{
    Client, Node, heard,
    live::{self, warnings},
    media::Stream,
    sip::{Message, Peer, ack, header},
    siprec,
    vector::{bye, fresh, invite, load},
    wait,
};
use serde_json::Value;

/// Seconds that a session timer of 90 s may take to show.
const TIMER_S: u64 = 100;

/// What the recorder asks next; answers are passed over.
#[expect(clippy::disallowed_methods, reason = "the deadline of a real process is real time")]
fn asked(peer: &mut Peer, seconds: u64) -> Message {
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        if let Some(message) = peer.receive().filter(|message| message.status == 0) {
            return message;
        }
    }
    panic!("the recorder asks nothing for {seconds} s")
}

fn refuse(peer: &mut Peer, request: &Message, status: &str) {
    let mirrored = ["Via", "From", "To", "Call-ID", "CSeq"];
    let head = mirrored.map(|name| format!("{name}: {}\r\n", request.header(name).unwrap_or_default()));
    peer.send(format!("SIP/2.0 {status}\r\n{}Content-Length: 0\r\n\r\n", head.concat()).as_bytes());
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\nm=audio 40002 RTP/AVP 0\r\na=label:2\r\n\
                     a=sendonly\r\n";

/// A call whose two lines have sent a second of sound each.
struct Talk {
    sounds: [Vec<u8>; 2],
    streams: [Stream; 2],
    answer: Message,
    caller: &'static str,
}

impl Talk {
    fn begin(node: &Node, peer: &mut Peer, caller: &'static str, headers: &str) -> Self {
        let request = siprec::invite("TCP", caller, OFFER, ["1", "2"]);
        let request = request.replacen("Require: siprec\r\n", &format!("Require: siprec\r\n{headers}"), 1);
        let answer = invite(peer, &request);
        assert_eq!(answer.status, 200, "{}", answer.head);
        let sounds = [11, 12].map(|seed| media::speech::synth(seed, 1, media::codec::Law::Mu));
        let mut streams = [Stream::new("127.0.0.1", 1), Stream::new("127.0.0.1", 2)];
        let before = node.metric("recorder_rtp_packets_total");
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.send(answer.port(at), &sounds[at]);
        }
        wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > before + 99.5);
        Self { sounds, streams, answer, caller }
    }

    /// The recording ended for this cause, with all its sound.
    fn assert_kept(&self, node: &Node, client: &Client, cause: &str) -> Value {
        let recording = node.archived(client, &format!("dn={}", self.caller));
        assert_eq!((&recording["end_cause"], &recording["sessions"][0]["end_cause"]), (&cause.into(), &cause.into()));
        let wav = heard::wav(client, &recording);
        for (party, sound) in [self.caller, "7002"].into_iter().zip(&self.sounds) {
            let channel = heard::channel(&recording, party);
            assert!(wav.find(channel, sound).is_some(), "{party}: {recording}");
        }
        recording
    }
}

#[test]
fn timers_of_both_roles_refresh_what_lives_and_end_what_does_not() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    // 511 leaves the refreshing to us.
    let mut ours = Peer::tcp(node.sip);
    let request = load("511");
    let answer = invite(&mut ours, &request);
    assert_eq!(answer.header("Session-Expires"), Some("90;refresher=uas"), "{}", answer.head);
    // This peer wants to refresh, and goes without a word.
    let mut theirs = Peer::tcp(node.sip);
    let timer = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    let gone = Talk::begin(&node, &mut theirs, "5559001", timer);
    let refresh = asked(&mut ours, TIMER_S);
    assert!(refresh.head.starts_with("UPDATE ") && refresh.body.is_empty(), "no offer: {}", refresh.head);
    assert_eq!(refresh.header("Session-Expires"), Some("90;refresher=uac"), "{}", refresh.head);
    assert!(refresh.header("Supported").is_some_and(|tags| tags.contains("timer")), "{}", refresh.head);
    ours.oblige(&refresh);
    let ended = asked(&mut theirs, TIMER_S);
    assert!(ended.head.starts_with("BYE "), "{}", ended.head);
    theirs.oblige(&ended);
    gone.assert_kept(&node, &client, "session_timer");
    let lives = live::one(&client);
    assert_ne!(lives["parties"].to_string().find("Caller One"), None, "the refreshed one goes on: {lives}");
    bye(&mut ours, &request, &answer);
    live::none(&node, &client);
}

#[test]
fn a_peer_that_forgot_a_silent_session_is_found_out_and_a_sounding_one_is_kept() {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__SILENCE_S", "1")]);
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    // No session timer: nothing but its silence tells that the peer is gone.
    let mut talk = Talk::begin(&node, &mut peer, "5559002", "");
    let first = asked(&mut peer, 20);
    assert!(first.head.starts_with("OPTIONS ") && first.header("To").is_some_and(|to| to.contains("tag=f")));
    peer.oblige(&first);
    // It answers, so it may be silent as long as it likes: it is asked again, and lives.
    let second = asked(&mut peer, 20);
    assert_ne!(second.header("CSeq"), first.header("CSeq"));
    assert_eq!(warnings(&live::one(&client)), ["media_silent"]);
    // While something is heard nothing ends, whatever the peer says.
    let before = node.metric("recorder_rtp_packets_total");
    let more = media::speech::synth(13, 1, media::codec::Law::Mu);
    let port = talk.answer.port(0);
    talk.streams[0].send(port, &more);
    wait::until(10, "more packets", || node.metric("recorder_rtp_packets_total") > before + 49.5);
    refuse(&mut peer, &second, "481 Call/Transaction Does Not Exist");
    let third = asked(&mut peer, 20);
    assert!(third.head.starts_with("OPTIONS "), "{}", third.head);
    live::one(&client);
    refuse(&mut peer, &third, "481 Call/Transaction Does Not Exist");
    live::none(&node, &client);
    let recording = talk.assert_kept(&node, &client, "silence");
    let wav = heard::wav(&client, &recording);
    assert!(wav.find(heard::channel(&recording, talk.caller), &more).is_some(), "what came in between is kept");
}

#[test]
fn a_held_session_is_silent_by_right() {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__SILENCE_S", "1")]);
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let held = OFFER.replace("a=sendonly", "a=inactive");
    let request = siprec::invite("TCP", "5559003", &held, ["1", "2"]);
    let answer = invite(&mut peer, &request);
    // Twice what a line that should sound is given; the receive itself waits five seconds.
    assert!(peer.receive().is_none(), "nothing is asked");
    assert_eq!(warnings(&live::one(&client)), Vec::<&str>::new());
    bye(&mut peer, &request, &answer);
    live::none(&node, &client);
}

fn cancel_of(request: &str) -> String {
    let value = |name| header(request, name).unwrap_or_default();
    format!(
        "CANCEL sip:srs@recorder.example.net SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
        value("Via"),
        value("From"),
        value("To"),
        value("Call-ID")
    )
}

#[test]
fn a_cancel_that_crosses_the_200_changes_nothing_and_the_client_says_bye() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    for (mut peer, transport) in [(Peer::tcp(node.sip), "TCP"), (Peer::udp(node.sip), "UDP")] {
        let request = fresh(&load("512").replace("SIP/2.0/TCP", &format!("SIP/2.0/{transport}")));
        let request = request.replacen("Call-ID: ", &format!("Call-ID: {transport}"), 1);
        let answer = peer.ask(&request);
        assert_eq!(answer.status, 200, "{}", answer.head);
        // RFC 3261 9.2: the INVITE has its final answer, so the CANCEL is answered and has no effect.
        peer.send(cancel_of(&request).as_bytes());
        let cancelled = peer.answer("1 CANCEL");
        assert!(matches!(cancelled.status, 200 | 481), "{}", cancelled.head);
        live::one(&client);
        peer.send(ack(&request, &answer).as_bytes());
        // Who wanted to cancel hangs up (RFC 3261 15).
        bye(&mut peer, &request, &answer);
        live::none(&node, &client);
    }
    let kept = client.get("/recordings?limit=10").json();
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(2), "established is established: {kept}");
}
