//! The follower: carries facts from the ledger to the catalog, from the catalog's own cursor, for as long as it lives.

use std::{sync::Arc, time::Duration};

use prometheus::{IntCounter, IntGauge, Registry};
use storage_core::ports::{Catalog, CatalogError};
use tokio::sync::Notify;

use crate::{
    ledger::FactReader,
    limits::{FOLLOW_FACTS, FOLLOW_IDLE, FOLLOW_RETRY_FIRST, FOLLOW_RETRY_LAST},
    metrics::{counter, gauge},
};

/// Nobody calls the catalog: it follows, so it can be away for days and catch up.
pub struct Follower {
    reader: FactReader,
    catalog: Arc<dyn Catalog>,
    lag: IntGauge,
    failures: IntCounter,
    is_ahead: bool,
}

impl Follower {
    /// A follower of that ledger for that catalog.
    pub fn new(reader: FactReader, catalog: Arc<dyn Catalog>, registry: &Registry) -> Self {
        Self {
            reader,
            catalog,
            lag: gauge(
                registry,
                "recorder_catalog_lag_facts",
                "Facts of the ledger that the catalog does not know yet.",
            ),
            failures: counter(registry, "recorder_catalog_failures_total", "Times that following the ledger failed."),
            is_ahead: false,
        }
    }

    /// Follows until the task is dropped. Ring `bell` after each commit; without it the ledger is looked at every second.
    pub async fn run(mut self, bell: Arc<Notify>) {
        let mut patience = FOLLOW_RETRY_FIRST;
        loop {
            match self.step().await {
                Ok(0) => {
                    patience = FOLLOW_RETRY_FIRST;
                    let _ = tokio::time::timeout(FOLLOW_IDLE, bell.notified()).await;
                }
                Ok(_) => patience = FOLLOW_RETRY_FIRST,
                Err(error) => {
                    self.failures.inc();
                    tracing::warn!(%error, retry_ms = patience.as_millis() as u64, "catalog: cannot follow the ledger");
                    tokio::time::sleep(patience).await;
                    patience = longer(patience);
                }
            }
        }
    }

    /// Carries one batch over and returns how many facts it had; 0 when the catalog knows all that is durable.
    pub async fn step(&mut self) -> Result<usize, CatalogError> {
        let position = self.catalog.position().await?;
        let read = self.reader.read((position, FOLLOW_FACTS), move |batch| {
            let (reached, durable) = (batch.reached(position), batch.durable);
            (batch.facts.into_iter().map(|(n, _, fact)| (n, fact)).collect::<Vec<_>>(), reached, durable)
        });
        let away = |error| CatalogError::Unavailable(format!("ledger: {error}"));
        let (facts, reached, durable) = read.await.map_err(away)?;
        if durable < position && !std::mem::replace(&mut self.is_ahead, true) {
            tracing::error!(position, durable, "catalog: knows more facts than the ledger has; rebuild it");
        }
        if !facts.is_empty() {
            self.catalog.follow(&facts).await?;
        }
        self.lag.set(durable.saturating_sub(reached).cast_signed());
        Ok(facts.len())
    }
}

fn longer(patience: Duration) -> Duration {
    (patience * 2).min(FOLLOW_RETRY_LAST)
}

#[cfg(test)]
mod tests {
    use crypto::sign::Signer;
    use model::{Fact, RecordingId, RecordingOpened, Timestamp};
    use storage_core::memory::MemoryCatalog;
    use tempfile::TempDir;

    use super::*;
    use crate::ledger::Ledger;

    fn opened(number: u8) -> Fact {
        Fact::RecordingOpened(RecordingOpened {
            recording: RecordingId::from_bytes([number; 16]),
            record_id: None,
            call_uuid: None,
            conn_id: None,
            profile: "rfc7866".into(),
            at: Timestamp::from_nanos(1),
        })
    }

    #[tokio::test]
    async fn it_catches_up_in_batches_and_then_has_nothing_to_do() {
        let dir = TempDir::new().expect("a folder");
        let (mut ledger, _) =
            Ledger::open(dir.path(), Signer::from_seed([1; 32]), Timestamp::from_nanos(1)).expect("a ledger");
        let many: Vec<Fact> = (0..1_200).map(|n| opened((n % 250) as u8)).collect();
        ledger.commit(&many, Timestamp::from_nanos(2)).expect("committed");
        let catalog = Arc::new(MemoryCatalog::default());
        let mut follower = Follower::new(FactReader::open(dir.path()), catalog.clone(), &Registry::new());
        let mut steps = Vec::new();
        for _ in 0..4 {
            steps.push(follower.step().await.expect("followed"));
        }
        assert_eq!(steps, [500, 500, 200, 0]);
        assert_eq!(catalog.position().await.expect("a position"), 1_200);
        assert_eq!(follower.lag.get(), 0);
    }

    #[tokio::test]
    async fn a_bell_wakes_it() {
        let dir = TempDir::new().expect("a folder");
        let (mut ledger, _) =
            Ledger::open(dir.path(), Signer::from_seed([1; 32]), Timestamp::from_nanos(1)).expect("a ledger");
        let (catalog, bell) = (Arc::new(MemoryCatalog::default()), Arc::new(Notify::new()));
        let follower = Follower::new(FactReader::open(dir.path()), catalog.clone(), &Registry::new());
        let task = tokio::spawn(follower.run(Arc::clone(&bell)));
        ledger.commit(&[opened(1)], Timestamp::from_nanos(2)).expect("committed");
        bell.notify_one();
        let known = async {
            while catalog.position().await.expect("a position") == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), known).await.expect("followed");
        task.abort();
    }
}
