//! A catalog whose answers know what was durable when the question came, as far as it catches up in a moment: who was
//! told of a call finds it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{Fact, RecordingId};
use storage_core::{
    ports::{BoxFuture, Catalog, CatalogError, Page, Query},
    view::RecordingView,
};

/// How long a question waits for the follower, which yields to calls. Then it is answered with what the catalog knows.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// The catalog as the API sees it.
pub(crate) struct Current {
    catalog: Arc<dyn Catalog>,
    written: Arc<AtomicU64>,
}

impl Current {
    /// `written` is the number of the last durable fact.
    pub(crate) fn new(catalog: Arc<dyn Catalog>, written: Arc<AtomicU64>) -> Self {
        Self { catalog, written }
    }

    async fn caught_up(&self) {
        let asked = self.written.load(Ordering::Acquire);
        // Late is no error: the catalog may be away for days.
        let _ = is_followed(&*self.catalog, asked, PATIENCE, LOOK).await;
    }
}

/// Waits until the catalog knows fact `number`; whether it does in time.
pub(crate) async fn is_followed(catalog: &dyn Catalog, number: u64, patience: Duration, look: Duration) -> bool {
    let following = async {
        while !matches!(catalog.position().await, Ok(position) if position >= number) {
            tokio::time::sleep(look).await;
        }
    };
    tokio::time::timeout(patience, following).await.is_ok()
}

impl Catalog for Current {
    fn search<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, CatalogError>> {
        Box::pin(async move {
            self.caught_up().await;
            self.catalog.search(query).await
        })
    }

    fn recording(&self, id: RecordingId) -> BoxFuture<'_, Result<Option<RecordingView>, CatalogError>> {
        Box::pin(async move {
            self.caught_up().await;
            self.catalog.recording(id).await
        })
    }

    fn audit(&self, before: Option<u64>, limit: u32) -> BoxFuture<'_, Result<Vec<(u64, Fact)>, CatalogError>> {
        Box::pin(async move {
            self.caught_up().await;
            self.catalog.audit(before, limit).await
        })
    }

    fn position(&self) -> BoxFuture<'_, Result<u64, CatalogError>> {
        self.catalog.position()
    }

    fn follow<'a>(&'a self, facts: &'a [(u64, Fact)]) -> BoxFuture<'a, Result<(), CatalogError>> {
        self.catalog.follow(facts)
    }

    fn restore<'a>(&'a self, view: &'a RecordingView) -> BoxFuture<'a, Result<(), CatalogError>> {
        self.catalog.restore(view)
    }
}

#[cfg(test)]
mod tests {
    use model::{RecordingOpened, Timestamp};
    use storage_core::memory::MemoryCatalog;

    use super::*;

    fn fact(id: RecordingId) -> Fact {
        Fact::RecordingOpened(RecordingOpened {
            recording: id,
            record_id: None,
            call_uuid: None,
            conn_id: None,
            profile: "rfc7866".into(),
            at: Timestamp::from_nanos(1),
        })
    }

    #[tokio::test]
    async fn an_answer_waits_for_what_was_durable_when_it_was_asked_for() {
        let inner: Arc<dyn Catalog> = Arc::new(MemoryCatalog::default());
        let current = Current::new(Arc::clone(&inner), Arc::new(AtomicU64::new(1)));
        let id = RecordingId::from_bytes([7; 16]);
        let follower = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            inner.follow(&[(1, fact(id))]).await.unwrap();
        };
        let (found, ()) = tokio::join!(current.recording(id), follower);
        assert!(found.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_catalog_that_stays_behind_still_answers() {
        let current = Current::new(Arc::new(MemoryCatalog::default()), Arc::new(AtomicU64::new(9)));
        assert!(current.recording(RecordingId::from_bytes([7; 16])).await.unwrap().is_none());
        assert!(!is_followed(&*current.catalog, 9, PATIENCE, LOOK).await);
    }
}
