//! The consolidator: follows the ledger from its own cursor and issues a document for each interaction that came to rest.

use std::{sync::Arc, time::Duration};

use model::RecordingId;
use prometheus::{IntCounter, IntGauge, Registry};
use storage_core::{
    interaction::{Document, Gathered, Revision, gather},
    ports::{Catalog, CatalogError},
    view::{RecordingView, State},
};

use super::{
    Clock, DeliveryStore,
    follow::{self, Due, Issue},
};
use crate::{
    ledger::FactReader,
    limits::{CONSOLIDATE_AT_ONCE, FOLLOW_FACTS, FOLLOW_IDLE, FOLLOW_RETRY_LAST},
    metrics::{counter, gauge},
};

/// Puts recordings together. One task, at the lowest priority.
pub struct Consolidator {
    reader: FactReader,
    store: DeliveryStore,
    catalog: Arc<dyn Catalog>,
    clock: Clock,
    settle_ms: u64,
    lag: IntGauge,
    issued: IntCounter,
    failures: IntCounter,
    is_ahead: bool,
}

impl Consolidator {
    /// A consolidator of that ledger; what is known of a recording is asked of the catalog.
    pub fn new(
        reader: FactReader,
        store: DeliveryStore,
        catalog: Arc<dyn Catalog>,
        (clock, settle_ms): (Clock, u64),
        registry: &Registry,
    ) -> Self {
        let lag = "Facts of the ledger that consolidation does not know yet.";
        let issued = "Consolidated documents issued, later revisions among them.";
        let failures = "Times that consolidation could not go on: ledger, catalog or delivery.db were away.";
        Self {
            reader,
            store,
            catalog,
            clock,
            settle_ms,
            lag: gauge(registry, "recorder_consolidation_lag_facts", lag),
            issued: counter(registry, "recorder_interactions_issued_total", issued),
            failures: counter(registry, "recorder_consolidation_failures_total", failures),
            is_ahead: false,
        }
    }

    /// Goes on until the task is dropped.
    pub async fn run(mut self) {
        let mut patience = FOLLOW_IDLE;
        loop {
            match self.step().await {
                Ok(0) => tokio::time::sleep(FOLLOW_IDLE).await,
                Ok(_) => {}
                Err(error) => {
                    self.failures.inc();
                    tracing::warn!(%error, "consolidation: cannot go on");
                    tokio::time::sleep(patience).await;
                    patience = (patience * 2).min(FOLLOW_RETRY_LAST);
                    continue;
                }
            }
            patience = FOLLOW_IDLE;
            // The catalog and the API want the same disk.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Follows a batch of facts and issues what is due: how much there was to do.
    ///
    /// # Errors
    /// The ledger, the catalog or the tables are away.
    pub async fn step(&mut self) -> Result<usize, CatalogError> {
        let followed = self.follow().await?;
        let (now, known) = ((self.clock)(), self.catalog.position().await?);
        let due = self.store.with(move |connection| follow::due(connection, now, CONSOLIDATE_AT_ONCE)).await?;
        let mut issued = 0;
        // Of what the catalog does not know yet nothing can be said.
        for due in due.into_iter().filter(|due| due.fact <= known) {
            issued += 1;
            self.issue(due).await?;
        }
        Ok(followed + issued)
    }

    async fn follow(&mut self) -> Result<usize, CatalogError> {
        let position = self.store.with(|connection| follow::position(connection)).await?;
        let away = |error| CatalogError::Unavailable(format!("ledger: {error}"));
        let batch = self.reader.read((position, FOLLOW_FACTS), |batch| batch).await.map_err(away)?;
        let (reached, durable, told) = (batch.reached(position), batch.durable, batch.facts);
        if durable < position && !std::mem::replace(&mut self.is_ahead, true) {
            tracing::error!(
                position,
                durable,
                "consolidation: knows more facts than the ledger has; remove delivery.db"
            );
        }
        let count = told.len();
        self.lag.set(durable.saturating_sub(reached).cast_signed());
        if count > 0 {
            let settle_ms = self.settle_ms;
            self.store.with(move |connection| follow::follow(connection, &told, settle_ms)).await?;
        }
        Ok(count)
    }

    async fn issue(&self, due: Due) -> Result<(), CatalogError> {
        let gathered = gather(&*self.catalog, &due.id).await?;
        let issue = issue_of(&due, &gathered);
        if matches!(issue, Issue::New { .. }) {
            self.issued.inc();
        }
        self.store.with(move |connection| follow::settled(connection, &due, &issue)).await
    }
}

/// A document that says nothing new is not issued again.
fn issue_of(due: &Due, gathered: &Gathered) -> Issue {
    if gathered.views.is_empty() && due.revision == 0 {
        return Issue::None;
    }
    // Told as if it were the first: the number of the revision is nothing new.
    let told = Document::of(&due.id, gathered, Revision { number: 0, is_settled: true }, due.merged_into.as_deref());
    let digest = crypto::digest::sha256_hex(&told.encode());
    if due.digest.as_ref() == Some(&digest) {
        return Issue::None;
    }
    let has_sound =
        |view: &&RecordingView| view.state == State::Archived && view.media.iter().any(|object| object.format == "wav");
    let sounds = gathered.views.iter().filter(has_sound);
    let sounds: Vec<RecordingId> = sounds.map(|view| view.id).collect();
    Issue::New { digest, sounds }
}
