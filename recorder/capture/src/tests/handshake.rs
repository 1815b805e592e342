//! Lines whose keys come of a DTLS handshake with a peer made of `crypto::dtls`; the `mN` are those of the checklist.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use crypto::{
    dtls::{Association, Engine, Fingerprint, Identity, Keys, Progress, Role},
    srtp::Outbound,
};
use model::{DtlsTerms, MediaSource, OpenTrack, Report, RetuneTrack};
use rcgen::{CertificateParams, KeyPair};

use super::harness::{Rig, octets, order, rtp, track};
use crate::clock;

/// For a handshake that must not come about: several flights long. What is made of it is waited for apart.
const BRIEFLY: Duration = Duration::from_secs(2);

fn engine() -> Engine {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    Engine::new(Identity { certificate: certificate.der().to_vec(), key: key.serialize_der().into() }).unwrap()
}

/// Who shakes hands with capture.
struct Peer {
    engine: Engine,
    socket: UdpSocket,
    ours: [u8; 32],
}

impl Peer {
    /// `ours` is the fingerprint of capture's certificate.
    fn new(ip: &str, ours: [u8; 32]) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { engine: engine(), socket, ours }
    }

    fn terms(&self, is_client: bool) -> DtlsTerms {
        DtlsTerms { is_client, fingerprints: vec![self.engine.fingerprint().to_vec()] }
    }

    fn source(&self) -> MediaSource {
        let address = self.socket.local_addr().unwrap();
        MediaSource { address: Some(address.ip()), port: address.port(), rtcp: None }
    }

    fn order(&self, is_client: bool) -> OpenTrack {
        OpenTrack { dtls: Some(self.terms(is_client)), source: self.source(), rtcp_mux: true, ..order(0) }
    }

    fn begin(&self, role: Role) -> Association {
        self.engine.begin(role, vec![Fingerprint::new(self.ours.to_vec()).unwrap()], clock::instant())
    }

    /// Shakes hands until there are keys. The last flight is left to the caller.
    fn shake(&self, role: Role, to: SocketAddr) -> Option<(Keys, Vec<Vec<u8>>)> {
        self.shake_for(Duration::from_secs(20), role, to)
    }

    /// The same, for so long.
    fn shake_for(&self, patience: Duration, role: Role, to: SocketAddr) -> Option<(Keys, Vec<Vec<u8>>)> {
        let mut association = self.begin(role);
        let deadline = clock::instant() + patience;
        loop {
            let (mut out, mut buffer) = (Vec::new(), [0; 2_048]);
            let now = clock::instant();
            let progress = match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    assert_eq!(from, to, "flights come from the media port");
                    association.datagram(&buffer[..length], now, &mut out)
                }
                Err(_) if association.due().is_some_and(|due| due <= now) => association.tick(now, &mut out),
                Err(_) => Progress::Open,
            };
            match progress {
                Progress::Keyed(keys) => return Some((keys, out)),
                Progress::Open if now < deadline => out.iter().for_each(|flight| self.send(flight, to)),
                _ => return None,
            }
        }
    }

    fn send(&self, octets: &[u8], to: SocketAddr) {
        self.socket.send_to(octets, to).unwrap();
    }

    fn send_srtp(&self, srtp: &mut Outbound, sequences: std::ops::Range<u16>, to: SocketAddr) {
        for sequence in sequences {
            let mut packet = rtp(5, 8, sequence);
            srtp.protect_rtp(&mut packet).unwrap();
            self.send(&packet, to);
        }
    }
}

fn outbound(keys: &Keys) -> Outbound {
    Outbound::new(keys.suite, &keys.local).unwrap()
}

fn rig() -> (Rig, [u8; 32]) {
    let engine = engine();
    let ours = engine.fingerprint();
    (Rig::shaking_hands(engine), ours)
}

fn plain(sequences: std::ops::Range<u16>) -> Vec<Vec<u8>> {
    sequences.map(|sequence| rtp(5, 8, sequence)).collect()
}

/// Whatever is reported until `wanted` says it was that.
fn reported(rig: &Rig, wanted: impl Fn(&Report) -> bool) -> Report {
    loop {
        let report = rig.report();
        if wanted(&report) {
            return report;
        }
    }
}

#[test]
fn m6_what_comes_before_the_keys_is_held_and_taken_in_its_order() {
    let (rig, ours) = rig();
    let peer = Peer::new("127.0.0.1", ours);
    let to = rig.open(peer.order(true), "127.0.0.1");
    let (keys, last) = peer.shake(Role::Server, to).expect("keys");
    let mut srtp = outbound(&keys);
    peer.send_srtp(&mut srtp, 0..12, to);
    last.iter().for_each(|flight| peer.send(flight, to));
    peer.send_srtp(&mut srtp, 12..16, to);
    let Report::TrackKeyed(told) = reported(&rig, |report| matches!(report, Report::TrackKeyed(_))) else { panic!() };
    assert_eq!((told.remote.key_salt.reveal(), told.local.key_salt.reveal()), (&keys.local[..], &keys.remote[..]));
    assert_eq!(told.remote.suite, keys.suite.name());
    rig.until("recorder_rtp_packets_total", 16);
    peer.send_srtp(&mut srtp, 16..30, to);
    rig.until("recorder_rtp_packets_total", 30);
    let (totals, packets) = rig.close(track(0));
    assert_eq!(octets(packets), plain(0..30));
    assert_eq!((totals.counters.refused, totals.counters.lost), (0, 0));
}

#[test]
fn m6_without_keys_nothing_is_kept_and_only_the_newest_wait() {
    let (rig, ours) = rig();
    let peer = Peer::new("127.0.0.1", ours);
    let to = rig.open(peer.order(false), "127.0.0.1");
    // Plain RTP, which an ordinary line would take.
    (0..40).for_each(|sequence| peer.send(&rtp(5, 8, sequence), to));
    rig.until("recorder_rtp_refused_packets_total", 24);
    let (totals, packets) = rig.close(track(0));
    assert!(packets.is_empty());
    assert_eq!((totals.counters.received, totals.counters.refused), (0, 24));
}

#[test]
fn m2_a_wrong_certificate_severs_the_line_and_a_stranger_s_does_not() {
    let (rig, ours) = rig();
    let (named, stranger) = (Peer::new("127.0.0.1", ours), Peer::new("127.0.0.2", ours));
    let to = rig.open(named.order(false), "127.0.0.1");
    assert!(stranger.shake_for(BRIEFLY, Role::Client, to).is_none(), "no keys for who is not named");
    assert!(matches!(rig.report(), Report::HandshakeFailed { cause: "stranger", .. }));
    let (keys, last) = named.shake(Role::Client, to).expect("keys all the same");
    last.iter().for_each(|flight| named.send(flight, to));
    reported(&rig, |report| matches!(report, Report::TrackKeyed(_)));
    let mut srtp = outbound(&keys);
    named.send_srtp(&mut srtp, 0..5, to);
    rig.until("recorder_rtp_packets_total", 5);
    let impostor = Peer::new("127.0.0.1", ours);
    let mut hello = Vec::new();
    impostor.begin(Role::Client).tick(clock::instant(), &mut hello);
    assert!(impostor.shake_for(BRIEFLY, Role::Client, to).is_none());
    assert_eq!(
        reported(&rig, |report| matches!(report, Report::TrackSevered { .. })),
        Report::TrackSevered { track: track(0) }
    );
    named.send_srtp(&mut srtp, 5..9, to);
    named.send(&hello[0], to);
    rig.until("recorder_rtp_refused_packets_total", 5);
    let (_, packets) = rig.close(track(0));
    assert_eq!(octets(packets), plain(0..5), "nothing after that");
}

#[test]
fn a_flood_of_hellos_costs_a_bound_and_keeps_nobody_out() {
    let (rig, ours) = rig();
    let named = Peer::new("127.0.0.1", ours);
    let to = rig.open(named.order(false), "127.0.0.1");
    for _ in 0..40 {
        let forger = Peer { engine: named.engine.clone(), ..Peer::new("127.0.0.3", ours) };
        let mut hello = Vec::new();
        forger.begin(Role::Client).tick(clock::instant(), &mut hello);
        (0..5).for_each(|_| forger.send(&hello[0], to));
    }
    rig.until("recorder_rtp_refused_packets_total", 100);
    let (_, last) = named.shake(Role::Client, to).expect("keys");
    last.iter().for_each(|flight| named.send(flight, to));
    reported(&rig, |report| matches!(report, Report::TrackKeyed(_)));
}

#[test]
fn m1_a_peer_in_our_role_gets_no_answer() {
    let (rig, ours) = rig();
    let peer = Peer::new("127.0.0.1", ours);
    let to = rig.open(peer.order(true), "127.0.0.1");
    let mut hello = Vec::new();
    let elsewhere = Peer { engine: peer.engine.clone(), ..Peer::new("127.0.0.1", ours) };
    elsewhere.begin(Role::Client).tick(clock::instant(), &mut hello);
    elsewhere.send(&hello[0], to);
    rig.until("recorder_dtls_dropped_datagrams_total", 1);
    let mut buffer = [0; 64];
    assert!(elsewhere.socket.recv_from(&mut buffer).is_err(), "not a word");
    // Who waits as agreed is called all the same.
    assert!(peer.shake(Role::Server, to).is_some());
}

#[test]
fn m7_m8_a_new_agreement_is_a_new_handshake_and_both_keys_open_for_a_while() {
    let (rig, ours) = rig();
    let first = Peer::new("127.0.0.1", ours);
    let to = rig.open(first.order(false), "127.0.0.1");
    let (keys, last) = first.shake(Role::Client, to).expect("keys");
    last.iter().for_each(|flight| first.send(flight, to));
    reported(&rig, |report| matches!(report, Report::TrackKeyed(_)));
    let mut old = outbound(&keys);
    first.send_srtp(&mut old, 0..5, to);
    rig.until("recorder_rtp_packets_total", 5);
    let second = Peer { engine: engine(), ours, socket: first.socket.try_clone().unwrap() };
    rig.capture.retune(RetuneTrack {
        track: track(0),
        source: second.source(),
        srtp_remote: None,
        srtp_local: None,
        dtls: Some(second.terms(false)),
        codecs: order(0).codecs,
    });
    first.send_srtp(&mut old, 5..8, to);
    let (keys, last) = second.shake(Role::Client, to).expect("keys");
    last.iter().for_each(|flight| second.send(flight, to));
    reported(&rig, |report| matches!(report, Report::TrackKeyed(_)));
    let mut new = outbound(&keys);
    second.send_srtp(&mut new, 8..12, to);
    rig.until("recorder_rtp_packets_total", 12);
    first.send_srtp(&mut old, 12..14, to);
    rig.until("recorder_rtp_packets_total", 14);
    let (totals, packets) = rig.close(track(0));
    assert_eq!(octets(packets), plain(0..14));
    assert_eq!(totals.counters.refused, 0);
}

#[test]
fn without_a_certificate_a_dtls_line_is_refused() {
    let peer = Peer::new("127.0.0.1", [0; 32]);
    assert!(Rig::new().refused(OpenTrack { port: 4_000, ..peer.order(false) }).contains("media.dtls"));
}
