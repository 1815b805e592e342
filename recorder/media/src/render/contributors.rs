//! The CSRC lists of kept packets (RFC 3550 5.1): which sources a mixer named, and from when to when.

use model::{Contributor, Timestamp};

use crate::{
    codec::TICK_HZ,
    limits::{MAX_CONTRIBUTOR_SPANS, MAX_CONTRIBUTORS},
    rtp::RtpView,
    timeline::{Followed, Segment, find},
};

/// The contributing sources of one track, in the order in which they were named first.
#[derive(Debug, Default)]
pub(super) struct Contributors {
    known: Vec<Heard>,
}

/// One of them.
#[derive(Debug)]
struct Heard {
    csrc: u32,
    packets: u64,
    spans: Vec<Span>,
}

/// Consecutive packets that name it.
#[derive(Debug, Clone, Copy)]
struct Span {
    stream: u32,
    /// Sequence number and timestamp of its first packet.
    from: (i64, i64),
    /// The same of the end of its last one.
    to: (i64, i64),
}

impl Contributors {
    /// Notes a packet that is no duplicate.
    pub(super) fn packet(&mut self, view: &RtpView<'_>, followed: &Followed, ticks: i64) {
        for csrc in view.csrcs() {
            let known = self.known.iter().position(|heard| heard.csrc == csrc);
            let at = known.unwrap_or(self.known.len());
            if known.is_none() && at < MAX_CONTRIBUTORS {
                self.known.push(Heard { csrc, packets: 0, spans: Vec::new() });
            }
            if let Some(heard) = self.known.get_mut(at) {
                heard.packet(followed, ticks);
            }
        }
    }

    /// What is told of them, their spans placed by the segments of the track.
    pub(super) fn finish(self, segments: &[Segment]) -> Vec<Contributor> {
        let told = |heard: Heard| {
            let mut spans: Vec<_> = heard.spans.iter().filter_map(|span| span.placed(segments)).collect();
            spans.sort_unstable();
            Contributor { csrc: heard.csrc, packets: heard.packets, spans }
        };
        self.known.into_iter().map(told).collect()
    }
}

impl Heard {
    fn packet(&mut self, followed: &Followed, ticks: i64) {
        self.packets += 1;
        let (sequence, ts) = (followed.placed.sequence, followed.ts);
        let one = Span { stream: followed.placed.stream, from: (sequence, ts), to: (sequence, ts + ticks) };
        let is_full = self.spans.len() >= MAX_CONTRIBUTOR_SPANS;
        match self.spans.last_mut() {
            Some(last) if last.stream == one.stream && (is_full || last.is_near(&one)) => {
                (last.from, last.to) = (last.from.min(one.from), last.to.max(one.to));
            }
            _ if !is_full => self.spans.push(one),
            _ => {}
        }
    }
}

impl Span {
    fn is_near(&self, other: &Self) -> bool {
        other.from.1 <= self.to.1 + PAUSE_TICKS && other.to.1 >= self.from.1 - PAUSE_TICKS
    }

    /// None where nothing of it is rendered: its codec has no clock that we know.
    fn placed(&self, segments: &[Segment]) -> Option<(Timestamp, Timestamp)> {
        let place =
            |(sequence, ts)| find(segments, self.stream, sequence).map(|segment| segment.nanos(ts).max(0) as u64);
        Some((Timestamp::from_nanos(place(self.from)?), Timestamp::from_nanos(place(self.to)?)))
    }
}

/// A source that is not named for longer has stopped speaking: half a second, more than the pauses between words.
const PAUSE_TICKS: i64 = TICK_HZ as i64 / 2;
