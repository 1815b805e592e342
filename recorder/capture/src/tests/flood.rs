//! Floods, many lines at once, and lines that come and go: what each way to receive must survive.

use std::{net::UdpSocket, time::Duration};

use model::{GapCause, Report};

use super::{
    RECEIVE,
    harness::{Rig, config, octets, order, peer, rtp, track},
};
use crate::{Receive, receive::Strategy};

#[test]
fn the_way_asked_for_is_the_way_taken_or_a_counted_fallback() {
    let rig = Rig::new();
    let families = rig.registry.gather();
    let family = families.iter().find(|family| family.name() == "recorder_capture_receive_strategy").unwrap();
    let ways: Vec<_> = (family.get_metric().iter())
        .filter(|way| way.get_gauge().get_value() == 1.0)
        .map(|way| way.get_label()[0].value().to_owned())
        .collect();
    let (wanted, refused) = Strategy::choose(RECEIVE);
    assert_eq!(ways, [wanted.name()]);
    assert_eq!(rig.metric("recorder_capture_fallbacks_total"), u64::from(refused.is_some()));
    match RECEIVE {
        Receive::IoUring => {}
        Receive::Bpf => assert!(refused.is_none_or(|error| error.kind() == std::io::ErrorKind::PermissionDenied)),
        _ => assert!(refused.is_none(), "{refused:?}"),
    }
}

#[test]
fn a_flooded_line_does_not_starve_its_neighbour() {
    let rig = Rig::with(&config(|config| config.sweep = Duration::from_millis(30)));
    let (peer, stranger) = (peer(), peer());
    let (busy, quiet) = (rig.open(order(0), "127.0.0.1"), rig.open(order(1), "127.0.0.1"));
    peer.send_to(&rtp(1, 8, 0), busy).unwrap();
    peer.send_to(&rtp(2, 8, 0), quiet).unwrap();
    rig.until("recorder_rtp_packets_total", 2);
    for sequence in 1..=50 {
        (0..400).for_each(|_| drop(stranger.send_to(&rtp(9, 8, 7), busy)));
        peer.send_to(&rtp(2, 8, sequence), quiet).unwrap();
    }
    let (totals, packets) = rig.close(track(1));
    assert!(octets(packets).into_iter().eq((0..=50).map(|sequence| rtp(2, 8, sequence))));
    assert_eq!((totals.counters.refused, totals.counters.kernel_drops), (0, 0));
    let (totals, packets) = rig.close(track(0));
    assert_eq!((packets.len(), totals.counters.received), (1, 1));
    assert_eq!(totals.counters.refused + totals.counters.kernel_drops, 20_000);
}

#[test]
fn ports_are_used_again_at_once_and_nothing_of_the_line_before_arrives() {
    let (rig, peer) = (Rig::new(), peer());
    let first = rig.open(order(0), "127.0.0.1");
    for number in 1..40_u16 {
        peer.send_to(&rtp(u32::from(number), 8, number), (first.ip(), first.port())).unwrap();
        let (_, packets) = rig.close(track(number - 1));
        assert_eq!(octets(packets), [rtp(u32::from(number), 8, number)]);
        // Both ports are free for anybody, and then ours again.
        let ports = [first.port(), first.port() + 1].map(|port| UdpSocket::bind((first.ip(), port)).unwrap());
        drop(ports);
        let again = model::OpenTrack { port: first.port(), ..order(number) };
        rig.capture.open(again, rig.key());
        assert_eq!(rig.report(), Report::TrackOpened { track: track(number) });
    }
}

#[test]
fn pauses_in_the_middle_of_a_stream_are_exact_on_every_line() {
    let (rig, peer) = (Rig::with(&config(|config| config.sweep = Duration::from_millis(60))), peer());
    let ports: Vec<_> = (0..20).map(|no| rig.open(order(no), "127.0.0.1")).collect();
    let send = |sequences: std::ops::Range<u16>| {
        for sequence in sequences {
            for port in &ports {
                peer.send_to(&rtp(1, 8, sequence), port).unwrap();
            }
        }
    };
    send(0..10);
    (0..20).for_each(|no| rig.capture.pause(track(no), GapCause::Hold));
    send(10..20);
    (0..20).for_each(|no| rig.capture.resume(track(no)));
    send(20..30);
    for no in 0..20 {
        let (totals, packets) = rig.close(track(no));
        assert!(octets(packets).into_iter().eq((0..10).chain(20..30).map(|number| rtp(1, 8, number))), "line {no}");
        assert_eq!((totals.counters.received, totals.counters.lost, totals.gaps.len()), (30, 0, 1));
    }
}
