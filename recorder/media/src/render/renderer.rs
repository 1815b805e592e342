//! The second pass: the same packets again, each written into its place, sound handed out as soon as it is final.

use std::collections::BTreeMap;

use model::CodecKind;

use super::{Plan, lane::Lane, survey::ticks_from};
use crate::{
    codec::{self, Law, g722},
    limits::{BLOCK_SAMPLES, DECODE_AHEAD},
    rtp::RtpView,
    stream::Seen,
    timeline::{Follower, TICK_NANOS, find},
};

/// Where rendered sound goes.
pub trait Sink {
    /// The next samples. `native` holds them interleaved, as they stand in the WAV file; `pcm` holds one slice per
    /// channel, all of the same length. The last call may bring the padding octet of the file and no samples.
    fn block(&mut self, native: &[u8], pcm: &[&[i16]]);
}

/// Renders a recording by its plan.
#[derive(Debug)]
pub struct Renderer<'a> {
    plan: &'a Plan,
    tracks: Vec<Track>,
    lanes: Vec<Lane>,
    frontier: i64,
    /// Samples handed out of each channel.
    done: u64,
    native: Vec<u8>,
    pcm: Vec<Vec<i16>>,
}

#[derive(Debug)]
struct Track {
    follower: Follower,
    late: u64,
    wide: BTreeMap<u32, Wideband>,
}

/// A G.722 stream: its decoder wants packets in sequence.
#[derive(Debug, Default)]
struct Wideband {
    decoder: g722::Decoder,
    next: Option<i64>,
    waiting: BTreeMap<i64, (i64, Vec<u8>)>,
}

impl<'a> Renderer<'a> {
    /// A renderer for the recording that was surveyed.
    pub fn new(plan: &'a Plan) -> Self {
        let channels = usize::from(plan.channels);
        let track = |_| Track { follower: Follower::new(), late: 0, wide: BTreeMap::new() };
        Self {
            plan,
            tracks: plan.tracks.iter().map(track).collect(),
            lanes: (0..channels).map(|_| Lane::new(plan.format)).collect(),
            frontier: i64::MIN,
            done: 0,
            native: Vec::new(),
            pcm: vec![Vec::new(); channels],
        }
    }

    /// Renders a packet: the same that the survey saw, in the same order.
    pub fn packet(&mut self, track_index: usize, arrival_nanos: u64, packet: &[u8], sink: &mut impl Sink) {
        let (Some(track), Some(plan)) = (self.tracks.get_mut(track_index), self.plan.tracks.get(track_index)) else {
            return;
        };
        self.frontier = self.frontier.max(i64::try_from(arrival_nanos).unwrap_or(i64::MAX));
        let Ok(view) = RtpView::parse(packet) else { return };
        let kind = codec::kind_of(&plan.payloads, view.payload_type());
        let followed = track.follower.packet(&view, codec::ticks(kind, view.payload()));
        if let Some(stream) = followed.folded {
            self.end_wideband(track_index, stream);
        }
        let sounds = matches!(kind, CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722);
        if sounds && followed.placed.seen != Seen::Duplicate {
            let segment = find(&plan.segments, followed.placed.stream, followed.placed.sequence);
            let origin = self.plan.origin.nanos() as i64;
            let at = segment.map(|segment| ticks_from(origin, segment).saturating_add(followed.ts - segment.ts0));
            match (at, kind) {
                (None, _) => self.tracks[track_index].late += 1,
                (Some(at), CodecKind::Pcma) => self.write_g711(track_index, at, Law::A, view.payload()),
                (Some(at), CodecKind::Pcmu) => self.write_g711(track_index, at, Law::Mu, view.payload()),
                (Some(at), _) => {
                    self.hold(track_index, followed.placed.stream, followed.placed.sequence, (at, view.payload()));
                }
            }
        }
        self.hand_out(sink);
    }

    /// Hands out the rest.
    pub fn finish(mut self, sink: &mut impl Sink) -> Rendered {
        self.decode_before(i64::MAX);
        while self.done < self.plan.total_samples {
            let left = self.plan.total_samples - self.done;
            self.block(left.min(BLOCK_SAMPLES as u64) as usize, sink);
        }
        let data = self.plan.total_samples * self.plan.format.sample_octets() * u64::from(self.plan.channels);
        if data % 2 == 1 {
            sink.block(&[0], &vec![&[][..]; self.lanes.len()]);
        }
        Rendered { late: self.tracks.iter().map(|track| track.late).collect() }
    }

    fn hand_out(&mut self, sink: &mut impl Sink) {
        let passed =
            self.frontier.saturating_sub(self.plan.origin.nanos() as i64) / TICK_NANOS - self.plan.window_ticks;
        let total = self.plan.total_samples;
        let passed = (passed.max(0) as u64 * self.plan.samples_per_tick() as u64).min(total);
        while self.done + BLOCK_SAMPLES as u64 <= passed {
            self.decode_before((self.done as i64 + BLOCK_SAMPLES as i64) / self.plan.samples_per_tick());
            self.block(BLOCK_SAMPLES, sink);
        }
    }

    fn block(&mut self, count: usize, sink: &mut impl Sink) {
        let stride = self.lanes.len();
        self.native.resize(count * stride * self.plan.format.sample_octets() as usize, 0);
        for (channel, (lane, pcm)) in self.lanes.iter_mut().zip(&mut self.pcm).enumerate() {
            lane.take(count, pcm, &mut self.native, (channel, stride));
        }
        let pcm: Vec<&[i16]> = self.pcm.iter().map(Vec::as_slice).collect();
        sink.block(&self.native, &pcm);
        self.done += count as u64;
    }

    fn write_g711(&mut self, track: usize, at: i64, law: Law, octets: &[u8]) {
        let scale = self.plan.samples_per_tick();
        let place = self.clip(at.saturating_mul(scale), octets.len() as i64 * scale);
        let channel = usize::from(self.plan.tracks[track].channel);
        match (place, self.lanes.get_mut(channel)) {
            (Some((at, skip, keep)), Some(lane)) => {
                let (skip, keep) = (skip / scale as usize, keep / scale as usize);
                lane.write_g711(at, law, &octets[skip..(skip + keep).min(octets.len())], scale as usize);
            }
            _ => self.tracks[track].late += 1,
        }
    }

    fn write_linear(&mut self, track: usize, at: i64, sound: &[i16]) {
        let place = self.clip(at, sound.len() as i64);
        match (place, self.lanes.get_mut(usize::from(self.plan.tracks[track].channel))) {
            (Some((at, skip, keep)), Some(lane)) => lane.write_linear(at, &sound[skip..skip + keep]),
            _ => self.tracks[track].late += 1,
        }
    }

    /// What of a sound of `len` samples at `at` still has a place: where it goes in the lane, how many samples of its
    /// beginning are too late, how many are left of it. `None` when nothing is.
    fn clip(&self, at: i64, len: i64) -> Option<(usize, usize, usize)> {
        let end = at.saturating_add(len).min(self.plan.total_samples as i64);
        let from = at.max(self.done as i64);
        (from < end).then(|| ((from - self.done as i64) as usize, (from - at) as usize, (end - from) as usize))
    }

    fn hold(&mut self, track: usize, stream: u32, sequence: i64, (at, payload): (i64, &[u8])) {
        let wideband = self.tracks[track].wide.entry(stream).or_default();
        if wideband.next.is_some_and(|next| sequence < next) {
            self.tracks[track].late += 1;
            return;
        }
        wideband.waiting.insert(sequence, (at, payload.to_vec()));
        while let Some((at, sound)) = self.tracks[track].wide.get_mut(&stream).and_then(Wideband::ready) {
            self.write_linear(track, at, &sound);
        }
    }

    /// Decodes what waits for a packet that will not come in time.
    fn decode_before(&mut self, limit_ticks: i64) {
        for track in 0..self.tracks.len() {
            let streams: Vec<u32> = self.tracks[track].wide.keys().copied().collect();
            for stream in streams {
                let wide = |this: &mut Self| this.tracks[track].wide.get_mut(&stream)?.overdue(limit_ticks);
                while let Some((at, sound)) = wide(self) {
                    self.write_linear(track, at, &sound);
                }
            }
        }
    }

    fn end_wideband(&mut self, track: usize, stream: u32) {
        while let Some((at, sound)) =
            self.tracks[track].wide.get_mut(&stream).and_then(|wideband| wideband.overdue(i64::MAX))
        {
            self.write_linear(track, at, &sound);
        }
        self.tracks[track].wide.remove(&stream);
    }
}

/// What a rendering could not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Per track, packets of sound that came after their place was handed out.
    pub late: Vec<u64>,
}

impl Wideband {
    /// The next packet in sequence, decoded; also when too many wait for one that is missing.
    fn ready(&mut self) -> Option<(i64, Vec<i16>)> {
        let (&first, _) = self.waiting.first_key_value()?;
        let in_sequence = self.next == Some(first) || self.waiting.len() > DECODE_AHEAD;
        if in_sequence { self.decode() } else { None }
    }

    /// The next packet whose place is before `limit_ticks`, decoded.
    fn overdue(&mut self, limit_ticks: i64) -> Option<(i64, Vec<i16>)> {
        let (_, (at, _)) = self.waiting.first_key_value()?;
        if *at < limit_ticks { self.decode() } else { None }
    }

    fn decode(&mut self) -> Option<(i64, Vec<i16>)> {
        let (sequence, (at, payload)) = self.waiting.pop_first()?;
        self.next = Some(sequence + 1);
        let mut sound = Vec::new();
        self.decoder.decode(&payload, &mut sound);
        Some((at.saturating_mul(2), sound))
    }
}
