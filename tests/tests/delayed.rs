//! Our own first offers (an INVITE without one): with keys where SRTP is wanted, read with the key that the answer brings,
//! answered with the key that we said, against the real recorder.

use std::{
    collections::BTreeSet,
    net::UdpSocket,
    time::{Duration, Instant},
};

use crypto::srtp::{Inbound, Outbound, Suite};
use media::{rtcp, rtp::RtpHeader};
use recorder_tests::{
    Client, Node, heard,
    live::{self, warnings},
    media::Stream,
    sip::{Message, Peer, ack},
    vector::{bye, load},
    wait,
};
use serde_json::json;
use signaling_core::sdp::crypto as sdes;

/// Vector 108 without its body: a SIPREC client that leaves the offer to us.
fn request(transport: &str, call: usize) -> String {
    let whole = load("108").replacen("SIP/2.0/TCP", &format!("SIP/2.0/{transport}"), 1);
    let whole = whole.replacen("Call-ID: ", &format!("Call-ID: {call}-"), 1);
    let head = whole.split_once("\r\n\r\n").expect("a body").0;
    let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-"));
    format!("{}\r\nContent-Length: 0\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"))
}

fn node(srtp: &str) -> (Node, Client) {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__SRTP", srtp)]);
    let client = node.client("compliance-officer");
    (node, client)
}

/// The key lines of an m-line: tag, suite, key || salt.
fn keys(line: &[&str]) -> Vec<(u32, String, Vec<u8>)> {
    let values = line.iter().filter_map(|line| line.strip_prefix("a=crypto:"));
    values.map(|value| sdes::parse(value).expect("a crypto line")).map(|s| (s.tag, s.suite, s.key_salt)).collect()
}

/// An SRTP peer on one line: what it chose, its own key, its sockets.
struct Leg {
    rtp: UdpSocket,
    control: UdpSocket,
    tag: u32,
    suite: Suite,
    own: Vec<u8>,
    /// The key that the recorder has said for this suite.
    theirs: Vec<u8>,
    to: u16,
}

impl Leg {
    fn new(line: &[&str], suite: &str, to: u16, seed: u8) -> Self {
        let all = keys(line);
        let (tag, name, theirs) = all.into_iter().find(|key| key.1 == suite).expect("an offered suite");
        let suite = Suite::from_name(&name).expect("a suite");
        let own = vec![seed; suite.key_salt_len()];
        let socket = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Self { rtp: socket(), control: socket(), tag, suite, own, theirs, to }
    }

    fn answered(&self, protocol: &str) -> String {
        let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
        let key = sdes::write(self.tag, self.suite.name(), &self.own);
        format!(
            "m=audio {} {protocol} 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:{}\r\na=crypto:{key}\r\n\
             a=sendonly\r\n",
            port(&self.rtp),
            port(&self.control)
        )
    }

    fn send(&self, sound: &[u8], ssrc: u32) {
        let mut srtp = Outbound::new(self.suite, &self.own).expect("a key");
        for (sequence, payload) in (1_u16..).zip(sound.chunks(160)) {
            let mut packet = Vec::new();
            let timestamp = u32::from(sequence) * 160;
            RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc }.write(&mut packet);
            packet.extend_from_slice(payload);
            srtp.protect_rtp(&mut packet).expect("protected");
            self.rtp.send_to(&packet, ("127.0.0.1", self.to)).expect("sent");
        }
    }

    fn send_plain(&self, ssrc: u32) {
        let mut packet = Vec::new();
        RtpHeader { payload_type: 0, marker: false, sequence: 100, timestamp: 16_000, ssrc }.write(&mut packet);
        packet.extend([0x55; 160]);
        self.rtp.send_to(&packet, ("127.0.0.1", self.to)).expect("sent");
    }

    /// The recorder's report, opened with the key that it said in its offer.
    fn assert_reported(&self) {
        self.control.set_read_timeout(Some(Duration::from_secs(15))).expect("a time-out");
        let mut octets = vec![0; 2_048];
        let length = self.control.recv(&mut octets).expect("a report");
        let mut line = Inbound::new(self.suite, &self.theirs, 0).expect("a key");
        let length = line.unprotect_rtcp(&mut octets[..length]).expect("protected with the key of the offer");
        assert!(rtcp::parse(&octets[..length]).is_ok());
    }
}

fn answer(lines: &[String]) -> String {
    format!("v=0\r\no=SRC 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}", lines.concat())
}

fn acknowledge(peer: &mut Peer, request: &str, offer: &Message, sdp: &str) {
    let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    peer.send(ack(request, offer).replace("Content-Length: 0\r\n\r\n", &body).as_bytes());
}

const SUITES: [&str; 4] =
    ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"];

/// Offers of both configurations carry a key for each suite and line, and answers are heard and answered by what they chose.
fn protected(srtp: &str, protocol: &str, chosen: [&str; 2]) {
    let (node, client) = node(srtp);
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let request = request("TLS", 0);
    let offer = peer.ask(&request);
    assert_eq!(offer.status, 200, "{}", offer.head);
    let lines = offer.lines();
    let all: Vec<_> = lines.iter().flat_map(|line| keys(line)).collect();
    assert_eq!(all.iter().map(|key| key.1.as_str()).collect::<Vec<_>>(), [SUITES, SUITES].concat());
    assert_eq!(all.iter().map(|key| &key.2).collect::<BTreeSet<_>>().len(), 8, "each key once");
    for line in &lines {
        assert!(line[0].contains(&format!(" {protocol} 0 8 9 101")) && line.contains(&"a=recvonly"), "{line:?}");
        assert_eq!(keys(line).iter().map(|key| key.0).collect::<Vec<_>>(), [1, 2, 3, 4], "tags are unique in a line");
    }
    let legs = [0, 1].map(|at| Leg::new(&lines[at], chosen[at], offer.port(at), 0x31 + at as u8));
    let sounds = [21, 22].map(|seed| media::speech::synth(seed, 1, media::codec::Law::Mu));
    acknowledge(&mut peer, &request, &offer, &answer(&legs.each_ref().map(|leg| leg.answered(protocol))));
    // The ACK is answered by nothing: the OPTIONS behind it is.
    let ping = request.replace("INVITE", "OPTIONS").replacen("108-", "ping-", 1);
    assert_eq!(peer.ask(&recorder_tests::vector::fresh(&ping)).status, 200);
    let is_protected = |now: &serde_json::Value| now["tracks"].as_array().is_some_and(|all| all.len() == 2);
    live::one_when(&client, "two tracks", is_protected);
    settled(&node, &legs);
    for (leg, sound) in legs.iter().zip(&sounds) {
        leg.send(sound, 9);
    }
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 101.5);
    // In the clear nothing more is taken.
    let before = node.metric("recorder_srtp_failures_total");
    legs[0].send_plain(9);
    wait::until(10, "a refused packet", || node.metric("recorder_srtp_failures_total") > before + 0.5);
    legs.iter().for_each(Leg::assert_reported);
    bye(&mut peer, &request, &offer);
    live::none(&node, &client);
    let recording = node.archived(&client, "limit=10");
    let wav = heard::wav(&client, &recording);
    for (channel, sound) in sounds.iter().enumerate() {
        assert!(wav.find(channel, sound).is_some(), "channel {channel} of {recording}");
        assert_eq!(recording["tracks"][channel]["srtp"], true, "{recording}");
        assert_eq!(recording["tracks"][channel]["packets"], 51, "{recording}");
    }
    assert_eq!(warnings(&recording), ["no_metadata"], "{recording}");
}

/// The answer has arrived at the packet threads when a first packet of each line is opened.
#[expect(clippy::disallowed_methods, reason = "the deadline of a real process is real time")]
fn settled(node: &Node, legs: &[Leg; 2]) {
    let until = Instant::now() + Duration::from_secs(10);
    for (at, leg) in legs.iter().enumerate() {
        let kept = |count: usize| node.metric("recorder_rtp_packets_total") > count as f64 + 0.5;
        while !kept(at) {
            assert!(Instant::now() < until, "no packet of line {at} is opened");
            // A stranger of its own SSRC: what is sent before the key is known is lost, and repeated.
            leg.send(&[0xff; 160], 8);
            wait::pass(Duration::from_millis(50));
        }
    }
}

#[test]
fn where_srtp_is_required_our_offer_is_savp_and_each_answer_is_read_with_its_key() {
    protected("required", "RTP/SAVP", ["AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"]);
}

#[test]
fn where_srtp_is_optional_our_offer_is_avp_with_keys_and_an_answer_with_one_makes_it_srtp() {
    protected("optional", "RTP/AVP", ["AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM"]);
}

#[test]
fn where_srtp_is_optional_an_answer_without_a_key_is_plain_rtp() {
    let (node, client) = node("optional");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let request = request("TLS", 0);
    let offer = peer.ask(&request);
    let line = "m=audio 40000 RTP/AVP 0\r\na=sendonly\r\n".to_owned();
    acknowledge(&mut peer, &request, &offer, &answer(&[line.clone(), line]));
    live::one(&client);
    let sound = media::speech::synth(23, 1, media::codec::Law::Mu);
    let mut stream = Stream::new("127.0.0.1", 3);
    stream.send(offer.port(0), &sound);
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 49.5);
    bye(&mut peer, &request, &offer);
    let recording = node.archived(&client, "limit=10");
    assert!(heard::wav(&client, &recording).find(0, &sound).is_some(), "{recording}");
    assert_eq!(recording["tracks"][0]["srtp"], false, "{recording}");
}

#[test]
fn where_srtp_is_required_an_answer_without_a_key_or_with_one_that_was_not_offered_gives_nothing() {
    let (node, client) = node("required");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let other = sdes::write(9, "AES_CM_128_HMAC_SHA1_80", &[7; 30]);
    let keyed = format!("m=audio 40000 RTP/SAVP 0\r\na=crypto:{other}\r\n");
    for (call, line) in ["m=audio 40000 RTP/AVP 0\r\n".to_owned(), keyed].into_iter().enumerate() {
        let request = request("TLS", call);
        let offer = peer.ask(&request);
        acknowledge(&mut peer, &request, &offer, &answer(&[line.clone(), line]));
        let now =
            live::one_when(&client, "the warning", |now| now["warnings"].to_string().contains("no_answer_in_ack"));
        assert_eq!(warnings(&now), ["no_answer_in_ack", "no_metadata"]);
        let before = node.metric("recorder_srtp_failures_total");
        Stream::new("127.0.0.1", 4).send(offer.port(0), &[0x55; 480]);
        wait::until(10, "refused packets", || node.metric("recorder_srtp_failures_total") > before + 2.5);
        assert_eq!(node.metric("recorder_rtp_packets_total"), 0.0, "never in the clear");
        bye(&mut peer, &request, &offer);
        live::none(&node, &client);
    }
}

#[test]
fn keys_are_not_offered_in_the_clear() {
    let (required, _) = node("required");
    for (mut peer, transport, call) in [(Peer::udp(required.sip), "UDP", 0), (Peer::tcp(required.sip), "TCP", 1)] {
        let request = request(transport, call);
        let refused = peer.ask(&request);
        assert_eq!(refused.status, 488, "{}", refused.head);
        assert!(refused.header("Warning").is_some_and(|text| text.contains("SDES keys need TLS")), "{}", refused.head);
        peer.send(ack(&request, &refused).as_bytes());
    }
    let (optional, client) = node("optional");
    let mut peer = Peer::tcp(optional.sip);
    let request = request("TCP", 0);
    let offer = peer.ask(&request);
    assert_eq!((offer.status, offer.body.contains("a=crypto")), (200, false), "{}", offer.body);
    acknowledge(&mut peer, &request, &offer, &answer(&vec!["m=audio 40000 RTP/AVP 0\r\na=sendonly\r\n".to_owned(); 2]));
    assert_eq!(live::one(&client)["tracks"].as_array().map(Vec::len), Some(2), "{}", json!(offer.body));
    bye(&mut peer, &request, &offer);
    live::none(&optional, &client);
}
