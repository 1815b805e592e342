//! A recording that outlives the process: what of it is written down, and how it goes on after a crash.
//!
//! ```text
//! track 0  ----chunk--chunk--x                      TrackClosed(0): gap `crash` from the last kept packet ...
//! track 2                          [---chunk--...    ... to the first packet of the track that goes on in its channel
//! ```
//! The root writes [`Core::state`] whenever it changes, sealed. At the next start it reads each with [`Found::read`],
//! gives it to [`Core::restore`] before any other input, and tells later, by [`crate::Input::Surveyed`], what the spool
//! holds of each interrupted track. A session from which nothing is heard within the configured time has ended.

use std::collections::{BTreeMap, BTreeSet};

use model::{EndCause, Fact, Gap, GapCause, Order, Receipt, RecordingId, RsId, Timestamp, TrackCounters, TrackId};
use model::{Secret, TrackNo, TrackTotals};
use serde::{Deserialize, Serialize};
use signaling_core::event::Warning;

use crate::{
    core::{Core, Step},
    limits,
    offer::{open_order, opened_fact},
    state::{Recording, Session, SlotTrack, TrackState},
};

/// Another layout of the state: raised when an older state can no longer be read. Such a recording is closed.
const VERSION: u32 = 1;
/// Octets of most states: one session of two lines with keys.
const STATE_OCTETS: usize = 3_072;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    recording: &'a Recording,
    sessions: Vec<(RsId, &'a Session)>,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    recording: Recording,
    sessions: Vec<(RsId, Session)>,
}

/// A recording that was live when the process ended, with what ledger and signaling know of it.
#[derive(Debug)]
pub struct Found {
    /// Every track that the ledger knows, with its chunks where it was closed.
    pub tracks: Vec<(TrackNo, Option<u32>)>,
    /// The sessions whose dialog goes on too; others have ended.
    pub dialogs: BTreeSet<RsId>,
    recording: Recording,
    sessions: Vec<(RsId, Session)>,
}

impl Found {
    /// Reads what [`Core::state`] wrote. `None` when it is damaged or of another version.
    pub fn read(state: &[u8]) -> Option<Self> {
        let Read { version, recording, sessions } = serde_json::from_slice(state).ok()?;
        (version == VERSION).then(|| Self { tracks: Vec::new(), dialogs: BTreeSet::new(), recording, sessions })
    }

    /// Which recording it is.
    pub fn recording(&self) -> RecordingId {
        self.recording.id
    }

    /// The sessions that fed it.
    pub fn sessions(&self) -> impl Iterator<Item = RsId> + '_ {
        self.sessions.iter().map(|(id, _)| *id)
    }
}

/// What goes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Sessions that feed the recording again.
    pub sessions: Vec<RsId>,
    /// Tracks whose end has to be told by [`crate::Input::Surveyed`].
    pub interrupted: Vec<TrackId>,
}

/// Everything that is known only of recordings that a crash interrupted.
#[derive(Debug, Default)]
pub(crate) struct Revival {
    interrupted: BTreeMap<TrackId, Interrupted>,
    /// Tracks that have not been heard yet, with the track before them and their session.
    successors: BTreeMap<TrackId, (TrackId, RsId)>,
    /// Sessions that have shown no life yet, and until when they may.
    awaited: BTreeMap<RsId, Timestamp>,
}

/// A track that a crash cut off.
#[derive(Debug)]
struct Interrupted {
    /// Spans before the crash in which it kept nothing on purpose.
    quiet: Vec<Gap>,
    /// Begin of what the crash cost, where the spool holds nothing.
    opened_at: Timestamp,
    /// It kept nothing when the crash came, for this reason since then.
    quiet_since: Option<(Timestamp, GapCause)>,
    /// Its chunks and its last packet, once surveyed.
    kept: Option<(u32, Option<Timestamp>)>,
    /// When sound was there again, or never came any more.
    until: Option<Timestamp>,
}

impl Core {
    /// The state of a live recording as it has to survive this process. It holds keys and names: seal it. `None` when
    /// the recording is not live, or not answered yet.
    pub fn state(&self, id: RecordingId) -> Option<Secret> {
        let recording =
            self.recordings.get(&id).filter(|recording| recording.is_opened && recording.ended.is_none())?;
        let answered = |session: &&Session| session.pending.as_ref().is_none_or(|pending| pending.first.is_none());
        let session = |id: &RsId| Some((*id, self.sessions.get(id).map(Box::as_ref).filter(answered)?));
        let sessions: Vec<_> = recording.sessions.iter().filter_map(session).collect();
        if sessions.is_empty() && recording.linger_until.is_none() {
            return None;
        }
        // Room for most at once: growing would copy it five times, and leave as many copies behind.
        let mut state = Vec::with_capacity(STATE_OCTETS);
        serde_json::to_writer(&mut state, &Written { version: VERSION, recording, sessions }).ok()?;
        Some(Secret::new(state))
    }

    /// The recording that a session feeds.
    pub fn recording_of(&self, session: RsId) -> Option<RecordingId> {
        self.sessions.get(&session).map(|session| session.recording)
    }

    /// Answered sessions that feed a recording.
    pub fn sessions_feeding(&self, id: RecordingId) -> Vec<RsId> {
        let feeds = |session: &&RsId| {
            let pending = self.sessions.get(session).and_then(|session| session.pending.as_ref());
            pending.is_none_or(|pending| pending.first.is_none())
        };
        self.recordings.get(&id).map_or_else(Vec::new, |known| known.sessions.iter().filter(feeds).copied().collect())
    }

    /// Takes a recording up again: its lines go on in new tracks, on the same ports and channels. `None`, and nothing
    /// changed, when no session of it goes on and it waits for no other leg.
    pub fn restore(
        &mut self,
        found: Found,
        now: Timestamp,
        entropy: &mut dyn model::Entropy,
        out: &mut crate::Output,
    ) -> Option<Restored> {
        let Found { tracks, dialogs, mut recording, sessions } = found;
        let (alive, ended): (Vec<_>, Vec<_>) = sessions.into_iter().partition(|(id, _)| dialogs.contains(id));
        if alive.is_empty() && recording.linger_until.is_none_or(|until| until <= now) {
            return None;
        }
        let step = &mut Step { now, entropy, out };
        let id = recording.id;
        let next = tracks.iter().map(|(no, _)| no.0 + 1).max().unwrap_or(0);
        recording.next_track = recording.next_track.max(next);
        recording.sessions = alive.iter().chain(&ended).map(|(session, _)| *session).collect();
        let closed = |no: &(TrackNo, Option<u32>)| (no.0, closed_track(id, *no));
        recording.tracks = tracks.iter().map(closed).collect();
        if let Some(communication) = &recording.communication {
            self.by_communication.entry(communication.clone()).or_default().insert(id);
        }
        if let Some(key) = &recording.join_key {
            self.by_join_key.insert(key.clone(), id);
        }
        let call = recording.call.clone();
        self.recordings.insert(id, recording);
        if let Some(ids) = call {
            self.join_by(id, &ids, step);
        }
        let mut cut: BTreeMap<TrackNo, Interrupted> = BTreeMap::new();
        for no in tracks.iter().filter(|(_, chunks)| chunks.is_none()).map(|(no, _)| *no) {
            let nothing = Interrupted::new(now);
            cut.insert(no, nothing);
        }
        let sessions: Vec<RsId> = alive.iter().map(|(session, _)| *session).collect();
        for (session, state) in alive.into_iter().chain(ended) {
            self.sessions.insert(session, Box::new(state));
            // The tracks so far are credited to who fed them before their numbers are forgotten.
            self.remember(session);
            self.go_on(session, dialogs.contains(&session), &mut cut, step);
        }
        let interrupted: Vec<TrackId> = cut.keys().map(|no| TrackId { recording: id, no: *no }).collect();
        for (no, track) in cut {
            self.revival.interrupted.insert(TrackId { recording: id, no }, track);
        }
        for session in self.sessions_feeding(id) {
            if sessions.contains(&session) {
                self.attribute(session, step);
            } else {
                self.ended(session, EndCause::Crash, Some("the dialog is not known any more".into()), step);
            }
        }
        self.recordings.settle();
        Some(Restored { sessions, interrupted })
    }

    /// Gives every line of a session a new track in the place of the one that was cut off.
    fn go_on(&mut self, id: RsId, is_alive: bool, cut: &mut BTreeMap<TrackNo, Interrupted>, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let recording = session.recording;
        let mut lines = std::mem::take(&mut session.lines);
        let mut is_quiet = true;
        for (index, slot) in lines.iter_mut().enumerate() {
            let Some(before) = slot.track.take_if(|track| track.is_written) else {
                slot.track = None;
                continue;
            };
            slot.closed = Some(before.no);
            let old = before.no;
            let mut broken = Interrupted::of(&before, step.now);
            let next = if is_alive { self.next_track(recording, before, step) } else { None };
            if let Some(track) = next {
                let label = slot.label.clone();
                let opened = opened_fact(recording, id, index as u16, label, &track);
                step.out.facts.push(Fact::TrackOpened(opened));
                let is_paused = self.recordings.get(&recording).is_some_and(|recording| recording.is_paused);
                step.out.orders.push(open_order(recording, &track, is_paused, true));
                let place = |no| TrackId { recording, no };
                self.revival.successors.insert(place(track.no), (place(old), id));
                is_quiet &= track.held.is_some();
                slot.track = Some(track);
            } else {
                broken.until.get_or_insert(step.now);
            }
            cut.insert(old, broken);
        }
        if is_alive {
            let wait = if is_quiet { self.config.resume_held_wait_ms } else { self.config.resume_wait_ms };
            self.revival.awaited.insert(id, step.now.plus_nanos(wait.saturating_mul(1_000_000)));
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.lines = lines;
        }
    }

    /// The track that goes on where `before` was cut off; none when the recording has too many.
    fn next_track(&mut self, id: RecordingId, before: SlotTrack, step: &mut Step<'_>) -> Option<SlotTrack> {
        let recording = self.recordings.get_mut(&id)?;
        if recording.next_track >= limits::TRACKS_PER_RECORDING {
            self.warn(id, &Warning::new("too_many_lines"), step);
            return None;
        }
        let no = TrackNo(recording.next_track);
        recording.next_track += 1;
        // A port outside the range of today is used all the same: the peer sends there. It does not come back.
        let port = if self.ports.claim(before.port) { before.port } else { 0 };
        recording.tracks.insert(no, TrackState { port, totals: None, receipt: None, is_done: false, is_silent: false });
        let cause = if recording.is_paused { Some(GapCause::Paused) } else { before.held };
        Some(SlotTrack {
            no,
            opened_at: step.now,
            told_paused: cause.is_some(),
            quiet: Vec::new(),
            quiet_since: cause.map(|cause| (step.now, cause)),
            ..before
        })
    }

    /// What the spool holds of an interrupted track: chunks, and when its last packet came.
    pub(crate) fn surveyed(&mut self, id: TrackId, chunks: u32, last: Option<Timestamp>, step: &mut Step<'_>) {
        if let Some(track) = self.revival.interrupted.get_mut(&id) {
            track.kept = Some((chunks, last));
        }
        self.close_interrupted(id, step);
    }

    /// The first packet of a track: the gap before it has an end, and its session lives.
    pub(crate) fn heard_again(&mut self, id: TrackId, at: Timestamp, step: &mut Step<'_>) {
        let Some((before, session)) = self.revival.successors.remove(&id) else { return };
        self.revival.awaited.remove(&session);
        self.end_gap(before, at, step);
    }

    /// A track is over, heard or not: what was cut off before it ends at last.
    pub(crate) fn over_again(&mut self, id: TrackId, step: &mut Step<'_>) {
        if let Some((before, _)) = self.revival.successors.remove(&id) {
            self.end_gap(before, step.now, step);
        }
    }

    /// The port of a track that was to go on is not to be had: the line ends here. True when it was such a track.
    pub(crate) fn not_reopened(&mut self, id: TrackId, step: &mut Step<'_>) -> bool {
        let Some((before, session)) = self.revival.successors.remove(&id) else { return false };
        if let Some(session) = self.sessions.get_mut(&session) {
            let is_it = |track: &mut SlotTrack| track.no == id.no;
            session.lines.iter_mut().for_each(|slot| drop(slot.track.take_if(is_it)));
        }
        self.warn(id.recording, &Warning::new("port_lost_by_crash"), step);
        self.end_gap(before, step.now, step);
        self.settle_with(id, (0, Vec::new()), step);
        true
    }

    fn end_gap(&mut self, id: TrackId, at: Timestamp, step: &mut Step<'_>) {
        if let Some(track) = self.revival.interrupted.get_mut(&id) {
            track.until.get_or_insert(at);
        }
        self.close_interrupted(id, step);
    }

    fn close_interrupted(&mut self, id: TrackId, step: &mut Step<'_>) {
        let is_known = |track: &Interrupted| track.until.is_some() && track.kept.is_some();
        if self.revival.interrupted.get(&id).is_some_and(is_known)
            && let Some(track) = self.revival.interrupted.remove(&id)
        {
            let (chunks, last) = track.kept.unwrap_or_default();
            self.settle_with(id, (chunks, track.gaps(last, step.now)), step);
        }
    }

    fn settle_with(&mut self, id: TrackId, (chunks, gaps): (u32, Vec<Gap>), step: &mut Step<'_>) {
        let state = self.recordings.get_mut(&id.recording).and_then(|recording| recording.tracks.get_mut(&id.no));
        if let Some(state) = state {
            let counters = TrackCounters::default();
            state.totals = Some(Box::new(TrackTotals { track: id, counters, gaps, chunks }));
            state.receipt = Some(Receipt { track: id, chunks, octets: 0, complete: true });
        }
        self.settle(id, step);
    }

    /// The peer said something in the session.
    pub(crate) fn showed_life(&mut self, session: RsId) {
        self.revival.awaited.remove(&session);
    }

    /// Ends the sessions that have shown no life in time.
    pub(crate) fn end_unheard(&mut self, step: &mut Step<'_>) {
        let due = |(_, until): &(&RsId, &Timestamp)| **until <= step.now;
        let due: Vec<RsId> = self.revival.awaited.iter().filter(due).map(|(session, _)| *session).collect();
        for session in due {
            self.revival.awaited.remove(&session);
            step.out.orders.push(Order::HangUp { session });
            self.ended(session, EndCause::Crash, Some("nothing was heard after the restart".into()), step);
        }
    }
}

impl Interrupted {
    /// A track whose line was gone already: only its end was not written.
    fn new(now: Timestamp) -> Self {
        Self { quiet: Vec::new(), opened_at: now, quiet_since: None, kept: None, until: Some(now) }
    }

    fn of(track: &SlotTrack, now: Timestamp) -> Self {
        Self {
            quiet: track.quiet.clone(),
            opened_at: track.opened_at,
            quiet_since: track.quiet_since,
            kept: None,
            // Kept nothing before, keeps nothing after: no packet has to be waited for.
            until: track.quiet_since.map(|_| now),
        }
    }

    fn gaps(self, last: Option<Timestamp>, now: Timestamp) -> Vec<Gap> {
        let to = self.until.unwrap_or(now);
        let gap = match self.quiet_since {
            Some((from, cause)) => Gap { from, to: to.max(from), cause },
            None => {
                let from = last.unwrap_or(self.opened_at);
                Gap { from, to: to.max(from), cause: GapCause::Crash }
            }
        };
        self.quiet.into_iter().chain([gap]).collect()
    }
}

fn closed_track(recording: RecordingId, (no, chunks): (TrackNo, Option<u32>)) -> TrackState {
    let track = TrackId { recording, no };
    let receipt = chunks.map(|chunks| Receipt { track, chunks, octets: 0, complete: true });
    TrackState { port: 0, totals: None, is_done: receipt.is_some(), receipt, is_silent: false }
}
