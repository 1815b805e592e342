//! A finished recording: render, seal, upload, read back, compare, say so. Follows the session core at its own pace: a
//! store that is away only makes the queue wait.

mod erase;
mod sealed_file;
mod sound;
mod upload;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crypto::seal::DataKey;
use model::RecordingId;
use session::{Finished, Input};
use storage::Spool;
use storage_core::{ports::Archive, view::RecordingView};
use tokio::{runtime::Handle, sync::Semaphore};

pub(crate) use erase::Eraser;
pub(crate) use sound::MANIFEST;
use sound::Staged;
pub(crate) use upload::digest;

use crate::{keyring::Keyring, session_thread::Mailbox};

/// Recordings rendered at once. Rendering is the only long CPU work of the node; live calls come first.
const AT_ONCE: usize = 1;
/// Uploads at once: they mostly wait for the store.
const UPLOADS: usize = 4;
/// First pause before another attempt.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts at a store that is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Finishes recordings, each in a task of its own. Their number is bounded by the spool: every one has a file there.
#[derive(Clone)]
pub(crate) struct Finisher {
    pub(crate) spool: Arc<Spool>,
    pub(crate) keyring: Keyring,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) staging: PathBuf,
    pub(crate) mailbox: Mailbox,
    pub(crate) runtime: Handle,
    pub(crate) pending: Arc<AtomicI64>,
    pub(crate) rendering: Arc<Semaphore>,
    pub(crate) uploading: Arc<Semaphore>,
}

impl Finisher {
    pub(crate) fn permits() -> (Arc<Semaphore>, Arc<Semaphore>) {
        (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(UPLOADS)))
    }

    /// Takes a recording whose tracks are all durable in the spool.
    pub(crate) fn submit(&self, view: Arc<RecordingView>) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let this = self.clone();
        self.runtime.spawn(async move {
            let id = view.id;
            let outcome = this.finish(view).await;
            if let Err(cause) = &outcome {
                tracing::error!(recording = %id, %cause, "the recording cannot be finished; its spool is kept");
            }
            let mailbox = this.mailbox.clone();
            let input = Input::Finished { recording: id, outcome };
            // The mailbox may be full for a moment; that wait must not hold a thread of the runtime.
            let _ = tokio::task::spawn_blocking(move || mailbox.send(input)).await;
            this.pending.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn finish(&self, view: Arc<RecordingView>) -> Result<Finished, String> {
        let mut pause = SHORTEST_PAUSE;
        let staged = loop {
            match self.stage(RecordingView::clone(&view)).await {
                Ok(staged) => break staged,
                // Time does not mend what is in the spool; a full or slow disk it does.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error.to_string()),
                Err(error) => {
                    tracing::warn!(recording = %view.id, %error, retry_s = pause.as_secs_f32(), "not rendered yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        pause = SHORTEST_PAUSE;
        loop {
            let permit = self.uploading.acquire().await.map_err(|error| error.to_string())?;
            let attempt = upload::upload(&*self.archive, &staged, &self.keyring).await;
            drop(permit);
            match attempt {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(recording = %view.id, %error, retry_s = pause.as_secs_f32(), "not archived yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        staged.remove();
        self.keyring.close(view.id);
        tracing::info!(recording = %view.id, "archived, read back and compared");
        Ok(staged.finished())
    }

    /// Renders and seals into the staging folder.
    async fn stage(&self, view: RecordingView) -> io::Result<Staged> {
        let _permit = self.rendering.acquire().await.map_err(io::Error::other)?;
        let (spool, folder) = (Arc::clone(&self.spool), self.folder(view.id));
        let key = self.key(&view)?;
        let staged = tokio::task::spawn_blocking(move || sound::stage(view, &spool, &key, folder));
        staged.await.map_err(io::Error::other)?
    }

    /// A session of which every line was turned down is a recording all the same, and has had no key until now.
    fn key(&self, view: &RecordingView) -> io::Result<Arc<DataKey>> {
        match self.keyring.open(view.id) {
            Ok(key) => Ok(key),
            Err(_) if view.tracks.is_empty() => {
                let key = self.keyring.make(view.id)?;
                self.keyring.sync().map(|()| key)
            }
            Err(cause) => Err(io::Error::new(io::ErrorKind::InvalidData, cause)),
        }
    }

    fn folder(&self, id: RecordingId) -> PathBuf {
        self.staging.join(id.to_string())
    }
}
