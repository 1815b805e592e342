//! Takes snapshots of the ledger in the background, so that the next start reads little of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use custody::FileCustodian;
use storage::{Disk, Snapshots};

use super::{House, parts};

/// How often it looks whether enough facts have come; between two looks nothing is read.
const EVERY: Duration = Duration::from_secs(5);

/// The one that takes them.
#[derive(Clone)]
pub(crate) struct SnapshotTaker(Arc<Mutex<Snapshots>>);

impl SnapshotTaker {
    /// Starts taking them.
    pub(crate) fn start(house: &House<'_>, custodian: &FileCustodian, disk: &Disk) -> Self {
        let signer = parts::signer(custodian);
        let taker = Self(Arc::new(Mutex::new(Snapshots::new(disk, &house.config.data_dir, signer))));
        let this = taker.clone();
        house.background.spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let this = this.clone();
                // It ends with the runtime only.
                let _ = tokio::task::spawn_blocking(move || this.take(false)).await;
            }
        });
        taker
    }

    /// The last one, of a ledger that was closed.
    pub(crate) fn last(&self) {
        self.take(true);
    }

    fn take(&self, is_last: bool) {
        // The lock is there for the end alone: nobody else takes one.
        let mut snapshots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = snapshots.step(is_last) {
            tracing::warn!(%error, "no snapshot of the ledger: the next start reads more of it");
        }
    }
}
