//! Two associations against each other over a wire that loses and forges; against OpenSSL in tests/tests/dtls.rs.

use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use zeroize::Zeroizing;

use super::*;
use crate::srtp::{Inbound, Outbound, Suite};

fn engine() -> Engine {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::default().self_signed(&key).expect("a certificate");
    let identity = Identity { certificate: certificate.der().to_vec(), key: Zeroizing::new(key.serialize_der()) };
    Engine::new(identity).expect("usable")
}

#[expect(clippy::disallowed_methods, reason = "some instant to count simulated time from")]
fn begin() -> Instant {
    Instant::now()
}

fn print(engine: &Engine) -> Vec<Fingerprint> {
    vec![Fingerprint::new(engine.fingerprint().to_vec()).expect("SHA-256")]
}

/// How it ended for one of the two.
#[derive(Default)]
struct End {
    keys: Option<Keys>,
    error: Option<&'static str>,
}

/// Client and server with simulated time; `lose` says of each datagram, by its number, whether the wire loses it.
struct Pair {
    associations: [Association; 2],
    ends: [End; 2],
    wire: Vec<(usize, Vec<u8>)>,
    sent: usize,
    now: Instant,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Pair {
    fn new(believed: [Vec<Fingerprint>; 2], engines: [&Engine; 2]) -> Self {
        let now = begin();
        let [by_client, by_server] = believed;
        let client = engines[CLIENT].begin(Role::Client, by_client, now);
        let server = engines[SERVER].begin(Role::Server, by_server, now);
        Self { associations: [client, server], ends: Default::default(), wire: Vec::new(), sent: 0, now }
    }

    fn honest() -> Self {
        let (client, server) = (engine(), engine());
        Self::new([print(&server), print(&client)], [&client, &server])
    }

    fn note(&mut self, who: usize, progress: Progress, out: Vec<Vec<u8>>) {
        match progress {
            Progress::Open => {}
            Progress::Keyed(keys) => assert!(self.ends[who].keys.replace(keys).is_none(), "keys are told once"),
            Progress::Mismatch => self.ends[who].error = Some("mismatch"),
            Progress::Failed(cause) => self.ends[who].error = Some(cause),
            Progress::Closed => self.ends[who].error = Some("closed"),
        }
        self.wire.extend(out.into_iter().map(|octets| (who, octets)));
    }

    fn run(&mut self, lose: impl Fn(usize) -> bool) {
        for _ in 0..400 {
            while !self.wire.is_empty() {
                let (from, octets) = self.wire.remove(0);
                self.sent += 1;
                let to = 1 - from;
                if !lose(self.sent) && self.ends[to].error.is_none() {
                    let mut out = Vec::new();
                    let progress = self.associations[to].datagram(&octets, self.now, &mut out);
                    self.note(to, progress, out);
                }
            }
            if self.ends.iter().all(|end| end.keys.is_some()) || self.ends.iter().all(|end| end.error.is_some()) {
                return;
            }
            self.now += Duration::from_millis(125);
            for who in [CLIENT, SERVER] {
                let is_due = self.associations[who].due().is_some_and(|due| due <= self.now);
                if is_due && self.ends[who].error.is_none() {
                    let mut out = Vec::new();
                    let progress = self.associations[who].tick(self.now, &mut out);
                    self.note(who, progress, out);
                }
            }
        }
    }

    fn assert_keyed(&self) {
        let [Some(client), Some(server)] = [&self.ends[0].keys, &self.ends[1].keys] else {
            panic!("no keys: {:?} {:?}", self.ends[0].error, self.ends[1].error)
        };
        assert_eq!(client.suite, server.suite);
        assert!(client.local[..] == server.remote[..] && client.remote[..] == server.local[..]);
        assert_ne!(client.local[..], client.remote[..]);
        assert_eq!(client.local.len(), client.suite.key_salt_len());
    }
}

#[test]
fn both_roles_agree_on_the_best_suite_and_srtp_passes() {
    let mut pair = Pair::honest();
    pair.run(|_| false);
    pair.assert_keyed();
    let [client, server] = pair.ends.map(|end| end.keys.expect("keys"));
    assert_eq!(client.suite, Suite::AeadAes256Gcm);
    let mut out = Outbound::new(client.suite, &client.local).expect("keys");
    let mut packet = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0x55; 160]].concat();
    let plain = packet.clone();
    out.protect_rtp(&mut packet).expect("protected");
    let length = Inbound::new(server.suite, &server.remote, 0).expect("keys").unprotect_rtp(&mut packet);
    assert_eq!(&packet[..length.expect("authentic")], plain);
}

#[test]
fn every_single_lost_datagram_is_made_good() {
    for lost in 1..=14 {
        let mut pair = Pair::honest();
        pair.run(|number| number == lost);
        pair.assert_keyed();
    }
    let mut pair = Pair::honest();
    pair.run(|number| number % 3 == 0);
    pair.assert_keyed();
}

#[test]
fn m2_another_certificate_than_the_one_signaling_named_gives_no_keys() {
    let (client, server, other) = (engine(), engine(), engine());
    let mut by_client = Pair::new([print(&other), print(&client)], [&client, &server]);
    by_client.run(|_| false);
    assert_eq!(by_client.ends[CLIENT].error, Some("mismatch"));
    assert!(by_client.ends.iter().all(|end| end.keys.is_none()), "the server never gets a last flight either");
    let mut by_server = Pair::new([print(&server), print(&other)], [&client, &server]);
    by_server.run(|_| false);
    assert_eq!(by_server.ends[SERVER].error, Some("mismatch"));
    assert!(by_server.ends.iter().all(|end| end.keys.is_none()));
    let mut several = Pair::new([[print(&other), print(&server)].concat(), print(&client)], [&client, &server]);
    several.run(|_| false);
    several.assert_keyed();
}

#[test]
fn two_servers_wait_and_two_clients_give_up() {
    let (one, two) = (engine(), engine());
    let now = begin();
    assert_eq!(one.begin(Role::Server, print(&two), now).due(), None, "a server begins nothing");
    let mut pair = Pair::new([print(&two), print(&one)], [&one, &two]);
    pair.associations[SERVER] = two.begin(Role::Client, print(&one), now);
    pair.run(|_| false);
    assert!(pair.ends.iter().all(|end| end.keys.is_none() && end.error.is_some()), "{:?}", pair.ends[0].error);
}

#[test]
fn nobody_there_is_a_timeout() {
    let mut pair = Pair::honest();
    pair.run(|_| true);
    assert_eq!(pair.ends[CLIENT].error, Some("timeout"));
    assert!(pair.sent >= 6, "it was repeated: {}", pair.sent);
}

#[test]
fn noise_of_any_kind_neither_ends_a_handshake_nor_panics() {
    let mut pair = Pair::honest();
    let mut state = 7_u32;
    let mut out = Vec::new();
    for round in 0..2_000_usize {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let octets: Vec<u8> = (0..round % 97).map(|at| (state >> (at % 24)) as u8 ^ at as u8).collect();
        let _ = is_client_hello(&octets);
        let record = [&[20 + (round % 6) as u8, 0xfe, 0xfd, 0, (round % 2) as u8][..], &octets].concat();
        let progress = pair.associations[SERVER].datagram(&record, pair.now, &mut out);
        assert!(!matches!(progress, Progress::Keyed(_)));
    }
    assert!(out.is_empty(), "nothing is answered");
}

#[test]
fn the_first_octet_tells_dtls_from_srtp() {
    for (first, is) in [(0, false), (19, false), (20, true), (22, true), (63, true), (64, false), (128, false)] {
        assert_eq!(is_dtls(&[first]), is, "{first}");
    }
    assert!(!is_dtls(&[]));
    let engine = engine();
    let mut out = Vec::new();
    let now = begin();
    engine.begin(Role::Client, print(&engine), now).tick(now, &mut out);
    assert!(is_client_hello(&out[0]) && !is_client_hello(&out[0][..13]));
    out[0][4] = 1;
    assert!(!is_client_hello(&out[0]), "not of the first epoch");
}

#[test]
fn a_fingerprint_has_the_length_of_its_hash() {
    for length in [0, 16, 20, 28, 31, 33, 65] {
        assert!(Fingerprint::new(vec![0; length]).is_none(), "{length}");
    }
    for algorithm in [&aws_lc_rs::digest::SHA256, &aws_lc_rs::digest::SHA384, &aws_lc_rs::digest::SHA512] {
        let digest = aws_lc_rs::digest::digest(algorithm, b"certificate").as_ref().to_vec();
        let fingerprint = Fingerprint::new(digest).expect("a hash");
        assert!(fingerprint.is_of(b"certificate") && !fingerprint.is_of(b"another"));
    }
}
