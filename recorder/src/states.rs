//! The states of live recordings: one each, sealed, among their chunks in the spool, so that a crash costs the sound of its own
//! duration and not the call. Session core and signaling tell what changed, a thread of its own joins the two, seals and
//! writes; nobody waits for it.
//!
//! Nothing here is synced by itself: what is written survives the end of the process at once, and a power cut as of the
//! next group commit of the spool. A state that is missing or older only makes a crash cost more.

mod form;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use crypto::seal::{ObjectSealer, SealError};
pub(crate) use form::Kept;
use model::{RecordingId, RsId, Secret};
use prometheus::{IntCounter, Registry};
use signaling_core::endpoint::DialogState;
use storage::Spool;

use crate::{fault::Fault, keyring::Keyring};

/// Words that wait for the thread: seconds of set-ups at full rate. Beyond: the word is dropped and counted; a crash
/// then finds the state before it.
const WORDS: usize = 1 << 14;

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
    words: SyncSender<Word>,
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
        let mut keeper = Keeper {
            spool: Arc::clone(spool),
            keyring: keyring.clone(),
            parts: HashMap::new(),
            homes: HashMap::new(),
            written,
            dropped: dropped.clone(),
        };
        for (id, kept) in known {
            keeper.homes.extend(kept.dialogs.keys().map(|session| (*session, id)));
            keeper.parts.insert(id, kept);
        }
        let thread = std::thread::Builder::new().name("states".into()).spawn(move || keeper.run(&told));
        thread.map_err(|error| Fault::Failed(format!("a thread cannot start: {error}")))?;
        Ok(Self { words, dropped })
    }

    /// The session core's part of a recording changed.
    pub(crate) fn recording(&self, id: RecordingId, sessions: Vec<RsId>, state: Secret) {
        self.tell(Word::Recording(id, sessions, state));
    }

    /// A dialog changed.
    pub(crate) fn dialog(&self, state: DialogState) {
        self.tell(Word::Dialog(Box::new(state)));
    }

    /// The recording is not live any more. Its state goes with its spool.
    pub(crate) fn over(&self, id: RecordingId) {
        self.tell(Word::Over(id));
    }

    fn tell(&self, word: Word) {
        if self.words.try_send(word).is_err() {
            self.dropped.inc();
        }
    }
}

struct Keeper {
    spool: Arc<Spool>,
    keyring: Keyring,
    parts: HashMap<RecordingId, Kept>,
    /// The recording of a session.
    homes: HashMap<RsId, RecordingId>,
    written: IntCounter,
    dropped: IntCounter,
}

impl Keeper {
    fn run(mut self, told: &Receiver<Word>) {
        while let Ok(word) = told.recv() {
            // What came meanwhile is written once.
            let mut changed: BTreeSet<RecordingId> = self.take(word).into_iter().collect();
            for _ in 1..WORDS {
                let Ok(word) = told.try_recv() else { break };
                changed.extend(self.take(word));
            }
            for id in changed {
                self.write(id);
            }
        }
    }

    /// The recording whose state is to be written.
    fn take(&mut self, word: Word) -> Option<RecordingId> {
        match word {
            Word::Recording(id, sessions, state) => {
                let kept = self.parts.entry(id).or_default();
                kept.recording = Some(state);
                let gone = |session: &RsId, _: &mut _| !sessions.contains(session);
                for (session, _) in kept.dialogs.extract_if(.., gone) {
                    self.homes.remove(&session);
                }
                for session in sessions {
                    kept.dialogs.entry(session).or_default();
                    self.homes.insert(session, id);
                }
                Some(id)
            }
            Word::Dialog(state) => {
                let session = RsId(state.dialog.0);
                let id = *self.homes.get(&session)?;
                let dialog = self.parts.get_mut(&id)?.dialogs.get_mut(&session)?;
                *dialog = serde_json::to_vec(&*state).ok().map(Secret::new);
                Some(id)
            }
            Word::Over(id) => {
                if let Some(kept) = self.parts.remove(&id) {
                    kept.dialogs.keys().for_each(|session| {
                        self.homes.remove(session);
                    });
                }
                None
            }
        }
    }

    fn write(&mut self, id: RecordingId) {
        // Until every session of it is answered on the wire too, the state before is the better one.
        let Some(kept) = self.parts.get(&id).filter(|kept| kept.is_whole()) else { return };
        match seal(&self.keyring, id, kept) {
            Ok(sealed) => match self.spool.put_state(id, &sealed) {
                Ok(()) => self.written.inc(),
                Err(error) => {
                    self.dropped.inc();
                    tracing::warn!(recording = %id, %error, "the state of a live recording is not written");
                }
            },
            Err(cause) => {
                self.dropped.inc();
                tracing::warn!(recording = %id, %cause, "the state of a live recording is not sealed");
            }
        }
    }
}

fn seal(keyring: &Keyring, id: RecordingId, kept: &Kept) -> Result<Vec<u8>, String> {
    let key = keyring.open(id)?;
    let mut sealer = ObjectSealer::new(key.object_key(id.as_bytes(), NAME));
    let mut sealed = sealer.header();
    sealer.push(kept.encode().reveal(), &mut sealed);
    sealer.finish(&mut sealed);
    Ok(sealed)
}

/// Opens what [`States`] wrote for a recording whose key is here.
pub(crate) fn open(keyring: &Keyring, id: RecordingId, sealed: &[u8]) -> Result<Kept, String> {
    let key = keyring.open(id)?;
    let told = |error: SealError| error.to_string();
    let opener = crypto::seal::ObjectOpener::new(key.object_key(id.as_bytes(), NAME), sealed).map_err(told)?;
    let from = crypto::seal::SEALED_HEADER_LEN;
    let body = sealed.get(from..).ok_or("too short")?;
    let plain = Secret::new(opener.open(from as u64, body, sealed.len() as u64).map_err(told)?);
    Kept::decode(&plain).ok_or_else(|| "not a state".into())
}

/// The name under which a state is sealed: no object of the archive has it.
const NAME: &str = "state";
