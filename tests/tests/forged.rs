//! Forged packets on a protected line of the real recorder, and forged reports beside them: its memory stays, and what is
//! recorded is what the client said. (A million of them against a line without its recorder are in `fuzz-targets`.)

use std::{net::UdpSocket, time::Duration};

use crypto::srtp::{Outbound, Suite};
use fuzz_targets::mutate::Dice;
use media::{rtcp, rtp::RtpHeader};
use recorder_tests::{
    Node, heard,
    sip::Peer,
    siprec,
    vector::{bye, invite},
    wait,
};
use signaling_core::sdp::crypto as sdes;

/// Forged packets that the recorder must have tried to open: some in the suite, a million in `make chaos`
/// (`FORGED_PACKETS`).
fn forged_packets() -> f64 {
    std::env::var("FORGED_PACKETS").ok().and_then(|count| count.parse().ok()).unwrap_or(50_000.0)
}

/// Sent before anything is measured: what a recorder needs once, it has then.
const WARM: f64 = 10_000.0;

/// Packets between two looks at the counters: a receive buffer takes them.
const BURST: usize = 500;

/// What all of them may cost.
const GROWTH: u64 = 1 << 20;

const SUITE: Suite = Suite::AesCm128Sha1_80;

/// The client: its key, its socket, where it sends. It speaks on the first line alone, and is forged on all.
struct Client {
    srtp: Outbound,
    socket: UdpSocket,
    lines: [u16; 2],
    sequence: u16,
}

impl Client {
    fn say(&mut self, sound: &[u8]) {
        for payload in sound.chunks(160) {
            let mut packet = packet(5, self.sequence, payload);
            self.srtp.protect_rtp(&mut packet).expect("in order");
            self.socket.send_to(&packet, ("127.0.0.1", self.lines[0])).expect("sent");
            self.sequence += 1;
        }
    }

    /// Packets of its own socket with invented SSRCs, numbers and times, and every hundredth time a report that ends the
    /// stream: in the clear, and with an invented tag.
    fn forge(&self, dice: &mut Dice, forged: &mut [u8]) {
        for number in 0..BURST {
            forged[2..12].fill_with(|| dice.roll() as u8);
            let line = self.lines[number % self.lines.len()];
            self.socket.send_to(forged, ("127.0.0.1", line)).expect("sent");
            if number % 100 == 0 {
                let tag: Vec<u8> = (0..14).map(|_| dice.roll() as u8).collect();
                for report in [rtcp::bye(5, "x"), [rtcp::bye(5, "x"), tag].concat()] {
                    self.socket.send_to(&report, ("127.0.0.1", line + 1)).expect("sent");
                }
            }
        }
    }
}

fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let timestamp = u32::from(sequence) * 160;
    RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc }.write(&mut packet);
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn forged_packets_and_reports_cost_the_recorder_no_memory_and_change_nothing() {
    // The client says nothing for minutes while it is forged: it is not to be taken for gone.
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__SILENCE_S", "0")]);
    let api = node.client("compliance-officer");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let key = vec![0x17; SUITE.key_salt_len()];
    let line = |label: u8| {
        let crypto = sdes::write(1, SUITE.name(), &key);
        format!("m=audio 40000 RTP/SAVP 0\r\na=crypto:{crypto}\r\na=label:{label}\r\na=sendonly\r\n")
    };
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let offer = format!("{head}{}{}", line(1), line(2));
    let request = siprec::invite("TLS", "5558101", &offer, ["1", "2"]);
    let answer = invite(&mut peer, &request);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let srtp = Outbound::new(SUITE, &key).expect("a key");
    let mut client = Client { srtp, socket, lines: [0, 1].map(|line| answer.port(line)), sequence: 100 };
    let sound = media::speech::synth(91, 2, media::codec::Law::Mu);
    client.say(&sound[..8_000]);
    wait::until(10, "the first second", || node.metric("recorder_rtp_packets_total") > 49.5);

    let (mut dice, mut forged) = (Dice::new(3), [packet(0, 0, &[0xd5; 160]), vec![0xaa; 10]].concat());
    let failures = |node: &Node| node.metric("recorder_srtp_failures_total");
    let mut flood = |node: &Node, client: &Client, until: f64| {
        while failures(node) < until {
            client.forge(&mut dice, &mut forged);
        }
    };
    flood(&node, &client, WARM);
    let (count, before) = (forged_packets(), node.process().resident());
    flood(&node, &client, WARM + count);
    let after = node.process().resident();
    let grown = after.saturating_sub(before);
    println!("{count} forged packets: {} KiB resident before, {} after", before / 1024, after / 1024);

    // What waits in the receive buffer is to be gone: the client is not to be lost behind it.
    let mut last = 0.0;
    wait::until(20, "an empty receive buffer", || {
        // Longer than a few sweeps of the sockets.
        wait::pass(Duration::from_millis(600));
        std::mem::replace(&mut last, failures(&node)) == last
    });
    client.say(&sound[8_000..]);
    wait::until(10, "the second second", || node.metric("recorder_rtp_packets_total") > 99.5);
    assert!(failures(&node) > count);
    bye(&mut peer, &request, &answer);
    let recording = node.archived(&api, "dn=5558101");
    let kept = &recording["tracks"][0];
    assert_eq!((&kept["packets"], &kept["lost"], &kept["ssrc_changes"]), (&100.into(), &0.into(), &0.into()));
    let wav = heard::wav(&api, &recording);
    for half in sound.chunks(8_000) {
        assert!(wav.find(0, half).is_some(), "{recording}");
    }
    assert!(grown < GROWTH, "{} KiB", grown / 1024);
}
