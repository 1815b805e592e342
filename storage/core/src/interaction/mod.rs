//! The interaction: the recordings that share one key, as one document for whoever analyses calls.
//!
//! ```text
//!  facts -- step() --> which recordings belong together, which are finished      (kept by a shell)
//!  views -- Document::of() --> one JSON document, the same octets for the same views
//! ```
//!
//! What the document says stands in `INTERACTION.md` beside this file, its schema in `schema.json`.

mod attached;
mod document;
mod history;
mod people;
mod step;
#[cfg(test)]
mod tests;

pub use document::{Document, RecordingShape, Revision, State};
pub use history::Happened;
pub use step::{Naming, Rank, Step, step};

use crate::{
    limits::RECORDINGS_PER_INTERACTION,
    ports::{Catalog, CatalogError, Query},
    view::RecordingView,
};

/// The JSON Schema of the document.
pub const SCHEMA: &str = include_str!("schema.json");

/// What names the schema in an event.
pub const SCHEMA_ID: &str = "urn:recorder:schema:interaction:1";

/// The interaction that a recording is of: what CTI or the CallUUID said, else the ConnID, else it is one of its own.
pub fn key(view: &RecordingView) -> String {
    let said = view.correlation.get("interaction").or(view.call_uuid.as_ref()).or(view.conn_id.as_ref());
    said.map_or_else(|| view.id.to_string(), |key| normal(key))
}

/// Case says nothing in the ids of a switch.
fn normal(key: &str) -> String {
    key.to_ascii_uppercase()
}

/// Whether a recording is of one of these partitions; without any asked for, every one is.
pub fn is_of_partition(view: &RecordingView, wanted: &[String]) -> bool {
    wanted.is_empty() || document::partitions(view).any(|name| wanted.iter().any(|wanted| wanted == name))
}

/// Whatever the catalog has of an interaction, in the order of the document; `id` in any case. More than
/// [`RECORDINGS_PER_INTERACTION`] are counted only.
///
/// # Errors
/// The catalog is away.
pub async fn gather(catalog: &dyn Catalog, id: &str) -> Result<Gathered, CatalogError> {
    let wanted = |view: &RecordingView| key(view).eq_ignore_ascii_case(id);
    let mut views = Vec::new();
    if let Ok(recording) = id.to_ascii_lowercase().parse() {
        views.extend(catalog.recording(recording).await?.filter(wanted));
    }
    // A `*` would be a wildcard; the key is compared again, so that it can only find too much.
    let limit = RECORDINGS_PER_INTERACTION as u32 + 1;
    let by_key = Query { correlation: Some(format!("interaction={id}")), limit, ..Query::default() };
    let by_uuid = Query { call_uuid: Some(id.to_owned()), limit, ..Query::default() };
    let by_conn = Query { conn_id: Some(id.to_owned()), limit, ..Query::default() };
    for query in [by_key, by_uuid, by_conn] {
        let found = match catalog.search(&query).await {
            // Too long to be a filter is too long to be found.
            Err(CatalogError::BadQuery(_)) => continue,
            found => found?,
        };
        views.extend(found.items.into_iter().filter(wanted));
    }
    views.sort_by_key(|view| (view.started_at, view.id));
    views.dedup_by_key(|view| view.id);
    let has_more = views.len() > RECORDINGS_PER_INTERACTION;
    views.truncate(RECORDINGS_PER_INTERACTION);
    Ok(Gathered { views, has_more })
}

/// The recordings of one interaction.
pub struct Gathered {
    /// By their beginning, bounded.
    pub views: Vec<RecordingView>,
    /// There are more than a document takes.
    pub has_more: bool,
}
