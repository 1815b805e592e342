//! Targets of sound: RTP, RTCP, SRTP, and the packets of a track on their way to a rendering.

use std::sync::LazyLock;

use crypto::srtp::{Inbound, Outbound, Suite};
use media::{
    chunk,
    count::StreamCounter,
    render::{Renderer, Sink, Survey, TrackSpec},
    rtcp::{self, SenderInfo},
    rtp::{RtpHeader, RtpView},
};
use model::CodecKind;

use crate::limits;

/// A datagram as RTP.
pub(crate) fn rtp(octets: &[u8]) {
    let Ok(view) = RtpView::parse(octets) else { return };
    assert!(view.header_len() >= 12 && view.header_len() + view.payload().len() <= octets.len(), "a view stays inside");
    assert!(12 + 4 * view.csrcs().count() <= view.header_len(), "sources stand in the header");
    let mut counter = StreamCounter::new(8_000);
    for arrival in 0..3 {
        counter.packet(view.sequence(), view.timestamp(), view.ssrc(), arrival * 20_000_000);
    }
    assert_eq!((counter.counters().received, counter.counters().duplicate), (3, 2), "counted exactly");
    assert_eq!(counter.counters().lost, 0);
}

pub(crate) fn rtp_seeds() -> Vec<Vec<u8>> {
    let plain = packet(7, 100, &[0x55; 160]);
    let mut extended = plain.clone();
    extended[0] |= 0x10;
    extended.splice(12..12, [0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    let mut contributed = plain.clone();
    contributed[0] |= 2;
    contributed.splice(12..12, [1; 8]);
    let mut padded = plain.clone();
    padded[0] |= 0x20;
    padded.extend([0, 0, 0, 4]);
    vec![plain, extended, contributed, padded, packet(101, 101, &[5, 0x8a, 3, 0x20]), packet(13, 102, &[60])]
}

fn packet(payload_type: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let mut packet = Vec::new();
    RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: 5 }.write(&mut packet);
    packet.extend_from_slice(payload);
    packet
}

/// A datagram as RTCP.
pub(crate) fn rtcp(octets: &[u8]) {
    let _ = rtcp::is_rtcp(octets);
    if let Ok(compound) = rtcp::parse(octets) {
        assert!(compound.count() <= octets.len() / 4, "a packet has four octets at least");
    }
}

pub(crate) fn rtcp_seeds() -> Vec<Vec<u8>> {
    let info = SenderInfo { ntp: 0xe000_0000_8000_0000, rtp_timestamp: 16_000, packets: 100, octets: 16_000 };
    let (report, bye) = (rtcp::sender_report(5, "a@192.0.2.1", &info), rtcp::bye(5, "a@192.0.2.1"));
    let block = rtcp::ReportBlock { ssrc: 5, fraction_lost: 3, ..Default::default() };
    let received = rtcp::receiver_report(6, "b@192.0.2.2", Some(block));
    vec![
        [&report[..], &bye].concat(),
        report,
        bye,
        received,
        rtcp::receiver_report(6, "b", None),
        vec![0x81, 206, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6],
    ]
}

/// Genuine packets of a stream that no input names: whatever came before, they open.
struct Genuine {
    key: Vec<u8>,
    rtp: Vec<u8>,
    rtcp: Vec<u8>,
}

static GENUINE: LazyLock<Vec<Genuine>> = LazyLock::new(|| Suite::ALL.into_iter().map(genuine).collect());

fn genuine(suite: Suite) -> Genuine {
    let key: Vec<u8> = (0..suite.key_salt_len() as u8).collect();
    let mut outbound = Outbound::new(suite, &key).expect("a key of the right length");
    let mut rtp = Vec::new();
    RtpHeader { payload_type: 0, marker: true, sequence: 9, timestamp: 9, ssrc: 0x6e75_696e }.write(&mut rtp);
    rtp.extend([0xd5; 160]);
    outbound.protect_rtp(&mut rtp).expect("the first of its key");
    let mut rtcp = rtcp::receiver_report(0x6e75_696e, "genuine", None);
    outbound.protect_rtcp(&mut rtcp).expect("the first of its key");
    Genuine { key, rtp, rtcp }
}

/// Datagrams on a protected line: the first octet names the suite and how the line is read (from its beginning, joined
/// late, with an MKI), then each has a length of two octets before it. None is genuine, so none may open or leave a trace.
pub(crate) fn srtp(octets: &[u8]) {
    let Some((how, mut rest)) = octets.split_first() else { return };
    let number = usize::from(how & 7) % Suite::ALL.len();
    let (suite, genuine) = (Suite::ALL[number], &GENUINE[number]);
    let mut line = match how >> 3 & 3 {
        0 => Inbound::new(suite, &genuine.key, 0),
        1 => Inbound::joining_late(suite, &genuine.key, 0),
        mki => Inbound::new(suite, &genuine.key, usize::from(mki) * 2),
    }
    .expect("a key of the right length");
    while let Some((length, more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(more.len());
        let (datagram, more) = more.split_at(length);
        let opened = line.unprotect_rtp(&mut datagram.to_vec());
        // One in 2^32 tags of 32 bits fits by chance, and a line joined late tries 133 of them: it was seen here.
        if opened.is_ok() && matches!(suite, Suite::AesCm128Sha1_32 | Suite::AesCm256Sha1_32) {
            return;
        }
        assert!(opened.is_err(), "a forged packet was opened");
        assert!(line.unprotect_rtcp(&mut datagram.to_vec()).is_err(), "a forged report was opened");
        rest = more;
    }
    let (mut rtp, mut rtcp) = (genuine.rtp.clone(), genuine.rtcp.clone());
    if how & 0x10 == 0 {
        assert_eq!(line.unprotect_rtp(&mut rtp), Ok(172), "what was forged changed what is genuine");
        assert!(line.unprotect_rtcp(&mut rtcp).is_ok(), "what was forged changed what is genuine");
    }
}

pub(crate) fn srtp_seeds() -> Vec<Vec<u8>> {
    let line = |number: usize, how: u8| {
        let suite = Suite::ALL[number];
        // Another key: what an input carries is never genuine.
        let mut outbound = Outbound::new(suite, &vec![0x77; suite.key_salt_len()]).expect("a key of the right length");
        let mut seed = vec![number as u8 | how];
        for sequence in 0..4 {
            let mut datagram = packet(0, sequence, &[0xd5; 160]);
            outbound.protect_rtp(&mut datagram).expect("in order");
            framed(&mut seed, &datagram);
        }
        let mut report = rtcp::receiver_report(5, "x", None);
        outbound.protect_rtcp(&mut report).expect("in order");
        framed(&mut seed, &report);
        seed
    };
    (0..Suite::ALL.len()).flat_map(|number| [0, 8, 0x10, 0x18].map(|how| line(number, how))).collect()
}

fn framed(seed: &mut Vec<u8>, datagram: &[u8]) {
    seed.extend((datagram.len() as u16).to_be_bytes());
    seed.extend_from_slice(datagram);
}

/// The opened body of a chunk: surveyed and, when short, rendered.
pub(crate) fn track(octets: &[u8]) {
    let spec = |no: u16, channel| TrackSpec {
        no,
        label: None,
        channel,
        payloads: vec![(0, CodecKind::Pcmu, 8_000), (8, CodecKind::Pcma, 8_000), (9, CodecKind::G722, 8_000)],
        gaps: Vec::new(),
    };
    let tracks = [spec(0, 0), spec(1, 1)];
    let mut survey = Survey::new(&tracks);
    let packets = || chunk::packets(octets).map_while(Result::ok).enumerate();
    for (number, (arrival, packet)) in packets() {
        survey.packet(number % 2, arrival, packet);
    }
    let plan = survey.finish();
    let kept: u64 = plan.tracks.iter().map(|track| track.counters.received).sum();
    assert!(kept <= packets().count() as u64, "no more packets than there are");
    if plan.total_samples > limits::RENDERED_SAMPLES {
        return;
    }
    let (mut renderer, mut heard) = (Renderer::new(&plan), Heard(0));
    for (number, (arrival, packet)) in packets() {
        renderer.packet(number % 2, arrival, packet, &mut heard);
    }
    renderer.finish(&mut heard);
    assert_eq!(heard.0, plan.total_samples, "as much sound as was planned");
}

/// Samples of the left channel.
struct Heard(u64);

impl Sink for Heard {
    fn block(&mut self, _native: &[u8], pcm: &[&[i16]]) {
        self.0 += pcm.first().map_or(0, |left| left.len() as u64);
    }
}

pub(crate) fn track_seeds() -> Vec<Vec<u8>> {
    let body = |payload_type: u8, payload: &[u8]| {
        let mut writer = chunk::ChunkWriter::new(65_000);
        for number in 0..12_u16 {
            writer.push(
                1_700_000_000_000_000_000 + u64::from(number) * 20_000_000,
                &packet(payload_type, number * 2, payload),
            );
        }
        writer.take().map(|body| body.plain).unwrap_or_default()
    };
    vec![
        body(0, &[0x55; 160]),
        body(8, &[0x2a; 240]),
        body(9, &[0x31; 160]),
        body(101, &[5, 0x8a, 3, 0x20]),
        body(13, &[60]),
    ]
}
