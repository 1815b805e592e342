//! After the call: how fast sound is rendered, and how fast finished recordings reach the archive.

use std::{path::Path, time::Duration};

use media::{
    codec::Law,
    mp3::{Encoder, Kind},
    render::{Renderer, Sink, Survey, TrackSpec},
    rtp::RtpHeader,
    speech, wav,
};
use model::CodecKind;

use super::measure;
use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    limits,
    load::Load,
    node::{Manner, Node},
    report::Report,
    world,
};

/// Length of the rendered call, seconds.
const SECONDS: u32 = 300;
/// Recordings that are finished together.
const RECORDINGS: u32 = 200;
/// Samples a packet.
const SAMPLES: usize = 160;
/// Nanoseconds a packet.
const PTIME_NANOS: u64 = 20_000_000;

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    for (name, kind) in [
        ("WAV", None),
        ("MP3 8 kbit/s mono", Some(Kind::Mono8)),
        ("MP3 16 kbit/s stereo", Some(Kind::Stereo16)),
        ("MP3 32 kbit/s stereo", Some(Kind::Stereo32)),
    ] {
        report.row("archive", format!("survey and render {name}"), speed(kind)?, "x real time");
    }
    finishing(bench, report)
}

/// Where rendered sound goes: an encoder, or nowhere.
struct Out {
    encoder: Option<Encoder>,
    encoded: Vec<u8>,
    octets: usize,
    fault: Option<String>,
}

impl Sink for Out {
    fn block(&mut self, native: &[u8], pcm: &[&[i16]]) {
        self.octets += native.len();
        if let (Some(encoder), [left, right, ..]) = (&mut self.encoder, pcm) {
            self.encoded.clear();
            self.fault = encoder
                .block(left, right, &mut self.encoded)
                .err()
                .map(|cause| cause.to_string())
                .or(self.fault.take());
        }
    }
}

/// Seconds of sound rendered a second, one thread.
fn speed(kind: Option<Kind>) -> Outcome<f64> {
    let sides = [1, 2].map(|seed| speech::synth(seed, 60, Law::Mu));
    let packet = |side: usize, number: usize| {
        let (sequence, timestamp) = (number as u16, (number * SAMPLES) as u32);
        let mut packet = Vec::with_capacity(12 + SAMPLES);
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: side as u32 }.write(&mut packet);
        let from = number * SAMPLES % sides[side].len();
        packet.extend_from_slice(&sides[side][from..from + SAMPLES]);
        (side, 1_700_000_000_000_000_000 + number as u64 * PTIME_NANOS, packet)
    };
    let count = SECONDS as usize * 8_000 / SAMPLES;
    let packets: Vec<_> = (0..count).flat_map(|number| [packet(0, number), packet(1, number)]).collect();
    let spec = |no: u16| TrackSpec {
        no,
        label: None,
        channel: no as u8,
        payloads: vec![(0, CodecKind::Pcmu, 8_000)],
        gaps: Vec::new(),
    };
    let began = world::now();
    let mut survey = Survey::new(&[spec(0), spec(1)]);
    packets.iter().for_each(|(side, at, packet)| survey.packet(*side, *at, packet));
    let plan = survey.finish();
    let encoder = kind.map(|kind| Encoder::new(kind, plan.sample_rate)).transpose().map_err(Failure::new)?;
    let mut out = Out { encoder, encoded: Vec::new(), octets: wav::header(&plan).len(), fault: None };
    let mut renderer = Renderer::new(&plan);
    packets.iter().for_each(|(side, at, packet)| renderer.packet(*side, *at, packet, &mut out));
    renderer.finish(&mut out);
    let seconds = world::now().saturating_duration_since(began).as_secs_f64();
    match out.fault {
        Some(fault) => Err(Failure::new(fault)),
        None if out.octets < SECONDS as usize * 16_000 => Err(Failure::new("the rendering is too short")),
        None => Ok(f64::from(SECONDS) / seconds),
    }
}

/// From the end of a load until all its recordings are archived, read back and compared.
fn finishing(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let manner = Manner { media: &bench.media, ..Manner::default() };
    let node = Node::start(bench, &manner)?;
    let mut plan = measure::plan(RECORDINGS, None, Duration::from_secs(4));
    plan.rate = RECORDINGS;
    let said = Load::start(bench, &node, &plan)?.finish()?;
    let began = world::now();
    let archived = world::until("archived recordings", limits::ARCHIVING, Duration::from_millis(100), || {
        Ok((node.metric("recorder_archive_pending")? < 0.5 && node.metric("recorder_recordings_live")? < 0.5)
            .then_some(()))
    });
    let seconds = world::now().saturating_duration_since(began).as_secs_f64();
    let octets = octets_below(&node.folder.join("data/archive"));
    node.discard()?;
    archived?;
    if said["failed"] != 0 {
        report.invalid(format!("archive: {} calls failed", said["failed"]));
    }
    let sound = plan.duration.as_secs_f64() * f64::from(RECORDINGS);
    report.row("archive", "finish: render, seal, store, read back, compare", sound / seconds, "x real time");
    report.row("archive", "finish: octets in the archive", octets as f64 / seconds / 1e6, "MB/s");
    Ok(())
}

fn octets_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(kind) if kind.is_dir() => octets_below(&entry.path()),
        Ok(kind) => kind.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
