//! The API's ports over the session thread: commands wait for their decision, audit facts for their flush.

use std::sync::Arc;

use api::ports::{AuditError, AuditLog, Control, Mark, MarkError};
use model::{Actor, Audit, Command, CommandError, Fact, RecordingId};
use storage_core::{
    ports::{BoxFuture, Catalog},
    view::State,
};
use tokio::sync::oneshot;

use crate::{
    finish::Eraser,
    session_thread::{Mail, Mailbox},
};

/// Commands, marks and audit facts on their way to the ledger.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) mailbox: Mailbox,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) eraser: Arc<Eraser>,
}

impl Desk {
    /// Makes a fact durable. False when that cannot be done now.
    async fn note(&self, fact: Fact) -> bool {
        let (confirm, confirmed) = oneshot::channel();
        self.mailbox.try_send(Mail::Note(Box::new(fact), confirm)) && confirmed.await.unwrap_or(false)
    }

    async fn marked(&self, id: RecordingId, mark: Mark, actor: Actor, reason: Option<String>) -> Result<(), MarkError> {
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
        if !self.note(fact).await {
            return Err(MarkError::Unavailable);
        }
        if mark == Mark::Delete {
            self.eraser.erase(&view).await;
        }
        Ok(())
    }
}

impl Control for Desk {
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
            if self.note(Fact::Audited(audit)).await {
                Ok(())
            } else {
                Err(AuditError("the ledger is not writable".into()))
            }
        })
    }
}
