//! The API's ports over the session thread: commands wait for their decision, audit facts for their flush.

use std::{sync::Arc, time::Duration};

use api::ports::{AuditError, AuditLog, Control, Mark, MarkError};
use model::{Actor, Audit, CallCommand, Command, CommandError, Fact, RecordingId};
use session::Input;
use storage_core::{
    ports::{BoxFuture, Catalog},
    view::State,
};
use tokio::sync::{Mutex, oneshot};

use crate::{
    current,
    finish::Eraser,
    session_thread::{Mail, Mailbox},
};

/// Commands, marks and audit facts on their way to the ledger.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) mailbox: Mailbox,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) eraser: Arc<Eraser>,
    /// Number of the last fact that a mark may depend on. Held while a mark is decided: one after the other.
    pub(crate) marked: Arc<Mutex<u64>>,
}

/// How long a mark waits for the catalog to know the marks before it.
const CATALOG_WAIT: Duration = Duration::from_secs(10);
/// How long an answer waits for the catalog to know its own mark, so that who asks next sees it.
const READ_BACK_WAIT: Duration = Duration::from_secs(2);
/// Between two looks at the catalog.
const LOOK: Duration = Duration::from_millis(10);

impl Desk {
    /// Makes a fact durable: the number of the last fact that is. None when that cannot be done now.
    async fn note(&self, fact: Fact) -> Option<u64> {
        let (confirm, confirmed) = oneshot::channel();
        if !self.mailbox.try_send(Mail::Note(Box::new(fact), confirm)) {
            return None;
        }
        confirmed.await.ok().flatten()
    }

    async fn is_followed(&self, number: u64, patience: Duration) -> bool {
        current::is_followed(&*self.catalog, number, patience, LOOK).await
    }

    async fn marked(&self, id: RecordingId, mark: Mark, actor: Actor, reason: Option<String>) -> Result<(), MarkError> {
        // Invariant 9: a hold counts from its fact on, however far the catalog is behind the ledger. So marks are decided
        // one by one, each on a catalog that knows those before it. A hold asks for nothing and never waits.
        let mut marked = self.marked.lock().await;
        if mark != Mark::Hold && !self.is_followed(*marked, CATALOG_WAIT).await {
            return Err(MarkError::Unavailable);
        }
        let view = self.catalog.recording(id).await.map_err(|_| MarkError::Unavailable)?;
        let view = view.ok_or(MarkError::Unknown)?;
        let fact = match mark {
            Mark::Hold if view.is_held => return Ok(()),
            Mark::Release if !view.is_held => return Ok(()),
            Mark::Delete if view.state == State::Deleted => return Ok(()),
            Mark::Delete if view.is_held => return Err(MarkError::Held),
            Mark::Delete if !matches!(view.state, State::Archived | State::Failed) => return Err(MarkError::NotReady),
            Mark::Hold => Fact::RecordingHeld { recording: id, actor, reason },
            Mark::Release => Fact::HoldReleased { recording: id, actor, reason },
            Mark::Delete => Fact::RecordingDeleted { recording: id, actor, reason },
        };
        // Invariant 2: the deletion is written down before anything is gone.
        *marked = self.note(fact).await.ok_or(MarkError::Unavailable)?;
        let number = *marked;
        drop(marked);
        if mark == Mark::Delete {
            // A full mailbox costs nothing but words about a tombstone.
            self.mailbox.try_send(Mail::Input(Box::new(Input::Destroyed(id))));
            self.eraser.erase(&view).await;
        }
        // The mark stands whether or not the catalog knows it yet.
        let _ = self.is_followed(number, READ_BACK_WAIT).await;
        Ok(())
    }
}

impl Control for Desk {
    fn call_command(&self, command: CallCommand) -> BoxFuture<'_, Result<(), CommandError>> {
        Box::pin(async move {
            let (reply, replied) = oneshot::channel();
            if !self.mailbox.try_send(Mail::ControlCall(Box::new(command), reply)) {
                return Err(CommandError::Unavailable);
            }
            replied.await.unwrap_or(Err(CommandError::Unavailable))
        })
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<(), CommandError>> {
        Box::pin(async move {
            let id = command.recording;
            let (reply, replied) = oneshot::channel();
            if !self.mailbox.try_send(Mail::Control(Box::new(command), reply)) {
                return Err(CommandError::Unavailable);
            }
            match replied.await.unwrap_or(Err(CommandError::Unavailable)) {
                // The core forgets what it is done with; the catalog does not.
                Err(CommandError::Unknown) if matches!(self.catalog.recording(id).await, Ok(Some(_))) => {
                    Err(CommandError::NotLive)
                }
                outcome => outcome,
            }
        })
    }

    fn mark<'a>(
        &'a self,
        recording: RecordingId,
        mark: Mark,
        actor: &'a Actor,
        reason: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), MarkError>> {
        Box::pin(self.marked(recording, mark, actor.clone(), reason.map(str::to_owned)))
    }
}

impl AuditLog for Desk {
    fn record(&self, audit: Audit) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(async move {
            if self.note(Fact::Audited(audit)).await.is_some() {
                Ok(())
            } else {
                Err(AuditError("the ledger is not writable".into()))
            }
        })
    }
}
