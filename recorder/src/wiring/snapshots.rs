//! Takes snapshots of the ledger beside the session thread, so that the next start reads little of it.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use storage::{Mark, Snapshots, Unfinished};
use storage_core::view::RecordingView;

use crate::{background, fault::Fault};

/// What a snapshot is made of.
type Told = (Mark, Vec<Arc<RecordingView>>);

/// Where snapshots are offered.
pub(crate) struct SnapshotTaker {
    /// Of one: while a snapshot is being written, the next has to wait.
    taken: SyncSender<Told>,
    /// The fact after which the next one is worth it.
    next: u64,
}

impl SnapshotTaker {
    /// Starts the thread, which ends with the taker and gives `snapshots` back. `last` is the number of the last fact of
    /// the snapshot that there is.
    pub(crate) fn start(snapshots: Snapshots, last: u64) -> Result<(Self, JoinHandle<Snapshots>), Fault> {
        let (taken, told) = sync_channel(1);
        let thread = std::thread::Builder::new().name("snapshots".into());
        let thread = thread.spawn(move || write_all(snapshots, &told));
        let thread = thread.map_err(|error| Fault::Failed(format!("a thread cannot start: {error}")))?;
        Ok((Self { taken, next: last + Snapshots::FACTS_BETWEEN }, thread))
    }

    /// Hands a snapshot over when it is worth it. Never waits.
    pub(crate) fn offer(&mut self, mark: Mark, views: &Unfinished) {
        let fact = mark.fact();
        if fact < self.next {
            return;
        }
        let views = views.all();
        // To write what is unfinished costs about five facts a recording: many of them are written less often.
        let between = Snapshots::FACTS_BETWEEN.max(5 * views.len() as u64).min(4 * Snapshots::FACTS_BETWEEN);
        let is_taken = self.taken.try_send((mark, views)).is_ok();
        // When the one before is still being written, it is tried again a little later, not at every commit.
        self.next = fact + if is_taken { between } else { Snapshots::FACTS_BETWEEN / 8 };
    }
}

fn write_all(snapshots: Snapshots, told: &Receiver<Told>) -> Snapshots {
    background::yield_to_calls();
    while let Ok((mark, views)) = told.recv() {
        write(&snapshots, &mark, &views);
    }
    snapshots
}

/// Writes one, now.
pub(crate) fn write(snapshots: &Snapshots, mark: &Mark, views: &[Arc<RecordingView>]) {
    if let Err(error) = snapshots.write(mark, views) {
        tracing::warn!(%error, "no snapshot of the ledger: the next start reads more of it");
    }
}
