//! The decision core: joins recording sessions, control and tracks into recordings. It touches nothing.
//!
//! The contract: feed every [`Input`] to [`Core::apply`] in the order it happened, make the facts of the [`Output`]
//! durable, then carry out its orders, then send its replies. Several inputs may share one output, one commit. Call
//! with [`Input::Tick`] at least once a second. Nobody else holds this state, so there is no lock.

mod control;
mod core;
mod cti;
mod ending;
mod limits;
mod offer;
mod people;
mod policy;
mod port_pool;
mod provisional;
mod reoffer;
mod restore;
mod secure;
mod silence;
mod snapshot;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod times;

use std::ops::RangeInclusive;

use model::{
    CallCommand, Command, CommandError, Contributor, EndCause, Fact, Gap, MediaObject, Order, Receipt, RecordingId,
    Report, Timestamp, TrackId, TrackNo,
};
use signaling_core::{
    event::Event,
    tlib::event::{CallIds, CtiEvent},
};

pub use crate::core::Core;
pub use crate::policy::{Policy, PolicyConfig, PolicyFault, RuleConfig, Verdict, Words};
pub use crate::port_pool::PortPool;
pub use crate::provisional::{NOT_KEPT, Over};
pub use crate::restore::{Found, Restored};

/// What the core has to know from the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// RTP ports that may be used; only even ones are, RTCP is the next.
    pub ports: RangeInclusive<u16>,
    /// How long a per-party recording whose second leg never came, or ended first, waits for it, in milliseconds.
    pub pair_linger_ms: u64,
    /// How long a session that a crash interrupted may show no life (no packet, no message) before it counts as ended,
    /// in milliseconds.
    pub resume_wait_ms: u64,
    /// The same for a session whose every line was held: nothing is sent on it, so that only signaling can show life.
    pub resume_held_wait_ms: u64,
    /// Most recordings live at once; above it new sessions get 503.
    pub max_live: usize,
    /// In the single-session layout of Genesys the public documents do not say which m-line is whom: true when the
    /// first line is `dn`.
    pub genesys_first_line_is_dn: bool,
    /// There are CTI sources: what is known of calls is kept for events that come late.
    pub has_cti: bool,
    /// How facts call the CTI links, by their numbers: `tlib:0`, `gws:desk`.
    pub links: Vec<String>,
    /// A pause by command that lasts so long ends by itself, in milliseconds; 0: never.
    pub auto_resume_ms: u64,
    /// What is recorded.
    pub policy: Policy,
    /// A pause by command that lasts so long is told as a warning, in milliseconds; 0: never.
    pub long_pause_ms: u64,
}

/// Something happened.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once from mailbox to core; a box for each would cost an allocation"
)]
pub enum Input {
    /// On the SIP side.
    Signal(Event),
    /// On a CTI link.
    Cti(CtiEvent),
    /// In capture.
    Capture(Report),
    /// The spool made a track durable.
    Spool(Receipt),
    /// What the spool holds of a track that a crash interrupted: chunks, and when its last packet came.
    Surveyed {
        /// The track.
        track: TrackId,
        /// Whole chunks.
        chunks: u32,
        /// Arrival of the last packet; none when there is none.
        last: Option<Timestamp>,
    },
    /// Somebody wants something of a live recording; the ticket comes back with the reply.
    Control {
        /// What.
        command: Command,
        /// Names the reply.
        ticket: u64,
    },
    /// The same about whatever is recorded of a call.
    ControlCall {
        /// What.
        command: CallCommand,
        /// Names the reply.
        ticket: u64,
    },
    /// A recording of an earlier life of this process is of a call of these names: what is told of that late is told of it.
    Recalled {
        /// Which.
        recording: RecordingId,
        /// The names of its call.
        ids: CallIds,
    },
    /// A recording was destroyed: nothing more is told of it.
    Destroyed(RecordingId),
    /// The finisher is done with a recording.
    Finished {
        /// Which.
        recording: RecordingId,
        /// What the archive holds now, or why it could not be done at all (a store that is away is not a failure:
        /// the finisher waits).
        outcome: Result<Finished, String>,
    },
    /// The disk has room for new calls, or no longer.
    Room(bool),
    /// Refuse new sessions from now on; live ones finish.
    Drain,
    /// End every session now: the time for draining is over.
    EndAll,
    /// Time went by.
    Tick,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Objects in the archive, read back and compared.
    pub objects: Vec<MediaObject>,
    /// Length of the rendered timeline.
    pub duration_ms: u64,
    /// When its first sample was spoken; none when there is no sound.
    pub audio_from: Option<Timestamp>,
    /// What rendering noticed: `one_way`, `no_audio`, ...
    pub flags: Vec<String>,
    /// What rendering found of each track.
    pub tracks: Vec<SurveyedTrack>,
}

/// What rendering found of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct SurveyedTrack {
    /// Its number.
    pub track: TrackNo,
    /// Packets kept, exactly.
    pub packets: u64,
    /// Packets lost, exactly.
    pub lost: u64,
    /// The gaps that were not known before.
    pub gaps: Vec<Gap>,
    /// The sources that a mixer named in its packets.
    pub contributors: Vec<Contributor>,
}

impl SurveyedTrack {
    /// As a fact about the recording.
    pub fn fact(self, recording: RecordingId) -> Fact {
        let Self { track, packets, lost, gaps, contributors } = self;
        Fact::TrackSurveyed { recording, track, packets, lost, gaps, contributors }
    }
}

/// What follows: facts first, then orders, then replies.
#[derive(Debug, Default)]
pub struct Output {
    /// To be made durable.
    pub facts: Vec<Fact>,
    /// To be carried out afterwards, in order.
    pub orders: Vec<Order>,
    /// To be sent last: ticket and outcome.
    pub replies: Vec<(u64, Result<(), CommandError>)>,
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Recordings live now.
    pub live: usize,
    /// Recordings ended, whose archive is not done.
    pub pending: usize,
    /// Ended recordings by cause are counted from the facts; refused offers here.
    pub refused: u64,
    /// Ports left in the pool.
    pub free_ports: usize,
}

pub(crate) fn end_cause(ended: signaling_core::event::Ended) -> EndCause {
    use signaling_core::event::Ended;
    match ended {
        Ended::Bye => EndCause::Bye,
        Ended::HungUp => EndCause::Stopped,
        Ended::NotEstablished => EndCause::NotEstablished,
        Ended::SessionTimer => EndCause::SessionTimer,
    }
}
