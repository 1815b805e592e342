//! Plain RTP: what is kept, who is turned away, what pauses and a full spool do.

use std::{net::UdpSocket, sync::atomic::Ordering, time::Duration};

use model::{GapCause, MediaSource, Report, RetuneTrack};

use super::harness::{Rig, config, octets, order, peer, rtp, track};
use crate::clock;

const PACKETS: &str = "recorder_rtp_packets_total";

#[test]
fn what_was_sent_is_kept_packet_by_packet_in_order_of_arrival() {
    let (rig, peer) = (Rig::new(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    let began = clock::now_nanos();
    let mut sequences: Vec<u16> = (65_480..=65_535).chain(0..200).collect();
    sequences.swap(10, 11);
    sequences.remove(100);
    let sent: Vec<_> = sequences.iter().map(|&sequence| rtp(1, 8, sequence)).collect();
    for packet in &sent {
        peer.send_to(packet, port).unwrap();
    }
    assert!(matches!(rig.report(), Report::MediaStarted { at, .. } if at.nanos() >= began));
    let (totals, packets) = rig.close(track(0));
    assert!(packets.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert!(packets.iter().all(|(arrival, _)| *arrival / 1_000 >= began / 1_000));
    assert_eq!(octets(packets), sent);
    let counters = totals.counters;
    assert_eq!((counters.received, counters.lost, counters.reordered), (255, 1, 1));
    assert_eq!((counters.refused, counters.kernel_drops, counters.duplicate), (0, 0, 0));
    assert!(totals.gaps.is_empty());
    rig.until(PACKETS, 255);
    rig.until("recorder_rtp_lost_packets_total", 1);
}

#[test]
fn two_lines_of_one_call_may_carry_the_same_ssrc() {
    let (rig, peer) = (Rig::with(&config(|config| config.workers = 2)), peer());
    let ports = [rig.open(order(0), "127.0.0.1"), rig.open(order(1), "127.0.0.1")];
    for sequence in 0..50 {
        peer.send_to(&rtp(7, 8, sequence), ports[0]).unwrap();
        peer.send_to(&rtp(7, 8, sequence + 500), ports[1]).unwrap();
    }
    for (no, first) in [(0, 0), (1, 500)] {
        let (_, packets) = rig.close(track(no));
        assert_eq!(octets(packets), (first..first + 50).map(|sequence| rtp(7, 8, sequence)).collect::<Vec<_>>());
    }
}

#[test]
fn a_hundred_lines_on_two_workers_lose_nothing_and_mix_nothing() {
    let (rig, peer) = (Rig::with(&config(|config| config.workers = 2)), peer());
    let ports: Vec<_> = (0..100).map(|no| rig.open(order(no), "127.0.0.1")).collect();
    for sequence in 0..50 {
        for (no, port) in ports.iter().enumerate() {
            peer.send_to(&rtp(no as u32, 8, sequence), port).unwrap();
        }
    }
    // From the middle outwards: a worker's list closes ranks after every close.
    for no in (50..100).chain(0..50) {
        let (totals, packets) = rig.close(track(no));
        assert_eq!(octets(packets), (0..50).map(|number| rtp(u32::from(no), 8, number)).collect::<Vec<_>>());
        assert_eq!((totals.counters.received, totals.counters.lost), (50, 0));
    }
    rig.until(PACKETS, 5_000);
}

#[test]
fn ipv6_works_like_ipv4() {
    let rig = Rig::with(&config(|config| {
        config.address = "::1".parse().unwrap();
        config.bind = config.address;
    }));
    let mut line = order(0);
    line.source.address = Some("::1".parse().unwrap());
    let port = rig.open(line, "::1");
    let peer = UdpSocket::bind("[::1]:0").unwrap();
    peer.send_to(&rtp(1, 8, 1), port).unwrap();
    assert_eq!(octets(rig.close(track(0)).1), [rtp(1, 8, 1)]);
}

#[test]
fn strangers_and_garbage_are_turned_away_and_counted() {
    let (rig, peer, stranger) = (Rig::new(), peer(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    // Before anybody has latched: not RTP, a payload type that nobody negotiated, another host.
    peer.send_to(b"no RTP at all", port).unwrap();
    peer.send_to(&[0x80], port).unwrap();
    peer.send_to(&rtp(1, 33, 9), port).unwrap();
    let other_host = UdpSocket::bind("127.0.0.2:0").unwrap();
    other_host.send_to(&rtp(2, 8, 1), port).unwrap();
    rig.until("recorder_rtp_refused_packets_total", 4);
    peer.send_to(&rtp(1, 8, 10), port).unwrap();
    rig.until(PACKETS, 1);
    stranger.send_to(&rtp(1, 8, 11), port).unwrap();
    peer.send_to(&[0x80; 2_500], port).unwrap();
    peer.send_to(&[], port).unwrap();
    peer.send_to(&rtp(1, 101, 12), port).unwrap();
    let (totals, packets) = rig.close(track(0));
    assert_eq!(octets(packets), [rtp(1, 8, 10), rtp(1, 101, 12)]);
    assert_eq!((totals.counters.refused, totals.counters.received), (7, 2));
}

/// A client whose call was given up may go on sending, from the host that sends everything else, too.
#[test]
fn who_sends_from_the_offered_port_takes_the_line_over_from_who_does_not() {
    for (is_sealed, other_ssrc) in [(false, 9), (true, 9), (false, 1)] {
        let chunk = Duration::from_millis(if is_sealed { 5 } else { 60_000 });
        let (rig, stray, owner) = (Rig::with(&config(|config| config.chunk = chunk)), peer(), peer());
        let mut line = order(0);
        line.source.port = owner.local_addr().unwrap().port();
        let port = rig.open(line, "127.0.0.1");
        let strays: Vec<_> = (0..3).map(|sequence| rtp(other_ssrc, 8, sequence)).collect();
        strays.iter().for_each(|packet| assert!(stray.send_to(packet, port).is_ok()));
        rig.until(PACKETS, 3);
        while is_sealed && rig.chunks(track(0)) == 0 {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let owned: Vec<_> = (3..6).map(|sequence| rtp(1, 8, sequence)).collect();
        owned.iter().for_each(|packet| assert!(owner.send_to(packet, port).is_ok()));
        rig.until(PACKETS, 6);
        stray.send_to(&rtp(other_ssrc, 8, 3), port).unwrap();
        let (totals, packets) = rig.close(track(0));
        // What was sealed stays, and so does what is of the same stream.
        let stays = is_sealed || other_ssrc == 1;
        let kept: Vec<_> = if stays { [strays, owned].concat() } else { owned };
        assert_eq!(octets(packets), kept, "sealed: {is_sealed}, SSRC {other_ssrc}");
        let counters = totals.counters;
        let (changes, refused) = (u64::from(is_sealed), if stays { 1 } else { 4 });
        assert_eq!((counters.received, counters.ssrc_changes), (kept.len() as u64, changes));
        assert_eq!((counters.refused, counters.lost), (refused, 0));
    }
}

#[test]
fn random_datagrams_never_hurt() {
    let (rig, peer) = (Rig::new(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    let control = (port.ip(), port.port() + 1);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 1..=20_u64 {
        for _ in 0..40 {
            let mut datagram: Vec<u8> = (0..state % 60)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) as u8
                })
                .collect();
            state = state.wrapping_add(0x1234_5679).rotate_left(7);
            if let Some(first) = datagram.first_mut() {
                *first = 0x80 | *first & 0x3f;
            }
            peer.send_to(&datagram, port).unwrap();
            peer.send_to(&datagram, control).unwrap();
        }
        // Wait for each round, so that the kernel has no reason to drop.
        let seen = || rig.metric("recorder_rtp_refused_packets_total") + rig.metric(PACKETS);
        while seen() < round * 40 {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
    let (totals, packets) = rig.close(track(0));
    assert_eq!(totals.counters.received, packets.len() as u64);
    assert_eq!(totals.counters.received + totals.counters.refused, 800);
}

#[test]
fn a_pause_keeps_nothing_and_leaves_a_gap() {
    let (rig, peer) = (Rig::new(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    let send = |sequences: std::ops::Range<u16>, payload_type| {
        for sequence in sequences {
            peer.send_to(&rtp(1, payload_type, sequence), port).unwrap();
        }
    };
    send(0..10, 8);
    let before = clock::now_nanos();
    rig.capture.pause(track(0), GapCause::Paused);
    send(10..20, 8);
    send(20..25, 101);
    rig.until("recorder_rtp_paused_packets_total", 15);
    rig.capture.resume(track(0));
    let after = clock::now_nanos();
    send(25..30, 8);
    let (totals, packets) = rig.close(track(0));
    assert_eq!(octets(packets), (0..10).chain(25..30).map(|sequence| rtp(1, 8, sequence)).collect::<Vec<_>>());
    assert_eq!((totals.counters.received, totals.counters.lost), (30, 0));
    let [gap] = totals.gaps[..] else { panic!("{:?}", totals.gaps) };
    assert_eq!(gap.cause, GapCause::Paused);
    assert!(before <= gap.from.nanos() && gap.from < gap.to && gap.to.nanos() <= after);
}

#[test]
fn a_line_that_starts_on_hold_keeps_nothing_until_resumed_and_its_gap_ends_with_the_track() {
    let (rig, peer) = (Rig::new(), peer());
    for (no, resumed) in [(0, true), (1, false)] {
        let mut held = order(no);
        held.paused = Some(GapCause::Hold);
        let port = rig.open(held, "127.0.0.1");
        peer.send_to(&rtp(1, 8, 1), port).unwrap();
        rig.until("recorder_rtp_paused_packets_total", u64::from(no) + 1);
        if resumed {
            rig.capture.resume(track(no));
            peer.send_to(&rtp(1, 8, 2), port).unwrap();
        }
        let (totals, packets) = rig.close(track(no));
        assert_eq!(packets.len(), usize::from(resumed));
        let [gap] = totals.gaps[..] else { panic!("{:?}", totals.gaps) };
        assert!(gap.cause == GapCause::Hold && gap.from < gap.to);
    }
}

#[test]
fn a_full_spool_costs_a_gap_and_numbers_stay_contiguous() {
    let (rig, peer) = (Rig::new(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    peer.send_to(&rtp(1, 8, 0), port).unwrap();
    rig.until("recorder_capture_chunks_total", 1);
    rig.spool.is_full.store(true, Ordering::SeqCst);
    for sequence in 1..=5 {
        peer.send_to(&rtp(1, 8, sequence), port).unwrap();
    }
    rig.until("recorder_capture_dropped_packets_total", 5);
    rig.spool.is_full.store(false, Ordering::SeqCst);
    peer.send_to(&rtp(1, 8, 6), port).unwrap();
    let (totals, packets) = rig.close(track(0));
    assert_eq!(octets(packets), [rtp(1, 8, 0), rtp(1, 8, 6)]);
    assert_eq!(totals.chunks, 2);
    assert!(totals.gaps.iter().all(|gap| gap.cause == GapCause::Overload), "{:?}", totals.gaps);
    assert!(!totals.gaps.is_empty());
    rig.until("recorder_capture_refused_chunks_total", 1);
}

#[test]
fn what_the_kernel_drops_is_a_gap_and_a_number() {
    // A worker that sweeps once a second meets more packets than its buffer holds.
    let slow = config(|config| {
        config.sweep = Duration::from_secs(1);
        config.ports.last = config.ports.first + 9;
    });
    let (rig, peer) = (Rig::with(&slow), peer());
    let port = rig.open(order(0), "127.0.0.1");
    for sequence in 0..20_000 {
        peer.send_to(&rtp(1, 8, sequence), port).unwrap();
    }
    let (totals, packets) = rig.close(track(0));
    let counters = totals.counters;
    assert!(counters.kernel_drops > 0 && counters.received > 0, "{counters:?}");
    assert_eq!(counters.received, packets.len() as u64);
    assert_eq!(counters.received + counters.kernel_drops, 20_000);
    assert!(!totals.gaps.is_empty() && totals.gaps.iter().all(|gap| gap.cause == GapCause::Overload));
    rig.until("recorder_capture_dropped_packets_total", counters.kernel_drops);
    assert_eq!(rig.metric("recorder_capture_dropped_packets_total"), counters.kernel_drops);
}

#[test]
fn a_renegotiated_source_latches_anew_and_the_old_one_is_out() {
    let (rig, old, new) = (Rig::new(), peer(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    old.send_to(&rtp(1, 8, 1), port).unwrap();
    rig.until(PACKETS, 1);
    new.send_to(&rtp(2, 8, 1), port).unwrap();
    rig.until("recorder_rtp_refused_packets_total", 1);
    let source = MediaSource { address: Some([127, 0, 0, 1].into()), port: 7000, rtcp: None };
    rig.capture.retune(RetuneTrack {
        track: track(0),
        source,
        srtp_remote: None,
        srtp_local: None,
        dtls: None,
        codecs: order(0).codecs,
    });
    old.send_to(&rtp(1, 8, 2), port).unwrap();
    rig.until(PACKETS, 2);
    // The order may have been taken after packet 2; it has been before the next sweep ends.
    let (sweeps, name) = (rig.metric("recorder_capture_sweeps_total"), "recorder_capture_sweeps_total");
    rig.until(name, sweeps + 2);
    new.send_to(&rtp(2, 8, 2), port).unwrap();
    rig.until(PACKETS, 3);
    old.send_to(&rtp(1, 8, 3), port).unwrap();
    let (totals, packets) = rig.close(track(0));
    assert_eq!(octets(packets), [rtp(1, 8, 1), rtp(1, 8, 2), rtp(2, 8, 2)]);
    assert_eq!((totals.counters.refused, totals.counters.ssrc_changes), (2, 1));
}
