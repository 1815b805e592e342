//! How things end: tracks settle when report and receipt agree, recordings when the last leg is gone, and the archive
//! has the last word.

use model::{EndCause, Fact, Gap, GapCause, Order, RecordingId, RsId, TrackClosed, TrackId};
use signaling_core::event::Warning;

use crate::{
    Finished,
    core::{Core, Step},
};

impl Core {
    /// A session that was never answered leaves nothing behind.
    pub(crate) fn forget(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        for track in session.lines.iter_mut().filter_map(|slot| slot.track.take()) {
            step.out.orders.push(Order::CloseTrack { track: TrackId { recording: session.recording, no: track.no } });
        }
        let Some(recording) = self.recordings.get_mut(&session.recording) else { return };
        recording.sessions.remove(&id);
        if recording.is_opened {
            return self.left(session.recording, id, EndCause::NotEstablished, step);
        }
        if recording.sessions.is_empty() {
            self.drop_recording(session.recording, step);
        }
    }

    /// Removes a recording that never began. Its ports come back when capture reports them closed, so the entry stays
    /// until then, under no key.
    fn drop_recording(&mut self, id: RecordingId, step: &mut Step<'_>) {
        self.release_join_key(id);
        step.out.orders.push(Order::DropRecording { recording: id });
        if self.recordings.get(&id).is_some_and(|recording| recording.tracks.is_empty()) {
            self.recordings.remove(&id);
        }
    }

    fn release_join_key(&mut self, id: RecordingId) {
        self.release_communication(id);
        let key = self.recordings.get_mut(&id).and_then(|recording| recording.join_key.take());
        if let Some(key) = key {
            self.by_join_key.remove(&key);
        }
    }

    /// A session of the recording is gone.
    pub(crate) fn left(&mut self, id: RecordingId, session: RsId, cause: EndCause, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        recording.sessions.remove(&session);
        if !recording.sessions.is_empty() {
            return;
        }
        // A first leg that was cancelled has begun nothing that another could complete.
        let has_begun = cause != EndCause::NotEstablished || recording.tracks.values().any(|track| track.is_done);
        let waits_for_leg = recording.join_key.is_some() && recording.dns.len() == 1 && has_begun;
        recording.ended = Some((step.now, cause));
        if waits_for_leg && cause != EndCause::Stopped && self.config.pair_linger_ms > 0 {
            let linger = self.config.pair_linger_ms * 1_000_000;
            recording.linger_until = Some(step.now.plus_nanos(linger));
            recording.ended = None;
            return;
        }
        self.finish_if_settled(id, step);
    }

    pub(crate) fn tick(&mut self, step: &mut Step<'_>) {
        self.end_unheard(step);
        self.end_long_pauses(step);
        self.discard_unkept(step);
        self.calls.expire(step.now);
        // A draining node takes no further leg, so there is nothing to wait for.
        let now = (!self.is_draining).then_some(step.now);
        for id in self.recordings.waited_until(now) {
            if let Some(recording) = self.recordings.get_mut(&id) {
                recording.linger_until = None;
                recording.ended = Some((step.now, EndCause::Bye));
            }
            self.finish_if_settled(id, step);
        }
    }

    /// A track is settled when capture gave its totals and the spool its receipt.
    pub(crate) fn settle(&mut self, id: TrackId, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&id.recording) else { return };
        let is_opened = recording.is_opened;
        let Some(track) = recording.tracks.get_mut(&id.no) else { return };
        let (Some(totals), Some(receipt)) = (&track.totals, track.receipt) else { return };
        if std::mem::replace(&mut track.is_done, true) {
            return;
        }
        if track.port != 0 {
            self.ports.put(track.port);
        }
        if !is_opened {
            if recording.tracks.values().all(|track| track.is_done) && recording.sessions.is_empty() {
                self.recordings.remove(&id.recording);
            }
            return;
        }
        let mut gaps = totals.gaps.clone();
        if !receipt.complete {
            // A hole between chunks the rendering finds by their numbers; a missing end has no chunk behind it to tell.
            gaps.push(Gap { from: step.now, to: step.now, cause: GapCause::Overload });
        }
        step.out.facts.push(Fact::TrackClosed(TrackClosed {
            recording: id.recording,
            track: id.no,
            counters: totals.counters,
            gaps,
            chunks: receipt.chunks,
        }));
        track.totals = None;
        if !receipt.complete {
            self.warn(id.recording, &Warning::new("spool_incomplete"), step);
        }
        self.finish_if_settled(id.recording, step);
    }

    fn finish_if_settled(&mut self, id: RecordingId, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let Some((ended_at, cause)) = recording.ended else { return };
        if recording.tracks.values().any(|track| !track.is_done) {
            return;
        }
        let duration_ms = ended_at.millis_since(recording.opened_at);
        let is_empty = recording.tracks.values().all(|track| track.receipt.is_some_and(|receipt| receipt.chunks == 0));
        let is_provisional = recording.is_provisional;
        self.release_join_key(id);
        step.out.facts.push(Fact::RecordingEnded { recording: id, ended_at, duration_ms, cause });
        // The CANCEL crossed our answer: there is nothing to keep, and the fold of that fact leaves no recording either.
        if cause == EndCause::NotEstablished && is_empty {
            self.recordings.remove(&id);
            step.out.orders.push(Order::DropRecording { recording: id });
            return;
        }
        if is_provisional {
            return self.await_keep(id, ended_at, step);
        }
        step.out.orders.push(Order::FinishRecording { recording: id });
    }

    pub(crate) fn finished(&mut self, id: RecordingId, outcome: Result<Finished, String>, step: &mut Step<'_>) {
        self.recordings.remove(&id);
        if !self.config.has_cti {
            self.calls.leave(id);
        }
        match outcome {
            Ok(finished) => {
                step.out.facts.extend(finished.tracks.into_iter().map(|track| track.fact(id)));
                step.out.facts.push(Fact::RecordingArchived {
                    recording: id,
                    objects: finished.objects,
                    duration_ms: finished.duration_ms,
                    flags: finished.flags,
                    audio_from: finished.audio_from,
                });
                step.out.orders.push(Order::FreeSpool { recording: id });
            }
            Err(cause) => step.out.facts.push(Fact::RecordingFailed { recording: id, cause }),
        }
    }
}
