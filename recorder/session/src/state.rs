//! What the core remembers: a recording with its tracks, a session with its lines.

use std::collections::{BTreeMap, BTreeSet};

use model::{EndCause, GapCause, Party, Receipt, RecordingId, RsId, Secret, Timestamp, TrackNo, TrackTotals};
use signaling_core::event::{GenesysCall, Line, Metadata, Offered, Payload, Sdes};

/// One recording that is live or waits for its archive.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) id: RecordingId,
    /// Under which a second leg or a continuation finds it: (record id, CallUUID).
    pub(crate) join_key: Option<JoinKey>,
    /// `RecordingOpened` was written.
    pub(crate) is_opened: bool,
    pub(crate) opened_at: Timestamp,
    pub(crate) sessions: BTreeSet<RsId>,
    pub(crate) tracks: BTreeMap<TrackNo, TrackState>,
    pub(crate) next_track: u16,
    /// Paused by command.
    pub(crate) is_paused: bool,
    /// All lines were inactive when last looked at: a pause fact was written for it.
    pub(crate) is_idle: bool,
    /// Who feeds which channel.
    pub(crate) channels: Vec<ChannelKey>,
    /// DNs that fed it: two of them make a complete per-party pair.
    pub(crate) dns: BTreeSet<String>,
    /// No session is left; it ends then unless another leg comes.
    pub(crate) linger_until: Option<Timestamp>,
    pub(crate) ended: Option<(Timestamp, EndCause)>,
    pub(crate) warned: BTreeSet<String>,
    /// As last written down.
    pub(crate) parties: Vec<Party>,
    /// Said by sessions that have ended, or by metadata since replaced.
    pub(crate) past_parties: Vec<Party>,
}

pub(crate) type JoinKey = (String, Option<String>);

/// What makes two tracks one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelKey {
    /// The m-line of a session: a re-opened line goes on in its channel.
    Line(RsId, u16),
    /// The m-line of a Genesys party: a continuation from another Media Server goes on in its channel.
    Party(String, u16),
}

/// One track of a recording.
#[derive(Debug)]
pub(crate) struct TrackState {
    pub(crate) port: u16,
    pub(crate) totals: Option<Box<TrackTotals>>,
    pub(crate) receipt: Option<Receipt>,
    /// `TrackClosed` was written, or it never opened.
    pub(crate) is_done: bool,
}

/// One recording session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) recording: RecordingId,
    pub(crate) call_id: String,
    pub(crate) peer: String,
    pub(crate) genesys: Option<GenesysCall>,
    /// Merged over all documents of the session.
    pub(crate) metadata: Option<Metadata>,
    pub(crate) lines: Vec<Slot>,
    /// The offer that waits for ports.
    pub(crate) pending: Option<Pending>,
}

/// One m-line of a session.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) label: Option<String>,
    pub(crate) track: Option<SlotTrack>,
}

/// The track that an m-line feeds now.
#[derive(Debug)]
pub(crate) struct SlotTrack {
    pub(crate) no: TrackNo,
    pub(crate) port: u16,
    pub(crate) channel: u8,
    pub(crate) opened_at: Timestamp,
    /// Our key, for the life of the track.
    pub(crate) local_key: Option<Secret>,
    pub(crate) remote: Option<Sdes>,
    pub(crate) payloads: Vec<Payload>,
    /// The line is inactive or on hold.
    pub(crate) held: Option<GapCause>,
    /// What the capture was last told.
    pub(crate) told_paused: bool,
    /// Ports tried so far.
    pub(crate) attempts: u8,
    /// `TrackOpened` was written.
    pub(crate) is_written: bool,
}

/// An offer whose new tracks wait for their ports.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) waiting: BTreeSet<TrackNo>,
    /// Its m-lines.
    pub(crate) lines: Vec<Line>,
    /// The INVITE that began the session; `None` for a re-offer.
    pub(crate) first: Option<Box<Offered>>,
}
