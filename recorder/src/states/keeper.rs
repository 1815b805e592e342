//! The thread behind [`super::States`]: joins what session core and signaling tell of a recording, seals and writes it.
//!
//! A part is held only until the spool has it: of 10,000 live calls that change nothing for an hour no copy stays in
//! memory. When one part changes later, the other is read back.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use custody::SystemEntropy;
use model::{RecordingId, RsId, Secret, Timestamp};
use prometheus::IntCounter;
use signaling_core::endpoint::DialogState;
use storage::Spool;

use super::{Kept, WORDS, Word, open};
use crate::{background, keyring::Keyring, life};

/// So long after it was written a state is looked for in the spool: far more than a group commit takes.
const SETTLED: Duration = Duration::from_secs(2);
/// States looked for at once, so that words do not wait behind them.
const SETTLED_AT_ONCE: usize = 256;

/// Octets of the state of most dialogs: growing would leave copies of its keys behind.
const DIALOG_OCTETS: usize = 4_096;

/// Everything the thread owns.
pub(super) struct Keeper {
    spool: Arc<Spool>,
    keyring: Keyring,
    live: HashMap<RecordingId, Live>,
    /// The recording of a session.
    homes: HashMap<RsId, RecordingId>,
    /// What was written and may still be on its way to the disk, oldest first.
    fresh: VecDeque<(Timestamp, RecordingId)>,
    written: IntCounter,
    dropped: IntCounter,
}

/// One live recording.
#[derive(Default)]
struct Live {
    sessions: Vec<RsId>,
    /// `None`: the spool has them.
    parts: Option<Box<Kept>>,
    /// The nonce under which they were sealed last.
    nonce: [u8; 12],
}

impl Keeper {
    pub(super) fn new(
        (spool, keyring): (Arc<Spool>, Keyring),
        known: Vec<(RecordingId, Kept)>,
        (written, dropped): (IntCounter, IntCounter),
    ) -> Self {
        let (live, homes, fresh) = (HashMap::new(), HashMap::new(), VecDeque::new());
        let mut keeper = Self { spool, keyring, live, homes, fresh, written, dropped };
        for (id, kept) in known {
            keeper.homes.extend(kept.dialogs.keys().map(|session| (*session, id)));
            let sessions = kept.dialogs.keys().copied().collect();
            keeper.live.insert(id, Live { sessions, parts: Some(Box::new(kept)), ..Live::default() });
        }
        keeper
    }

    /// Runs until nobody is left who could tell anything.
    pub(super) fn run(mut self, told: &Receiver<Vec<Word>>) {
        background::yield_to_set_ups();
        loop {
            let words = match told.recv_timeout(SETTLED) {
                Ok(words) => words,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // What came meanwhile is written once.
            let mut changed: BTreeSet<RecordingId> = words.into_iter().filter_map(|word| self.take(word)).collect();
            for _ in 1..WORDS {
                let Ok(words) = told.try_recv() else { break };
                changed.extend(words.into_iter().filter_map(|word| self.take(word)));
            }
            for id in changed {
                self.write(id);
            }
            self.settle(life::now());
        }
    }

    /// The recording whose state is to be written.
    fn take(&mut self, word: Word) -> Option<RecordingId> {
        match word {
            Word::Recording(id, sessions, state) => {
                self.recall(id);
                let live = self.live.entry(id).or_default();
                let kept = live.parts.get_or_insert_default();
                kept.recording = Some(state);
                let gone = |session: &RsId, _: &mut _| !sessions.contains(session);
                for (session, _) in kept.dialogs.extract_if(.., gone) {
                    self.homes.remove(&session);
                }
                for session in &sessions {
                    kept.dialogs.entry(*session).or_default();
                    self.homes.insert(*session, id);
                }
                live.sessions = sessions;
                Some(id)
            }
            Word::Dialog(state) => {
                let session = RsId(state.dialog.0);
                let id = *self.homes.get(&session)?;
                self.recall(id);
                let kept = self.live.get_mut(&id)?.parts.get_or_insert_default();
                *kept.dialogs.entry(session).or_default() = written(&state);
                Some(id)
            }
            Word::Over(id) => {
                let live = self.live.remove(&id)?;
                live.sessions.iter().for_each(|session| {
                    self.homes.remove(session);
                });
                None
            }
        }
    }

    /// Takes the parts of a recording back from the spool.
    fn recall(&mut self, id: RecordingId) {
        let Some(live) = self.live.get_mut(&id).filter(|live| live.parts.is_none()) else { return };
        let found = self.spool.state(id).map_err(|error| error.to_string());
        let found = found.and_then(|sealed| open(&self.keyring, id, &sealed.ok_or("it is gone")?));
        match found {
            Ok(kept) => live.parts = Some(Box::new(kept)),
            // The parts that are told from now on are not the whole: nothing is written before they are.
            Err(cause) => {
                self.dropped.inc();
                tracing::warn!(recording = %id, %cause, "the state of a live recording cannot be read back");
            }
        }
    }

    fn write(&mut self, id: RecordingId) {
        // Until every session of it is answered on the wire too, the state before is the better one.
        let Some(live) = self.live.get_mut(&id) else { return };
        let Some(kept) = live.parts.as_ref().filter(|kept| kept.is_whole()) else { return };
        let Ok(key) = self.keyring.open(id) else {
            self.dropped.inc();
            return tracing::warn!(recording = %id, "the state of a live recording is not sealed: it has no key");
        };
        let nonce = SystemEntropy.array();
        let sealed = key.state_key(id.as_bytes()).seal(kept.draft(), nonce);
        match self.spool.put_state(id, &sealed) {
            Ok(()) => {
                live.nonce = nonce;
                self.fresh.push_back((life::now(), id));
                self.written.inc();
            }
            Err(error) => {
                self.dropped.inc();
                tracing::warn!(recording = %id, %error, "the state of a live recording is not written");
            }
        }
    }

    /// Lets go of what is in the spool by now; what is not, is looked for again.
    fn settle(&mut self, now: Timestamp) {
        let wait = SETTLED.as_nanos() as u64;
        for _ in 0..SETTLED_AT_ONCE {
            let is_due = |(at, _): &mut (Timestamp, RecordingId)| now.nanos() >= at.plus_nanos(wait).nanos();
            let Some((_, id)) = self.fresh.pop_front_if(is_due) else { return };
            let Some(live) = self.live.get_mut(&id).filter(|live| live.parts.is_some()) else { continue };
            let has_it = |sealed: &Vec<u8>| crypto::seal::StateKey::nonce_of(sealed) == Some(&live.nonce);
            if self.spool.state(id).is_ok_and(|sealed| sealed.as_ref().is_some_and(has_it)) {
                live.parts = None;
            } else {
                self.fresh.push_back((now, id));
            }
        }
    }
}

fn written(state: &DialogState) -> Option<Secret> {
    let mut octets = Vec::with_capacity(DIALOG_OCTETS);
    serde_json::to_writer(&mut octets, state).ok()?;
    Some(Secret::new(octets))
}
