//! Mixed lines: which sources their packets name, and when.

use model::Contributor;

use super::*;
use crate::limits::{MAX_CONTRIBUTOR_SPANS, MAX_CONTRIBUTORS};

/// Sends so many packets that name these sources.
fn send(sender: &mut Sender, packets: usize, csrcs: &[u32], out: &mut Vec<Sent>) {
    let from = out.len();
    sender.send(&vec![0x55; packets * 160], out);
    for (_, _, packet) in &mut out[from..] {
        packet[0] |= csrcs.len() as u8;
        let list: Vec<u8> = csrcs.iter().flat_map(|csrc| csrc.to_be_bytes()).collect();
        packet.splice(12..12, list);
    }
}

/// Milliseconds from the first packet.
fn spans(contributor: &Contributor) -> Vec<(u64, u64)> {
    let zero = Timestamp::from_nanos(START as u64);
    contributor.spans.iter().map(|(from, to)| (from.millis_since(zero), to.millis_since(zero))).collect()
}

fn survey(mut packets: Vec<Sent>) -> Vec<Contributor> {
    packets.sort_by_key(|&(_, arrival, _)| arrival);
    let (plan, heard, _) = render(&two()[..1], &packets);
    assert!(heard.native.contains(&0x55), "the list is stepped over, the sound is heard");
    plan.tracks[0].contributors.clone()
}

#[test]
fn the_sources_that_a_mixer_names_are_told_with_their_spans() {
    let (mut sender, mut packets) = (Sender::new(0, 96, 0), Vec::new());
    send(&mut sender, 100, &[7], &mut packets);
    send(&mut sender, 50, &[7, 0xdead_beef], &mut packets);
    // A pause between words does not end a span, silence does.
    send(&mut sender, 20, &[], &mut packets);
    send(&mut sender, 30, &[7], &mut packets);
    send(&mut sender, 50, &[], &mut packets);
    send(&mut sender, 50, &[7], &mut packets);
    let told = survey(packets);
    assert_eq!(told.iter().map(|one| (one.csrc, one.packets)).collect::<Vec<_>>(), [(7, 230), (0xdead_beef, 50)]);
    assert_eq!(spans(&told[0]), [(0, 4_000), (5_000, 6_000)]);
    assert_eq!(spans(&told[1]), [(2_000, 3_000)]);
}

#[test]
fn order_and_duplicates_change_nothing_and_a_line_that_is_not_mixed_names_nobody() {
    let (mut sender, mut packets) = (Sender::new(0, 96, 0), Vec::new());
    send(&mut sender, 100, &[1, 2], &mut packets);
    let mut shaken = packets.clone();
    // Three packets are overtaken by the next one, one comes twice.
    for at in [10, 40, 70] {
        shaken[at].1 += PACKET + MS;
    }
    shaken.insert(51, shaken[50].clone());
    let told = survey(shaken);
    assert_eq!(told.iter().map(|one| (one.csrc, one.packets)).collect::<Vec<_>>(), [(1, 100), (2, 100)]);
    assert_eq!((spans(&told[0]), spans(&told[1])), (vec![(0, 2_000)], vec![(0, 2_000)]));
    let mut plain = Vec::new();
    Sender::new(0, 96, 0).send(&[0x55; 8_000], &mut plain);
    assert_eq!(survey(plain), []);
}

#[test]
fn a_sender_that_invents_sources_and_spans_fills_two_bounded_lists() {
    let (mut sender, mut packets) = (Sender::new(0, 96, 0), Vec::new());
    for number in 0..MAX_CONTRIBUTORS as u32 + 200 {
        send(&mut sender, 1, &[1_000 + number], &mut packets);
    }
    assert_eq!(survey(packets).len(), MAX_CONTRIBUTORS);
    let (mut sender, mut packets) = (Sender::new(0, 96, 0), Vec::new());
    for _ in 0..MAX_CONTRIBUTOR_SPANS + 20 {
        send(&mut sender, 1, &[5], &mut packets);
        sender.rest(30);
    }
    let told = survey(packets);
    assert_eq!((told[0].packets as usize, told[0].spans.len()), (MAX_CONTRIBUTOR_SPANS + 20, MAX_CONTRIBUTOR_SPANS));
    let end = 20 * (31 * (MAX_CONTRIBUTOR_SPANS as u64 + 19) + 1);
    assert_eq!(spans(&told[0]).last().map(|(_, to)| *to), Some(end), "the last one reaches to the end");
}
