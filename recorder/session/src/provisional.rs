//! Recordings that may not be kept: what the policy says when they begin and when more is known, and how they are kept
//! after all or destroyed. Once it was said that a recording is kept, no rule takes that back.

use model::{Actor, CommandError, Fact, Order, RecordingId, RsId, Ruling, Timestamp, Treatment};
use signaling_core::{event::Offered, tlib::event::CallIds};

use crate::{
    Output,
    core::{Core, Step},
    cti::CallNo,
    policy::Words,
    state::Recording,
};

/// What is to be done with an offer, and the words that said so.
type Ruled = (Ruling, Option<Box<Words>>);
/// SIP status and cause of a refusal.
type Declined = (u16, String);

/// Why a provisional recording was destroyed that nobody asked for in time.
pub const NOT_KEPT: &str = "not_kept";

/// A provisional recording that was over before this process began.
#[derive(Debug, Clone)]
pub struct Over {
    /// Which.
    pub recording: RecordingId,
    /// The names of its call.
    pub ids: CallIds,
    /// What is known of it beside what its call says.
    pub words: Words,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl Core {
    /// What is to be done with an offer; the refusal when nothing of the call is to be recorded.
    pub(crate) fn rule(&self, offered: &Offered) -> Result<Ruled, Declined> {
        if self.config.policy.is_trivial() {
            return Ok((Ruling::default(), None));
        }
        let said = Words::of_offer(offered);
        let mut words = said.clone();
        if let Some(told) = self.calls.find(&crate::cti::ids_of(offered)).and_then(|no| self.calls.get(no)) {
            words.add(told.words());
        }
        let ruling = self.config.policy.rule(&words);
        // RFC 3261 21.6.2: nobody else is to be tried.
        let decline = || (603, format!("policy:{}", ruling.rule.as_deref().unwrap_or("default")));
        if ruling.treatment == Treatment::Never { Err(decline()) } else { Ok((ruling, Some(Box::new(said)))) }
    }

    /// More is known of the call of a recording: what was provisional may have to be kept, and the class may be another.
    pub(crate) fn rule_again(&mut self, no: CallNo, id: RecordingId, step: &mut Step<'_>) {
        if self.config.policy.is_trivial() {
            return;
        }
        let (Some(call), Some(recording)) = (self.calls.get(no), self.recordings.get_mut(&id)) else { return };
        let Some(said) = recording.words.as_deref().filter(|_| !call.is_mute()) else { return };
        let mut words = said.clone();
        words.add(call.words());
        let ruling = self.config.policy.rule(&words);
        // Later words keep more, never less.
        if ruling.treatment < recording.ruling.treatment || ruling == recording.ruling {
            return;
        }
        let is_kept = ruling.treatment == Treatment::Record;
        recording.ruling = ruling.clone();
        step.out.facts.push(Fact::RecordingRuled { recording: id, ruling });
        if is_kept {
            self.settle_kept(id, step);
        }
    }

    /// Somebody wants a recording to be kept.
    ///
    /// # Errors
    /// [`CommandError::NotLive`] when it is over and was kept anyway.
    pub(crate) fn keep(&mut self, id: RecordingId, actor: Actor, step: &mut Step<'_>) -> Result<(), CommandError> {
        // Live, on its way to the spool, or over and waiting: what is provisional can be kept.
        let is_open = self.recordings.get(&id).is_some_and(|recording| recording.is_provisional);
        if !is_open && !self.is_controllable(id) {
            return Err(CommandError::NotLive);
        }
        step.out.facts.push(Fact::RecordingKept { recording: id, actor });
        self.settle_kept(id, step);
        Ok(())
    }

    /// The same where it goes without saying that what is kept anyway is kept.
    pub(crate) fn keep_as_asked(&mut self, id: RecordingId, actor: Actor, step: &mut Step<'_>) {
        if self.recordings.get(&id).is_some_and(|recording| recording.is_provisional) {
            // What is provisional can be kept: nothing is left to refuse.
            let _ = self.keep(id, actor, step);
        }
    }

    fn settle_kept(&mut self, id: RecordingId, step: &mut Step<'_>) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        recording.is_provisional = false;
        recording.ruling.treatment = Treatment::Record;
        recording.discarded_by = None;
        if recording.keep_until.take().is_some() {
            step.out.orders.push(Order::FinishRecording { recording: id });
        }
    }

    /// Somebody wants a provisional recording to be destroyed: at once when it is over, else when it is.
    ///
    /// # Errors
    /// [`CommandError::NotProvisional`]: what was promised to be kept is not thrown away by a command.
    pub(crate) fn discard(
        &mut self,
        id: RecordingId,
        by: (Actor, Option<String>),
        step: &mut Step<'_>,
    ) -> Result<(), CommandError> {
        let recording = self.recordings.get_mut(&id).ok_or(CommandError::Unknown)?;
        if !recording.is_provisional {
            return Err(CommandError::NotProvisional);
        }
        if recording.keep_until.is_some() {
            self.destroy(id, by, step);
            return Ok(());
        }
        recording.discarded_by.get_or_insert(by);
        self.stop(id, Some("discarded".to_owned()), step);
        Ok(())
    }

    /// A provisional recording is over.
    pub(crate) fn await_keep(&mut self, id: RecordingId, ended_at: Timestamp, step: &mut Step<'_>) {
        let grace = self.config.policy.keep_grace_ms.saturating_mul(1_000_000);
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        match recording.discarded_by.take() {
            Some(by) => self.destroy(id, by, step),
            None => recording.keep_until = Some(ended_at.plus_nanos(grace)),
        }
    }

    /// Takes a provisional recording up again that was over before this process began. Whoever asks for it in time keeps it.
    pub fn take_up_provisional(
        &mut self,
        over: Over,
        now: Timestamp,
        entropy: &mut dyn model::Entropy,
        out: &mut Output,
    ) {
        let Over { recording: id, ids, words, began, ended_at } = over;
        let ruling = Ruling { treatment: Treatment::Provisional, ..Ruling::default() };
        let mut recording = Recording::new(id, None, RsId(0), (began, ruling));
        recording.sessions.remove(&RsId(0));
        recording.is_opened = true;
        recording.words = Some(Box::new(words));
        recording.ended = Some((ended_at, model::EndCause::Bye));
        recording.keep_until = Some(ended_at.plus_nanos(self.config.policy.keep_grace_ms.saturating_mul(1_000_000)));
        self.recordings.insert(id, recording);
        self.join_by(id, &ids, &mut Step { now, entropy, out });
        self.recordings.settle();
    }

    /// Nobody asked in time.
    pub(crate) fn discard_unkept(&mut self, step: &mut Step<'_>) {
        for id in self.recordings.unkept(step.now) {
            self.destroy(id, (Actor::system(), Some(NOT_KEPT.to_owned())), step);
        }
    }

    /// The fact stays as a tombstone; key and spool go, key first (invariant 4).
    fn destroy(&mut self, id: RecordingId, (actor, reason): (Actor, Option<String>), step: &mut Step<'_>) {
        self.recordings.remove(&id);
        if self.config.has_cti {
            self.calls.part(id);
        } else {
            self.calls.leave(id);
        }
        step.out.facts.push(Fact::RecordingDeleted { recording: id, actor, reason });
        step.out.orders.push(Order::DropRecording { recording: id });
    }
}
