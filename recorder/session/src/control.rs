//! Run-time control of a live recording. Every command is idempotent; each change is a fact with actor and reason.

use model::{Command, CommandError, CommandKind, EndCause, Fact, GapCause, Order, RecordingId, RsId};

use crate::core::{Core, Step};

impl Core {
    pub(crate) fn command(&mut self, command: Command, step: &mut Step<'_>) -> Result<(), CommandError> {
        let id = command.recording;
        let recording = self.recordings.get(&id).filter(|recording| recording.is_opened);
        let recording = recording.ok_or(CommandError::Unknown)?;
        if recording.ended.is_some() || recording.sessions.is_empty() {
            return Err(CommandError::NotLive);
        }
        match command.kind {
            CommandKind::Pause => self.pause(command, step),
            CommandKind::Resume => self.resume(command, step),
            CommandKind::Stop => self.stop(id, command.reason, step),
            CommandKind::Keep => {
                step.out.facts.push(Fact::RecordingKept { recording: id, actor: command.actor });
            }
            // Nothing is provisional yet: what was promised to be kept is not thrown away by a command.
            CommandKind::Discard => return Err(CommandError::NotProvisional),
        }
        Ok(())
    }

    fn pause(&mut self, command: Command, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&command.recording) else { return };
        if std::mem::replace(&mut recording.is_paused, true) {
            return;
        }
        step.out.facts.push(Fact::RecordingPaused {
            recording: command.recording,
            at: step.now,
            cause: GapCause::Paused,
            actor: command.actor,
            reason: command.reason,
        });
        self.retell_all(command.recording, step);
    }

    fn resume(&mut self, command: Command, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&command.recording) else { return };
        if !std::mem::replace(&mut recording.is_paused, false) {
            return;
        }
        let (recording, at) = (command.recording, step.now);
        let (actor, reason) = (command.actor, command.reason);
        step.out.facts.push(Fact::RecordingResumed { recording, at, actor, reason });
        self.retell_all(recording, step);
    }

    fn stop(&mut self, id: RecordingId, reason: Option<String>, step: &mut Step<'_>) {
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
