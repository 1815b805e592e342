//! Sequence numbers and timestamps that do not wrap.

use crate::{
    rtp::RtpView,
    stream::{Placed, Seen, Streams},
};

/// Extends sequence numbers and timestamps of one track. Fed the same packets it says the same, in both passes.
#[derive(Debug)]
pub(crate) struct Follower {
    streams: Streams<Option<Newest>>,
}

/// The newest packet of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) sequence: i64,
    pub(crate) ts: i64,
    /// Where its sound ends.
    pub(crate) end: i64,
    /// Sequence number and timestamp of the lowest packet of the stream: often, not always, its first arrival.
    pub(crate) lowest: (i64, i64),
}

/// A packet with its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) placed: Placed,
    /// Extended timestamp.
    pub(crate) ts: i64,
    /// The newest packet of the stream before this one.
    pub(crate) before: Option<Newest>,
    /// A stream that is no longer followed.
    pub(crate) folded: Option<u32>,
}

impl Follower {
    pub(crate) fn new() -> Self {
        Self { streams: Streams::new() }
    }

    pub(crate) fn packet(&mut self, view: &RtpView<'_>, ticks: i64) -> Followed {
        let mut folded = None;
        let placed = self.streams.place(view.ssrc(), view.sequence(), |stream| folded = Some(stream.number));
        let timestamp = view.timestamp();
        let note = self.streams.current_mut().map(|stream| &mut stream.note);
        let before = note.as_ref().and_then(|note| **note);
        let ts = before.map_or(i64::from(timestamp), |newest| {
            newest.ts + i64::from(timestamp.wrapping_sub(newest.ts as u32) as i32)
        });
        if let Some(note) = note {
            let lowest = before.map_or((placed.sequence, ts), |newest| newest.lowest.min((placed.sequence, ts)));
            match note {
                Some(newest) if placed.seen != Seen::New => newest.lowest = lowest,
                _ => *note = Some(Newest { sequence: placed.sequence, ts, end: ts + ticks, lowest }),
            }
        }
        Followed { placed, ts, before, folded }
    }
}
