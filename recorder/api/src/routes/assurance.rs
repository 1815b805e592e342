//! Recording assurance: days, calls, incidents and their annotation, silent users, call detail records.

use std::sync::Arc;

use axum::{
    Json,
    body::{Bytes, to_bytes},
    extract::{Path, RawQuery, Request, State, rejection::BytesRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use storage_core::{
    assurance::{Day, Key},
    query::Pattern,
};

use super::parameters;
use crate::{
    app::App,
    assure::{self, IncidentsAsked},
    caller::Caller,
    limits,
    ports::{CallsAsked, SignedReport},
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
    let outcome = assure::day(&app, &caller, named(&day)?).await?;
    let mut answer = serde_json::to_value(&outcome.summary).unwrap_or(Value::Null);
    answer["dns"] = json!(outcome.dns);
    answer["incidents"] = (outcome.incidents.len() as u64 + outcome.unlisted).into();
    answer["report"] = outcome.report.into();
    Ok(Json(answer).into_response())
}

/// `GET /assurance/days/{day}/report`: the document as it was signed, for `recorder assurance verify`.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(day): Path<String>,
    raw: RawQuery,
) -> Result<Response, Problem> {
    query::strict(parameters(&raw)?, &[])?;
    let day = named(&day)?;
    let SignedReport { revision, document } = assure::report(&app, &caller, day).await?;
    let name = format!("attachment; filename=\"assurance-{day}-report-{revision}.json\"");
    let kind = HeaderValue::from_static("application/x-ndjson");
    let name = HeaderValue::from_str(&name).expect("a day and digits are a header value");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], document).into_response())
}

/// `GET /assurance/calls`.
pub(super) async fn calls(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["day", "verdict", "dn", "limit", "cursor"])?;
    let (verdict, dn) = (assure::verdict(&pairs)?, query::value(&pairs, "dn").map(Pattern::new));
    let (day, limit, after) = (asked_day(&pairs)?, query::limit(&pairs)?, assure::cursor(&pairs)?);
    let asked = told(&pairs);
    let question = CallsAsked { day, verdict, dn, after, limit: limit + 1 };
    let (items, next) = assure::page(assure::calls(&app, &caller, question, &asked).await?, limit);
    Ok(Json(PageShape { items, next }).into_response())
}

/// `GET /assurance/incidents`.
pub(super) async fn incidents(State(app): State<Arc<App>>, caller: Caller, raw: RawQuery) -> Result<Response, Problem> {
    let pairs = query::strict(parameters(&raw)?, &["day", "verdict", "dn", "annotated", "limit", "cursor"])?;
    let annotated = match query::value(&pairs, "annotated") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Problem::parameter("annotated", "is neither true nor false")),
    };
    let (verdict, dn) = (assure::verdict(&pairs)?, query::value(&pairs, "dn").map(Pattern::new));
    let (limit, after) = (query::limit(&pairs)?, assure::cursor(&pairs)?);
    let asked = IncidentsAsked { verdict, dn, annotated, after, limit };
    let outcome = assure::day(&app, &caller, asked_day(&pairs)?).await?;
    let (items, next) = asked.page(outcome.incidents);
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
    let (cause, note) = assure::said(&cause, note)?;
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

/// The day that a path names.
fn named(day: &str) -> Result<Day, Problem> {
    day.parse().map_err(|_| Problem::not_found("no such day; it is written 2026-11-21"))
}

fn told(pairs: &Pairs) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
