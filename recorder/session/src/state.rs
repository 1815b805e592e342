//! What the core remembers: a recording with its tracks, a session with its lines.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Actor, EndCause, Gap, GapCause, MediaSource, Party, Receipt, RecordingId, RsId, Ruling, Secret, SmallMap, SmallSet,
    Timestamp, ToldTimes, TrackNo, TrackTotals, Treatment,
};
use serde::{Deserialize, Serialize};
use signaling_core::{
    event::{Dtls, GenesysCall, Metadata, Offered, Payload, Sdes},
    tlib::event::CallIds,
};

use crate::{limits, policy::Words};

/// One recording that is live or waits for its archive. What is written down of it survives a crash.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recording {
    pub(crate) id: RecordingId,
    /// Under which a second leg or a continuation finds it: (record id, CallUUID).
    pub(crate) join_key: Option<JoinKey>,
    /// `RecordingOpened` was written.
    pub(crate) is_opened: bool,
    pub(crate) opened_at: Timestamp,
    pub(crate) sessions: SmallSet<RsId>,
    #[serde(skip)]
    pub(crate) tracks: SmallMap<TrackNo, TrackState>,
    pub(crate) next_track: u16,
    /// Paused by command.
    pub(crate) is_paused: bool,
    /// All lines were inactive when last looked at: a pause fact was written for it.
    pub(crate) is_idle: bool,
    /// Who feeds which channel.
    pub(crate) channels: Vec<ChannelKey>,
    /// DNs that fed it: two of them make a complete per-party pair.
    pub(crate) dns: SmallSet<String>,
    /// No session is left; it ends then unless another leg comes.
    pub(crate) linger_until: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) ended: Option<(Timestamp, EndCause)>,
    pub(crate) warned: SmallSet<String>,
    /// Attachments written down so far.
    pub(crate) attachments: usize,
    /// As last written down.
    pub(crate) parties: Vec<Party>,
    /// Said by sessions that have ended, or by metadata since replaced.
    pub(crate) past_parties: Vec<Party>,
    /// The communication session that it is of, as its metadata says.
    #[serde(default)]
    pub(crate) communication: Option<String>,
    /// The call that it is of.
    #[serde(default)]
    pub(crate) call: Option<CallIds>,
    /// Since when it is paused by command.
    #[serde(default)]
    pub(crate) paused_at: Option<Timestamp>,
    /// What the policy said last.
    #[serde(default)]
    pub(crate) ruling: Ruling,
    /// What the policy knows of it beside what its call says; none where everything is recorded.
    #[serde(default)]
    pub(crate) words: Option<Box<Words>>,
    /// Kept only if somebody asks for it.
    #[serde(default)]
    pub(crate) is_provisional: bool,
    /// Somebody asked for its destruction while it was live.
    #[serde(default)]
    pub(crate) discarded_by: Option<(Actor, Option<String>)>,
    /// It is over, provisional, and waits so long for somebody to ask for it.
    #[serde(skip)]
    pub(crate) keep_until: Option<Timestamp>,
}

impl Recording {
    /// One that a session begins now, as the policy wants it.
    pub(crate) fn new(id: RecordingId, join_key: Option<JoinKey>, session: RsId, begin: (Timestamp, Ruling)) -> Self {
        let (opened_at, ruling) = begin;
        Self {
            id,
            join_key,
            is_opened: false,
            opened_at,
            sessions: SmallSet::from([session]),
            tracks: SmallMap::new(),
            next_track: 0,
            is_paused: false,
            is_idle: false,
            channels: Vec::new(),
            dns: SmallSet::new(),
            linger_until: None,
            ended: None,
            warned: SmallSet::new(),
            attachments: 0,
            parties: Vec::new(),
            past_parties: Vec::new(),
            communication: None,
            call: None,
            paused_at: None,
            is_provisional: ruling.treatment == Treatment::Provisional,
            ruling,
            words: None,
            discarded_by: None,
            keep_until: None,
        }
    }
}

pub(crate) type JoinKey = (String, Option<String>);

/// What makes two tracks one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChannelKey {
    /// The m-line of a session: a re-opened line goes on in its channel.
    Line(RsId, u16),
    /// The m-line of a Genesys party: a continuation from another Media Server goes on in its channel.
    Party(String, u16),
}

/// One track of a recording.
#[derive(Debug)]
pub(crate) struct TrackState {
    /// To be given back; 0 when there is none to give.
    pub(crate) port: u16,
    pub(crate) totals: Option<Box<TrackTotals>>,
    pub(crate) receipt: Option<Receipt>,
    /// `TrackClosed` was written, or it never opened.
    pub(crate) is_done: bool,
    /// Nothing has come on it for longer than is allowed.
    pub(crate) is_silent: bool,
}

/// One recording session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) recording: RecordingId,
    pub(crate) call_id: String,
    pub(crate) peer: String,
    pub(crate) genesys: Option<GenesysCall>,
    /// Which of several dialogs of one call this is: a party, an end.
    #[serde(default)]
    pub(crate) leg: Option<String>,
    /// Where asking for metadata stands.
    #[serde(default)]
    pub(crate) snapshot: Snapshot,
    /// Merged over all documents of the session.
    // By pointer, as what many calls do not have.
    pub(crate) metadata: Option<Box<Metadata>>,
    pub(crate) lines: Vec<Slot>,
    /// What its metadata says of times, as last written down.
    pub(crate) times: ToldTimes,
    /// The offer that waits for ports.
    #[serde(skip)]
    pub(crate) pending: Option<Pending>,
}

/// What of a call has to be known for as long as it lives: the rest is told at its beginning.
pub(crate) fn lasting(call: &GenesysCall) -> GenesysCall {
    let GenesysCall { record_id, call_uuid, conn_id, dn, record_dn, other_dn, other: _ } = call;
    GenesysCall {
        record_id: record_id.clone(),
        call_uuid: call_uuid.clone(),
        conn_id: conn_id.clone(),
        dn: dn.clone(),
        record_dn: record_dn.clone(),
        other_dn: other_dn.clone(),
        other: BTreeMap::new(),
    }
}

/// Where asking for a metadata snapshot stands (RFC 7866 9.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Snapshot {
    /// There is nothing to ask, or it was asked, or all is known.
    #[default]
    Settled,
    /// To be asked once the session is established.
    Wanted,
}

/// One m-line of a session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) label: Option<String>,
    pub(crate) track: Option<SlotTrack>,
    /// The track that it fed before it was closed: metadata may tell later when and why.
    pub(crate) closed: Option<TrackNo>,
}

impl Slot {
    /// The track that keeps, or last kept, what came on the line.
    pub(crate) fn track_no(&self) -> Option<TrackNo> {
        self.track.as_ref().map(|track| track.no).or(self.closed)
    }
}

/// The track that an m-line feeds now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SlotTrack {
    pub(crate) no: TrackNo,
    pub(crate) port: u16,
    pub(crate) channel: u8,
    pub(crate) opened_at: Timestamp,
    /// Where its media is expected from.
    pub(crate) source: MediaSource,
    pub(crate) rtcp_mux: bool,
    /// Our key, for the life of the track.
    #[serde(with = "key")]
    pub(crate) local_key: Option<Secret>,
    pub(crate) remote: Option<Sdes>,
    /// What a DTLS-SRTP line agreed on. The keys of its handshake stand in `remote` and `local_key` once they are there.
    #[serde(default)]
    pub(crate) dtls: Option<Box<Dtls>>,
    pub(crate) payloads: Vec<Payload>,
    /// The line is inactive or on hold.
    pub(crate) held: Option<GapCause>,
    /// What the capture was last told.
    pub(crate) told_paused: bool,
    /// Spans in which nothing was kept on purpose, and the one that goes on: what capture knows of them dies with it.
    pub(crate) quiet: Vec<Gap>,
    pub(crate) quiet_since: Option<(Timestamp, GapCause)>,
    /// Ports tried so far.
    pub(crate) attempts: u8,
    /// `TrackOpened` was written.
    pub(crate) is_written: bool,
}

impl SlotTrack {
    /// The span without sound ends here. At the bound the last one is prolonged: coarser, never rosier.
    pub(crate) fn note_quiet(&mut self, to: Timestamp) {
        let Some((from, cause)) = self.quiet_since.take() else { return };
        let is_full = self.quiet.len() >= limits::QUIET_SPANS;
        match self.quiet.last_mut() {
            Some(last) if is_full => last.to = to,
            _ => self.quiet.push(Gap { from, to, cause }),
        }
    }
}

/// An offer whose new tracks wait for their ports.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) waiting: BTreeSet<TrackNo>,
    /// The INVITE that began the session; `None` for a re-offer.
    pub(crate) first: Option<Box<Offered>>,
}

/// A key in the state that is sealed as a whole; nowhere else is a key written.
mod key {
    use model::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(key: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        key.as_ref().map(Secret::reveal).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<Vec<u8>>::deserialize(deserializer)?.map(Secret::new))
    }
}
