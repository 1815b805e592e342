//! The data keys of recordings: made at the first track, wrapped by the custodian at once, kept in the key store, and
//! held unwrapped only while the recording is live or being finished.

mod syncer;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
};

use crypto::{
    keys::{Custodian, WrappedKey},
    seal::{ChunkKey, DataKey},
};
use custody::SystemEntropy;
use model::RecordingId;
use storage::KeyStore;

pub(crate) use syncer::Syncer;

/// Shared by the session thread (makes and destroys), the finisher and playback (read). The lock is held for a map
/// look-up or an append, across no decision, and across the disk only when a key is destroyed.
#[derive(Clone)]
pub(crate) struct Keyring {
    custodian: Arc<dyn Custodian + Send + Sync>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// A sync is over.
    synced: Condvar,
}

struct State {
    /// `None` for commands beside a running server: its file is not ours to repair, the archive has the wraps.
    store: Option<KeyStore>,
    open: HashMap<RecordingId, Open>,
}

/// The keys of a recording that is live or being finished.
struct Open {
    data: Arc<DataKey>,
    /// Derived once for all of its tracks, for as long as one of them is open.
    chunks: Weak<ChunkKey>,
}

impl Keyring {
    pub(crate) fn new(custodian: Arc<dyn Custodian + Send + Sync>, store: KeyStore) -> Self {
        Self::with(custodian, Some(store))
    }

    /// One that unwraps what the archive has, and makes nothing.
    pub(crate) fn reading(custodian: Arc<dyn Custodian + Send + Sync>) -> Self {
        Self::with(custodian, None)
    }

    fn with(custodian: Arc<dyn Custodian + Send + Sync>, store: Option<KeyStore>) -> Self {
        let state = Mutex::new(State { store, open: HashMap::new() });
        Self { custodian, shared: Arc::new(Shared { state, synced: Condvar::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same when no sync is out.
    fn settled(&self) -> MutexGuard<'_, State> {
        let is_syncing = |state: &mut State| state.store.as_ref().is_some_and(KeyStore::is_syncing);
        self.shared.synced.wait_while(self.state(), is_syncing).unwrap_or_else(PoisonError::into_inner)
    }

    /// The data key of a recording, made and wrapped when it has none yet.
    pub(crate) fn make(&self, recording: RecordingId) -> io::Result<Arc<DataKey>> {
        self.made(recording).map(|(key, _)| key)
    }

    /// The key of a live recording's chunks; its data key is made and wrapped when it has none yet.
    pub(crate) fn chunk_key(&self, recording: RecordingId) -> io::Result<Arc<ChunkKey>> {
        let (data, chunks) = self.made(recording)?;
        if let Some(chunks) = chunks.upgrade() {
            return Ok(chunks);
        }
        let chunks = Arc::new(data.chunk_key(recording.as_bytes()));
        if let Some(open) = self.state().open.get_mut(&recording) {
            open.chunks = Arc::downgrade(&chunks);
        }
        Ok(chunks)
    }

    fn made(&self, recording: RecordingId) -> io::Result<(Arc<DataKey>, Weak<ChunkKey>)> {
        let mut state = self.state();
        if let Some(open) = state.open.get(&recording) {
            return Ok((Arc::clone(&open.data), Weak::clone(&open.chunks)));
        }
        let key = Arc::new(DataKey::from_entropy(SystemEntropy.array()));
        let wrapped =
            self.custodian.wrap(recording.as_bytes(), &key, SystemEntropy.array()).map_err(io::Error::other)?;
        state.store.as_mut().ok_or(io::ErrorKind::Unsupported)?.create(recording, wrapped)?;
        state.open.insert(recording, Open { data: Arc::clone(&key), chunks: Weak::new() });
        Ok((key, Weak::new()))
    }

    /// Makes the wraps durable that were made before: one flush for all of them, and none where somebody did it.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let begun = self.settled().store.as_mut().map_or(Ok(None), KeyStore::begin_sync);
        let Some(sync) = begun? else { return Ok(()) };
        let outcome = sync.run();
        let ended = self.state().store.as_mut().map_or(Ok(()), |store| store.end_sync(&sync, outcome));
        self.shared.synced.notify_all();
        ended
    }

    /// The wrap as it stands in the key store.
    pub(crate) fn wrapped(&self, recording: RecordingId) -> io::Result<Option<WrappedKey>> {
        self.state().store.as_ref().map_or(Ok(None), |store| store.get(recording))
    }

    /// The key of a recording that is live, or whose wrap is here.
    pub(crate) fn open(&self, recording: RecordingId) -> Result<Arc<DataKey>, String> {
        if let Some(open) = self.state().open.get(&recording) {
            return Ok(Arc::clone(&open.data));
        }
        let wrapped = self.wrapped(recording).map_err(|error| format!("the key store cannot be read: {error}"))?;
        let wrapped = wrapped.ok_or("the key of the recording is not here")?;
        self.unwrap(recording, &wrapped)
    }

    /// Unwraps the key of a recording that goes on after a crash, and holds it as that of a live one.
    pub(crate) fn reopen(&self, recording: RecordingId) -> Result<(), String> {
        let data = self.open(recording)?;
        self.state().open.insert(recording, Open { data, chunks: Weak::new() });
        Ok(())
    }

    /// Unwraps a key object from elsewhere.
    pub(crate) fn unwrap(&self, recording: RecordingId, wrapped: &WrappedKey) -> Result<Arc<DataKey>, String> {
        self.custodian.unwrap_key(recording.as_bytes(), wrapped).map(Arc::new).map_err(|error| error.to_string())
    }

    /// Forgets the unwrapped key: the recording is archived.
    pub(crate) fn close(&self, recording: RecordingId) {
        self.state().open.remove(&recording);
    }

    /// Destroys the wrap here: without it the recording is noise (invariant 4).
    pub(crate) fn destroy(&self, recording: RecordingId) {
        let mut state = self.settled();
        state.open.remove(&recording);
        let removed = state.store.as_mut().map_or(Ok(()), |store| store.remove(recording));
        if let Err(error) = removed {
            tracing::error!(%recording, %error, "the key could not be destroyed; it will be tried again at the next start");
        }
    }
}
