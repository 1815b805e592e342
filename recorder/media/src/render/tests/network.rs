//! Jitter, loss, reordering, duplicates, stalls, pauses, events, and the order of the spool.

use super::*;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as i64
    }
}

#[test]
fn jitter_and_reordering_leave_no_trace() {
    let (left, right) = (speech::synth(1, 30, Law::Mu), speech::synth(2, 30, Law::Mu));
    for seed in 1..6 {
        let mut dice = Dice(seed);
        let mut packets = Vec::new();
        Sender::new(0, 96, 0).send(&left, &mut packets);
        Sender::new(1, 96, 500 * MS).send(&right, &mut packets);
        for packet in &mut packets {
            packet.1 += if dice.roll(4) == 0 { 0 } else { dice.roll(120 * MS) };
        }
        // The very first packet of each side is late: only the least delayed tell where the clock stands.
        (packets[0].1, packets[1_500].1) = (START + 90 * MS, START + 570 * MS);
        let (plan, heard, rendered) = render_by_arrival(&two(), packets);
        assert!(heard.channel(0)[..left.len()] == left, "seed {seed}");
        assert!(heard.channel(1) == after(4_000, Law::Mu, &right), "seed {seed}");
        assert_eq!(rendered.late, [0, 0]);
        assert!(plan.tracks.iter().all(|track| track.counters.lost == 0 && track.counters.reordered > 100));
    }
}

#[test]
fn loss_and_duplicates_are_exact_and_in_their_place() {
    let sound = speech::synth(4, 20, Law::A);
    let (mut dice, mut sent, mut expected) = (Dice(9), Vec::new(), sound.clone());
    Sender::new(0, 96, 0).send(&sound, &mut sent);
    let (mut packets, mut lost, mut duplicates, mut gaps) = (Vec::new(), 0, 0, Vec::<(u64, u64)>::new());
    for (number, packet) in sent.into_iter().enumerate() {
        match dice.roll(20) {
            0 if (1..990).contains(&number) => {
                expected[number * 160..][..160].fill(Law::A.silence());
                lost += 1;
                let from = number as u64 * 20;
                match gaps.last_mut() {
                    Some(last) if last.1 == from => last.1 += 20,
                    _ => gaps.push((from, from + 20)),
                }
            }
            1 => {
                duplicates += 1;
                packets.push((0, packet.1 + dice.roll(900 * MS), packet.2.clone()));
                packets.push(packet);
            }
            _ => packets.push(packet),
        }
    }
    let (plan, heard, _) = render_by_arrival(&[spec(0, CodecKind::Pcma)], packets);
    assert!(heard.channel(0) == expected);
    let track = &plan.tracks[0];
    assert_eq!((track.counters.lost, track.counters.duplicate), (lost, duplicates));
    assert_eq!(track.counters.received, 1_000 - lost + duplicates);
    let since = |at: Timestamp| at.millis_since(plan.origin);
    let found: Vec<_> = track.gaps.iter().map(|gap| (since(gap.from), since(gap.to))).collect();
    assert_eq!(found, gaps);
    assert!(track.gaps.iter().all(|gap| gap.cause == GapCause::Loss));
}

#[test]
fn what_is_lost_between_the_first_heard_and_one_it_overtook_is_counted() {
    let sound = speech::synth(4, 1, Law::Mu);
    let mut packets = Vec::new();
    Sender::new(0, 96, 0).send(&sound, &mut packets);
    // Packet 5 comes first, 0 and 3 behind it; 1, 2 and 4 never.
    for number in [1, 2, 4] {
        packets[number].1 = i64::MAX;
    }
    (packets[5].1, packets[3].1, packets[0].1) = (START, START + MS, START + 2 * MS);
    packets.retain(|packet| packet.1 != i64::MAX);
    let (plan, ..) = render_by_arrival(&two()[..1], packets);
    let track = &plan.tracks[0];
    assert_eq!((track.counters.lost, track.counters.reordered), (3, 2));
    let lengths: Vec<_> = track.gaps.iter().map(|gap| (gap.cause, gap.to.millis_since(gap.from))).collect();
    assert_eq!(lengths, [(GapCause::Loss, 40), (GapCause::Loss, 20)]);
}

#[test]
fn a_stall_that_catches_up_shifts_nothing_at_the_start_in_the_middle_and_at_the_end() {
    let sound = speech::synth(5, 20, Law::Mu);
    for (from, to) in [(0, 2_000), (8_000, 11_500), (17_500, 25_000)] {
        let mut packets = Vec::new();
        Sender::new(0, 96, 0).send(&sound, &mut packets);
        Sender::new(1, 96, 0).send(&sound, &mut packets);
        for packet in packets.iter_mut().filter(|packet| packet.0 == 0) {
            let at = packet.1 - START;
            if (from * MS..to * MS).contains(&at) {
                packet.1 = START + to * MS - (to * MS - at) / 1_000;
            }
        }
        let (_, heard, rendered) = render_by_arrival(&two(), packets);
        assert!(heard.channel(0) == sound && heard.channel(1) == sound, "stall {from} to {to} ms");
        assert_eq!(rendered.late, [0, 0]);
    }
}

#[test]
fn silence_that_the_sender_left_out_has_its_true_length() {
    let sound = speech::synth(6, 3, Law::Mu);
    let mut packets = Vec::new();
    let mut sender = Sender::new(0, 96, 0);
    sender.send(&sound, &mut packets);
    sender.rest(3_000);
    sender.send(&sound, &mut packets);
    let (plan, heard, _) = render(&two()[..1], &packets);
    let mut expected = after(0, Law::Mu, &sound);
    expected.extend(after(480_000, Law::Mu, &sound));
    assert!(heard.channel(0) == expected);
    assert!(plan.tracks[0].gaps.is_empty(), "nothing was lost");
}

#[test]
fn a_pause_keeps_its_cause_and_is_not_counted_as_loss() {
    let sound = speech::synth(7, 10, Law::Mu);
    let mut packets = Vec::new();
    Sender::new(0, 96, 0).send(&sound, &mut packets);
    packets.retain(|packet| !(START + 3_000 * MS..START + 5_000 * MS).contains(&packet.1));
    packets.remove(300);
    let mut specs = two();
    let at = |ms| Timestamp::from_nanos((START + ms * MS) as u64);
    let pause = Gap { from: at(2_995), to: at(4_990), cause: GapCause::Paused };
    specs[0].gaps.push(pause);
    let (plan, heard, _) = render(&specs[..1], &packets);
    let mut expected = sound.clone();
    expected[24_000..40_000].fill(0xff);
    expected[400 * 160..][..160].fill(0xff);
    assert!(heard.channel(0) == expected);
    let loss = Gap { from: at(8_000), to: at(8_020), cause: GapCause::Loss };
    assert_eq!((plan.tracks[0].gaps.clone(), plan.tracks[0].counters.lost), (vec![pause, loss], 1));
}

#[test]
fn digits_are_silence_and_shift_nothing() {
    let sound = speech::synth(8, 4, Law::Mu);
    let mut packets = Vec::new();
    let mut sender = Sender::new(0, 96, 0);
    sender.send(&sound[..16_000], &mut packets);
    let event = Sender { header: RtpHeader { payload_type: 101, ..sender.header }, ..sender };
    for step in 0..50_u16 {
        let mut packet = Vec::new();
        let sequence = sender.header.sequence.wrapping_add(step);
        RtpHeader { sequence, ..event.header }.write(&mut packet);
        packet.extend_from_slice(&[5, 10]);
        packet.extend_from_slice(&(160 * (step + 1)).to_be_bytes());
        packets.push((0, event.at + i64::from(step) * PACKET, packet));
    }
    sender.header.sequence = sender.header.sequence.wrapping_add(50);
    sender.rest(50);
    sender.send(&sound[16_000..], &mut packets);
    let (plan, heard, _) = render(&two()[..1], &packets);
    let mut expected = sound[..16_000].to_vec();
    expected.extend(after(8_000, Law::Mu, &sound[16_000..]));
    assert!(heard.channel(0) == expected);
    assert_eq!((plan.tracks[0].counters.lost, plan.tracks[0].gaps.len()), (0, 0));
}

#[test]
fn unknown_and_empty_events_change_nothing() {
    let sound = speech::synth(8, 2, Law::Mu);
    let (mut packets, mut sender) = (Vec::new(), Sender::new(0, 96, 0));
    sender.send(&sound[..8_000], &mut packets);
    // An event of no length, one that nobody knows, and one cut short (RFC 4733 2.3.5, 2.5.2).
    for payload in [&[5, 0x8a, 0, 0][..], &[200, 10, 0, 160], &[5, 10], &[]] {
        let mut packet = Vec::new();
        RtpHeader { payload_type: 101, ..sender.header }.write(&mut packet);
        packet.extend_from_slice(payload);
        packets.push((0, sender.at, packet));
        sender.header.sequence = sender.header.sequence.wrapping_add(1);
    }
    sender.send(&sound[8_000..], &mut packets);
    let (plan, heard, _) = render(&two()[..1], &packets);
    assert!(heard.channel(0) == sound, "not a sample more, less or elsewhere");
    assert_eq!((plan.tracks[0].counters.lost, plan.tracks[0].gaps.len(), plan.flags.len()), (0, 0, 0));
}

#[test]
fn an_unknown_codec_is_named_and_comfort_noise_is_silence() {
    let mut packets = Vec::new();
    let mut sender = Sender::new(0, 0, 0);
    sender.send(&[0x10; 320], &mut packets);
    sender.header.payload_type = 13;
    sender.send(&[0x20], &mut packets);
    (sender.header.payload_type, sender.header.timestamp) = (0, sender.header.timestamp.wrapping_add(159));
    sender.send(&[0x30; 160], &mut packets);
    Sender::new(1, 111, 0).send(&[0x40; 1_600], &mut packets);
    let (plan, heard, _) = render_by_arrival(&two(), packets);
    let mut expected = vec![0x10; 320];
    expected.extend(after(160, Law::Mu, &[0x30; 160]));
    assert_eq!((heard.channel(0), heard.channel(1)), (expected, vec![0xff; 640]));
    assert_eq!(plan.flags, ["one_way", "unrendered_codec"]);
    assert_eq!(plan.tracks[1].unrendered_packets, 10);
}

#[test]
fn the_order_of_the_spool_does_not_matter() {
    let (left, right) = (speech::synth(1, 12, Law::Mu), speech::synth(2, 12, Law::Mu));
    for chunk_ms in [100, 5_000, 60_000] {
        let mut packets = Vec::new();
        Sender::new(0, 96, 0).send(&left, &mut packets);
        Sender::new(1, 96, 10 * MS).send(&right, &mut packets);
        packets.sort_by_key(|&(track, arrival, _)| ((arrival - START) / (chunk_ms * MS), track));
        let (_, heard, rendered) = render(&two(), &packets);
        assert!(heard.channel(0)[..96_000] == left && heard.channel(1)[80..] == right, "chunks of {chunk_ms} ms");
        assert_eq!(rendered.late, [0, 0]);
    }
}

#[test]
fn what_the_disk_did_not_take_is_no_loss_of_the_network() {
    let sound = speech::synth(9, 4, Law::Mu);
    let (mut sender, mut packets) = (Sender::new(0, 96, 0), Vec::new());
    sender.send(&sound, &mut packets);
    // Packets 50 to 59 were kept by nobody; 100 to 104 never came.
    let arrivals = (packets[49].1 as u64, packets[60].1 as u64);
    let is_there = |(number, _): &(usize, &Sent)| !(50..60).contains(number) && !(100..105).contains(number);
    let kept: Vec<Sent> = packets.iter().enumerate().filter(is_there).map(|(_, packet)| packet.clone()).collect();
    let mut survey = Survey::new(&[spec(0, CodecKind::Pcmu)]);
    kept.iter().for_each(|(track, at, packet)| survey.packet(*track, *at as u64, packet));
    survey.dropped(0, arrivals.0, arrivals.1);
    survey.dropped(7, 0, 1);
    let plan = survey.finish();
    let track = &plan.tracks[0];
    let causes: Vec<_> = track.gaps.iter().map(|gap| (gap.cause, gap.to.millis_since(gap.from))).collect();
    assert_eq!(causes, [(GapCause::Overload, 200), (GapCause::Loss, 100)]);
    assert_eq!(track.counters.lost, 5, "only what the network lost counts as lost");
}
