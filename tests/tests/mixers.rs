//! Mixed lines: who of those behind a mixer speaks is read from the CSRC lists of its packets (A12 of the checklist).

use std::net::UdpSocket;

use media::rtp::RtpHeader;
use recorder_tests::{
    Node, heard,
    media::genesys_invite,
    sip::Peer,
    vector::{bye, invite},
    wait,
};
use serde_json::json;

const FIRST: u32 = 0x1111_1111;
const SECOND: u32 = 0xfedc_ba98;

/// A packet of a mixer.
fn packet(number: usize, csrcs: &[u32], payload: &[u8]) -> Vec<u8> {
    let (mut packet, sequence, timestamp) = (Vec::new(), number as u16, number as u32 * 160);
    RtpHeader { payload_type: 0, marker: number == 0, sequence, timestamp, ssrc: 9 }.write(&mut packet);
    packet[0] |= csrcs.len() as u8;
    csrcs.iter().for_each(|csrc| packet.extend(csrc.to_be_bytes()));
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn who_a_mixer_names_and_when_stands_in_the_answer_of_the_api() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let mut peer = Peer::tcp(node.sip);
    let request = genesys_invite("TCP", "MIXED1", &["40000 RTP/AVP 0\r\na=sendonly"]);
    let answer = invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let sound = media::speech::synth(83, 4, media::codec::Law::Mu);
    for (number, payload) in sound.chunks(160).enumerate() {
        let named: &[u32] = match number {
            0..50 => &[FIRST, SECOND],
            50..100 => &[FIRST],
            100..150 => &[],
            _ => &[SECOND],
        };
        socket.send_to(&packet(number, named, payload), ("127.0.0.1", answer.port(0))).expect("sent");
    }
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 199.5);
    bye(&mut peer, &request, &answer);
    let recording = node.archived(&client, "record_id=MIXED1");
    let span = |from_ms: u64, to_ms: u64| json!({"from_ms": from_ms, "to_ms": to_ms});
    assert_eq!(
        recording["tracks"][0]["contributors"],
        json!([
            {"csrc": FIRST, "packets": 100, "spans": [span(0, 2_000)]},
            {"csrc": SECOND, "packets": 100, "spans": [span(0, 1_000), span(3_000, 4_000)]},
        ]),
        "{recording}"
    );
    let wav = heard::wav(&client, &recording);
    assert!(wav.find(0, &sound).is_some(), "the lists are stepped over: {recording}");
}
