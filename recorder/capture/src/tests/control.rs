//! Ports, receiver reports, silence, and the end of the shell.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use media::rtcp::{self, Packet, SenderInfo};
use model::Report;

use super::harness::{Rig, config, octets, order, peer, rtp, track};
use crate::{Capture, CaptureError, clock};

/// The first receiver report that satisfies `is_wanted`.
fn report(socket: &UdpSocket, is_wanted: impl Fn(&rtcp::ReportBlock) -> bool) -> (SocketAddr, rtcp::ReportBlock) {
    loop {
        let mut octets = [0; 512];
        let (length, from) = socket.recv_from(&mut octets).expect("a report in time");
        let first = rtcp::parse(&octets[..length]).expect("RTCP").next();
        if let Some(Packet::ReceiverReport { block: Some(block), .. }) = first
            && is_wanted(&block)
        {
            return (from, block);
        }
    }
}

#[test]
fn receiver_reports_answer_sender_reports_where_they_came_from() {
    for rtcp_mux in [false, true] {
        let rig = Rig::with(&config(|config| config.rtcp_interval = Duration::from_millis(50)));
        let (media, offered) = (peer(), peer());
        let mut line = order(0);
        line.rtcp_mux = rtcp_mux;
        line.source.rtcp = Some(offered.local_addr().unwrap());
        let port = rig.open(line, "127.0.0.1");
        for sequence in [0, 1, 2, 4, 5] {
            media.send_to(&rtp(9, 8, sequence), port).unwrap();
        }
        let control = SocketAddr::new(port.ip(), if rtcp_mux { port.port() } else { port.port() + 1 });
        let (from, block) = report(&offered, |block| block.cumulative_lost == 1);
        assert_eq!((from, block.ssrc, block.highest_sequence, block.last_sr), (control, 9, 5, 0));

        let control_socket = if rtcp_mux { media.try_clone().unwrap() } else { peer() };
        let ntp = rtcp::ntp_of(clock::now_nanos());
        let info = SenderInfo { ntp, rtp_timestamp: 800, packets: 5, octets: 800 };
        // A report about another stream is no measure of this one.
        control_socket
            .send_to(&rtcp::sender_report(8, "other", &SenderInfo { ntp: 7 << 16, ..info }), control)
            .unwrap();
        control_socket.send_to(&rtcp::sender_report(9, "peer", &info), control).unwrap();
        let (_, block) = report(&control_socket, |block| block.last_sr == rtcp::ntp_middle(ntp));
        assert!(block.delay_since_sr < 65_536 * 10, "less than ten seconds");
        assert_eq!(octets(rig.close(track(0)).1).len(), 5, "RTCP is not media");
        assert_eq!(rig.metric("recorder_rtcp_received_packets_total"), 2);
    }
}

#[test]
fn rtcp_from_another_host_is_refused() {
    let rig = Rig::new();
    let port = rig.open(order(0), "127.0.0.1");
    let stranger = UdpSocket::bind("127.0.0.3:0").unwrap();
    let control = SocketAddr::new(port.ip(), port.port() + 1);
    stranger.send_to(&rtcp::receiver_report(1, "x", None), control).unwrap();
    peer().send_to(b"garbage", control).unwrap();
    rig.until("recorder_rtcp_refused_packets_total", 2);
    assert_eq!(rig.metric("recorder_rtcp_received_packets_total"), 0);
}

#[test]
fn a_port_in_use_is_refused_and_free_again_after_the_close() {
    let rig = Rig::new();
    let port = rig.open(order(0), "127.0.0.1");
    let mut second = order(1);
    second.port = port.port();
    let cause = rig.refused(second.clone());
    assert!(cause.contains(&port.to_string()), "{cause}");
    // The RTCP port alone is enough to stand in the way, and the RTP port is given back.
    let foreign = loop {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let odd = socket.local_addr().unwrap();
        if odd.port() % 2 == 1 && UdpSocket::bind((odd.ip(), odd.port() - 1)).is_ok() {
            break socket;
        }
    };
    let odd = foreign.local_addr().unwrap();
    let cause = rig.refused(model::OpenTrack { port: odd.port() - 1, ..second.clone() });
    assert!(cause.contains(&odd.to_string()), "{cause}");
    assert!(UdpSocket::bind((odd.ip(), odd.port() - 1)).is_ok());
    let cause = rig.refused(model::OpenTrack { track: track(0), ..second.clone() });
    assert!(cause.contains("open already"), "{cause}");
    assert!(rig.refused(model::OpenTrack { port: 65_535, ..second }).contains("65535"));
    rig.close(track(0));
    assert!(UdpSocket::bind(port).is_ok());
    assert_eq!(rig.metric("recorder_capture_refused_tracks_total"), 4);
}

#[test]
fn silence_is_told_once_and_again_after_sound() {
    let rig = Rig::with(&config(|config| config.silence = Some(Duration::from_millis(60))));
    let (port, peer) = (rig.open(order(0), "127.0.0.1"), peer());
    let silent = |report| matches!(report, Report::MediaSilent { since, .. } if since.nanos() <= clock::now_nanos());
    assert!(silent(rig.report()));
    peer.send_to(&rtp(1, 8, 1), port).unwrap();
    assert!(matches!(rig.report(), Report::MediaStarted { .. }));
    assert!(silent(rig.report()));
    rig.capture.pause(track(0), model::GapCause::Paused);
    rig.capture.resume(track(0));
    assert!(silent(rig.report()), "a resumed line is heard anew");
}

#[test]
fn an_old_chunk_reaches_the_spool_while_the_line_is_open() {
    let (rig, peer) = (Rig::new(), peer());
    let port = rig.open(order(0), "127.0.0.1");
    peer.send_to(&rtp(1, 8, 1), port).unwrap();
    rig.until("recorder_capture_chunks_total", 1);
    assert_eq!(rig.chunks(track(0)), 1);
}

#[test]
fn shutdown_closes_what_is_open_and_refuses_what_comes_after() {
    let (rig, peer) = (Rig::with(&config(|config| config.workers = 3)), peer());
    let ports: Vec<_> = (0..5).map(|no| rig.open(order(no), "127.0.0.1")).collect();
    for port in &ports {
        peer.send_to(&rtp(1, 8, 1), port).unwrap();
    }
    rig.until("recorder_rtp_packets_total", 5);
    rig.capture.shutdown();
    let mut closed: Vec<_> = (0..10)
        .filter_map(|_| match rig.report() {
            Report::TrackClosed(totals) => Some((totals.track.no.0, totals.counters.received, totals.chunks)),
            Report::MediaStarted { .. } => None,
            other => panic!("{other:?}"),
        })
        .collect();
    closed.sort_unstable();
    assert_eq!(closed, (0..5).map(|no| (no, 1, 1)).collect::<Vec<_>>());
    assert!(rig.refused(model::OpenTrack { port: ports[0].port(), ..order(7) }).contains("stopping"));
    rig.capture.shutdown();
}

#[test]
fn a_second_capture_on_one_registry_is_refused() {
    let rig = Rig::new();
    let second = Capture::start(&config(|_| {}), rig.spool.clone(), std::sync::Arc::new(|_| {}), &rig.registry);
    assert!(matches!(second, Err(CaptureError::Metrics(_))));
}
