//! Recording control of a call: by CTI sources, and by whoever names the call instead of a recording.

use model::{
    Actor, AskRecording, CallCommand, CallControl, Command, CommandError, CommandKind, Fact, HistoryLine, Order,
    Personal, RecordingId, Timestamp,
};
use signaling_core::tlib::event::{ControlEvent, RecordControl};

use super::CallNo;
use crate::core::{Core, Step};

impl Core {
    /// A CTI source says what was done with the recording of a call, or how it stands.
    pub(crate) fn call_controlled(&mut self, control: ControlEvent, step: &mut Step<'_>) {
        let Some(no) = self.calls.find_or_make(&control.ids, step.now) else { return };
        let Some(call) = self.calls.get_mut(no) else { return };
        let was_paused = call.is_paused;
        call.is_wanted |= control.what == RecordControl::Start && !control.is_state;
        match control.what {
            RecordControl::Pause => call.is_paused = true,
            RecordControl::Resume | RecordControl::Start | RecordControl::Stop => call.is_paused = false,
        }
        // User data says `ON` with every event; only where it said `PAUSED` before is that a word of its own. Who paused by
        // another way is not overruled by it.
        if control.is_state && was_paused == call.is_paused {
            return;
        }
        let line = HistoryLine {
            at: step.now,
            event: word(control.what).to_owned(),
            dn: control.dn.map(Personal::new),
            source: self.config.source(control.link),
            ..HistoryLine::default()
        };
        let is_new = call.tell(line.clone());
        let reason = control.reasons.values().next().cloned();
        // Whoever starts what is recorded provisionally wants it to be kept, in the time after the call too.
        let of_call = if control.what == RecordControl::Start { self.keepable_of(no) } else { self.live_of(no) };
        let named = control.ids.record_id.as_deref().and_then(|id| self.recording_named(&of_call, id));
        let targets = named.map_or(of_call, |one| vec![one]);
        for recording in targets {
            if is_new {
                let line = line.clone();
                step.out.facts.push(Fact::CallTold(Box::new(model::CallTold { recording, line })));
            }
            let actor = self.config.cti_actor(Some(control.link));
            match control.what {
                RecordControl::Pause => self.pause_as(recording, actor, reason.clone(), step),
                RecordControl::Resume => self.resume_as(recording, actor, reason.clone(), step),
                RecordControl::Stop => self.stop(recording, reason.clone(), step),
                RecordControl::Start => self.keep_as_asked(recording, actor, step),
            }
        }
    }

    /// Somebody wants something of the recordings of a call, which he names by CallUUID, ConnID or recording id.
    ///
    /// # Errors
    /// [`CommandError::Unknown`] when nobody has spoken of such a call; [`CommandError::NotLive`] when nothing of it can be
    /// controlled now.
    pub(crate) fn call_command(&mut self, command: CallCommand, step: &mut Step<'_>) -> Result<(), CommandError> {
        let CallCommand { call, kind, actor, reason } = command;
        let no = self.calls.named(&call).ok_or(CommandError::Unknown)?;
        let live = if kind == CallControl::Keep { self.keepable_of(no) } else { self.live_of(no) };
        let is_asked = self.ask(no, kind, (&actor, reason.as_deref()), step);
        let kind = match kind {
            CallControl::Start if is_asked || !live.is_empty() => return Ok(()),
            CallControl::Start => return Err(CommandError::NotLive),
            CallControl::Pause => CommandKind::Pause,
            CallControl::Resume => CommandKind::Resume,
            CallControl::Stop => CommandKind::Stop,
            CallControl::Keep => CommandKind::Keep,
        };
        // Asked between the ringing and the INVITE: the recording begins as it was asked for.
        let is_going_on = self.calls.get(no).is_some_and(|call| !call.at.is_empty());
        if live.is_empty() && !is_going_on {
            return Err(CommandError::NotLive);
        }
        if let Some(call) = self.calls.get_mut(no) {
            match kind {
                CommandKind::Pause | CommandKind::Resume => call.is_paused = kind == CommandKind::Pause,
                CommandKind::Keep => call.is_wanted = true,
                CommandKind::Stop | CommandKind::Discard => {}
            }
        }
        for recording in live {
            self.command(Command { recording, kind, actor: actor.clone(), reason: reason.clone() }, step)?;
        }
        Ok(())
    }

    /// Asks the source of the call. False when no source can be asked.
    fn ask(&self, no: CallNo, kind: CallControl, (actor, reason): (&Actor, Option<&str>), step: &mut Step<'_>) -> bool {
        let what = match kind {
            CallControl::Start => RecordControl::Start,
            CallControl::Stop => RecordControl::Stop,
            CallControl::Pause => RecordControl::Pause,
            CallControl::Resume => RecordControl::Resume,
            CallControl::Keep => return false,
        };
        let Some(call) = self.calls.get(no) else { return false };
        let Some((dn, place)) = call.at.iter().next() else { return false };
        let known = place.conn_id.as_ref().and_then(|id| call.spelled(id));
        let Some(conn_id) = known.or_else(|| call.conn_id()) else { return false };
        step.out.orders.push(Order::AskRecording(Box::new(AskRecording {
            link: place.link,
            message: what.number(),
            dn: Personal::new(dn.clone()),
            conn_id,
            record_id: call.call_uuid().filter(|_| what == RecordControl::Start).map(|uuid| record_id(&uuid, step.now)),
            actor: actor.clone(),
            reason: reason.map(str::to_owned),
        })));
        true
    }

    /// Recordings of the call that are live, or over and not yet thrown away.
    fn keepable_of(&self, no: CallNo) -> Vec<RecordingId> {
        let Some(call) = self.calls.get(no) else { return Vec::new() };
        let is_open = |id: &RecordingId| self.recordings.get(id).is_some_and(|known| known.is_provisional);
        call.recordings.iter().copied().filter(|id| self.is_controllable(*id) || is_open(id)).collect()
    }

    /// Recordings of the call that can be controlled.
    fn live_of(&self, no: CallNo) -> Vec<RecordingId> {
        let Some(call) = self.calls.get(no) else { return Vec::new() };
        call.recordings.iter().copied().filter(|id| self.is_controllable(*id)).collect()
    }

    /// That of these which has this record id.
    fn recording_named(&self, of_call: &[RecordingId], record_id: &str) -> Option<RecordingId> {
        of_call.iter().copied().find(|id| {
            let known = self.recordings.get(id).and_then(|recording| recording.call.as_ref());
            known.and_then(|ids| ids.record_id.as_deref()).is_some_and(|known| known.eq_ignore_ascii_case(record_id))
        })
    }
}

/// A recording id as the reference system makes them: `<CallUUID>_<date>_<time>` (genesys.md).
fn record_id(uuid: &str, now: Timestamp) -> String {
    let text = now.to_string();
    let (date, time) = text.split_once('T').unwrap_or((text.as_str(), ""));
    format!("{uuid}_{date}_{}", time.get(..8).unwrap_or_default().replace(':', "-"))
}

const fn word(what: RecordControl) -> &'static str {
    match what {
        RecordControl::Start => "record_start",
        RecordControl::Stop => "record_stop",
        RecordControl::Pause => "record_pause",
        RecordControl::Resume => "record_resume",
    }
}
