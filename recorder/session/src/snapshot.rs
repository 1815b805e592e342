//! Asking for metadata, at most once a session, and telling when two recordings are of one communication session.

use model::{Order, RecordingId, RsId};
use signaling_core::event::{Metadata, Warning};

use crate::{
    core::{Core, Step},
    state::Snapshot,
};

impl Core {
    /// What a new session has brought: without any metadata a snapshot is worth asking for.
    pub(crate) fn want_snapshot(&mut self, id: RsId, may_ask: bool, has_metadata: bool, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.snapshot = if may_ask { Snapshot::Wanted } else { Snapshot::Settled };
        let recording = session.recording;
        if may_ask && !has_metadata {
            self.warn(recording, &Warning::new("no_metadata"), step);
        }
    }

    /// A complete document settles it. A partial one that has nothing to stand on is kept, said, and asked about.
    pub(crate) fn note_snapshot(&mut self, id: RsId, (metadata, is_doubtful): (&Metadata, bool), step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let recording = session.recording;
        let has_base = session.metadata.as_ref().is_some_and(|base| base.complete);
        if metadata.complete {
            session.snapshot = if is_doubtful { session.snapshot } else { Snapshot::Settled };
            return;
        }
        let says_something = !metadata.participants.is_empty() || !metadata.streams.is_empty();
        if says_something && !has_base {
            self.warn(recording, &Warning::new("partial_without_snapshot"), step);
        }
    }

    /// The session is established: the request may leave.
    pub(crate) fn ask_snapshot(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.snapshot == Snapshot::Wanted {
            session.snapshot = Snapshot::Settled;
            step.out.orders.push(Order::RequestSnapshot { session: id });
        }
    }

    /// The same communication session arriving from two clients is no error (RFC 7866 9.2): two recordings cover it.
    pub(crate) fn note_communication(&mut self, recording: RecordingId, metadata: &Metadata, step: &mut Step<'_>) {
        let Some(communication) = metadata.session_id.clone() else { return };
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        if state.communication.is_some() {
            return;
        }
        state.communication = Some(communication.clone());
        let known = self.by_communication.entry(communication).or_default();
        known.insert(recording);
        let all: Vec<RecordingId> = known.iter().copied().collect();
        if all.len() < 2 {
            return;
        }
        for one in &all {
            let other = all.iter().find(|other| *other != one);
            let detail = other.map(|other| format!("recording {other}"));
            self.warn(*one, &Warning { name: "duplicate_coverage", detail }, step);
        }
    }

    /// The recording is over: what begins from now on does not cover the same.
    pub(crate) fn release_communication(&mut self, id: RecordingId) {
        let Some(communication) = self.recordings.get_mut(&id).and_then(|recording| recording.communication.take())
        else {
            return;
        };
        if let Some(known) = self.by_communication.get_mut(&communication) {
            known.remove(&id);
            if known.is_empty() {
                self.by_communication.remove(&communication);
            }
        }
    }

    /// What a peer asks of its own recording, by a header that its profile knows.
    pub(crate) fn controlled(&mut self, id: RsId, action: signaling_core::event::Action, step: &mut Step<'_>) {
        use signaling_core::event::Action;
        let Some(recording) = self.sessions.get(&id).map(|session| session.recording) else { return };
        let kind = match action {
            Action::Pause => model::CommandKind::Pause,
            Action::Resume => model::CommandKind::Resume,
            Action::Stop => model::CommandKind::Stop,
        };
        let actor = model::Actor { id: "peer".into(), role: None };
        let reason = Some("signaling".to_owned());
        // A recording that is over has nothing to be paused.
        let _ = self.command(model::Command { recording, kind, actor, reason }, step);
    }
}
