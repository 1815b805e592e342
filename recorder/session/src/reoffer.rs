//! A re-INVITE or UPDATE: lines held and resumed, moved, re-keyed, added and removed, on the same timeline.

use std::collections::BTreeSet;

use model::{Actor, EndCause, Fact, Order, RetuneTrack, RsId, TrackId};
use signaling_core::event::{Line, Offer, Payload, Warning};

use crate::{
    core::{Core, Step},
    offer::{codecs, held, opened_fact, source},
    secure::{is_protected, local_keys, own_key, rehandshaken, remote_keys},
    state::{Pending, Slot, SlotTrack},
};

impl Core {
    pub(crate) fn reoffered(&mut self, id: RsId, offer: Offer, step: &mut Step<'_>) {
        if !self.sessions.contains_key(&id) {
            return step.out.orders.push(Order::Refuse {
                session: id,
                status: 481,
                retry_after_s: None,
                warning: None,
            });
        }
        self.note_label_swap(id, &offer, step);
        let mut waiting = BTreeSet::new();
        for (index, line) in offer.lines.iter().enumerate() {
            self.retune_line(id, index, line, &mut waiting, step);
        }
        self.retell_pauses(id, step);
        self.note_idle(id, step);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.pending = Some(Pending { waiting, first: None });
        }
        self.answer_when_bound(id, step);
    }

    fn retune_line(
        &mut self,
        id: RsId,
        index: usize,
        line: &Line,
        waiting: &mut BTreeSet<model::TrackNo>,
        step: &mut Step<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.lines.len() <= index {
            session.lines.resize_with(index + 1, Slot::default);
        }
        let recording = session.recording;
        let slot = &mut session.lines[index];
        let label_moved = slot.label != line.label;
        slot.label.clone_from(&line.label);
        match (&mut slot.track, line.state.is_kept()) {
            (Some(track), true) => {
                let is_other = retune(recording, track, line, step);
                if (is_other || label_moved) && track.is_written {
                    let label = slot.label.clone();
                    let opened = opened_fact(recording, id, index as u16, label, track);
                    step.out.facts.push(Fact::TrackOpened(opened));
                }
            }
            (Some(_), false) => {
                if let Some(track) = slot.track.take() {
                    slot.closed = Some(track.no);
                    step.out.orders.push(Order::CloseTrack { track: TrackId { recording, no: track.no } });
                }
            }
            (None, true) => {
                let track = self.open_line(id, index, line, step);
                waiting.extend(track.as_ref().map(|track| track.no));
                if let Some(slot) = self.sessions.get_mut(&id).and_then(|session| session.lines.get_mut(index)) {
                    slot.track = track;
                }
            }
            (None, false) => {}
        }
    }

    /// Two lines that exchange their labels keep their tracks; only attribution follows (vector 527).
    fn note_label_swap(&mut self, id: RsId, offer: &Offer, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get(&id) else { return };
        let recording = session.recording;
        let moved = |index: usize, slot: &Slot| {
            let now = offer.lines.get(index).and_then(|line| line.label.as_ref());
            slot.label.is_some() && now.is_some() && now != slot.label.as_ref()
        };
        if session.lines.iter().enumerate().any(|(index, slot)| moved(index, slot)) {
            self.warn(recording, &Warning::new("label_swap"), step);
        }
    }

    /// Tells the timeline when every line of a recording fell silent by signaling, and when the first spoke again.
    pub(crate) fn note_idle(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(recording_id) = self.sessions.get(&id).map(|session| session.recording) else { return };
        let Some(recording) = self.recordings.get(&recording_id) else { return };
        let mut causes = recording
            .sessions
            .iter()
            .filter_map(|id| self.sessions.get(id))
            .flat_map(|session| &session.lines)
            .filter_map(|slot| slot.track.as_ref())
            .map(|track| track.held);
        let Some(first) = causes.next() else { return };
        let cause = causes.fold(first, |all, one| all.and(one));
        let Some(recording) = self.recordings.get_mut(&recording_id) else { return };
        let (at, actor) = (step.now, Actor { id: "peer".into(), role: None });
        match (recording.is_idle, cause) {
            (false, Some(cause)) => step.out.facts.push(Fact::RecordingPaused {
                recording: recording_id,
                at,
                cause,
                actor,
                reason: Some("signaling".into()),
            }),
            (true, None) if !recording.is_paused => {
                let reason = Some("signaling".into());
                step.out.facts.push(Fact::RecordingResumed { recording: recording_id, at, actor, reason });
            }
            _ => {}
        }
        recording.is_idle = cause.is_some();
    }

    /// Tracks that a turned-down re-offer wanted to add.
    pub(crate) fn close_unwritten(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let recording = session.recording;
        for slot in &mut session.lines {
            if let Some(track) = slot.track.take_if(|track| !track.is_written) {
                step.out.orders.push(Order::CloseTrack { track: TrackId { recording, no: track.no } });
            }
        }
    }

    pub(crate) fn ended(&mut self, id: RsId, cause: EndCause, reason: Option<String>, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get(&id) else { return };
        let recording = session.recording;
        if session.pending.as_ref().is_some_and(|pending| pending.first.is_some()) {
            let (call_id, peer) = (session.call_id.clone(), session.peer.clone());
            let cause = "cancelled".to_owned();
            step.out.facts.push(Fact::SessionRefused(model::Refused { call_id, peer, status: 487, cause }));
            return self.forget(id, step);
        }
        self.remember(id);
        let Some(mut session) = self.sessions.remove(&id) else { return };
        for track in session.lines.iter_mut().filter_map(|slot| slot.track.take()) {
            step.out.orders.push(Order::CloseTrack { track: TrackId { recording, no: track.no } });
        }
        step.out.facts.push(Fact::SessionEnded { recording, session: id, cause, reason });
        self.left(recording, id, cause, step);
    }
}

/// What changed on a line that goes on. True when the payload table did, or the line is protected from now on.
fn retune(recording: model::RecordingId, track: &mut SlotTrack, line: &Line, step: &mut Step<'_>) -> bool {
    let was_protected = is_protected(track);
    track.held = held(&line.state);
    track.source = source(line);
    let is_rekeyed = line.sdes.is_some() && line.sdes != track.remote;
    let before = local_keys(track);
    if let Some(sdes) = line.sdes.as_ref().filter(|_| is_rekeyed) {
        // Our key lives as long as its suite does (RFC 4568 7.1.4): the peer may keep decrypting what we send.
        let is_other = track.remote.as_ref().is_none_or(|known| known.suite != sdes.suite);
        if track.dtls.is_some() || line.own_key.is_some() || is_other {
            track.local_key = own_key(line, step);
        }
        track.remote = Some(sdes.clone());
    }
    let dtls = rehandshaken(track, line);
    step.out.orders.push(Order::RetuneTrack(Box::new(RetuneTrack {
        track: TrackId { recording, no: track.no },
        source: track.source,
        srtp_remote: if is_rekeyed { line.sdes.as_ref().map(remote_keys) } else { None },
        // Never the one that is in use: its indices would begin anew (RFC 3711 3.2.1).
        srtp_local: if is_rekeyed { local_keys(track).filter(|now| before.as_ref() != Some(now)) } else { None },
        dtls,
        codecs: codecs(&line.payloads),
    })));
    let payloads = newest_first(&track.payloads, &line.payloads);
    let is_other = payloads != track.payloads || is_protected(track) != was_protected;
    track.payloads = payloads;
    is_other
}

/// What the line speaks now comes first, then what it spoke before: packets already kept still need it. A payload type
/// keeps its meaning for the whole session (RFC 3264 8.3.2).
fn newest_first(known: &[Payload], offered: &[Payload]) -> Vec<Payload> {
    let of = |list: &[Payload], wanted: u8| list.iter().find(|payload| payload.payload_type == wanted).cloned();
    let now = offered.iter().map(|payload| of(known, payload.payload_type).unwrap_or_else(|| payload.clone()));
    let before = known.iter().filter(|payload| of(offered, payload.payload_type).is_none()).cloned();
    now.chain(before).collect()
}
