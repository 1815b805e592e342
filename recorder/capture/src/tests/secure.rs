//! SRTP: every suite end to end, wrong keys, strangers, replays and re-keying.

use crypto::srtp::{Inbound, Outbound, Suite};
use media::rtcp::{self, Packet};
use model::{OpenTrack, Report, RetuneTrack, SrtpKeys};

use super::harness::{Rig, config, keys, octets, order, peer, rtp, track};
use std::time::Duration;

const FAILURES: &str = "recorder_srtp_failures_total";
const PACKETS: &str = "recorder_rtp_packets_total";

fn secure(no: u16, suite: &str) -> OpenTrack {
    OpenTrack { srtp_remote: Some(keys(suite, 0x11)), srtp_local: Some(keys(suite, 0x22)), ..order(no) }
}

fn outbound(keys: &SrtpKeys) -> Outbound {
    Outbound::new(Suite::from_name(&keys.suite).unwrap(), keys.key_salt.reveal()).unwrap()
}

fn protected(outbound: &mut Outbound, mut packet: Vec<u8>) -> Vec<u8> {
    outbound.protect_rtp(&mut packet).unwrap();
    packet
}

#[test]
fn every_suite_comes_out_as_it_went_in_and_reports_are_protected() {
    let rig = Rig::with(&config(|config| config.rtcp_interval = Duration::from_millis(40)));
    for (no, suite) in Suite::ALL.into_iter().enumerate() {
        let (media, control) = (peer(), peer());
        let mut line = secure(no as u16, suite.name());
        line.source.rtcp = Some(control.local_addr().unwrap());
        let port = rig.open(line, "127.0.0.1");
        let mut sender = outbound(&keys(suite.name(), 0x11));
        let sent: Vec<_> = (65_500..=65_535).chain(0..100).map(|sequence| rtp(5, 8, sequence)).collect();
        for packet in &sent {
            media.send_to(&protected(&mut sender, packet.clone()), port).unwrap();
        }
        let mut receiver = Inbound::new(suite, keys(suite.name(), 0x22).key_salt.reveal(), 0).unwrap();
        loop {
            let mut report = [0; 512];
            let length = control.recv(&mut report).unwrap();
            let length = receiver.unprotect_rtcp(&mut report[..length]).expect("protected with our key");
            let first = rtcp::parse(&report[..length]).unwrap().next();
            if matches!(first, Some(Packet::ReceiverReport { block: Some(block), .. }) if block.ssrc == 5) {
                break;
            }
        }
        let (totals, packets) = rig.close(track(no as u16));
        assert_eq!(octets(packets), sent, "{}", suite.name());
        assert_eq!((totals.counters.lost, totals.counters.refused), (0, 0));
    }
    assert_eq!(rig.metric(FAILURES), 0);
}

#[test]
fn a_wrong_key_is_refused_and_latches_nothing() {
    for suite in Suite::ALL {
        let (rig, attacker, owner) = (Rig::new(), peer(), peer());
        let port = rig.open(secure(0, suite.name()), "127.0.0.1");
        let mut wrong = outbound(&keys(suite.name(), 0x12));
        for sequence in 0..20 {
            attacker.send_to(&protected(&mut wrong, rtp(1, 8, sequence)), port).unwrap();
        }
        attacker.send_to(&rtp(1, 8, 30), port).unwrap();
        rig.until(FAILURES, 20);
        let mut right = outbound(&keys(suite.name(), 0x11));
        owner.send_to(&protected(&mut right, rtp(1, 8, 40)), port).unwrap();
        assert!(matches!(rig.report(), Report::MediaStarted { .. }));
        // Even with the right key nobody else gets in now, and nothing gets in twice.
        attacker.send_to(&protected(&mut right, rtp(1, 8, 41)), port).unwrap();
        let packet = protected(&mut right, rtp(1, 8, 42));
        owner.send_to(&packet, port).unwrap();
        owner.send_to(&packet, port).unwrap();
        let (totals, packets) = rig.close(track(0));
        assert_eq!(octets(packets), [rtp(1, 8, 40), rtp(1, 8, 42)]);
        let counters = totals.counters;
        assert_eq!((counters.received, counters.duplicate, counters.refused), (2, 1, 22));
    }
}

#[test]
fn lines_gathered_together_mix_nothing_and_let_nothing_through() {
    let rig = Rig::with(&config(|config| config.sweep = Duration::from_millis(30)));
    let stranger = peer();
    let mut lines: Vec<_> = (0..24_u16)
        .map(|no| {
            let suite = Suite::ALL[usize::from(no) % 6];
            let order = if no % 8 == 7 { order(no) } else { secure(no, suite.name()) };
            let sender = order.srtp_remote.as_ref().map(outbound);
            (no, peer(), rig.open(order, "127.0.0.1"), sender, Vec::new())
        })
        .collect();
    let mut number = 65_500_u16;
    for round in 0..20 {
        for (no, peer, port, sender, sent) in &mut lines {
            for ahead in 0..3 {
                // All lines carry the same SSRC and the same numbers: only the key and the port tell them apart.
                let plain = rtp(5, 8, number.wrapping_add(ahead));
                let packet = sender.as_mut().map_or(plain.clone(), |sender| protected(sender, plain.clone()));
                peer.send_to(&packet, *port).unwrap();
                sent.push(plain);
                stranger.send_to(&packet, *port).unwrap();
                if sender.is_some() && round > 0 {
                    let mut forged = packet.clone();
                    forged[20 + usize::from(*no)] ^= 1;
                    peer.send_to(&forged, *port).unwrap();
                    peer.send_to(&packet, *port).unwrap();
                }
            }
        }
        number = number.wrapping_add(3);
        rig.until(PACKETS, (round + 1) * 3 * 24);
    }
    for (no, _, _, sender, sent) in lines {
        let (totals, packets) = rig.close(track(no));
        assert_eq!(octets(packets), sent, "{no}");
        let forged = if sender.is_some() { 19 * 3 } else { 0 };
        assert_eq!((totals.counters.refused, totals.counters.duplicate), (60 + forged, forged), "{no}");
        assert_eq!((totals.counters.received, totals.counters.kernel_drops), (60, 0), "{no}");
    }
    assert_eq!(rig.metric(FAILURES), 21 * 19 * 3);
}

#[test]
fn an_authenticated_source_may_come_from_anywhere() {
    let (rig, owner) = (Rig::new(), peer());
    let mut line = secure(0, "AEAD_AES_256_GCM");
    line.source.address = Some([192, 0, 2, 1].into());
    let port = rig.open(line, "127.0.0.1");
    let mut sender = outbound(&keys("AEAD_AES_256_GCM", 0x11));
    owner.send_to(&protected(&mut sender, rtp(1, 8, 1)), port).unwrap();
    assert_eq!(octets(rig.close(track(0)).1), [rtp(1, 8, 1)]);
}

#[test]
fn after_a_rekey_both_keys_open_until_the_new_one_is_in_use() {
    for suite in ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"] {
        let (rig, owner) = (Rig::new(), peer());
        let line = secure(0, suite);
        let port = rig.open(line.clone(), "127.0.0.1");
        let (mut old, mut new) = (outbound(&keys(suite, 0x11)), outbound(&keys(suite, 0x33)));
        owner.send_to(&protected(&mut old, rtp(1, 8, 1)), port).unwrap();
        rig.until(PACKETS, 1);
        let (source, codecs) = (line.source, line.codecs);
        let srtp_remote = Some(keys(suite, 0x33));
        rig.capture.retune(RetuneTrack { track: track(0), source, srtp_remote, srtp_local: None, dtls: None, codecs });
        for (sequence, sender) in [(2, &mut old), (4, &mut new)] {
            owner.send_to(&protected(sender, rtp(1, 8, sequence)), port).unwrap();
            rig.until("recorder_capture_sweeps_total", rig.metric("recorder_capture_sweeps_total") + 2);
        }
        owner.send_to(&protected(&mut old, rtp(1, 8, 3)), port).unwrap();
        let (totals, packets) = rig.close(track(0));
        assert_eq!(octets(packets), [rtp(1, 8, 1), rtp(1, 8, 2), rtp(1, 8, 4), rtp(1, 8, 3)]);
        assert_eq!(totals.counters.refused, 0);
    }
}

#[test]
fn keys_that_do_not_fit_are_refused_by_name() {
    let rig = Rig::new();
    let mut unknown = secure(0, "AEAD_AES_128_GCM");
    unknown.port = 20_000;
    unknown.srtp_remote = Some(SrtpKeys { suite: "F8_128_HMAC_SHA1_80".into(), ..keys("AEAD_AES_128_GCM", 1) });
    assert!(rig.refused(unknown).contains("F8_128_HMAC_SHA1_80"));
    let mut short = secure(0, "AEAD_AES_128_GCM");
    short.srtp_remote = Some(SrtpKeys { suite: "AEAD_AES_256_GCM".into(), ..keys("AEAD_AES_128_GCM", 1) });
    assert!(rig.refused(short).contains("AEAD_AES_256_GCM"));
}

#[test]
fn a_line_that_ended_takes_its_keys_with_it() {
    let (rig, sender) = (Rig::new(), peer());
    let suite = "AEAD_AES_128_GCM";
    let port = rig.open(secure(0, suite), "127.0.0.1");
    let mut old = outbound(&keys(suite, 0x11));
    sender.send_to(&protected(&mut old, rtp(1, 8, 1)), port).unwrap();
    rig.until(PACKETS, 1);
    assert_eq!(octets(rig.close(track(0)).1), [rtp(1, 8, 1)]);
    // The same port for the next call, which has keys of its own.
    let next = OpenTrack { port: port.port(), srtp_remote: Some(keys(suite, 0x33)), ..secure(1, suite) };
    rig.capture.open(next, rig.key());
    assert_eq!(rig.report(), Report::TrackOpened { track: track(1) });
    sender.send_to(&protected(&mut old, rtp(1, 8, 2)), port).unwrap();
    rig.until(FAILURES, 1);
    sender.send_to(&protected(&mut outbound(&keys(suite, 0x33)), rtp(1, 8, 3)), port).unwrap();
    rig.until(PACKETS, 2);
    assert_eq!(octets(rig.close(track(1)).1), [rtp(1, 8, 3)]);
}
