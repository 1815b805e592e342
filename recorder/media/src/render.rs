//! From the packets of a recording to interleaved sound, in two passes over the same packets.
//!
//! Push every packet of the recording into a [`Survey`], in spool order; [`Survey::finish`] draws the [`Plan`]. Push the
//! same packets in the same order into a [`Renderer`] of that plan, then [`Renderer::finish`]. Sound comes out as blocks
//! of at most [`crate::limits::BLOCK_SAMPLES`]; memory is bounded by how far the tracks are apart in the spool, not by
//! the length of the recording.
//!
//! Arrival times are nanoseconds since 1970 on a clock that does not step.

mod contributors;
mod holes;
mod lane;
mod renderer;
mod survey;
#[cfg(test)]
mod tests;

use model::{CodecKind, Contributor, Gap, Timestamp, TrackCounters};

pub use renderer::{Rendered, Renderer, Sink};
pub use survey::Survey;

use crate::{limits::MAX_CHANNELS, timeline::Segment, wav::WavFormat};

/// A track as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSpec {
    /// Its number in the recording.
    pub no: u16,
    /// Its SDP label.
    pub label: Option<String>,
    /// The channel it is rendered on, from 0. Tracks of one party share a channel; 0 is left, 1 right.
    pub channel: u8,
    /// Payload type, codec, RTP clock in Hz: all that were negotiated while it was open.
    pub payloads: Vec<(u8, CodecKind, u32)>,
    /// Gaps that capture knew of.
    pub gaps: Vec<Gap>,
}

/// What the survey found: everything a rendering needs to know before its first octet.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Wall-clock time of the first sample.
    pub origin: Timestamp,
    /// Samples a second: 8,000, or 16,000 when any track holds G.722.
    pub sample_rate: u32,
    /// Mu-law or A-law when all sound is of that law, else linear.
    pub format: WavFormat,
    /// Channels: 2 and more, 1 alone where one line carries everybody ([`Survey::mixed`]).
    pub channels: u16,
    /// Samples of each channel.
    pub total_samples: u64,
    /// One for each [`TrackSpec`], in the same order.
    pub tracks: Vec<TrackPlan>,
    /// `no_audio`, `one_way`, `silence`, `unrendered_codec`: what a reviewer should know before listening.
    pub flags: Vec<&'static str>,
    /// How long sound is held back, in ticks.
    window_ticks: i64,
}

/// What the survey found of one track.
#[derive(Debug, Clone)]
pub struct TrackPlan {
    /// Its number in the recording.
    pub no: u16,
    /// The channel it is rendered on.
    pub channel: u8,
    /// Exact counts over the packets in the spool. `lost` leaves out what a known gap (pause, hold) explains.
    pub counters: TrackCounters,
    /// Known gaps and losses, in order of time.
    pub gaps: Vec<Gap>,
    /// Packets that hold sound we can render.
    pub audio_packets: u64,
    /// Packets of a codec we cannot render.
    pub unrendered_packets: u64,
    /// The sources that a mixer named in its packets.
    pub contributors: Vec<Contributor>,
    /// Begin of its first and end of its last sound; `None` when it has none.
    pub span: Option<(Timestamp, Timestamp)>,
    payloads: Vec<(u8, CodecKind, u32)>,
    segments: Vec<Segment>,
}

impl Plan {
    /// A plan of nothing: two silent channels of no length.
    pub fn empty() -> Self {
        Self {
            origin: Timestamp::default(),
            sample_rate: 8_000,
            format: WavFormat::MuLaw,
            channels: 2,
            total_samples: 0,
            tracks: Vec::new(),
            flags: Vec::new(),
            window_ticks: 0,
        }
    }

    /// Length in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.total_samples * 1_000 / u64::from(self.sample_rate)
    }

    /// Samples to a tick of the RTP clock.
    fn samples_per_tick(&self) -> i64 {
        i64::from(self.sample_rate / crate::codec::TICK_HZ)
    }
}

/// Channels of a rendering of `tracks`, of which there are `fewest` at least.
fn channels(tracks: &[TrackSpec], fewest: usize) -> u16 {
    let used = tracks.iter().map(|track| usize::from(track.channel) + 1).max().unwrap_or(0);
    used.clamp(fewest, MAX_CHANNELS) as u16
}
