//! Reading: recordings, one recording, its waveform, the audit trail, and who one is.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};

use super::{RecordingPath, parameters};
use crate::{
    app::App,
    ask,
    caller::Caller,
    problem::Problem,
    query,
    shape::{AuditShape, PageShape, Recording},
};

/// `GET /recordings`.
pub(super) async fn recordings(
    State(app): State<Arc<App>>,
    caller: Caller,
    raw: RawQuery,
) -> Result<Response, Problem> {
    let pairs = parameters(&raw)?;
    let asked = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let page = ask::search(&app, &caller, query::search(pairs)?, &asked).await?;
    let items = page.items.iter().map(Recording::of).collect();
    Ok(Json(PageShape { items, next: page.next }).into_response())
}

/// `GET /recordings/{id}`.
pub(super) async fn recording(
    State(app): State<Arc<App>>,
    caller: Caller,
    RecordingPath(id): RecordingPath,
    raw: RawQuery,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let view = ask::view(&app, &caller, id).await?;
    Ok(Json(Recording::of(&view)).into_response())
}

/// `GET /recordings/{id}/peaks`.
pub(super) async fn peaks(
    State(app): State<Arc<App>>,
    caller: Caller,
    RecordingPath(id): RecordingPath,
    raw: RawQuery,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    Ok(super::json(ask::peaks(&app, &caller, id).await?))
}

/// `GET /audit`.
pub(super) async fn audit(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["limit", "cursor"])?;
    let limit = query::limit(&pairs)?;
    let before = query::value(&pairs, "cursor")
        .map(|cursor| cursor.parse().map_err(|_| Problem::parameter("cursor", "is none that was given out")))
        .transpose()?;
    let facts = ask::audit(&app, &caller, before, limit).await?;
    let is_full = facts.len() >= limit as usize;
    let next = facts.last().filter(|_| is_full).map(|(number, _)| number.to_string());
    let items = facts.iter().filter_map(|(number, fact)| AuditShape::of(*number, fact)).collect();
    Ok(Json(PageShape { items, next }).into_response())
}
