//! Which recordings of the last day are of which calls: a CTI source may speak of them late, after a restart too.

use std::{sync::Arc, time::Duration};

use model::Timestamp;
use session::Input;
use signaling_core::tlib::event::CallIds;
use storage_core::{
    ports::{Catalog, Query},
    view::{RecordingView, State},
};

use super::House;
use crate::{life, session_thread::Mail, session_thread::Mailbox};

/// As long as calls are remembered anyway, in milliseconds.
const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// Recordings asked for at once.
const PAGE: u32 = 500;
/// Pages at most: as many calls as the session core remembers.
const PAGES: usize = 100;
/// Between two pages, and before a catalog that is away is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells the session core, beside the first calls.
pub(super) fn start(house: &House<'_>) {
    if house.config.tlib.is_on() {
        let from = Timestamp::from_millis(life::now().millis().saturating_sub(DAY_MS));
        house.background.spawn(recall(Arc::clone(&house.catalog), house.mailbox.clone(), from));
    }
}

async fn recall(catalog: Arc<dyn Catalog>, mailbox: Mailbox, from: Timestamp) {
    let mut query = Query { from: Some(from), limit: PAGE, ..Query::default() };
    for _ in 0..PAGES {
        let page = match catalog.search(&query).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "the calls before the start are not recalled: late CTI events of them stand alone");
                return;
            }
        };
        for input in page.items.iter().filter(|view| view.state != State::Deleted).filter_map(recalled) {
            if !mailbox.try_send(Mail::Input(Box::new(input))) {
                return;
            }
        }
        let Some(next) = page.next else { return };
        query.cursor = Some(next);
        tokio::time::sleep(PAUSE).await;
    }
}

fn recalled(view: &RecordingView) -> Option<Input> {
    let ids = CallIds {
        call_uuid: view.call_uuid.clone(),
        conn_id: view.conn_id.clone(),
        previous_conn_id: None,
        record_id: view.record_id.clone(),
    };
    (!ids.is_empty()).then_some(Input::Recalled { recording: view.id, ids })
}
