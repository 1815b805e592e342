//! Questions about interactions and deliveries, answered from the tables and the catalog.

use std::sync::Arc;

use storage_core::{
    delivery::{DeadLetter, Delivery, Known, SubscriberView},
    interaction::{Revision, gather, key},
    ports::{BoxFuture, Catalog, CatalogError},
};

use super::{Clock, DeliveryStore, follow, parcels};

/// The read side.
pub struct DeliveryDesk {
    /// The tables.
    pub store: DeliveryStore,
    /// What is known of recordings.
    pub catalog: Arc<dyn Catalog>,
    /// Names of the subscribers of the configuration.
    pub subscribers: Vec<String>,
    /// The time of facts.
    pub clock: Clock,
}

impl Delivery for DeliveryDesk {
    fn interaction<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Known>, CatalogError>> {
        Box::pin(async move {
            let gathered = gather(&*self.catalog, id).await?;
            let spelled = gathered.views.first().map_or_else(|| id.to_ascii_uppercase(), key);
            let issued = self.store.with(move |connection| follow::issued(connection, &spelled)).await?;
            let merged_into = issued.as_ref().and_then(|issued| issued.merged_into.clone());
            let revision = issued.as_ref().map_or(Revision::default(), |issued| Revision {
                number: issued.revision,
                is_settled: issued.is_settled,
            });
            let id = match (gathered.views.first(), issued) {
                (Some(view), _) => key(view),
                (None, Some(issued)) if merged_into.is_some() => issued.id,
                (None, _) => return Ok(None),
            };
            Ok(Some(Known { id, gathered, revision, merged_into }))
        })
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<SubscriberView>, CatalogError>> {
        let names = self.subscribers.clone();
        Box::pin(self.store.with(move |connection| {
            names.iter().map(|name| parcels::status(connection, name)).collect::<rusqlite::Result<Vec<_>>>()
        }))
    }

    fn dead_letters(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, CatalogError>> {
        Box::pin(self.store.with(move |connection| parcels::dead(connection, after, limit)))
    }

    fn retry(&self, subscriber: Option<String>, number: Option<u64>) -> BoxFuture<'_, Result<u64, CatalogError>> {
        let now = (self.clock)();
        Box::pin(self.store.with(move |connection| parcels::retry(connection, (subscriber.as_deref(), number), now)))
    }
}
