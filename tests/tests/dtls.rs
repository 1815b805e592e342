//! DTLS-SRTP (RFC 5763, 5764) with OpenSSL at the other end, in both roles: what is sent after the handshake comes back
//! sample for sample, and nothing of who is not whom signaling named. The `mN` are those of the SIPREC checklist.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crypto::srtp::{Outbound, Suite};
use media::rtp::RtpHeader;
use recorder_tests::{
    Node, heard,
    process::run,
    sip::{Message, Peer},
    siprec, vector, wait,
};
use serde_json::Value;

/// A certificate of a peer.
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    fingerprint: String,
}

impl Certificate {
    fn new(folder: &Path, name: &str) -> Self {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        let (code, _, errors) = run(make.args(["-subj", "/CN=peer", "-keyout"]).arg(&key).arg("-out").arg(&cert));
        assert_eq!(code, 0, "{errors}");
        let fingerprint = fingerprint(&cert);
        Self { cert, key, fingerprint }
    }
}

/// SHA-256 of the certificate in a PEM file, as OpenSSL computes it.
fn fingerprint(pem: &Path) -> String {
    let mut print = Command::new("openssl");
    let (code, out, errors) = run(print.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(pem));
    assert_eq!(code, 0, "{errors}");
    out.trim().split_once('=').expect("a fingerprint").1.to_owned()
}

/// One end of a handshake by OpenSSL.
struct OpenSsl {
    child: Child,
    log: PathBuf,
    suite: Suite,
    is_client: bool,
}

impl OpenSsl {
    fn connect(folder: &Path, to: u16, certificate: &Certificate, suite: Suite) -> Self {
        Self::start(folder, ["s_client", "-connect"], to, certificate, suite)
    }

    fn accept(folder: &Path, at: u16, certificate: &Certificate, suite: Suite) -> Self {
        let server = Self::start(folder, ["s_server", "-accept"], at, certificate, suite);
        wait::until(10, "a listening s_server", || server.output().contains("ACCEPT"));
        server
    }

    fn start(folder: &Path, how: [&str; 2], port: u16, certificate: &Certificate, suite: Suite) -> Self {
        let is_client = how[0] == "s_client";
        let log = folder.join(format!("{}-{port}-{}.log", how[0], &certificate.fingerprint[..2]));
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&log).expect("a log file");
        let profile = match suite {
            Suite::AesCm128Sha1_80 => "SRTP_AES128_CM_SHA1_80",
            Suite::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            other => panic!("OpenSSL is not asked for {}", other.name()),
        };
        let length = (2 * suite.key_salt_len()).to_string();
        let mut command = Command::new("openssl");
        command.args(how).arg(format!("127.0.0.1:{port}")).args(["-dtls1_2", "-use_srtp", profile]);
        command.args(["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length]);
        command.arg("-cert").arg(&certificate.cert).arg("-key").arg(&certificate.key);
        if !is_client {
            command.args(["-verify", "1"]);
        }
        // With its input open it stays until it is ended.
        command.stdin(Stdio::piped()).stdout(file.try_clone().expect("a second handle")).stderr(file);
        Self { child: command.spawn().expect("openssl"), log, suite, is_client }
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// What it protects with, once the handshake is done (RFC 5764 4.2: keys of client and server, then their salts).
    fn key_salt(&self) -> Vec<u8> {
        let mut material = Vec::new();
        wait::until(20, "keys from openssl", || {
            let output = self.output();
            let line = output.lines().find_map(|line| line.trim().strip_prefix("Keying material: "));
            material = line.and_then(|digits| hex::decode(digits.trim()).ok()).unwrap_or_default();
            material.len() == 2 * self.suite.key_salt_len()
        });
        let (key, salt) = (self.suite.key_len(), self.suite.salt_len());
        let (keys, salts) = material.split_at(2 * key);
        let own = usize::from(!self.is_client);
        [&keys[own * key..(own + 1) * key], &salts[own * salt..(own + 1) * salt]].concat()
    }

    /// The fingerprint of the certificate that it was shown.
    fn shown(&self) -> String {
        let output = self.output();
        let (from, to) = (output.find("-----BEGIN"), output.find("-----END CERTIFICATE-----"));
        let pem = &output[from.expect("a certificate")..to.expect("its end") + 25];
        let path = self.log.with_extension("pem");
        std::fs::write(&path, format!("{pem}\n")).expect("a file");
        fingerprint(&path)
    }

    /// Says goodbye, and whether it could.
    fn leave(&mut self) {
        let _ = self.child.stdin.take().map(|mut input| input.write_all(b"Q\n"));
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of SRTP.
struct Sender {
    socket: std::net::UdpSocket,
    srtp: Outbound,
    ssrc: u32,
    sequence: u16,
}

impl Sender {
    fn new(handshake: &OpenSsl, ssrc: u32) -> Self {
        let srtp = Outbound::new(handshake.suite, &handshake.key_salt()).expect("a key");
        Self { socket: std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket"), srtp, ssrc, sequence: 1 }
    }

    fn send(&mut self, to: u16, octets: &[u8]) {
        for payload in octets.chunks(160) {
            let (sequence, timestamp) = (self.sequence, u32::from(self.sequence) * 160);
            let mut packet = Vec::new();
            RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: self.ssrc }.write(&mut packet);
            packet.extend_from_slice(payload);
            self.srtp.protect_rtp(&mut packet).expect("protected");
            self.socket.send_to(&packet, ("127.0.0.1", to)).expect("sent");
            self.sequence += 1;
        }
    }
}

/// An offer of two DTLS lines from these ports.
fn offer(setup: &str, fingerprints: [&str; 2], ports: [u16; 2], mux: &str) -> String {
    let line = |at: usize| {
        let (port, print) = (ports[at], fingerprints[at]);
        format!(
            "m=audio {port} UDP/TLS/RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=label:{}\r\na=setup:{setup}\r\n\
             a=fingerprint:SHA-256 {print}\r\n{mux}a=sendonly\r\n",
            at + 1
        )
    };
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    format!("{head}{}{}", line(0), line(1))
}

/// The recorder's fingerprint, after the lines of its answer were found to be what they have to be.
fn answered(answer: &Message, setup: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.head);
    let lines = answer.lines();
    for line in &lines {
        assert!(line[0].contains(" UDP/TLS/RTP/SAVP 0") && !line[0].contains("m=audio 0 "), "M3: {line:?}");
        assert!(line.contains(&setup), "{line:?}");
        assert!(!line.iter().any(|line| line.starts_with("a=crypto") || line.starts_with("a=connection")), "{line:?}");
    }
    let print = |line: &Vec<&str>| {
        line.iter().find_map(|line| line.strip_prefix("a=fingerprint:sha-256 ")).expect("a fingerprint").to_owned()
    };
    assert_eq!(print(&lines[0]), print(&lines[1]));
    print(&lines[0])
}

fn sounds(seed: u64) -> [Vec<u8>; 2] {
    [seed, seed + 1].map(|seed| media::speech::synth(seed, 1, media::codec::Law::Mu))
}

fn heard_both(node: &Node, recording: &Value, caller: &str, sounds: &[Vec<u8>; 2]) {
    let wav = heard::wav(&node.client("compliance-officer"), recording);
    for (party, sound) in [caller, "7002"].into_iter().zip(sounds) {
        heard::assert_side(&wav, heard::channel(recording, party), sound, party);
    }
    for track in recording["tracks"].as_array().expect("tracks") {
        assert_eq!(
            (&track["srtp"], &track["packets"], &track["lost"]),
            (&true.into(), &50.into(), &0.into()),
            "{track}"
        );
    }
}

const MUX: &str = "a=rtcp-mux\r\n";

#[test]
fn m1_m2_m3_m4_a_peer_that_begins_is_heard_sample_for_sample() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let folder = node.folder.path();
    let peers = ["a", "b"].map(|name| Certificate::new(folder, name));
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let prints = [peers[0].fingerprint.as_str(), &peers[1].fingerprint];
    let invite = siprec::invite("TLS", "5557001", &offer("active", prints, [40_000, 40_002], MUX), ["1", "2"]);
    let answer = vector::invite(&mut peer, &invite);
    let ours = answered(&answer, "a=setup:passive");
    let sounds = sounds(71);
    for (at, suite) in [Suite::AesCm128Sha1_80, Suite::AeadAes128Gcm].into_iter().enumerate() {
        let mut handshake = OpenSsl::connect(folder, answer.port(at), &peers[at], suite);
        let mut sender = Sender::new(&handshake, 7);
        assert_eq!(handshake.shown(), ours, "the certificate is the one that the answer names");
        sender.send(answer.port(at), &sounds[at][..4_000]);
        // The keys outlive the association.
        handshake.leave();
        sender.send(answer.port(at), &sounds[at][4_000..]);
    }
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 99.5);
    vector::bye(&mut peer, &invite, &answer);
    let recording = node.archived(&client, "dn=5557001");
    heard_both(&node, &recording, "5557001", &sounds);
    assert_eq!(recording["warnings"], serde_json::json!([]), "{recording}");
    assert!((node.metric("recorder_dtls_handshakes_total{result=\"keyed\"}") - 2.0).abs() < 0.5);
    assert_eq!(node.metric("recorder_srtp_failures_total"), 0.0);
    // Keys are in no file in clear, nor names in the log.
    assert!(!node.log().contains("5557001"), "{}", node.log());
}

#[test]
fn m1_m5_a_peer_that_waits_is_called_on_both_ports_and_heard() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let folder = node.folder.path().to_owned();
    let certificate = Certificate::new(&folder, "peer");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    // The second line without rtcp-mux: RTCP has a handshake of its own.
    let ports: Vec<u16> = (0..3).map(|_| node.slot.port()).collect();
    let mut servers: Vec<_> =
        ports.iter().map(|port| OpenSsl::accept(&folder, *port, &certificate, Suite::AesCm128Sha1_80)).collect();
    let print = certificate.fingerprint.as_str();
    let sdp = offer("actpass", [print, print], [ports[0], ports[1]], MUX);
    let at = sdp.rfind(MUX).expect("the second line");
    let sdp = format!("{}a=rtcp:{}\r\n{}", &sdp[..at], ports[2], &sdp[at + MUX.len()..]);
    let invite = siprec::invite("TLS", "5557011", &sdp, ["1", "2"]);
    let answer = vector::invite(&mut peer, &invite);
    let ours = answered(&answer, "a=setup:active");
    let sounds = sounds(73);
    for (at, server) in servers.iter().enumerate().take(2) {
        let mut sender = Sender::new(server, 7);
        assert_eq!(server.shown(), ours);
        sender.send(answer.port(at), &sounds[at]);
    }
    assert_eq!(servers[2].key_salt().len(), 30, "M5: keys for RTCP by itself");
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 99.5);
    servers.iter_mut().for_each(OpenSsl::leave);
    vector::bye(&mut peer, &invite, &answer);
    let recording = node.archived(&client, "dn=5557011");
    heard_both(&node, &recording, "5557011", &sounds);
}

#[test]
fn m2_m6_another_certificate_than_signaling_named_is_not_recorded_and_said() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let folder = node.folder.path();
    let (named, other) = (Certificate::new(folder, "named"), Certificate::new(folder, "other"));
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let print = named.fingerprint.as_str();
    let invite = siprec::invite("TLS", "5557021", &offer("active", [print, print], [40_000, 40_002], MUX), ["1", "2"]);
    let answer = vector::invite(&mut peer, &invite);
    answered(&answer, "a=setup:passive");
    // The second line is the right peer: its sound is not touched by what happens on the first.
    let right = OpenSsl::connect(folder, answer.port(1), &named, Suite::AesCm128Sha1_80);
    let mut sender = Sender::new(&right, 8);
    let wrong = OpenSsl::connect(folder, answer.port(0), &other, Suite::AesCm128Sha1_80);
    let mismatches = || node.metric("recorder_dtls_handshakes_total{result=\"fingerprint_mismatch\"}");
    wait::until(20, "a severed line", || mismatches() > 0.5);
    // Plain RTP, SRTP under some key, and a right peer that comes too late.
    let refused = node.metric("recorder_rtp_refused_packets_total");
    let mut plain = recorder_tests::media::Stream::new("127.0.0.1", 9);
    plain.send(answer.port(0), &[0x42; 1_600]);
    sender.send(answer.port(0), &[0x43; 1_600]);
    sender.sequence = 1;
    drop(wrong);
    let mut sender = Sender { srtp: Outbound::new(right.suite, &right.key_salt()).expect("a key"), ..sender };
    let sounds = sounds(75);
    sender.send(answer.port(1), &sounds[1]);
    wait::until(10, "the right line", || node.metric("recorder_rtp_packets_total") > 49.5);
    wait::until(10, "the wrong one refused", || node.metric("recorder_rtp_refused_packets_total") > refused + 19.5);
    vector::bye(&mut peer, &invite, &answer);
    let recording = node.archived(&client, "dn=5557021");
    assert!(
        recording["warnings"].as_array().is_some_and(|all| all.contains(&"dtls_fingerprint_mismatch".into())),
        "{recording}"
    );
    let packets = |track: usize| recording["tracks"][track]["packets"].as_u64();
    assert_eq!((packets(0), packets(1)), (Some(0), Some(50)), "{recording}");
    let wav = heard::wav(&client, &recording);
    heard::assert_side(&wav, 1, &sounds[1], "right");
    assert!(wav.channel(0).iter().all(|octet| *octet == 0xff), "nothing of the wrong peer");
}

#[test]
fn keyed_lines_go_on_after_a_crash_without_another_handshake() {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    let folder = node.folder.path().to_owned();
    let certificate = Certificate::new(&folder, "peer");
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let print = certificate.fingerprint.as_str();
    let invite = siprec::invite("TLS", "5557031", &offer("active", [print, print], [40_000, 40_002], MUX), ["1", "2"]);
    let answer = vector::invite(&mut peer, &invite);
    answered(&answer, "a=setup:passive");
    let mut senders: Vec<_> = (0..2)
        .map(|at| Sender::new(&OpenSsl::connect(&folder, answer.port(at), &certificate, Suite::AesCm128Sha1_80), 7))
        .collect();
    let (before, after) = (sounds(77), sounds(79));
    let send = |senders: &mut Vec<Sender>, sounds: &[Vec<u8>; 2]| {
        senders.iter_mut().enumerate().for_each(|(at, sender)| sender.send(answer.port(at), &sounds[at]));
    };
    send(&mut senders, &before);
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 99.5);
    wait::until(10, "what holds them", || node.metric("recorder_capture_chunks_total") > 1.5);
    node.kill();
    node.launch();
    send(&mut senders, &after);
    wait::until(10, "every packet again", || node.metric("recorder_rtp_packets_total") > 99.5);
    assert_eq!(node.metric("recorder_srtp_failures_total"), 0.0);
    let mut peer = Peer::tls(node.sips, &node.certificate());
    vector::bye(&mut peer, &invite, &answer);
    let recording = node.archived(&client, "dn=5557031");
    let wav = heard::wav(&client, &recording);
    for sounds in [&after] {
        for (channel, sound) in sounds.iter().enumerate() {
            assert!(wav.find(channel, sound).is_some(), "channel {channel}: {recording}");
        }
    }
    let gaps = recording["tracks"][0]["gaps"].as_array().expect("gaps");
    assert!(gaps.iter().any(|gap| gap["cause"] == "crash"), "{recording}");
}

/// A re-INVITE of the session with another offer.
fn again(invite: &str, answer: &Message, sdp: &str) -> String {
    let value = |name| recorder_tests::sip::header(invite, name).expect("a header");
    format!(
        "INVITE sip:srs@127.0.0.1 SIP/2.0\r\nVia: {}-again\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: 2 INVITE\r\nContact: {}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        value("Via"),
        value("From"),
        answer.header("To").expect("a To"),
        value("Call-ID"),
        value("Contact"),
        sdp.len()
    )
}

#[test]
fn m7_m8_another_certificate_in_mid_call_is_another_handshake_on_the_same_track() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let folder = node.folder.path();
    let [first, second] = ["first", "second"].map(|name| Certificate::new(folder, name));
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let offer = |peer: &Certificate| {
        offer("active", [peer.fingerprint.as_str(), peer.fingerprint.as_str()], [40_000, 40_002], MUX)
    };
    let invite = siprec::invite("TLS", "5557041", &offer(&first), ["1", "2"]);
    let answer = vector::invite(&mut peer, &invite);
    answered(&answer, "a=setup:passive");
    let suite = Suite::AesCm128Sha1_80;
    let mut senders = [0, 1].map(|at| Sender::new(&OpenSsl::connect(folder, answer.port(at), &first, suite), 7));
    let sounds = sounds(81);
    senders.iter_mut().enumerate().for_each(|(at, sender)| sender.send(answer.port(at), &sounds[at][..4_000]));
    let reinvite = again(&invite, &answer, &offer(&second).replace("o=- 1 1", "o=- 1 2"));
    let moved = vector::invite(&mut peer, &reinvite);
    answered(&moved, "a=setup:passive");
    assert_eq!([moved.port(0), moved.port(1)], [answer.port(0), answer.port(1)]);
    for (at, sender) in senders.into_iter().enumerate() {
        let new = Sender::new(&OpenSsl::connect(folder, answer.port(at), &second, suite), 7);
        Sender { sequence: sender.sequence, socket: sender.socket, ..new }.send(answer.port(at), &sounds[at][4_000..]);
    }
    wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > 99.5);
    vector::bye(&mut peer, &invite, &answer);
    let recording = node.archived(&client, "dn=5557041");
    heard_both(&node, &recording, "5557041", &sounds);
}

#[test]
fn m3_switched_off_a_dtls_offer_is_488_and_never_plain() {
    let mut node = Node::prepare("");
    node.launch_with(&[("RECORDER__MEDIA__DTLS", "false")]);
    let mut peer = Peer::tls(node.sips, &node.certificate());
    let print = ["AB"; 32].join(":");
    let sdp = offer("actpass", [print.as_str(), &print], [40_000, 40_002], MUX);
    let answer = vector::invite(&mut peer, &siprec::invite("TLS", "5557051", &sdp, ["1", "2"]));
    assert_eq!(answer.status, 488, "{}", answer.head);
    assert!(answer.header("Warning").is_some_and(|warning| warning.starts_with("302 ")), "{}", answer.head);
}
