//! The recordings that a start has to know of, folded fact by fact: those that are neither archived nor destroyed.

use std::{collections::BTreeMap, sync::Arc};

use model::{Fact, RecordingId};
use storage_core::{
    fold,
    view::{RecordingView, State},
};

/// Views of unfinished recordings, oldest first. Shared with whoever writes a snapshot: while it holds one, the next fact
/// about that recording costs a copy, and nobody waits.
#[derive(Default)]
pub struct Unfinished(BTreeMap<RecordingId, Arc<RecordingView>>);

impl Unfinished {
    /// Takes one fact in.
    pub fn apply(&mut self, fact: &Fact) {
        let Some(id) = fact.recording() else { return };
        let Some(view) = self.0.get_mut(&id) else {
            if let Some(view) = fold::begin(fact) {
                self.0.insert(id, Arc::new(view));
            }
            return;
        };
        let is_known = fold::go_on(Arc::make_mut(view), fact);
        // What is archived or destroyed needs nobody at start-up: a year of them must not fill the memory.
        if !is_known || matches!(view.state, State::Archived | State::Deleted) {
            self.0.remove(&id);
        }
    }

    /// What is known of a recording.
    pub fn get(&self, id: RecordingId) -> Option<&Arc<RecordingView>> {
        self.0.get(&id)
    }

    /// All of them, for a snapshot.
    pub fn all(&self) -> Vec<Arc<RecordingView>> {
        self.0.values().cloned().collect()
    }
}

impl FromIterator<RecordingView> for Unfinished {
    fn from_iter<I: IntoIterator<Item = RecordingView>>(views: I) -> Self {
        Self(views.into_iter().map(|view| (view.id, Arc::new(view))).collect())
    }
}

impl IntoIterator for Unfinished {
    type Item = RecordingView;
    type IntoIter = std::iter::Map<
        std::collections::btree_map::IntoValues<RecordingId, Arc<RecordingView>>,
        fn(Arc<RecordingView>) -> RecordingView,
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values().map(Arc::unwrap_or_clone)
    }
}
