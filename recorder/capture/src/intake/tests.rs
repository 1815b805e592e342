//! Against the kernel's own ring. Where nobody may have one, the way is not taken, and there is nothing to show.

use std::net::UdpSocket;

use super::*;
use crate::recvmmsg::tests::segment;

const MOST: (usize, bool, i64) = (BATCH, true, 0);

/// `None` without `CAP_BPF`.
fn intake() -> Option<Intake> {
    match Intake::new(limits::RING_MIN, 1) {
        Ok(intake) => Some(intake),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(error) => panic!("{error}"),
    }
}

fn socket() -> (Socket, UdpSocket) {
    bound("127.0.0.1:0")
}

/// A socket of ours, and one of a peer that sends there.
fn bound(address: &str) -> (Socket, UdpSocket) {
    let ours = Socket::bind(address.parse().unwrap(), 1 << 20).unwrap();
    ours.coalesce();
    let theirs = UdpSocket::bind((ours.local().unwrap().ip(), 0)).unwrap();
    theirs.connect(ours.local().unwrap()).unwrap();
    (ours, theirs)
}

/// Everything that waits: the first octet and the length of each datagram.
fn taken(intake: &mut Intake, socket: &Socket) -> Vec<(u8, usize)> {
    let (mut batch, mut all) = (Batch::new(), Vec::new());
    loop {
        batch.clear();
        let count = intake.receive(socket, &mut batch, MOST).unwrap();
        for index in 0..count {
            let message = batch.message(index).unwrap();
            all.extend(message.datagrams().map(|(envelope, octets)| {
                assert!(envelope.drops.is_none_or(|drops| drops.cast_signed() <= 0), "nothing was dropped");
                (octets.first().copied().unwrap_or(0), octets.len())
            }));
        }
        if count < BATCH {
            return all;
        }
    }
}

/// The kernel's count of drops, less what came past the socket.
fn dropped(intake: &mut Intake, mut socket: Socket) -> u32 {
    intake.detach(&socket).unwrap();
    let counted = socket.dropped().unwrap();
    counted.wrapping_sub(intake.forget(&mut socket).unwrap())
}

#[test]
fn each_line_gets_its_own_with_source_and_time() {
    let Some(mut intake) = intake() else { return };
    let mut lines = ["127.0.0.1:0", "127.0.0.1:0", "[::1]:0"].map(bound);
    assert!(lines.iter_mut().all(|(ours, _)| intake.attach(ours).unwrap()));
    let began = clock::now_nanos();
    for number in 0..20_u8 {
        for (line, (_, theirs)) in lines.iter().enumerate() {
            assert_eq!(theirs.send(&[number, line as u8, 9]).unwrap(), 3);
        }
    }
    intake.begin_turn();
    let mut batch = Batch::new();
    for (line, (ours, theirs)) in lines.iter().enumerate() {
        batch.clear();
        assert_eq!(intake.receive(ours, &mut batch, (BATCH, false, 0)).unwrap(), 20);
        let mut before = began;
        for number in 0..20_u8 {
            let (envelope, octets) = batch.message(usize::from(number)).unwrap().datagrams().next().unwrap();
            assert_eq!((&*octets, envelope.from), (&[number, line as u8, 9][..], theirs.local_addr().unwrap()));
            let arrival = envelope.arrival.unwrap();
            assert!(arrival + 1_000 >= before && arrival <= clock::now_nanos() + 1_000);
            before = arrival;
        }
    }
    intake.end_turn();
    assert!(intake.arrived.is_empty());
    for (ours, _) in lines {
        assert_eq!(dropped(&mut intake, ours), 0);
    }
}

#[test]
fn what_was_on_its_way_to_the_socket_when_its_line_came_here_is_taken_soon() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    intake.attach(&mut ours).unwrap();
    assert_eq!(taken(&mut intake, &ours), []);
    // As on another core: no filter yet when it was looked for, and in the queue only now.
    bpf::detach(ours.as_fd()).unwrap();
    theirs.send(&[1]).unwrap();
    intake.ring.attach(ours.as_fd()).unwrap();
    theirs.send(&[2]).unwrap();
    assert_eq!(taken(&mut intake, &ours), [(1, 1), (2, 1)]);
    (2..limits::RING_LATE_READS).for_each(|_| assert_eq!(taken(&mut intake, &ours), []));
    assert!(!intake.asks_socket(&ours), "from then on the socket is left alone");
}

#[test]
fn a_turn_takes_what_was_there_when_it_began() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    intake.attach(&mut ours).unwrap();
    theirs.send(&[1]).unwrap();
    intake.begin_turn();
    theirs.send(&[2]).unwrap();
    let mut batch = Batch::new();
    assert_eq!(intake.receive(&ours, &mut batch, (BATCH, false, 0)).unwrap(), 1);
    intake.end_turn();
    assert_eq!(taken(&mut intake, &ours), [(2, 1)]);
}

#[test]
fn what_a_full_ring_leaves_is_in_the_socket_and_nothing_is_lost() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    intake.attach(&mut ours).unwrap();
    assert_eq!(taken(&mut intake, &ours), []);
    for round in 0..5 {
        intake.begin_turn();
        let before = intake.ring.kept();
        // A record of 172 octets takes 264: the ring holds 248 of them.
        (0..300_u16).for_each(|number| assert!(theirs.send(&[number as u8; 172]).is_ok()));
        assert_eq!(intake.ring.kept() - before, 52, "round {round}");
        let all = taken(&mut intake, &ours);
        assert!(all.into_iter().eq((0..300_u16).map(|number| (number as u8, 172))), "round {round}");
        intake.end_turn();
    }
    assert_eq!(dropped(&mut intake, ours), 0);
}

#[test]
fn a_ring_that_is_given_back_takes_as_much_again() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    intake.attach(&mut ours).unwrap();
    for _ in 0..20 {
        (0..200_u8).for_each(|number| assert!(theirs.send(&[number; 172]).is_ok()));
        intake.begin_turn();
        assert_eq!(taken(&mut intake, &ours).len(), 200);
        intake.end_turn();
    }
    assert_eq!(intake.ring.kept(), 0);
}

#[test]
fn lines_that_are_served_in_turn_hold_up_the_ring_no_longer_than_their_turn() {
    let Some(mut intake) = intake() else { return };
    intake.round = 3;
    // Numbers begin anew within the test.
    intake.gone = NUMBERS - 100;
    let mut lines = [(); 3].map(|()| socket());
    for (ours, _) in &mut lines {
        intake.attach(ours).unwrap();
        assert_eq!(taken(&mut intake, ours), []);
    }
    for turn in 0..60_u8 {
        for (line, (_, theirs)) in lines.iter().enumerate() {
            (0..5).for_each(|_| assert!(theirs.send(&[turn, line as u8]).is_ok()));
        }
        intake.begin_turn();
        let sent = taken(&mut intake, &lines[usize::from(turn) % 3].0);
        let since = turn.saturating_sub(2);
        assert!(sent.into_iter().eq((since..=turn).flat_map(|turn| [(turn, 2); 5])), "turn {turn}");
        intake.end_turn();
        assert!(intake.arrived.len() <= 3 * 15);
    }
    assert_eq!(intake.ring.kept(), 0);
}

#[test]
fn what_the_filter_left_is_asked_for_in_the_turn_of_every_line() {
    let Some(mut intake) = intake() else { return };
    intake.round = 2;
    let mut lines = [socket(), socket()];
    for (ours, _) in &mut lines {
        intake.attach(ours).unwrap();
        assert_eq!(taken(&mut intake, ours), []);
    }
    lines.iter().for_each(|(_, theirs)| assert!(theirs.send(&[8; 20_000]).is_ok()));
    for (ours, _) in &lines {
        intake.begin_turn();
        assert_eq!(taken(&mut intake, ours), [(8, 20_000)]);
        intake.end_turn();
    }
    assert_eq!(intake.asks, 0);
}

#[test]
fn every_length_arrives_whole_by_one_way_or_the_other() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    intake.attach(&mut ours).unwrap();
    let record = |size: u32| size as usize - bpf::program::HEAD - 8;
    let edges = bpf::program::RECORDS.into_iter().flat_map(|size| [record(size) - 1, record(size), record(size) + 1]);
    for length in [0, 1].into_iter().chain(edges).chain([20_000, 65_507]) {
        theirs.send(&vec![7; length]).unwrap();
        intake.begin_turn();
        let first = if length == 0 { 0 } else { 7 };
        let (mut batch, mut octets) = (Batch::new(), Vec::new());
        assert_eq!(intake.receive(&ours, &mut batch, MOST).unwrap(), 1, "{length}");
        batch.message(0).unwrap().datagrams().for_each(|(_, part)| octets.extend_from_slice(part));
        assert_eq!((octets.len(), octets.first().copied().unwrap_or(0)), (length, first));
        intake.end_turn();
    }
    assert_eq!(intake.ring.kept(), 3, "what is longer than the largest record");
    assert_eq!(dropped(&mut intake, ours), 0);
}

#[test]
fn datagrams_that_came_together_are_one_record() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    intake.attach(&mut ours).unwrap();
    segment(&theirs, 172);
    let sent: Vec<u8> = (0..5 * 172 - 100).map(|octet| (octet / 172) as u8).collect();
    theirs.send(&sent).unwrap();
    let mut batch = Batch::new();
    assert_eq!(intake.receive(&ours, &mut batch, MOST).unwrap(), 1);
    let got: Vec<_> = batch.message(0).unwrap().datagrams().map(|(_, octets)| (octets[0], octets.len())).collect();
    assert_eq!(got, [(0, 172), (1, 172), (2, 172), (3, 172), (4, 72)]);
    assert_eq!(dropped(&mut intake, ours), 0);
}

#[test]
fn a_line_that_comes_and_goes_keeps_the_order() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    let send = |number: u8| assert!(theirs.send(&[number]).is_ok());
    let numbers = |all: Vec<(u8, usize)>| all.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    (0..3).for_each(send);
    intake.attach(&mut ours).unwrap();
    (3..6).for_each(send);
    assert_eq!(numbers(taken(&mut intake, &ours)), [0, 1, 2, 3, 4, 5]);
    (6..9).for_each(send);
    intake.detach(&ours).unwrap();
    (9..12).for_each(send);
    assert_eq!(numbers(taken(&mut intake, &ours)), [6, 7, 8, 9, 10, 11]);
    (12..15).for_each(send);
    intake.attach(&mut ours).unwrap();
    (15..18).for_each(send);
    assert_eq!(numbers(taken(&mut intake, &ours)), [12, 13, 14, 15, 16, 17]);
    assert_eq!(intake.ring.kept(), 0);
    assert_eq!(dropped(&mut intake, ours), 0);
}

#[test]
fn an_error_of_the_socket_takes_nothing_of_the_ring_away() {
    let Some(mut intake) = intake() else { return };
    for is_attached in [true, false] {
        let (mut ours, theirs) = socket();
        intake.attach(&mut ours).unwrap();
        (0..3_u8).for_each(|number| assert!(theirs.send(&[number]).is_ok()));
        if !is_attached {
            assert_eq!(taken(&mut intake, &ours), [(0, 1), (1, 1), (2, 1)]);
            (3..6_u8).for_each(|number| assert!(theirs.send(&[number]).is_ok()));
            intake.detach(&ours).unwrap();
        }
        // Nobody is there: what the host says to that is the next thing that the socket says.
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = ours.as_fd().try_clone_to_owned().unwrap();
        UdpSocket::from(socket).connect(nobody).unwrap();
        assert!(ours.send(b"hello", nobody));
        let mut batch = Batch::new();
        assert!(intake.receive(&ours, &mut batch, MOST).is_err(), "attached: {is_attached}");
        assert_eq!(batch.filled(), 3, "attached: {is_attached}");
        intake.forget(&mut ours).unwrap();
    }
}

#[test]
fn what_is_left_of_a_line_reaches_nobody_and_holds_up_nothing() {
    let Some(mut intake) = intake() else { return };
    let (mut ours, theirs) = socket();
    let address = ours.local().unwrap();
    intake.attach(&mut ours).unwrap();
    (0..5_u8).for_each(|number| assert!(theirs.send(&[number]).is_ok()));
    intake.begin_turn();
    (5..9_u8).for_each(|number| assert!(theirs.send(&[number]).is_ok()));
    assert_eq!(intake.forget(&mut ours), Some(9));
    // Still attached, as a datagram may be that another core is working on.
    theirs.send(&[9]).unwrap();
    drop(ours);
    let mut again = Socket::bind(address, 65_536).unwrap();
    assert!(intake.attach(&mut again).unwrap());
    theirs.send(&[10]).unwrap();
    assert_eq!(taken(&mut intake, &again), [(10, 1)]);
    intake.end_turn();
    assert!(intake.arrived.is_empty());
    assert_eq!(dropped(&mut intake, again), 0);
}

#[test]
fn a_port_that_two_addresses_share_is_swept_for_the_second() {
    let Some(mut intake) = intake() else { return };
    let (mut first, peer) = socket();
    let port = first.local().unwrap().port();
    let mut second = Socket::bind(SocketAddr::from(([127, 0, 0, 2], port)), 65_536).unwrap();
    assert!(intake.attach(&mut first).unwrap() && !intake.attach(&mut second).unwrap());
    peer.send(&[1]).unwrap();
    peer.send_to(&[2], second.local().unwrap()).unwrap();
    assert_eq!((taken(&mut intake, &first), taken(&mut intake, &second)), (vec![(1, 1)], vec![(2, 1)]));
    assert_eq!((dropped(&mut intake, first), intake.forget(&mut second)), (0, Some(0)));
}

#[test]
fn what_even_the_socket_drops_is_counted() {
    let Some(mut intake) = intake() else { return };
    let ours = Socket::bind("127.0.0.1:0".parse().unwrap(), 65_536);
    let mut ours = ours.unwrap();
    let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
    theirs.connect(ours.local().unwrap()).unwrap();
    intake.attach(&mut ours).unwrap();
    intake.begin_turn();
    (0..1_000_u16).for_each(|_| assert!(theirs.send(&[3; 172]).is_ok()));
    let (mut batch, mut kept) = (Batch::new(), 0);
    loop {
        batch.clear();
        let count = intake.receive(&ours, &mut batch, MOST).unwrap();
        kept += count as u32;
        if count < BATCH {
            break;
        }
    }
    assert!(kept > 248 && kept < 1_000, "{kept}");
    assert_eq!(dropped(&mut intake, ours), 1_000 - kept);
}

#[test]
fn this_machine_shows_what_a_probe_asks_for() {
    if intake().is_some() {
        probe().unwrap();
    }
}
