//! The first pass: what there is, where it lies in time, what is missing.

use std::collections::BTreeMap;

use model::{CodecKind, Gap, GapCause, Timestamp};

use super::{Plan, TrackPlan, TrackSpec, channels, contributors::Contributors, holes::Holes};
use crate::{
    codec::{self, Law, TICK_HZ},
    count::StreamCounter,
    limits::{MAX_CHANNELS, MAX_LATENESS_NANOS, MAX_LOSS_GAPS, MAX_SEGMENTS, MAX_TICKS, MAX_WINDOW_NANOS},
    rtp::RtpView,
    stream::Seen,
    timeline::{Anchor, Followed, Follower, Segment, Sighting, TICK_NANOS, find},
    wav::WavFormat,
};

/// Sees every packet of a recording once. Tracks may lie apart in the spool by up to ten minutes of arrival; what lies
/// further back than that is counted as late and not rendered.
#[derive(Debug)]
pub struct Survey {
    tracks: Vec<Track>,
    first: Option<i64>,
    frontier: i64,
    channels: u16,
}

#[derive(Debug)]
struct Track {
    spec: TrackSpec,
    follower: Follower,
    counter: StreamCounter,
    refused: u64,
    holes: Holes,
    contributors: Contributors,
    /// Spans of arrival whose packets were taken and then not kept.
    dropped: Vec<Gap>,
    anchors: BTreeMap<u32, Anchor>,
    segments: Vec<Segment>,
    audio_packets: u64,
    unrendered_packets: u64,
    laws: Laws,
    peak: u16,
}

/// Which codecs hold the sound.
#[derive(Debug, Clone, Copy, Default)]
struct Laws {
    mu: bool,
    a: bool,
    wide: bool,
}

impl Survey {
    /// A survey of a recording with these tracks.
    pub fn new(tracks: &[TrackSpec]) -> Self {
        Self::with(tracks, 2)
    }

    /// The same where everybody is on one line: a second channel would be silent, and heard in one ear alone.
    pub fn mixed(tracks: &[TrackSpec]) -> Self {
        Self::with(tracks, 1)
    }

    fn with(tracks: &[TrackSpec], fewest: usize) -> Self {
        let channels = channels(tracks, fewest);
        Self { tracks: tracks.iter().cloned().map(Track::new).collect(), first: None, frontier: i64::MIN, channels }
    }

    /// Notes a packet of the track at `track_index` in the list given to [`Survey::new`]. What is not RTP is counted as
    /// refused; an index out of range is ignored.
    pub fn packet(&mut self, track_index: usize, arrival_nanos: u64, packet: &[u8]) {
        let Some(track) = self.tracks.get_mut(track_index) else { return };
        let arrival = i64::try_from(arrival_nanos).unwrap_or(i64::MAX);
        self.frontier = self.frontier.max(arrival);
        match RtpView::parse(packet) {
            Ok(view) => {
                self.first = Some(self.first.unwrap_or(arrival).min(arrival));
                track.packet(&view, arrival, self.frontier);
            }
            Err(_) => track.refused += 1,
        }
    }

    /// Notes that between these arrivals (nanoseconds) packets of the track were taken and could not be kept: what is
    /// missing there is no loss of the network.
    pub fn dropped(&mut self, track_index: usize, from_nanos: u64, to_nanos: u64) {
        let Some(track) = self.tracks.get_mut(track_index) else { return };
        let (from, to) = (Timestamp::from_nanos(from_nanos), Timestamp::from_nanos(to_nanos.max(from_nanos + 1)));
        let is_full = track.dropped.len() >= MAX_LOSS_GAPS;
        match track.dropped.last_mut() {
            Some(last) if is_full => last.to = last.to.max(to),
            _ => track.dropped.push(Gap { from, to, cause: GapCause::Overload }),
        }
    }

    /// Draws the plan.
    pub fn finish(mut self) -> Plan {
        for track in &mut self.tracks {
            track.settle();
        }
        let mut plan = Plan { channels: self.channels, ..Plan::empty() };
        let laws = self.tracks.iter().fold(Laws::default(), |all, track| all.and(track.laws));
        (plan.format, plan.sample_rate) = laws.format();
        plan.flags = self.flags();
        if let Some((origin, ticks)) = self.extent() {
            plan.origin = stamp(origin);
            plan.total_samples = ticks as u64 * u64::from(plan.sample_rate / TICK_HZ);
            let windows = self.tracks.iter().flat_map(|track| &track.segments).map(Segment::window);
            let window = windows.max().unwrap_or(0).min(MAX_WINDOW_NANOS);
            // Two more, because every place is rounded to a tick.
            plan.window_ticks = window / TICK_NANOS + 2;
        }
        plan.tracks = self.tracks.into_iter().map(Track::plan).collect();
        plan
    }

    /// The first instant of the recording, and its length in ticks. A hostile clock can stretch it neither way beyond
    /// what arrived.
    fn extent(&self) -> Option<(i64, i64)> {
        let first = self.first?;
        let segments = || self.tracks.iter().filter(|track| track.is_rendered()).flat_map(|track| &track.segments);
        let origin =
            segments().map(|segment| segment.nanos(segment.start_ts)).min()?.max(first - MAX_LATENESS_NANOS).max(0);
        let end = segments().map(|segment| ticks_from(origin, segment) + segment.end_ts - segment.ts0).max()?;
        let longest = ((self.frontier - origin) / TICK_NANOS + MAX_AHEAD_TICKS).min(MAX_TICKS);
        Some((origin, end.clamp(0, longest)))
    }

    fn flags(&self) -> Vec<&'static str> {
        let heard = |track: &&Track| track.audio_packets > 0;
        let mut flags = Vec::new();
        if !self.tracks.iter().any(|track| track.audio_packets > 0) {
            flags.push("no_audio");
        } else if self.tracks.iter().filter(heard).all(Track::is_silent) {
            flags.push("silence");
        }
        let mut sides = BTreeMap::new();
        for track in &self.tracks {
            *sides.entry(track.spec.channel).or_insert(0) += track.audio_packets;
        }
        if sides.values().any(|&packets| packets == 0) && sides.values().any(|&packets| packets > 0) {
            flags.push("one_way");
        }
        if self.tracks.iter().any(|track| track.unrendered_packets > 0) {
            flags.push("unrendered_codec");
        }
        flags
    }
}

impl Track {
    fn new(spec: TrackSpec) -> Self {
        Self {
            counter: StreamCounter::new(TICK_HZ),
            spec,
            follower: Follower::new(),
            refused: 0,
            holes: Holes::default(),
            contributors: Contributors::default(),
            dropped: Vec::new(),
            anchors: BTreeMap::new(),
            segments: Vec::new(),
            audio_packets: 0,
            unrendered_packets: 0,
            laws: Laws::default(),
            peak: 0,
        }
    }

    fn packet(&mut self, view: &RtpView<'_>, arrival: i64, frontier: i64) {
        self.counter.packet(view.sequence(), view.timestamp(), view.ssrc(), arrival as u64);
        let kind = codec::kind_of(&self.spec.payloads, view.payload_type());
        let ticks = codec::ticks(kind, view.payload());
        let followed = self.follower.packet(view, ticks);
        if let Some(anchor) = followed.folded.and_then(|stream| self.anchors.remove(&stream)) {
            anchor.close(&mut self.segments);
        }
        if followed.placed.seen == Seen::Duplicate {
            return;
        }
        self.holes.packet(&followed, ticks);
        self.contributors.packet(view, &followed, ticks);
        let level = self.listen(kind, view.payload());
        let after_pause = followed.before.is_some_and(|before| followed.ts > before.end);
        let sighting = Sighting {
            sequence: followed.placed.sequence,
            ts: followed.ts,
            ticks,
            arrival,
            frontier,
            quiet: after_pause || level.is_some_and(|level| level < QUIET),
        };
        self.anchor(kind, &followed, &sighting);
    }

    fn anchor(&mut self, kind: CodecKind, followed: &Followed, sighting: &Sighting) {
        let stream = followed.placed.stream;
        if kind == CodecKind::Other {
            return;
        }
        let Some(anchor) = self.anchors.get_mut(&stream) else {
            if self.segments.len() + self.anchors.len() < MAX_SEGMENTS {
                self.anchors.insert(stream, Anchor::new(stream, sighting));
            }
            return;
        };
        if kind == CodecKind::TelephoneEvent {
            anchor.extend(sighting);
            return;
        }
        if followed.placed.seen != Seen::New {
            anchor.precede(sighting);
        }
        anchor.packet(sighting, &mut self.segments);
    }

    /// Notes what holds the sound and how loud it gets; the loudest sample of this packet, if it can be told.
    fn listen(&mut self, kind: CodecKind, payload: &[u8]) -> Option<u16> {
        let law = match kind {
            CodecKind::Pcmu => Law::Mu,
            CodecKind::Pcma => Law::A,
            CodecKind::G722 => {
                self.laws.wide = true;
                self.audio_packets += 1;
                self.peak = u16::MAX;
                return None;
            }
            CodecKind::Other => {
                self.unrendered_packets += 1;
                return None;
            }
            CodecKind::ComfortNoise | CodecKind::TelephoneEvent => return None,
        };
        self.laws.mu |= law == Law::Mu;
        self.laws.a |= law == Law::A;
        self.audio_packets += 1;
        let level = payload.iter().map(|&octet| law.decode(octet).unsigned_abs()).max().unwrap_or(0);
        self.peak = self.peak.max(level);
        Some(level)
    }

    fn settle(&mut self) {
        while let Some((_, anchor)) = self.anchors.pop_first() {
            anchor.close(&mut self.segments);
        }
        self.segments.sort_by_key(|segment| (segment.stream, segment.first));
    }

    fn is_rendered(&self) -> bool {
        usize::from(self.spec.channel) < MAX_CHANNELS
    }

    fn is_silent(&self) -> bool {
        self.peak < SILENT
    }

    fn plan(self) -> TrackPlan {
        let mut counters = self.counter.counters();
        (counters.refused, counters.lost) = (self.refused, 0);
        let mut gaps = self.spec.gaps;
        let known = gaps.len();
        for hole in self.holes.finish().iter().filter(|hole| hole.missing > 0) {
            let place = |sequence, ts| find(&self.segments, hole.stream, sequence).map(|segment| segment.nanos(ts));
            let (Some(from), Some(to)) = (place(hole.from - 1, hole.from_ts), place(hole.to, hole.to_ts)) else {
                counters.lost += hole.missing;
                continue;
            };
            let gap = Gap { from: stamp(from), to: stamp(to.max(from)), cause: GapCause::Loss };
            if self.dropped.iter().any(|dropped| explains(dropped, &gap)) {
                gaps.push(Gap { cause: GapCause::Overload, ..gap });
            } else if !gaps[..known].iter().any(|cause| explains(cause, &gap)) {
                counters.lost += hole.missing;
                gaps.push(gap);
            }
        }
        gaps.sort_by_key(|gap| (gap.from, gap.to));
        let start = self.segments.iter().map(|segment| segment.nanos(segment.start_ts)).min();
        let end = self.segments.iter().map(|segment| segment.nanos(segment.end_ts)).max();
        TrackPlan {
            no: self.spec.no,
            channel: self.spec.channel,
            counters,
            gaps,
            audio_packets: self.audio_packets,
            unrendered_packets: self.unrendered_packets,
            contributors: self.contributors.finish(&self.segments),
            span: start.zip(end).map(|(start, end)| (stamp(start), stamp(end))),
            payloads: self.spec.payloads,
            segments: self.segments,
        }
    }
}

impl Laws {
    fn and(self, other: Self) -> Self {
        Self { mu: self.mu | other.mu, a: self.a | other.a, wide: self.wide | other.wide }
    }

    fn format(self) -> (WavFormat, u32) {
        match self {
            Self { wide: true, .. } => (WavFormat::Linear16, 2 * TICK_HZ),
            Self { mu: true, a: true, .. } => (WavFormat::Linear16, TICK_HZ),
            Self { a: true, .. } => (WavFormat::ALaw, TICK_HZ),
            Self { .. } => (WavFormat::MuLaw, TICK_HZ),
        }
    }
}

/// Whether a known gap covers more than half of a loss. Packets were dropped on purpose there, up to one to each side.
fn explains(known: &Gap, loss: &Gap) -> bool {
    let open_end = if known.to > known.from { known.to.nanos() } else { u64::MAX - MARGIN_NANOS };
    let from = loss.from.nanos().max(known.from.nanos().saturating_sub(MARGIN_NANOS));
    let to = loss.to.nanos().min(open_end + MARGIN_NANOS);
    to.saturating_sub(from) * 2 > loss.to.nanos() - loss.from.nanos()
}

/// Where the zero of a segment's clock lies, in ticks from `origin`.
pub(super) fn ticks_from(origin: i64, segment: &Segment) -> i64 {
    (segment.base.saturating_sub(origin).saturating_add(TICK_NANOS / 2)).div_euclid(TICK_NANOS)
}

fn stamp(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos.max(0) as u64)
}

/// A packet whose loudest sample is below this is a place where a correction is not heard: -42 dBFS.
const QUIET: u16 = 256;
/// A track whose loudest sample is below this is silent: -60 dBFS.
const SILENT: u16 = 32;
/// Sound never ends later than this after the last arrival: one second of leap and the longest telephone event.
const MAX_AHEAD_TICKS: i64 = TICK_HZ as i64 + (1 << 16);
const MARGIN_NANOS: u64 = 100_000_000;
