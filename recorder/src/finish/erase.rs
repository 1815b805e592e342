//! Destruction of a recording, after the fact that orders it is durable: the wraps first, because without them every
//! copy anywhere is noise (invariant 4), then the objects.

use std::sync::Arc;

use storage::Spool;
use storage_core::{names, ports::Archive, view::RecordingView};

use crate::keyring::Keyring;

/// Destroys recordings.
pub(crate) struct Eraser {
    pub(crate) keyring: Keyring,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) spool: Arc<Spool>,
}

impl Eraser {
    /// What cannot be removed now is logged and tried again at the next start, which finds the fact without its effect.
    pub(crate) async fn erase(&self, view: &RecordingView) {
        self.keyring.destroy(view.id);
        let key = names::key(view.id);
        let folder = names::folder(view.id, view.started_at);
        let listed = self.archive.list(&folder).await.unwrap_or_default();
        for name in std::iter::once(key).chain(listed) {
            if let Err(error) = self.archive.delete(&name).await {
                tracing::error!(recording = %view.id, %error, "an object of a destroyed recording is still there");
            }
        }
        if let Err(error) = self.spool.remove(view.id) {
            tracing::error!(recording = %view.id, %error, "the spool of a destroyed recording is still there");
        }
    }
}
