//! Where packets lie in time: the RTP clock rules within a segment, the arrival clock decides where a segment lies.
//!
//! The *delay* of a packet is its arrival minus its place on the RTP clock. The least delayed packets of a segment tell
//! where its RTP clock stands on ours (its *base*); jitter only ever adds. Delays that leave the base for good mean that
//! the clocks have parted, and a new segment begins:
//!
//! * earlier by more than [`LEAP`]: the sender's clock leapt ahead. A new segment at that very packet.
//! * earlier by more than [`DRIFT`]: within the first 30 s the base was too late, so it is moved; afterwards the sender's
//!   clock is fast, and a new segment drops the surplus.
//! * later by more than [`DRIFT`] for 10 s without exception, or by more than 200 ms for 2 s: the sender's clock is slow,
//!   stood still or leapt back. A new segment inserts the silence. A stall of the network that catches up is none.
//! * early by no more than what was inserted, and without a hole on the RTP clock: the sender's clock was right, and a
//!   network or a host has caught up after long. The silence is taken back out, so that nothing that was said is dropped.
//!
//! Small corrections wait up to 5 s for a pause in the sound. A silence that the RTP clock tells (discontinuous
//! transmission, loss, a pause) needs no segment: the places in between stay empty.

use crate::{
    codec::TICK_HZ,
    limits::{MAX_LATENESS_NANOS, MAX_SEGMENTS},
};

mod follower;

pub(crate) use follower::{Followed, Follower};

/// A span of one stream on the timeline. Its packets lie at `base + (ts - ts0)`.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) stream: u32,
    /// Packets from this sequence number on belong to it, until the next segment of the stream.
    pub(crate) first: i64,
    pub(crate) ts0: i64,
    /// Where `ts0` lies, in ns since 1970.
    pub(crate) base: i64,
    /// The base that it began with.
    first_base: i64,
    /// First and last tick of its sound.
    pub(crate) start_ts: i64,
    pub(crate) end_ts: i64,
    /// Arrival of its first packet.
    opened: i64,
    /// The most that any packet lay behind the newest arrival, seen from a base of 0.
    need: i64,
    /// The base of the segment before it, when everything comes late by more than [`FAR`] since then.
    behind: Option<i64>,
}

impl Segment {
    /// Where a timestamp lies, in ns since 1970.
    pub(crate) fn nanos(&self, ts: i64) -> i64 {
        self.base.saturating_add(since(self.ts0, ts))
    }

    /// How long sound must be held back for the packets of this segment to land in their places.
    pub(crate) fn window(&self) -> i64 {
        self.need.saturating_sub(self.base).max(0)
    }

    fn begin(stream: u32, ts0: i64, packet: &Sighting, delay: i64) -> Self {
        Self {
            stream,
            first: packet.sequence,
            ts0,
            base: delay,
            first_base: delay,
            start_ts: packet.ts,
            end_ts: packet.end(),
            opened: packet.arrival,
            need: packet.need(delay),
            behind: None,
        }
    }

    /// Moves back as far as it may without its packets being too late to be rendered.
    fn catch_up(&mut self, base: i64) {
        self.base = self.base.min(base.max(self.need.saturating_sub(MAX_LATENESS_NANOS)));
    }

    fn stretch(&mut self, end_ts: i64, need: i64) {
        self.end_ts = self.end_ts.max(end_ts);
        self.need = self.need.max(need);
    }
}

/// What the anchor needs to know of one packet of sound. Times in ns since 1970, `ts` and `ticks` on the RTP clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub(crate) sequence: i64,
    pub(crate) ts: i64,
    pub(crate) ticks: i64,
    pub(crate) arrival: i64,
    /// Newest arrival of any track so far.
    pub(crate) frontier: i64,
    /// Quiet, or the first after a pause: a place where a correction is not heard.
    pub(crate) quiet: bool,
}

impl Sighting {
    fn end(&self) -> i64 {
        self.ts + self.ticks
    }

    fn need(&self, delay: i64) -> i64 {
        (self.frontier - self.arrival).saturating_add(delay)
    }
}

/// Draws the segments of one stream.
#[derive(Debug)]
pub(crate) struct Anchor {
    segment: Segment,
    run: Option<Run>,
}

/// Packets that have left the base, perhaps for good.
#[derive(Debug)]
struct Run {
    late: bool,
    /// Sound is missing in it, or before it.
    has_hole: bool,
    first: i64,
    first_ts: i64,
    quiet: Option<(i64, i64)>,
    since: i64,
    last: i64,
    packets: u32,
    min: i64,
    max: i64,
    end_ts: i64,
    need: i64,
    /// The same, of those that would still be rendered should the run come to nothing.
    need_before: i64,
}

impl Anchor {
    pub(crate) fn new(stream: u32, packet: &Sighting) -> Self {
        let mut segment = Segment::begin(stream, packet.ts, packet, packet.arrival);
        segment.first = i64::MIN;
        Self { segment, run: None }
    }

    /// Follows one packet; a segment that is complete goes to `done`.
    pub(crate) fn packet(&mut self, packet: &Sighting, done: &mut Vec<Segment>) {
        let delay = packet.arrival.saturating_sub(since(self.segment.ts0, packet.ts));
        if delay.saturating_sub(self.segment.base) < -FAR && self.follows(packet.ts) {
            self.catch_up(delay, done);
            self.abandon();
        }
        let off = delay.saturating_sub(self.segment.base);
        let settling = packet.arrival - self.segment.opened < SETTLE;
        if off < -LEAP {
            self.abandon();
            self.split(Segment::begin(self.segment.stream, self.segment.ts0, packet, delay), done);
        } else if self.run.as_ref().is_some_and(|run| !run.late) || (off < -DRIFT && !settling) {
            self.early(packet, delay, done);
        } else if off > DRIFT {
            self.late(packet, delay, done);
        } else {
            self.abandon();
            if settling && off < 0 {
                // No clock parts so far in half a minute.
                if self.segment.first_base.saturating_sub(delay) > 4 * DRIFT {
                    self.catch_up(delay, done);
                }
                self.segment.base = self.segment.base.min(delay);
            }
            self.segment.stretch(packet.end(), packet.need(delay));
        }
    }

    /// Whether sound goes on there without a hole.
    fn follows(&self, ts: i64) -> bool {
        let end_ts = self.run.as_ref().map_or(self.segment.end_ts, |run| run.end_ts.max(self.segment.end_ts));
        since(end_ts, ts) < FAR
    }

    /// What came late was on its way for long: this segment, and those that it fell behind from before, move back.
    fn catch_up(&mut self, delay: i64, done: &mut [Segment]) {
        let Some(mut base) = self.segment.behind else { return };
        let stream = self.segment.stream;
        let mut moved = vec![&mut self.segment];
        for segment in done.iter_mut().rev().filter(|segment| segment.stream == stream) {
            let Some(before) = segment.behind.filter(|_| delay < base) else { break };
            base = before;
            moved.push(segment);
        }
        moved.into_iter().for_each(|segment| segment.catch_up(delay.max(base)));
    }

    /// Packets without a delay of their own (telephone events) still fill the timeline.
    pub(crate) fn extend(&mut self, packet: &Sighting) {
        let delay = packet.arrival.saturating_sub(since(self.segment.ts0, packet.ts));
        if delay.saturating_sub(self.segment.base) >= -LEAP {
            self.segment.end_ts = self.segment.end_ts.max(packet.end());
        }
    }

    /// A packet that the very first one overtook moves the beginning.
    pub(crate) fn precede(&mut self, packet: &Sighting) {
        if self.segment.first == i64::MIN && (0..TICK_HZ.into()).contains(&(self.segment.start_ts - packet.ts)) {
            self.segment.start_ts = packet.ts;
        }
    }

    /// The stream is over.
    pub(crate) fn close(mut self, done: &mut Vec<Segment>) {
        let base = self.segment.base;
        let lasting = self.run.as_ref().is_some_and(|run| {
            let off = run.min.saturating_sub(base);
            let several = run.packets >= STEADY_PACKETS;
            let steady = several && run.max.saturating_sub(run.min) < FAR && off > LEAP;
            // In their old place they would not be rendered at all.
            let lost = several && off > MAX_LATENESS_NANOS;
            steady || lost || (run.last - run.since >= FAR_PATIENCE && off > FAR)
        });
        if self.run.as_ref().is_some_and(|run| !run.late) {
            self.end_early(done);
        } else if lasting {
            self.commit(done);
        } else {
            self.abandon();
        }
        if done.len() < MAX_SEGMENTS {
            done.push(self.segment);
        }
    }

    fn early(&mut self, packet: &Sighting, delay: i64, done: &mut Vec<Segment>) {
        if self.run.as_ref().is_some_and(|run| run.late) {
            self.abandon();
        }
        let has_hole = !self.follows(packet.ts);
        let run = self.run.get_or_insert_with(|| Run::begin(false, packet, delay));
        run.has_hole |= has_hole;
        run.take(packet, delay, self.segment.base);
        if run.last - run.since >= FAR_PATIENCE {
            self.end_early(done);
        }
    }

    /// No clock parts by as much again while one waits for it: what came late may be catching up, little by little.
    fn end_early(&mut self, done: &mut Vec<Segment>) {
        let surplus = |run: &Run| self.segment.base.saturating_sub(run.min);
        let caught_up = self.run.as_ref().filter(|run| !run.has_hole && surplus(run) > 2 * DRIFT).map(|run| run.min);
        if let Some(min) = caught_up.filter(|_| self.segment.behind.is_some()) {
            self.catch_up(min, done);
            self.abandon();
        } else {
            self.commit(done);
        }
    }

    fn late(&mut self, packet: &Sighting, delay: i64, done: &mut Vec<Segment>) {
        let run = self.run.get_or_insert_with(|| Run::begin(true, packet, delay));
        run.take(packet, delay, self.segment.base);
        let far = run.min.saturating_sub(self.segment.base) > FAR;
        if run.last - run.since >= if far { FAR_PATIENCE } else { PATIENCE } {
            self.commit(done);
        }
    }

    /// The run came to nothing: its packets belong where they seemed to.
    fn abandon(&mut self) {
        if let Some(run) = self.run.take() {
            self.segment.stretch(run.end_ts, run.need_before);
        }
    }

    fn commit(&mut self, done: &mut Vec<Segment>) {
        let Some(run) = self.run.take() else { return };
        let small = run.min.saturating_sub(self.segment.base).abs() < FAR;
        let (first, start_ts) = run.quiet.filter(|_| small).unwrap_or((run.first, run.first_ts));
        if first != run.first {
            self.segment.stretch(start_ts, run.need_before);
        }
        let segment = Segment {
            stream: self.segment.stream,
            first,
            ts0: self.segment.ts0,
            base: run.min,
            first_base: run.min,
            start_ts,
            end_ts: run.end_ts,
            opened: run.since,
            need: run.need,
            // What is behind stays so while its clock drifts.
            behind: (run.late && !small || self.segment.behind.is_some()).then_some(self.segment.base),
        };
        self.split(segment, done);
    }

    fn split(&mut self, next: Segment, done: &mut Vec<Segment>) {
        // Room is left for the last one, which `close` adds.
        if done.len() + 1 < MAX_SEGMENTS {
            done.push(std::mem::replace(&mut self.segment, next));
        }
    }
}

impl Run {
    fn begin(late: bool, packet: &Sighting, delay: i64) -> Self {
        Self {
            late,
            has_hole: false,
            first: packet.sequence,
            first_ts: packet.ts,
            quiet: None,
            since: packet.arrival,
            last: packet.arrival,
            packets: 0,
            min: delay,
            max: delay,
            end_ts: packet.end(),
            need: i64::MIN,
            need_before: i64::MIN,
        }
    }

    fn take(&mut self, packet: &Sighting, delay: i64, base: i64) {
        if packet.sequence < self.first {
            (self.first, self.first_ts) = (packet.sequence, packet.ts);
        }
        if packet.quiet && self.quiet.is_none() && packet.arrival - self.since < QUIET_PATIENCE {
            self.quiet = Some((packet.sequence, packet.ts));
        }
        self.last = self.last.max(packet.arrival);
        self.packets += 1;
        self.min = self.min.min(delay);
        self.max = self.max.max(delay);
        self.end_ts = self.end_ts.max(packet.end());
        self.need = self.need.max(packet.need(delay));
        if delay.saturating_sub(base) <= MAX_LATENESS_NANOS {
            self.need_before = self.need_before.max(packet.need(delay));
        }
    }
}

/// The segment of a packet, among segments sorted by stream and first sequence number.
pub(crate) fn find(segments: &[Segment], stream: u32, sequence: i64) -> Option<&Segment> {
    let after = segments.partition_point(|segment| (segment.stream, segment.first) <= (stream, sequence));
    segments[..after].last().filter(|segment| segment.stream == stream)
}

/// Nanoseconds from one timestamp to another.
fn since(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).saturating_mul(TICK_NANOS)
}

/// One tick of the RTP clock.
pub(crate) const TICK_NANOS: i64 = 1_000_000_000 / TICK_HZ as i64;

const MILLISECOND: i64 = 1_000_000;
/// How far two clocks may part before they are brought together: two channels that part in opposite directions stay
/// within 20 ms of each other.
const DRIFT: i64 = 8 * MILLISECOND;
/// No network delays some packets of a stream by this much less than all before.
const LEAP: i64 = 1_000 * MILLISECOND;
/// The base of a segment may still be moved.
const SETTLE: i64 = 30_000 * MILLISECOND;
/// A delay that is not drift.
const FAR: i64 = 200 * MILLISECOND;
const FAR_PATIENCE: i64 = 2_000 * MILLISECOND;
const PATIENCE: i64 = 10_000 * MILLISECOND;
const QUIET_PATIENCE: i64 = 5_000 * MILLISECOND;
/// Half a second of 20 ms packets: at the end of a stream, enough to believe that its clock stood still.
const STEADY_PACKETS: u32 = 25;
