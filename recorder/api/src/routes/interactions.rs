//! Interactions as consolidated documents, and how their delivery is doing.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use storage_core::interaction::Document;

use super::{InteractionPath, parameters};
use crate::{
    app::App,
    ask,
    caller::Caller,
    limits,
    problem::Problem,
    query,
    shape::{DeadLetterShape, PageShape, SubscriberShape},
};

/// `GET /interactions/{id}`.
pub(super) async fn interaction(
    State(app): State<Arc<App>>,
    caller: Caller,
    InteractionPath(id): InteractionPath,
    raw: RawQuery,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let known = ask::interaction(&app, &caller, &id).await?;
    let document = Document::of(&known.id, &known.gathered, known.revision, known.merged_into.as_deref());
    Ok(super::json(document.encode()))
}

/// `GET /delivery`.
pub(super) async fn subscribers(
    State(app): State<Arc<App>>,
    caller: Caller,
    raw: RawQuery,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let subscribers = ask::subscribers(&app, &caller).await?;
    let items: Vec<_> = subscribers.iter().map(SubscriberShape::of).collect();
    Ok(Json(serde_json::json!({ "items": items })).into_response())
}

/// `GET /delivery/dead`.
pub(super) async fn dead_letters(
    State(app): State<Arc<App>>,
    caller: Caller,
    raw: RawQuery,
) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["limit", "cursor"])?;
    let limit = query::limit(&pairs)?;
    let after = query::value(&pairs, "cursor")
        .map(|cursor| cursor.parse().map_err(|_| Problem::parameter("cursor", "is none that was given out")))
        .transpose()?;
    let letters = ask::dead_letters(&app, &caller, after.unwrap_or(0), limit).await?;
    let is_full = letters.len() >= limit as usize;
    let next = letters.last().filter(|_| is_full).map(|letter| letter.number.to_string());
    let items = letters.iter().map(DeadLetterShape::of).collect();
    Ok(Json(PageShape { items, next }).into_response())
}

/// What `POST /delivery/retry` may say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    subscriber: Option<String>,
    number: Option<u64>,
}

/// `POST /delivery/retry`.
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    caller: Caller,
    raw: RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let body = body.map_err(|_| Problem::too_large())?;
    let wish: Retry = match body.iter().all(u8::is_ascii_whitespace) {
        true => Retry::default(),
        false => serde_json::from_slice(&body).map_err(|_| {
            Problem::bad_request("the body is not a JSON object with at most `subscriber` and `number`")
        })?,
    };
    let retried = ask::retry(&app, &caller, wish.subscriber, wish.number).await?;
    Ok(Json(serde_json::json!({ "retried": retried })).into_response())
}

impl axum::extract::FromRequestParts<Arc<App>> for InteractionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path: Option<Path<String>> = Path::from_request_parts(parts, app).await.ok();
        let is_one =
            |id: &String| !id.is_empty() && id.len() <= limits::CALL_NAME_OCTETS && !id.chars().any(char::is_control);
        path.map(|Path(id)| id).filter(is_one).map(Self).ok_or_else(|| Problem::not_found("no such interaction"))
    }
}
