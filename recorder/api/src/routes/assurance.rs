//! Recording assurance: days, calls, incidents and their annotation, silent users, call detail records.

use std::sync::Arc;

use axum::{
    Json,
    body::{Bytes, to_bytes},
    extract::{Path, RawQuery, Request, State, rejection::BytesRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use model::IncidentCause;
use serde::Deserialize;
use serde_json::{Value, json};
use storage_core::{
    assurance::{Day, JudgedCall, Key, Verdict},
    query::Pattern,
};

use super::parameters;
use crate::{
    app::App,
    assure,
    caller::Caller,
    limits,
    ports::CallsAsked,
    problem::Problem,
    query::{self, Pairs},
    shape::PageShape,
};

/// `GET /assurance/days`.
pub(super) async fn days(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    Ok(Json(json!({ "items": assure::days(&app, &caller).await? })).into_response())
}

/// `GET /assurance/days/{day}`.
pub(super) async fn day(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(day): Path<String>,
    raw: RawQuery,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let day: Day = day.parse().map_err(|_| Problem::not_found("no such day; it is written 2026-11-21"))?;
    let outcome = assure::day(&app, &caller, day).await?;
    let mut answer = serde_json::to_value(&outcome.summary).unwrap_or(Value::Null);
    answer["dns"] = json!(outcome.dns);
    answer["incidents"] = (outcome.incidents.len() as u64 + outcome.unlisted).into();
    Ok(Json(answer).into_response())
}

/// `GET /assurance/calls`.
pub(super) async fn calls(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["day", "verdict", "dn", "limit", "cursor"])?;
    let verdict = query::value(&pairs, "verdict")
        .map(|name| Verdict::by_name(name).ok_or_else(|| Problem::parameter("verdict", "there is no such verdict")))
        .transpose()?;
    let dn = query::value(&pairs, "dn").map(Pattern::new);
    let (day, limit, after) = (asked_day(&pairs)?, query::limit(&pairs)?, cursor(&pairs)?);
    let asked = told(&pairs);
    let question = CallsAsked { day, verdict, dn, after, limit: limit + 1 };
    let mut items = assure::calls(&app, &caller, question, &asked).await?;
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| has_more).map(place);
    Ok(Json(PageShape { items, next }).into_response())
}

/// `GET /assurance/incidents`.
pub(super) async fn incidents(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["day", "annotated", "limit", "cursor"])?;
    let annotated = match query::value(&pairs, "annotated") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Problem::parameter("annotated", "is neither true nor false")),
    };
    let (limit, after) = (query::limit(&pairs)? as usize, cursor(&pairs)?);
    let outcome = assure::day(&app, &caller, asked_day(&pairs)?).await?;
    let is_behind = |call: &JudgedCall| {
        after.as_ref().is_none_or(|(at, key)| (call.started_at.as_str(), call.incident) > (at.as_str(), *key))
    };
    let fits = |call: &JudgedCall| annotated.is_none_or(|annotated| annotated == call.cause.is_some());
    let mut items: Vec<JudgedCall> =
        outcome.incidents.into_iter().filter(|call| is_behind(call) && fits(call)).take(limit + 1).collect();
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more).map(place);
    Ok(Json(PageShape { items, next }).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    cause: String,
    #[serde(default)]
    note: Option<String>,
}

/// `POST /assurance/incidents/{id}`.
pub(super) async fn annotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    raw: RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        _ => Problem::bad_request("the body cannot be read"),
    })?;
    let Note { cause, note } = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("the body is not a JSON object with `cause` and at most a `note`"))?;
    let cause = IncidentCause::by_name(&cause).ok_or_else(|| {
        let names: Vec<&str> = IncidentCause::ALL.iter().map(|cause| cause.name()).collect();
        Problem::parameter("cause", format!("is none of {}", names.join(", ")))
    })?;
    let note = note.filter(|note| !note.trim().is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > limits::REASON_CHARS) {
        return Err(Problem::parameter("note", "is too long"));
    }
    let incident = id.parse::<Key>().map_err(|_| Problem::not_found("no such incident"))?.to_string();
    assure::annotate(&app, &caller, incident.clone(), (cause, note)).await?;
    Ok(Json(json!({ "incident": incident, "cause": cause.name() })).into_response())
}

/// `GET /assurance/silent`.
pub(super) async fn silent(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    Ok(Json(json!({ "items": assure::silent(&app, &caller).await? })).into_response())
}

/// `POST /cdrs`. Rights and room first: a file is tens of megabytes.
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller,
    raw: RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["source"])?;
    let source = query::value(&pairs, "source").unwrap_or("default");
    assure::may_import(&app, &caller, source).await?;
    let _room = app.imports.try_acquire().map_err(|_| Problem::unavailable("another file is being imported"))?;
    let claims = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if claims.and_then(|value| value.parse::<u64>().ok()).is_some_and(|octets| octets > limits::CDR_OCTETS as u64) {
        return Err(Problem::too_large());
    }
    // Whatever breaks here is the body's length or the connection, and then nobody reads the answer.
    let file = to_bytes(request.into_body(), limits::CDR_OCTETS).await.map_err(|_| Problem::too_large())?;
    let imported = assure::import(&app, &caller, source, file.to_vec()).await?;
    Ok(Json(imported).into_response())
}

fn asked_day(pairs: &Pairs) -> Result<Day, Problem> {
    let text = query::value(pairs, "day").ok_or_else(|| Problem::parameter("day", "is missing"))?;
    text.parse().map_err(|_| Problem::parameter("day", "is not a day, which is written 2026-11-21"))
}

/// Where a page ended: `2026-11-21T10:00:00.000Z_<incident>`.
fn place(call: &JudgedCall) -> String {
    format!("{}_{}", call.started_at, call.incident)
}

fn cursor(pairs: &Pairs) -> Result<Option<(String, Key)>, Problem> {
    let Some(text) = query::value(pairs, "cursor") else { return Ok(None) };
    let read = text.split_once('_').and_then(|(at, key)| Some((at.to_owned(), key.parse().ok()?)));
    read.map(Some).ok_or_else(|| Problem::parameter("cursor", "is none that was given out"))
}

fn told(pairs: &Pairs) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
