//! The states of live recordings: one each, sealed, among their chunks in the spool, so that a crash costs the sound of its own
//! duration and not the call. Session core and signaling tell what changed, a thread of its own joins the two, seals and
//! writes; nobody waits for it.
//!
//! Nothing here is synced by itself: what is written survives the end of the process at once, and a power cut as of the
//! next group commit of the spool. A state that is missing or older only makes a crash cost more.

mod form;
mod keeper;

use std::sync::{
    Arc,
    mpsc::{SyncSender, sync_channel},
};

pub(crate) use form::Kept;
use keeper::Keeper;
use model::{RecordingId, RsId, Secret};
use prometheus::{IntCounter, Registry};
use signaling_core::endpoint::DialogState;
use storage::Spool;

use crate::{fault::Fault, keyring::Keyring, session_thread::LiveState};

/// Messages that wait for the thread, each the words of a batch: seconds of set-ups at full rate. Beyond: the words are
/// dropped and counted; a crash then finds the states before them.
const WORDS: usize = 1 << 12;

/// What changed.
enum Word {
    /// The session core's part of a recording, and the answered sessions that feed it.
    Recording(RecordingId, Vec<RsId>, Secret),
    /// Signaling's part of a session.
    Dialog(Box<DialogState>),
    /// The recording is not live any more.
    Over(RecordingId),
}

/// Where changes are told. Never blocks.
#[derive(Clone)]
pub(crate) struct States {
    words: SyncSender<Vec<Word>>,
    dropped: IntCounter,
}

impl States {
    /// Starts the thread; `known` are the recordings that outlived the process before.
    pub(crate) fn start(
        spool: &Arc<Spool>,
        keyring: &Keyring,
        known: Vec<(RecordingId, Kept)>,
        registry: &Registry,
    ) -> Result<Self, Fault> {
        let counter = |name: &str, help: &str| {
            let made = IntCounter::new(name, help).and_then(|counter| {
                registry.register(Box::new(counter.clone()))?;
                Ok(counter)
            });
            made.map_err(|error| Fault::Failed(error.to_string()))
        };
        let written = counter("recorder_states_written_total", "States of live recordings handed to the spool.")?;
        let dropped =
            counter("recorder_states_dropped_total", "Changes of live recordings that no state was written for.")?;
        let (words, told) = sync_channel(WORDS);
        let keeper = Keeper::new((Arc::clone(spool), keyring.clone()), known, (written, dropped.clone()));
        let thread = std::thread::Builder::new().name("states".into()).spawn(move || keeper.run(&told));
        thread.map_err(|error| Fault::Failed(format!("a thread cannot start: {error}")))?;
        Ok(Self { words, dropped })
    }

    /// The session core's parts of recordings changed. One that is not live any more has none: its state goes with its
    /// spool.
    pub(crate) fn recordings(&self, states: Vec<LiveState>) {
        let word = |(id, state)| match state {
            Some((sessions, state)) => Word::Recording(id, sessions, state),
            None => Word::Over(id),
        };
        self.tell(states.into_iter().map(word).collect());
    }

    /// Dialogs changed.
    pub(crate) fn dialogs(&self, states: Vec<DialogState>) {
        self.tell(states.into_iter().map(|state| Word::Dialog(Box::new(state))).collect());
    }

    fn tell(&self, words: Vec<Word>) {
        let count = words.len() as u64;
        if self.words.try_send(words).is_err() {
            self.dropped.inc_by(count);
        }
    }
}

/// Opens what [`States`] wrote for a recording whose key is here.
pub(crate) fn open(keyring: &Keyring, id: RecordingId, sealed: &[u8]) -> Result<Kept, String> {
    let key = keyring.open(id)?.state_key(id.as_bytes());
    let plain = Secret::new(key.open(sealed).map_err(|error| error.to_string())?);
    Kept::decode(&plain).ok_or_else(|| "not a state".into())
}
