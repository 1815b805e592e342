//! Whole recordings through both passes: what was sent must come out, in its place, whatever the network did.

mod clocks;
mod contributors;
mod network;

use model::{CodecKind, Gap, GapCause, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{
    codec::{Law, g722},
    limits::BLOCK_SAMPLES,
    rtp::RtpHeader,
    speech,
};

const START: i64 = 1_700_000_000_000_000_000;
const MS: i64 = 1_000_000;
const PACKET: i64 = 20 * MS;

/// A packet on its way: track, arrival, octets.
type Sent = (usize, i64, Vec<u8>);

/// What came out of both passes.
#[derive(Default)]
struct Heard {
    native: Vec<u8>,
    pcm: Vec<Vec<i16>>,
    largest: usize,
    before_finish: usize,
}

impl Sink for Heard {
    fn block(&mut self, native: &[u8], pcm: &[&[i16]]) {
        self.native.extend_from_slice(native);
        self.pcm.resize(pcm.len(), Vec::new());
        for (heard, side) in self.pcm.iter_mut().zip(pcm) {
            heard.extend_from_slice(side);
        }
        self.largest = self.largest.max(pcm[0].len());
    }
}

impl Heard {
    /// The octets of one channel of a companded rendering.
    fn channel(&self, channel: usize) -> Vec<u8> {
        self.native.iter().skip(channel).step_by(self.pcm.len()).copied().collect()
    }
}

/// A sender of one stream.
#[derive(Clone, Copy)]
struct Sender {
    track: usize,
    header: RtpHeader,
    /// When its next packet leaves.
    at: i64,
    /// Real length of 20 ms by its clock.
    pace: i64,
}

impl Sender {
    fn new(track: usize, payload_type: u8, at: i64) -> Self {
        let seed = track as u32 * 77_777 + 1;
        let header = RtpHeader {
            payload_type,
            marker: false,
            sequence: 65_500,
            timestamp: (u32::MAX - 4_000).wrapping_add(seed),
            ssrc: seed,
        };
        Self { track, header, at: START + at, pace: PACKET }
    }

    /// Sends `octets` in packets of 20 ms.
    fn send(&mut self, octets: &[u8], out: &mut Vec<Sent>) {
        for payload in octets.chunks(160) {
            let mut packet = Vec::new();
            self.header.write(&mut packet);
            packet.extend_from_slice(payload);
            out.push((self.track, self.at, packet));
            self.header.sequence = self.header.sequence.wrapping_add(1);
            self.header.timestamp = self.header.timestamp.wrapping_add(payload.len() as u32);
            self.at += self.pace;
        }
    }

    /// Says nothing for so many packets, its clock running on.
    fn rest(&mut self, packets: u32) {
        self.at += self.pace * i64::from(packets);
        self.header.timestamp = self.header.timestamp.wrapping_add(160 * packets);
    }
}

fn spec(no: u16, kind: CodecKind) -> TrackSpec {
    let payloads = vec![(96, kind, 8_000), (101, CodecKind::TelephoneEvent, 8_000)];
    TrackSpec { no, label: None, channel: no as u8, payloads, gaps: Vec::new() }
}

fn two() -> [TrackSpec; 2] {
    [spec(0, CodecKind::Pcmu), spec(1, CodecKind::Pcmu)]
}

/// Both passes, in the order given.
fn render(specs: &[TrackSpec], packets: &[Sent]) -> (Plan, Heard, Rendered) {
    let mut survey = Survey::new(specs);
    for (track, arrival, packet) in packets {
        survey.packet(*track, *arrival as u64, packet);
    }
    let plan = survey.finish();
    let (mut heard, mut renderer) = (Heard::default(), Renderer::new(&plan));
    for (track, arrival, packet) in packets {
        renderer.packet(*track, *arrival as u64, packet, &mut heard);
    }
    heard.before_finish = heard.pcm.first().map_or(0, Vec::len);
    let rendered = renderer.finish(&mut heard);
    (plan, heard, rendered)
}

/// The same, in order of arrival.
fn render_by_arrival(specs: &[TrackSpec], mut packets: Vec<Sent>) -> (Plan, Heard, Rendered) {
    packets.sort_by_key(|&(_, arrival, _)| arrival);
    render(specs, &packets)
}

/// Sound with silence before it.
fn after(silence: usize, law: Law, sound: &[u8]) -> Vec<u8> {
    let mut all = vec![law.silence(); silence];
    all.extend_from_slice(sound);
    all
}

#[test]
fn both_laws_come_back_sample_exact_at_any_offset() {
    for (law, kind, format) in
        [(Law::Mu, CodecKind::Pcmu, WavFormat::MuLaw), (Law::A, CodecKind::Pcma, WavFormat::ALaw)]
    {
        for offset in [0, 125_000, 7 * MS, 1_234 * MS] {
            let (left, mut right) = (speech::synth(1, 7, law), speech::synth(2, 5, law));
            right.truncate(39_937);
            let mut packets = Vec::new();
            Sender::new(0, 96, 0).send(&left, &mut packets);
            Sender::new(1, 96, offset).send(&right, &mut packets);
            let specs = [spec(0, kind), spec(1, kind)];
            let (plan, heard, rendered) = render_by_arrival(&specs, packets);
            assert_eq!((plan.format, plan.sample_rate, plan.channels), (format, 8_000, 2));
            assert_eq!(plan.origin, Timestamp::from_nanos(START as u64));
            let mut right = after((offset / 125_000) as usize, law, &right);
            let total = left.len().max(right.len());
            let mut left = left;
            left.resize(total, law.silence());
            right.resize(total, law.silence());
            assert!(heard.channel(0) == left && heard.channel(1) == right, "{law:?} offset {offset}");
            assert_eq!(heard.pcm[1], right.iter().map(|&octet| law.decode(octet)).collect::<Vec<_>>());
            assert_eq!((plan.total_samples as usize, rendered.late), (total, vec![0, 0]));
            assert!(plan.flags.is_empty() && plan.tracks.iter().all(|track| track.gaps.is_empty()));
        }
    }
}

#[test]
fn one_track_still_makes_two_channels_and_is_called_one_way_only_when_two_were_there() {
    let sound = speech::synth(3, 1, Law::Mu);
    let mut packets = Vec::new();
    Sender::new(0, 96, 0).send(&sound, &mut packets);
    let (plan, heard, _) = render(&two()[..1], &packets);
    assert_eq!((plan.channels, plan.flags.len()), (2, 0));
    assert_eq!(heard.channel(0), sound);
    assert_eq!(heard.channel(1), vec![0xff; sound.len()]);
    let (plan, ..) = render(&two(), &packets);
    assert_eq!(plan.flags, ["one_way"]);
    let (plan, heard, _) = render(&two(), &[]);
    assert_eq!((plan.flags, plan.total_samples, heard.native.len()), (vec!["no_audio"], 0, 0));
}

#[test]
fn a_mixed_line_makes_one_channel_and_two_lines_make_two_all_the_same() {
    assert_eq!(Survey::mixed(&two()[..1]).finish().channels, 1);
    assert_eq!(Survey::mixed(&two()).finish().channels, 2);
    assert_eq!(Survey::mixed(&[]).finish().channels, 1);
}

#[test]
fn two_laws_are_rendered_linear() {
    let (left, right) = (speech::synth(1, 1, Law::Mu), speech::synth(2, 1, Law::A));
    let mut packets = Vec::new();
    Sender::new(0, 96, 0).send(&left, &mut packets);
    Sender::new(1, 96, 0).send(&right, &mut packets);
    let (plan, heard, _) = render_by_arrival(&[spec(0, CodecKind::Pcmu), spec(1, CodecKind::Pcma)], packets);
    assert_eq!((plan.format, plan.sample_rate), (WavFormat::Linear16, 8_000));
    assert_eq!(heard.pcm[0], left.iter().map(|&octet| Law::Mu.decode(octet)).collect::<Vec<_>>());
    assert_eq!(heard.pcm[1], right.iter().map(|&octet| Law::A.decode(octet)).collect::<Vec<_>>());
    let octets: Vec<u8> =
        (0..8_000).flat_map(|n| [heard.pcm[0][n], heard.pcm[1][n]]).flat_map(i16::to_le_bytes).collect();
    assert_eq!(heard.native, octets);
}

#[test]
fn wideband_is_decoded_in_sequence_and_narrowband_raised_beside_it() {
    let wide: Vec<u8> = speech::synth(5, 2, Law::Mu);
    let narrow = speech::synth(6, 2, Law::A);
    let mut packets = Vec::new();
    Sender::new(0, 96, 0).send(&wide, &mut packets);
    for some in packets.chunks_exact_mut(7) {
        some[2].1 = some[4].1 + 1;
    }
    Sender::new(1, 96, 0).send(&narrow, &mut packets);
    let (plan, heard, _) = render_by_arrival(&[spec(0, CodecKind::G722), spec(1, CodecKind::Pcma)], packets);
    assert_eq!((plan.format, plan.sample_rate, plan.total_samples), (WavFormat::Linear16, 16_000, 32_000));
    let mut expected = Vec::new();
    g722::Decoder::default().decode(&wide, &mut expected);
    assert!(heard.pcm[0] == expected);
    let every_second: Vec<i16> = heard.pcm[1].iter().step_by(2).copied().collect();
    assert_eq!(every_second, narrow.iter().map(|&octet| Law::A.decode(octet)).collect::<Vec<_>>());
}

#[test]
fn tracks_of_one_party_share_a_channel() {
    let sound = speech::synth(9, 4, Law::Mu);
    let mut packets = Vec::new();
    Sender::new(0, 96, 0).send(&sound[..16_000], &mut packets);
    Sender::new(1, 96, 2_000 * MS).send(&sound[16_000..], &mut packets);
    let mut specs = two();
    specs[1].channel = 0;
    let (plan, heard, _) = render_by_arrival(&specs, packets);
    assert_eq!((heard.channel(0), plan.channels, plan.flags.len()), (sound, 2, 0));
}

#[test]
fn three_channels_of_odd_length_are_padded() {
    let specs = [spec(0, CodecKind::Pcmu), spec(1, CodecKind::Pcmu), spec(2, CodecKind::Pcmu)];
    let mut packets = Vec::new();
    Sender::new(2, 96, 0).send(&[1; 161], &mut packets);
    let (plan, heard, _) = render(&specs, &packets);
    assert_eq!((plan.channels, plan.total_samples, heard.native.len()), (3, 161, 484));
    assert_eq!(heard.native[480..], [0xff, 0xff, 1, 0]);
}

#[test]
fn sound_is_handed_out_while_it_comes_in() {
    let sound = speech::synth(1, 60, Law::Mu);
    let mut packets = Vec::new();
    for minute in 0..60 {
        Sender {
            header: RtpHeader { payload_type: 96, ssrc: minute, ..RtpHeader::default() },
            ..Sender::new(0, 96, i64::from(minute) * 60_000 * MS)
        }
        .send(&sound, &mut packets);
    }
    let (plan, heard, _) = render(&two(), &packets);
    assert_eq!(plan.total_samples, 60 * 60 * 8_000);
    assert!(heard.largest <= BLOCK_SAMPLES && heard.before_finish as u64 > plan.total_samples - 20_000);
    assert!((0..60).all(|minute| heard.channel(0)[minute * 480_000..][..480_000] == sound));
}

#[test]
fn broken_times_make_neither_a_panic_nor_an_endless_file() {
    let mut packet = Vec::new();
    RtpHeader { payload_type: 96, ..RtpHeader::default() }.write(&mut packet);
    packet.extend_from_slice(&[1; 160]);
    let (plan, heard, _) = render(&two(), &[(0, 5, packet.clone()), (1, 0, packet.clone())]);
    assert_eq!((plan.total_samples, heard.channel(1)), (160, vec![1; 160]));
    for sent in [[(0, i64::MAX, packet.clone()), (1, 0, packet.clone())], [(0, -1, packet.clone()), (0, 1, packet)]] {
        let mut survey = Survey::new(&two());
        sent.iter().for_each(|(track, arrival, packet)| survey.packet(*track, *arrival as u64, packet));
        assert!(survey.finish().total_samples <= crate::limits::MAX_TICKS as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_hostile_sender_breaks_nothing(
        packets in proptest::collection::vec(
            (0..3_usize, 0..60_000_i64, any::<u16>(), any::<u32>(), 0..3_u32, 0..128_u8, 0..400_usize), 0..300),
        in_order in any::<bool>(),
    ) {
        let mut sent: Vec<Sent> = packets
            .into_iter()
            .map(|(track, at, sequence, timestamp, ssrc, payload_type, length)| {
                let mut packet = Vec::new();
                RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc }.write(&mut packet);
                packet.resize(length.max(3), 0x42);
                (track, START + at * MS, packet)
            })
            .collect();
        if in_order {
            sent.sort_by_key(|&(_, arrival, _)| arrival);
        }
        let (plan, heard, _) = render(&two(), &sent);
        prop_assert!(plan.duration_ms() <= 60_000 + 30_000 + 10_000);
        let frame = plan.format.sample_octets() * 2;
        prop_assert_eq!(heard.native.len() as u64, plan.total_samples * frame);
    }
}
