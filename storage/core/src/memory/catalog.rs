//! A catalog in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::{Fact, RecordingId};

use crate::{
    fold,
    ports::{BoxFuture, Catalog, CatalogError, Page, Query},
    query::{Cursor, Filter},
    view::RecordingView,
};

/// Views in a map, searched one by one. Its futures are ready at once.
#[derive(Default)]
pub struct MemoryCatalog {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    position: u64,
    views: BTreeMap<RecordingId, Option<RecordingView>>,
    audit: BTreeMap<u64, Fact>,
}

impl MemoryCatalog {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, query: &Query) -> Result<Page, CatalogError> {
        let filter = Filter::new(query)?;
        let inner = self.inner();
        let mut found: Vec<&RecordingView> = inner
            .views
            .values()
            .flatten()
            .filter(|view| filter.behind.is_none_or(|cursor| Cursor::behind(view) < cursor))
            .filter(|view| filter.accepts(view))
            .collect();
        found.sort_by_key(|view| std::cmp::Reverse(Cursor::behind(view)));
        let limit = filter.limit as usize;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|view| Cursor::behind(view).encode());
        Ok(Page { items: found.into_iter().cloned().collect(), next })
    }
}

impl Inner {
    fn fold(&mut self, facts: &[(u64, Fact)]) {
        for (n, fact) in facts {
            if *n <= self.position {
                continue;
            }
            self.position = *n;
            if let Fact::Audited(_) = fact {
                self.audit.insert(*n, fact.clone());
            } else if let Some(id) = fact.recording() {
                fold::apply(self.views.entry(id).or_default(), fact);
            }
        }
    }
}

impl Catalog for MemoryCatalog {
    fn search<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, CatalogError>> {
        Box::pin(async move { self.page(query) })
    }

    fn recording(&self, id: RecordingId) -> BoxFuture<'_, Result<Option<RecordingView>, CatalogError>> {
        Box::pin(async move { Ok(self.inner().views.get(&id).cloned().flatten()) })
    }

    fn audit(&self, before: Option<u64>, limit: u32) -> BoxFuture<'_, Result<Vec<(u64, Fact)>, CatalogError>> {
        Box::pin(async move {
            let inner = self.inner();
            let older = inner.audit.range(..before.unwrap_or(u64::MAX)).rev();
            Ok(older.take(limit as usize).map(|(n, fact)| (*n, fact.clone())).collect())
        })
    }

    fn position(&self) -> BoxFuture<'_, Result<u64, CatalogError>> {
        Box::pin(async move { Ok(self.inner().position) })
    }

    fn follow<'a>(&'a self, facts: &'a [(u64, Fact)]) -> BoxFuture<'a, Result<(), CatalogError>> {
        Box::pin(async move {
            self.inner().fold(facts);
            Ok(())
        })
    }

    fn restore<'a>(&'a self, view: &'a RecordingView) -> BoxFuture<'a, Result<(), CatalogError>> {
        Box::pin(async move {
            self.inner().views.entry(view.id).or_default().get_or_insert_with(|| view.clone());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        crate::conformance::at_once(crate::conformance::catalog(&MemoryCatalog::default()));
    }
}
