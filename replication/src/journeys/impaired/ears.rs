//! The recorder's pure pipeline, without its sockets and disks: counter, chunks, survey, rendering.

use media::{
    chunk::{self, ChunkWriter},
    count::StreamCounter,
    render::{Plan, Rendered, Renderer, Survey, TrackSpec},
    rtp::RtpView,
};
use model::{CodecKind, TrackCounters};

use super::{
    marks::{Arrived, Listener},
    network::Arrival,
};

/// Octets and age, in ns, at which capture would seal a chunk; small, so that the tracks lie apart in the spool.
const CHUNK_OCTETS: usize = 64 * 1024;
const CHUNK_AGE: u64 = 5_000_000_000;

/// What came out of both passes.
pub(super) struct Outcome {
    /// What capture counted.
    pub(super) captured: [TrackCounters; 2],
    pub(super) plan: Plan,
    pub(super) rendered: Rendered,
    /// Of each channel and mark: its true time, and how far from it the mark was heard, in ns.
    pub(super) marks: Vec<Vec<(u64, Option<i64>)>>,
}

/// Hears the same call twice, as a recording is read twice. `replay` plays it and says which marks came in.
pub(super) fn hear(mut replay: impl FnMut(&mut dyn FnMut(Arrival)) -> [Vec<Arrived>; 2]) -> Outcome {
    let mut counters = [StreamCounter::new(8_000), StreamCounter::new(8_000)];
    let mut survey = Survey::new(&[track(0), track(1)]);
    let mut spool = Spool::new();
    let marks = replay(&mut |arrival| {
        let view = RtpView::parse(&arrival.octets).unwrap();
        counters[arrival.track].packet(view.sequence(), view.timestamp(), view.ssrc(), arrival.at);
        spool.keep(&arrival, |track, at, packet| survey.packet(track, at, packet));
    });
    spool.close(|track, at, packet| survey.packet(track, at, packet));
    let plan = survey.finish();
    let origin = plan.origin.nanos();
    let mut listener = Listener::new(origin, marks);
    let mut renderer = Renderer::new(&plan);
    let mut spool = Spool::new();
    replay(&mut |arrival| spool.keep(&arrival, |track, at, packet| renderer.packet(track, at, packet, &mut listener)));
    spool.close(|track, at, packet| renderer.packet(track, at, packet, &mut listener));
    let rendered = renderer.finish(&mut listener);
    let captured = counters.each_ref().map(StreamCounter::counters);
    Outcome { captured, marks: listener.heard(origin), rendered, plan }
}

fn track(no: u16) -> TrackSpec {
    let payloads = vec![(101, CodecKind::TelephoneEvent, 8_000)];
    TrackSpec { no, label: None, channel: no as u8, payloads, gaps: Vec::new() }
}

/// Chunks in the order in which they are closed: what the spool holds and is read in.
struct Spool {
    writers: [ChunkWriter; 2],
}

impl Spool {
    fn new() -> Self {
        Self { writers: [ChunkWriter::new(CHUNK_OCTETS), ChunkWriter::new(CHUNK_OCTETS)] }
    }

    fn keep(&mut self, arrival: &Arrival, read: impl FnMut(usize, u64, &[u8])) {
        let writer = &mut self.writers[arrival.track];
        let is_old = writer.age_nanos(arrival.at) >= CHUNK_AGE;
        if !is_old && writer.push(arrival.at, &arrival.octets) {
            return;
        }
        read_back(arrival.track, writer, read);
        assert!(writer.push(arrival.at, &arrival.octets), "an empty chunk takes a packet");
    }

    fn close(mut self, mut read: impl FnMut(usize, u64, &[u8])) {
        for (track, writer) in self.writers.iter_mut().enumerate() {
            read_back(track, writer, &mut read);
        }
    }
}

fn read_back(track: usize, writer: &mut ChunkWriter, mut read: impl FnMut(usize, u64, &[u8])) {
    let Some(body) = writer.take() else { return };
    for packet in chunk::packets(&body.plain) {
        let (at, octets) = packet.unwrap();
        read(track, at, octets);
    }
    writer.recycle(body.plain);
}
