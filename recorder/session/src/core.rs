//! One owner, one input at a time: dispatch, the tables, and the small steps that several inputs share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{
    Entropy, Fact, GapCause, Order, Receipt, RecordingId, Refused, Report, RsId, Timestamp, TrackId, TrackTotals,
};
use signaling_core::event::{DialogId, Event, Warning};

use crate::{
    Config, Input, Output, PortPool, Stats,
    cti::Calls,
    limits,
    restore::Revival,
    state::{JoinKey, Session},
    table::Recordings,
};

/// The decision core. See the crate's contract.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: Config,
    pub(crate) ports: PortPool,
    /// Boxed: a tree of large values is half empty.
    pub(crate) sessions: BTreeMap<RsId, Box<Session>>,
    pub(crate) recordings: Recordings,
    pub(crate) by_join_key: HashMap<JoinKey, RecordingId>,
    /// Live recordings by the communication session that their metadata names.
    pub(crate) by_communication: HashMap<String, BTreeSet<RecordingId>>,
    pub(crate) has_room: bool,
    pub(crate) is_draining: bool,
    pub(crate) refused: u64,
    pub(crate) revival: Revival,
    pub(crate) calls: Calls,
}

/// The surroundings of one decision.
pub(crate) struct Step<'a> {
    pub(crate) now: Timestamp,
    pub(crate) entropy: &'a mut dyn Entropy,
    pub(crate) out: &'a mut Output,
}

impl Core {
    /// An empty core.
    pub fn new(config: Config) -> Self {
        Self {
            ports: PortPool::new(config.ports.clone()),
            config,
            sessions: BTreeMap::new(),
            recordings: Recordings::default(),
            by_join_key: HashMap::new(),
            by_communication: HashMap::new(),
            has_room: true,
            is_draining: false,
            refused: 0,
            revival: Revival::default(),
            calls: Calls::default(),
        }
    }

    /// Decides what follows from one input.
    pub fn apply(&mut self, input: Input, now: Timestamp, entropy: &mut dyn Entropy, out: &mut Output) {
        let mut step = Step { now, entropy, out };
        match input {
            Input::Signal(event) => self.signal(event, &mut step),
            Input::Cti(event) => self.cti(event, &mut step),
            Input::Capture(report) => self.capture(report, &mut step),
            Input::Spool(receipt) => self.receipt(receipt, &mut step),
            Input::Surveyed { track, chunks, last } => self.surveyed(track, chunks, last, &mut step),
            Input::Control { command, ticket } => {
                let reply = self.command(command, &mut step);
                step.out.replies.push((ticket, reply));
            }
            Input::ControlCall { command, ticket } => {
                let reply = self.call_command(command, &mut step);
                step.out.replies.push((ticket, reply));
            }
            Input::Recalled { recording, ids } => self.join_by(recording, &ids, &mut step),
            Input::Destroyed(recording) => self.calls.part(recording),
            Input::Finished { recording, outcome } => self.finished(recording, outcome, &mut step),
            Input::Room(has_room) => self.has_room = has_room,
            Input::Drain => self.is_draining = true,
            Input::EndAll => self.end_all(&mut step),
            Input::Tick => self.tick(&mut step),
        }
        self.recordings.settle();
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> Stats {
        let counts = self.recordings.counts();
        Stats { live: counts.live, pending: counts.pending, refused: self.refused, free_ports: self.ports.len() }
    }

    /// Ports at which calls that a crash cut off may go on sending are handed out last, and the others from anywhere on.
    /// To be said after what goes on was restored.
    pub fn rest_ports(&mut self, ports: &BTreeSet<u16>, entropy: &mut dyn Entropy) {
        let mut dice = [0; 4];
        entropy.fill(&mut dice);
        self.ports.rest(ports, u32::from_le_bytes(dice));
    }

    /// No recording is live or on its way to the spool: a drained node may leave. What waits for the archive is
    /// taken up again at the next start.
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.recordings.counts().unsettled == 0
    }

    fn signal(&mut self, event: Event, step: &mut Step<'_>) {
        match event {
            Event::Offered(offered) => self.offered(offered, step),
            Event::Reoffered { dialog, offer, metadata, warnings } => {
                let id = RsId(dialog.0);
                self.showed_life(id);
                // A line that is taken away is told together with who leaves: who fed it must be remembered first.
                if offer.lines.iter().any(|line| !line.state.is_kept()) {
                    self.remember(id);
                }
                self.reoffered(id, offer, step);
                self.learn(id, metadata, warnings, step);
                // With the new lines and the new document together: each alone would be misread.
                self.attribute(id, step);
            }
            Event::MetadataReceived { dialog, metadata, warnings } => {
                self.learn(RsId(dialog.0), Some(metadata), warnings, step);
            }
            Event::PartsReceived { dialog, attachments, warnings } => {
                self.learn(RsId(dialog.0), None, warnings, step);
                self.attach(RsId(dialog.0), attachments, step);
            }
            Event::Controlled { dialog, action } => self.controlled(RsId(dialog.0), action, step),
            Event::Established { dialog } => {
                self.showed_life(RsId(dialog.0));
                self.ask_snapshot(RsId(dialog.0), step);
            }
            Event::Ended { dialog, cause, reason, metadata } => {
                let id = RsId(dialog.0);
                self.learn(id, metadata, Vec::new(), step);
                self.ended(id, crate::end_cause(cause), reason, step);
            }
            Event::Unreachable { dialog } => self.unreachable(session_id(dialog), step),
            Event::TurnedAway { call_id, peer, status, cause } => {
                self.refused += 1;
                step.out.facts.push(Fact::SessionRefused(Refused { call_id, peer: peer.to_string(), status, cause }));
            }
        }
    }

    fn capture(&mut self, report: Report, step: &mut Step<'_>) {
        match report {
            Report::TrackOpened { track } => self.track_opened(track, step),
            Report::TrackRefused { track, cause } => {
                if !self.not_reopened(track, step) {
                    self.track_refused(track, &cause, step);
                }
            }
            Report::MediaStarted { track, at } => {
                self.sounding(track);
                self.heard_again(track, at, step);
            }
            Report::MediaSilent { track, .. } => self.silent(track, step),
            Report::TrackKeyed(keys) => self.keyed(*keys, step),
            Report::TrackSevered { track } => {
                self.warn(track.recording, &Warning::new("dtls_fingerprint_mismatch"), step);
            }
            Report::HandshakeFailed { track, cause } => {
                let warning = Warning { name: "dtls_handshake_failed", detail: Some(cause.to_owned()) };
                self.warn(track.recording, &warning, step);
            }
            Report::TrackClosed(totals) => self.track_closed(totals, step),
        }
    }

    fn track_closed(&mut self, totals: Box<TrackTotals>, step: &mut Step<'_>) {
        let id = totals.track;
        self.over_again(id, step);
        if let Some(track) = self.recordings.get_mut(&id.recording).and_then(|r| r.tracks.get_mut(&id.no)) {
            track.totals = Some(totals);
        }
        self.settle(id, step);
    }

    fn receipt(&mut self, receipt: Receipt, step: &mut Step<'_>) {
        let id = receipt.track;
        if let Some(track) = self.recordings.get_mut(&id.recording).and_then(|r| r.tracks.get_mut(&id.no)) {
            track.receipt = Some(receipt);
        }
        self.settle(id, step);
    }

    /// Says what capture must now do with the track of a line: paused while the line is held or the recording paused.
    pub(crate) fn retell_pauses(&mut self, session: RsId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&session) else { return };
        let is_paused = self.recordings.get(&session.recording).is_some_and(|recording| recording.is_paused);
        for track in session.lines.iter_mut().filter_map(|slot| slot.track.as_mut()) {
            let cause = if is_paused { Some(GapCause::Paused) } else { track.held };
            let id = TrackId { recording: session.recording, no: track.no };
            match (track.told_paused, cause) {
                (false, Some(cause)) => {
                    track.quiet_since = Some((step.now, cause));
                    step.out.orders.push(Order::PauseTrack { track: id, cause });
                }
                (true, None) => {
                    track.note_quiet(step.now);
                    step.out.orders.push(Order::ResumeTrack { track: id });
                }
                _ => continue,
            }
            track.told_paused = cause.is_some();
        }
    }

    /// A named warning, once per name and recording.
    pub(crate) fn warn(&mut self, recording: RecordingId, warning: &Warning, step: &mut Step<'_>) {
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        if state.warned.len() < limits::WARNINGS_PER_RECORDING && state.warned.insert(warning.name.to_owned()) {
            let detail = warning.detail.clone();
            step.out.facts.push(Fact::WarningRaised { recording, name: warning.name.to_owned(), detail });
        }
    }

    /// Turns an open offer down, leaving the attempt in the ledger.
    pub(crate) fn refuse(&mut self, offered: (RsId, String, String), status: u16, cause: &str, step: &mut Step<'_>) {
        let (session, call_id, peer) = offered;
        self.refused += 1;
        step.out.facts.push(Fact::SessionRefused(Refused { call_id, peer, status, cause: cause.to_owned() }));
        let retry_after_s = (status == 503).then_some(limits::RETRY_AFTER_S);
        step.out.orders.push(Order::Refuse { session, status, retry_after_s, warning: None });
    }
}

pub(crate) fn session_id(dialog: DialogId) -> RsId {
    RsId(dialog.0)
}
