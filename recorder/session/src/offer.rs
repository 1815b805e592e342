//! A new recording session: find or make its recording, open its tracks, answer when every port is bound.

use std::collections::BTreeSet;

use model::{
    Codec, CodecKind, Fact, GapCause, LineGrant, MediaSource, OpenTrack, Order, RecordingId, RecordingOpened, RsId,
    ToldTimes, TrackId, TrackNo, TrackOpened,
};
use signaling_core::event::{Line, LineState, Offered, Payload, Warning};

use crate::{
    core::{Core, Step, session_id},
    limits,
    secure::{dtls_terms, is_protected, local_keys, own_key, remote_keys},
    state::{ChannelKey, Pending, Recording, Session, Slot, SlotTrack, Snapshot, TrackState, lasting},
};

impl Core {
    pub(crate) fn offered(&mut self, offered: Box<Offered>, step: &mut Step<'_>) {
        let id = session_id(offered.dialog);
        let recording = match self.place(&offered, step) {
            Ok(recording) => recording,
            Err((status, cause)) => {
                let who = (id, offered.call_id.clone(), offered.peer.to_string());
                return self.refuse(who, status, &cause, step);
            }
        };
        self.sessions.insert(
            id,
            Box::new(Session {
                recording,
                call_id: offered.call_id.clone(),
                peer: offered.peer.to_string(),
                genesys: offered.genesys.as_ref().map(lasting),
                leg: leg(&offered),
                snapshot: Snapshot::default(),
                metadata: None,
                lines: Vec::with_capacity(offered.offer.lines.len()),
                times: ToldTimes::default(),
                pending: None,
            }),
        );
        let mut waiting = BTreeSet::new();
        for (index, line) in offered.offer.lines.iter().enumerate() {
            let track = self.open_line(id, index, line, step);
            let slot = Slot { label: line.label.clone(), track, closed: None };
            waiting.extend(slot.track.as_ref().map(|track| track.no));
            self.session_mut(id).lines.push(slot);
        }
        self.session_mut(id).pending = Some(Pending { waiting, first: Some(offered) });
        self.answer_when_bound(id, step);
    }

    fn session_mut(&mut self, id: RsId) -> &mut Session {
        self.sessions.get_mut(&id).expect("the caller inserted or looked up the session")
    }

    /// The recording this session feeds: the one its Genesys id names while that is live, else a new one.
    fn place(&mut self, offered: &Offered, step: &mut Step<'_>) -> Result<RecordingId, (u16, String)> {
        let busy = |cause: &str| (503, cause.to_owned());
        if self.is_draining {
            return Err(busy("draining"));
        }
        if !self.has_room {
            return Err(busy("no_room"));
        }
        let kept = offered.offer.lines.iter().filter(|line| line.state.is_kept()).count();
        if self.ports.len() < kept.min(limits::LINES_PER_SESSION) {
            return Err(busy("no_free_port"));
        }
        let id = session_id(offered.dialog);
        let join_key = offered.join.as_ref().map(|join| join.key.clone());
        let joined = join_key.as_ref().and_then(|key| self.by_join_key.get(key)).copied();
        if let Some(found) = joined.or_else(|| self.taken_over(id, offered))
            && let Some(recording) = self.recordings.get_mut(&found)
        {
            if recording.sessions.len() >= limits::SESSIONS_PER_RECORDING {
                return Err(busy("sessions_per_recording"));
            }
            recording.sessions.insert(id);
            recording.linger_until = None;
            recording.ended = None;
            return Ok(found);
        }
        if self.recordings.counts().open >= self.config.max_live {
            return Err(busy("max_live"));
        }
        let (ruling, words) = self.rule(offered)?;
        let recording = RecordingId::new(step.now, step.entropy);
        if let Some(key) = &join_key {
            self.by_join_key.insert(key.clone(), recording);
        }
        let mut begun = Recording::new(recording, join_key, id, (step.now, ruling));
        begun.words = words;
        self.recordings.insert(recording, begun);
        Ok(recording)
    }

    /// The recording of the session that this one replaces (RFC 3891); its lines go on in their channels.
    fn taken_over(&mut self, id: RsId, offered: &Offered) -> Option<RecordingId> {
        let old = session_id(offered.replaces?);
        let recording = self.sessions.get(&old)?.recording;
        for channel in &mut self.recordings.get_mut(&recording)?.channels {
            if let ChannelKey::Line(of, _) = channel
                && *of == old
            {
                *of = id;
            }
        }
        Some(recording)
    }

    /// Opens a track for a line, or none when the answer gives the line port 0.
    pub(crate) fn open_line(&mut self, id: RsId, index: usize, line: &Line, step: &mut Step<'_>) -> Option<SlotTrack> {
        let recording = self.sessions.get(&id)?.recording;
        if !line.state.is_kept() {
            return None;
        }
        let is_full = self.recordings.get(&recording)?.next_track >= limits::TRACKS_PER_RECORDING;
        if is_full || index >= limits::LINES_PER_SESSION {
            self.warn(recording, &Warning::new("too_many_lines"), step);
            return None;
        }
        let Some(port) = self.ports.take() else {
            self.warn(recording, &Warning::new("no_free_port"), step);
            return None;
        };
        let channel = self.channel_of(id, index as u16);
        let state = self.recordings.get_mut(&recording)?;
        let no = TrackNo(state.next_track);
        state.next_track += 1;
        state.tracks.insert(no, TrackState { port, totals: None, receipt: None, is_done: false, is_silent: false });
        let is_paused = state.is_paused;
        let local_key = own_key(line, step);
        let held = held(&line.state);
        let track = SlotTrack {
            no,
            port,
            channel,
            opened_at: step.now,
            local_key,
            remote: line.sdes.clone(),
            dtls: line.dtls.clone(),
            payloads: line.payloads.clone(),
            held,
            source: source(line),
            rtcp_mux: line.rtcp_mux,
            told_paused: is_paused || held.is_some(),
            quiet: Vec::new(),
            quiet_since: if is_paused { Some(GapCause::Paused) } else { held }.map(|cause| (step.now, cause)),
            attempts: 1,
            is_written: false,
        };
        step.out.orders.push(open_order(recording, &track, is_paused, false));
        Some(track)
    }

    fn channel_of(&mut self, id: RsId, index: u16) -> u8 {
        let Some(session) = self.sessions.get(&id) else { return 0 };
        let key = match session.leg.clone() {
            Some(dn) => ChannelKey::Party(dn, index),
            None => ChannelKey::Line(id, index),
        };
        let Some(recording) = self.recordings.get_mut(&session.recording) else { return 0 };
        if let Some(known) = recording.channels.iter().position(|other| *other == key) {
            return known as u8;
        }
        recording.channels.push(key);
        (recording.channels.len() - 1).min(255) as u8
    }

    pub(crate) fn track_opened(&mut self, id: TrackId, step: &mut Step<'_>) {
        let Some(session) = self.session_waiting_for(id) else { return };
        if let Some(pending) = &mut self.session_mut(session).pending {
            pending.waiting.remove(&id.no);
        }
        self.answer_when_bound(session, step);
    }

    /// The port was taken by somebody else: try the next, a few times.
    pub(crate) fn track_refused(&mut self, id: TrackId, cause: &str, step: &mut Step<'_>) {
        let Some(session) = self.session_waiting_for(id) else { return };
        if !self.retry_port(session, id, step) {
            self.give_up(session, cause, step);
        }
    }

    fn retry_port(&mut self, session: RsId, id: TrackId, step: &mut Step<'_>) -> bool {
        let Some(session) = self.sessions.get_mut(&session) else { return false };
        let of_track = |slot: &Slot| slot.track.as_ref().is_some_and(|track| track.no == id.no);
        let Some(index) = session.lines.iter().position(of_track) else { return false };
        let Some(track) = session.lines[index].track.as_mut() else { return false };
        if track.attempts >= limits::PORT_ATTEMPTS {
            return false;
        }
        let Some(port) = self.ports.take() else { return false };
        self.ports.put(std::mem::replace(&mut track.port, port));
        track.attempts += 1;
        if let Some(recording) = self.recordings.get_mut(&id.recording) {
            step.out.orders.push(open_order(id.recording, track, recording.is_paused, false));
            if let Some(state) = recording.tracks.get_mut(&id.no) {
                state.port = port;
            }
        }
        true
    }

    fn session_waiting_for(&self, id: TrackId) -> Option<RsId> {
        let waits = |session: &RsId| {
            let pending = self.sessions.get(session).and_then(|session| session.pending.as_ref());
            pending.is_some_and(|pending| pending.waiting.contains(&id.no))
        };
        self.recordings.get(&id.recording)?.sessions.iter().copied().find(waits)
    }

    /// No port for a track of the open offer: turn the offer down. A session that was just being opened is forgotten.
    fn give_up(&mut self, id: RsId, cause: &str, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let who = (id, session.call_id.clone(), session.peer.clone());
        let is_first = session.pending.take().is_some_and(|pending| pending.first.is_some());
        self.refuse(who, 503, cause, step);
        if is_first {
            self.forget(id, step);
        } else {
            self.close_unwritten(id, step);
        }
    }

    /// Every port is bound: write down what begins, then answer.
    pub(crate) fn answer_when_bound(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.pending.as_ref().is_some_and(|pending| pending.waiting.is_empty()) {
            return;
        }
        let first = session.pending.take().and_then(|pending| pending.first);
        let recording = session.recording;
        if let Some(offered) = &first {
            self.write_opening(recording, offered, step);
            self.join_call(recording, offered, step);
        }
        let session = self.sessions.get_mut(&id).expect("looked up above");
        let mut lines = Vec::with_capacity(session.lines.len());
        for (index, slot) in session.lines.iter_mut().enumerate() {
            let Some(track) = &mut slot.track else {
                lines.push(LineGrant::Reject);
                continue;
            };
            if !track.is_written {
                track.is_written = true;
                let opened = opened_fact(recording, id, index as u16, slot.label.clone(), track);
                step.out.facts.push(Fact::TrackOpened(opened));
            }
            // Keys of a handshake are not for the answer.
            let srtp = local_keys(track).filter(|_| track.dtls.is_none());
            lines.push(LineGrant::Accept { port: track.port, srtp });
        }
        if let Some(offered) = first {
            self.introduce(id, *offered, step);
        }
        step.out.orders.push(Order::Answer { session: id, lines });
    }

    fn write_opening(&mut self, recording: RecordingId, offered: &Offered, step: &mut Step<'_>) {
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        if !state.is_opened {
            state.is_opened = true;
            let genesys = offered.genesys.as_ref();
            let metadata = offered.metadata.as_ref();
            step.out.facts.push(Fact::RecordingOpened(RecordingOpened {
                recording,
                record_id: genesys
                    .map(|call| call.record_id.clone())
                    .or_else(|| metadata.and_then(|metadata| metadata.session_id.clone())),
                call_uuid: genesys
                    .and_then(|call| call.call_uuid.clone())
                    .or_else(|| offered.correlation.get("genesys_uuid").cloned()),
                conn_id: genesys.and_then(|call| call.conn_id.clone()),
                profile: offered.profile.clone(),
                at: state.opened_at,
            }));
            if !self.config.policy.is_trivial() {
                let ruling = state.ruling.clone();
                step.out.facts.push(Fact::RecordingRuled { recording, ruling });
            }
        }
        step.out.facts.push(Fact::SessionJoined {
            recording,
            session: session_id(offered.dialog),
            call_id: offered.call_id.clone(),
            peer: offered.peer.to_string(),
            profile: offered.profile.clone(),
        });
    }
}

/// The party or the end that a dialog is, where the call has more than one dialog.
fn leg(offered: &Offered) -> Option<String> {
    match &offered.genesys {
        Some(call) => call.dn.clone(),
        None => offered.join.as_ref().and_then(|join| join.legs.first().cloned()),
    }
}

/// The gap cause of a line that is kept but not fed. SDP `inactive` is how a client masks (RFC 7866 7.1.1.1, checklist
/// B9), a zero address is how it holds (Q-HOLD).
pub(crate) fn held(state: &LineState) -> Option<GapCause> {
    match state {
        LineState::Inactive => Some(GapCause::Paused),
        LineState::Hold => Some(GapCause::Hold),
        LineState::Active | LineState::Removed | LineState::Unusable(_) => None,
    }
}

pub(crate) fn source(line: &Line) -> MediaSource {
    MediaSource { address: line.address, port: line.port, rtcp: line.rtcp }
}

pub(crate) fn codecs(payloads: &[Payload]) -> Vec<Codec> {
    payloads
        .iter()
        .map(|payload| Codec {
            payload_type: payload.payload_type,
            kind: CodecKind::by_name(&payload.encoding),
            clock_hz: payload.clock_hz,
        })
        .collect()
}

pub(crate) fn open_order(recording: RecordingId, track: &SlotTrack, is_paused: bool, joins_late: bool) -> Order {
    Order::OpenTrack(Box::new(OpenTrack {
        track: TrackId { recording, no: track.no },
        port: track.port,
        source: track.source,
        rtcp_mux: track.rtcp_mux,
        srtp_remote: track.remote.as_ref().map(remote_keys),
        srtp_local: local_keys(track),
        // With keys the handshake is behind us, even if a process before this one made it.
        dtls: track.dtls.as_deref().filter(|_| track.remote.is_none()).map(dtls_terms),
        codecs: codecs(&track.payloads),
        paused: if is_paused { Some(GapCause::Paused) } else { track.held },
        joins_late,
    }))
}

pub(crate) fn opened_fact(
    recording: RecordingId,
    session: RsId,
    line: u16,
    label: Option<String>,
    track: &SlotTrack,
) -> TrackOpened {
    let payloads =
        track.payloads.iter().map(|p| (p.payload_type, p.encoding.clone(), p.clock_hz, p.channels)).collect();
    let sound = |kind: &CodecKind| !matches!(kind, CodecKind::TelephoneEvent | CodecKind::ComfortNoise);
    let kinds = || track.payloads.iter().map(|payload| CodecKind::by_name(&payload.encoding)).filter(sound);
    let codec = kinds().find(|kind| *kind != CodecKind::Other).or_else(|| kinds().next()).unwrap_or(CodecKind::Other);
    TrackOpened {
        recording,
        track: track.no,
        session,
        label,
        line,
        channel: track.channel,
        port: track.port,
        codec,
        payloads,
        srtp: is_protected(track),
        at: track.opened_at,
    }
}
