//! Run-time control of a live recording. Every command is idempotent; each change is a fact with actor and reason.

use model::{Actor, Command, CommandError, CommandKind, EndCause, Fact, GapCause, Order, RecordingId, RsId};

use signaling_core::event::Warning;

use crate::core::{Core, Step};

impl Core {
    pub(crate) fn command(&mut self, command: Command, step: &mut Step<'_>) -> Result<(), CommandError> {
        let id = command.recording;
        let known = self.recordings.get(&id).filter(|recording| recording.is_opened);
        known.ok_or(CommandError::Unknown)?;
        match command.kind {
            CommandKind::Keep => return self.keep(id, command.actor, step),
            CommandKind::Discard => return self.discard(id, (command.actor, command.reason), step),
            CommandKind::Pause | CommandKind::Resume | CommandKind::Stop if !self.is_controllable(id) => {
                return Err(CommandError::NotLive);
            }
            CommandKind::Pause => self.pause_as(id, command.actor, command.reason, step),
            CommandKind::Resume => self.resume_as(id, command.actor, command.reason, step),
            CommandKind::Stop => self.stop(id, command.reason, step),
        }
        Ok(())
    }

    /// It was begun, and something feeds it.
    pub(crate) fn is_controllable(&self, id: RecordingId) -> bool {
        self.recordings
            .get(&id)
            .is_some_and(|recording| recording.is_opened && recording.ended.is_none() && !recording.sessions.is_empty())
    }

    pub(crate) fn pause_as(&mut self, id: RecordingId, actor: Actor, reason: Option<String>, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        if std::mem::replace(&mut recording.is_paused, true) {
            return;
        }
        recording.paused_at = Some(step.now);
        step.out.facts.push(Fact::RecordingPaused {
            recording: id,
            at: step.now,
            cause: GapCause::Paused,
            actor,
            reason,
        });
        self.retell_all(id, step);
    }

    pub(crate) fn resume_as(&mut self, id: RecordingId, actor: Actor, reason: Option<String>, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        recording.paused_at = None;
        if !std::mem::replace(&mut recording.is_paused, false) {
            return;
        }
        step.out.facts.push(Fact::RecordingResumed { recording: id, at: step.now, actor, reason });
        self.retell_all(id, step);
    }

    /// Pauses that last too long: told once, and ended where the configuration says so.
    pub(crate) fn end_long_pauses(&mut self, step: &mut Step<'_>) {
        let waits = [self.config.long_pause_ms, self.config.auto_resume_ms];
        let Some(least) = waits.into_iter().filter(|wait| *wait > 0).min() else { return };
        for (id, since) in self.recordings.paused_before(step.now, least) {
            let lasts = step.now.millis_since(since);
            let is_over = |wait: u64| wait > 0 && lasts >= wait;
            if is_over(self.config.long_pause_ms) {
                self.warn(id, &Warning::new("pause_too_long"), step);
            }
            if is_over(self.config.auto_resume_ms) {
                self.resume_as(id, Actor::system(), Some("auto_resume".into()), step);
            }
        }
    }

    pub(crate) fn stop(&mut self, id: RecordingId, reason: Option<String>, step: &mut Step<'_>) {
        for session in self.sessions_of(id) {
            step.out.orders.push(Order::HangUp { session });
            self.ended(session, EndCause::Stopped, reason.clone(), step);
        }
    }

    pub(crate) fn end_all(&mut self, step: &mut Step<'_>) {
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            step.out.orders.push(Order::HangUp { session });
            self.ended(session, EndCause::Drained, None, step);
        }
    }

    fn retell_all(&mut self, id: RecordingId, step: &mut Step<'_>) {
        for session in self.sessions_of(id) {
            self.retell_pauses(session, step);
        }
    }

    fn sessions_of(&self, id: RecordingId) -> Vec<RsId> {
        self.recordings.get(&id).map(|recording| recording.sessions.iter().copied().collect()).unwrap_or_default()
    }
}
