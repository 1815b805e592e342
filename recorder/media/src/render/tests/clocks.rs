//! Clocks that part, leap or stand still, and senders that begin anew.

use super::*;
use crate::timeline::find;

/// The worst distance of a track's packets from where they were sent, in ns, beyond the least network delay.
fn worst(plan: &Plan, track: usize, sent: &[(i64, i64, i64)]) -> i64 {
    let segments = &plan.tracks[track].segments;
    let stream =
        |&(sequence, ts, at): &(i64, i64, i64)| (find(segments, 0, sequence).expect("a segment").nanos(ts) - at).abs();
    sent.iter().map(stream).max().unwrap_or(0)
}

#[test]
fn clocks_that_part_by_200_ppm_stay_within_20_ms_of_each_other() {
    for (quiet, ppm) in [(false, 200), (true, 200), (false, 40)] {
        let mut sent = [Vec::new(), Vec::new()];
        let mut packets = Vec::new();
        let payload = if quiet { vec![0xff; 160] } else { vec![0x01; 160] };
        for (track, pace) in [(0, PACKET + PACKET * ppm / 1_000_000), (1, PACKET - PACKET * ppm / 1_000_000)] {
            let mut sender = Sender { pace, ..Sender::new(track, 96, 0) };
            let mut dice = 1_u64;
            let (first_sequence, first_ts) = (sender.header.sequence, sender.header.timestamp);
            for number in 0..2 * 60 * 60 * 50 {
                let at = sender.at;
                sender.send(&payload, &mut packets);
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                packets.last_mut().unwrap().1 += (dice >> 40) as i64 % (15 * MS);
                let place = (i64::from(first_sequence) + (1 << 16) + number, i64::from(first_ts) + 160 * number, at);
                sent[track].push(place);
            }
        }
        let (plan, _, rendered) = render_by_arrival(&two(), packets);
        let [slow, fast] = [0, 1].map(|track| worst(&plan, track, &sent[track]));
        assert!(slow + fast <= 20 * MS, "{ppm} ppm: {} + {} us", slow / 1_000, fast / 1_000);
        assert_eq!(rendered.late, [0, 0]);
        assert!(plan.duration_ms().abs_diff(7_200_000) < 1_500);
    }
}

#[test]
fn a_slow_clock_gets_its_correction_where_the_sound_is_quiet() {
    let mut sender = Sender { pace: PACKET + PACKET / 5_000, ..Sender::new(0, 96, 0) };
    let mut packets = Vec::new();
    for number in 0..10_000 {
        // One packet in fifty is quiet.
        sender.send(&[if number % 50 == 7 { 0xff } else { 0x01 }; 160], &mut packets);
    }
    let (_, heard, _) = render(&two()[..1], &packets);
    let octets = heard.channel(0);
    let mut at = 0;
    let mut corrections = 0;
    while let Some(begin) = octets[at..].iter().position(|&octet| octet == 0xff) {
        let length = octets[at + begin..].iter().position(|&octet| octet != 0xff).unwrap_or(0);
        assert!((160..300).contains(&length), "silence of {length} samples: only quiet packets may be stretched");
        corrections += usize::from(length > 160);
        at += begin + length;
    }
    assert!((3..8).contains(&corrections), "{corrections}");
}

#[test]
fn a_new_ssrc_or_a_restarted_clock_is_placed_by_the_arrival_clock() {
    let sound = speech::synth(1, 6, Law::Mu);
    type Change = fn(&mut RtpHeader);
    let changes: [Change; 5] = [
        |header| (header.ssrc, header.sequence, header.timestamp) = (99, 17, 3),
        |header| header.timestamp = header.timestamp.wrapping_add(1 << 30),
        |header| header.timestamp = header.timestamp.wrapping_sub(1 << 30),
        |header| (header.sequence, header.timestamp) = (header.sequence.wrapping_add(20_000), 5),
        |header| header.timestamp = header.timestamp.wrapping_sub(80_000),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for pause in [0, 40] {
            let mut packets = Vec::new();
            let mut sender = Sender::new(0, 96, 0);
            sender.send(&sound[..24_000], &mut packets);
            sender.at += pause * PACKET;
            change(&mut sender.header);
            sender.send(&sound[24_000..], &mut packets);
            let (plan, heard, rendered) = render(&two()[..1], &packets);
            let mut expected = sound[..24_000].to_vec();
            expected.extend(after(160 * pause as usize, Law::Mu, &sound[24_000..]));
            assert!(heard.channel(0) == expected, "change {number}, pause {pause}");
            assert_eq!((rendered.late, plan.tracks[0].counters.lost), (vec![0], 0));
        }
    }
}

#[test]
fn stragglers_of_the_old_ssrc_land_in_its_sound() {
    let sound = speech::synth(2, 2, Law::Mu);
    let mut packets = Vec::new();
    let mut sender = Sender::new(0, 96, 0);
    sender.send(&sound[..8_000], &mut packets);
    (sender.header.ssrc, sender.header.sequence, sender.header.timestamp) = (5, 5, 5);
    sender.send(&sound[8_000..], &mut packets);
    packets.swap(48, 52);
    packets.swap(49, 51);
    let arrivals: Vec<i64> = (0..100).map(|number| START + number * PACKET).collect();
    packets.iter_mut().zip(arrivals).for_each(|(packet, arrival)| packet.1 = arrival);
    let (plan, heard, _) = render(&two()[..1], &packets);
    assert_eq!((plan.tracks[0].counters.ssrc_changes, plan.tracks[0].counters.lost), (1, 0));
    // The new stream seems to begin earlier by the packets it overtook: what it says comes whole.
    let channel = heard.channel(0);
    assert!(channel.windows(6_400).any(|window| window == &sound[9_600..16_000]));
    assert!(channel[..7_200] == sound[..7_200]);
}

#[test]
fn a_clock_that_stood_still_during_hold_becomes_silence_even_at_the_end() {
    let sound = speech::synth(3, 10, Law::Mu);
    for rest in [1, 8] {
        let mut packets = Vec::new();
        let mut sender = Sender::new(0, 96, 0);
        sender.send(&sound, &mut packets);
        sender.at += 60 * 50 * PACKET;
        sender.send(&sound[..rest * 8_000], &mut packets);
        let (_, heard, _) = render(&two()[..1], &packets);
        let mut expected = sound.clone();
        expected.extend(after(480_000, Law::Mu, &sound[..rest * 8_000]));
        assert!(heard.channel(0) == expected, "{rest} s after the hold");
    }
}

/// A host or a network that falls behind for long and catches up in the end: everything that was said is heard.
#[test]
fn a_stall_of_any_length_that_is_caught_up_costs_no_sound() {
    let sound = speech::synth(5, 60, Law::Mu).iter().copied().cycle().take(90 * 8_000).collect::<Vec<u8>>();
    // Seconds of the sound and how late, in ms, what is said there arrives.
    let stalls: [&[(i64, i64)]; 5] = [
        &[(10, 700), (50, 0)],
        &[(10, 700), (60, 520), (70, 360), (80, 200), (89, 0)],
        &[(10, 3_000), (75, 0)],
        &[(10, 500), (20, 1_200), (40, 2_500), (80, 300), (85, 0)],
        &[(5, 1_000), (46, 900), (50, 650), (55, 500), (60, 250), (65, 100), (70, 0)],
    ];
    for stall in stalls {
        let mut packets = Vec::new();
        Sender::new(0, 96, 0).send(&sound, &mut packets);
        let mut newest = START;
        for (number, packet) in packets.iter_mut().enumerate() {
            let second = number as i64 / 50;
            let late = stall.iter().rev().find(|(from, _)| *from <= second).map_or(0, |(_, late)| late * MS);
            newest = newest.max(packet.1 + late);
            packet.1 = newest;
        }
        let (plan, heard, rendered) = render(&two()[..1], &packets);
        assert!(heard.channel(0) == sound, "{stall:?}: {} ms", plan.duration_ms());
        assert_eq!(rendered.late, [0], "{stall:?}");
    }
}

/// A longer way for some minutes, while the clocks part: no more sound is dropped than the drift.
#[test]
fn a_longer_way_and_back_costs_no_sound_while_clocks_drift() {
    for ppm in [-200, 0, 200] {
        let mut packets = Vec::new();
        let mut sender = Sender { pace: PACKET + PACKET * ppm / 1_000_000, ..Sender::new(0, 96, 0) };
        sender.send(&[0x01; 900 * 50 * 160], &mut packets);
        for (number, packet) in packets.iter_mut().enumerate() {
            packet.1 += if (100 * 50..700 * 50).contains(&number) { 300 * MS } else { 0 };
        }
        let (plan, _, rendered) = render_by_arrival(&two()[..1], packets);
        let segments = &plan.tracks[0].segments;
        let overlap =
            segments.windows(2).map(|pair| pair[0].nanos(pair[0].end_ts) - pair[1].nanos(pair[1].start_ts)).max();
        assert!(overlap.unwrap_or(0) <= 20 * MS, "{ppm} ppm: {overlap:?}");
        assert_eq!(rendered.late, [0], "{ppm} ppm");
    }
}

/// A clock that stood still and then is fast has not caught up: what was said keeps its time.
#[test]
fn a_fast_clock_that_stood_still_once_is_not_taken_for_one_that_catches_up() {
    let mut packets = Vec::new();
    let mut sender = Sender { pace: PACKET - PACKET / 5_000, ..Sender::new(0, 96, 0) };
    sender.send(&[0x01; 500 * 160], &mut packets);
    sender.at += 600 * 50 * PACKET;
    let (mut sent, first) = (Vec::new(), (1 << 17) + i64::from(sender.header.sequence));
    for number in 0..60 * 60 * 50 {
        let ts = sender.header.timestamp;
        sent.push((first + number, ts, sender.at));
        sender.send(&[0x01; 160], &mut packets);
    }
    let (plan, _, rendered) = render(&two()[..1], &packets);
    let off = |&(sequence, ts, at): &(i64, u32, i64)| {
        let segment = find(&plan.tracks[0].segments, 0, sequence).expect("a segment");
        let place = segment.nanos(segment.start_ts + i64::from(ts.wrapping_sub(segment.start_ts as u32) as i32));
        (place - at).abs()
    };
    let worst = sent.iter().map(off).max().unwrap_or_default();
    assert!(worst <= 20 * MS, "{} us", worst / 1_000);
    assert_eq!(rendered.late, [0]);
}

#[test]
fn a_sender_that_changes_its_ssrc_with_every_packet_stays_bounded() {
    let mut packets = Vec::new();
    let mut sender = Sender::new(0, 96, 0);
    for ssrc in 0..30_000 {
        sender.header.ssrc = ssrc;
        sender.send(&[0x33; 160], &mut packets);
    }
    let (plan, _, rendered) = render(&two()[..1], &packets);
    assert!(plan.tracks[0].segments.len() <= crate::limits::MAX_SEGMENTS);
    assert_eq!(plan.tracks[0].counters.ssrc_changes, 29_999);
    assert_eq!(rendered.late[0], 30_000 - crate::limits::MAX_SEGMENTS as u64);
}

#[test]
fn a_last_burst_after_a_clock_that_stood_still_is_heard_where_it_came() {
    let sound = speech::synth(81, 2, Law::Mu);
    for seconds in [40_i64, 200] {
        let (mut packets, mut sender) = (Vec::new(), Sender { pace: MS / 20, ..Sender::new(0, 96, 0) });
        sender.send(&sound[..8_000], &mut packets);
        sender.at += seconds * 1_000 * MS;
        sender.send(&sound[8_000..], &mut packets);
        let (plan, heard, rendered) = render(&two()[..1], &packets);
        assert_eq!(rendered.late, [0], "{seconds} s");
        let kept = heard.channel(0);
        assert!(kept[..8_000] == sound[..8_000] && kept[kept.len() - 8_000..] == sound[8_000..], "{seconds} s");
        assert!(plan.duration_ms().abs_diff(seconds as u64 * 1_000 + 1_000) < 1_500, "{} ms", plan.duration_ms());
    }
}
