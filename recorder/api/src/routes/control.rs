//! Changing: commands to live recordings, holds, destruction.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use model::{CallControl, CommandKind};
use serde::Deserialize;
use serde_json::json;

use super::{CallPath, RecordingPath, parameters};
use crate::{app::App, ask, caller::Caller, limits, ports::Mark, problem::Problem, query};

type Answer = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

/// The handler of `POST /recordings/{id}/pause`, `resume`, `stop`, `keep` or `discard`.
pub(super) fn command(
    kind: CommandKind,
) -> impl Fn(State<Arc<App>>, Caller, RecordingPath, RawQuery, Result<Bytes, BytesRejection>) -> Answer
+ Clone
+ Send
+ Sync
+ 'static {
    move |State(app), caller, RecordingPath(id), raw, body| {
        Box::pin(async move {
            query::strict(parameters(&raw)?, &[])?;
            ask::command(&app, &caller, id, kind, reason(body)?).await?;
            let mut answer = json!({ "id": id.to_string(), "command": kind.name(), "state": state_after(kind) });
            if let CommandKind::Pause | CommandKind::Resume = kind {
                answer["paused"] = (kind == CommandKind::Pause).into();
            }
            Ok(Json(answer).into_response())
        })
    }
}

/// The handler of `POST /calls/{call}/start`, `pause`, `resume`, `stop` or `keep`.
pub(super) fn call_command(
    kind: CallControl,
) -> impl Fn(State<Arc<App>>, Caller, CallPath, RawQuery, Result<Bytes, BytesRejection>) -> Answer
+ Clone
+ Send
+ Sync
+ 'static {
    move |State(app), caller, CallPath(call), raw, body| {
        Box::pin(async move {
            query::strict(parameters(&raw)?, &[])?;
            ask::call_command(&app, &caller, call.clone(), kind, reason(body)?).await?;
            Ok((StatusCode::ACCEPTED, Json(json!({ "call": call, "command": kind.name() }))).into_response())
        })
    }
}

/// The handler of `POST` and `DELETE /recordings/{id}/hold`, and of `DELETE /recordings/{id}`.
pub(super) fn mark(
    mark: Mark,
) -> impl Fn(State<Arc<App>>, Caller, RecordingPath, RawQuery, Result<Bytes, BytesRejection>) -> Answer
+ Clone
+ Send
+ Sync
+ 'static {
    move |State(app), caller, RecordingPath(id), raw, body| {
        Box::pin(async move {
            query::strict(parameters(&raw)?, &[])?;
            ask::mark(&app, &caller, id, mark, reason(body)?).await?;
            let answer = match mark {
                Mark::Hold => json!({ "id": id.to_string(), "held": true }),
                Mark::Release => json!({ "id": id.to_string(), "held": false }),
                Mark::Delete => json!({ "id": id.to_string(), "state": "deleted" }),
            };
            Ok(Json(answer).into_response())
        })
    }
}

/// What the recording is once the command is done; the catalog may follow a moment later.
fn state_after(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Pause | CommandKind::Resume | CommandKind::Keep => "live",
        CommandKind::Stop => "finalizing",
        CommandKind::Discard => "deleted",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: Option<String>,
}

/// The reason in the body, if there is a body.
fn reason(body: Result<Bytes, BytesRejection>) -> Result<Option<String>, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        _ => Problem::bad_request("the body cannot be read"),
    })?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let body: Body = serde_json::from_slice(&body)
        .map_err(|_| Problem::bad_request("the body is not a JSON object with at most a `reason`"))?;
    checked_reason(body.reason)
}

/// A reason within bounds; an empty one is none.
pub(crate) fn checked_reason(reason: Option<String>) -> Result<Option<String>, Problem> {
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    match &reason {
        Some(text) if text.chars().count() > limits::REASON_CHARS => Err(Problem::parameter("reason", "is too long")),
        _ => Ok(reason),
    }
}
