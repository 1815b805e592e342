//! The routes of `/api/v1`: one table, from which the router is built and against which `openapi.json` is held.

mod assurance;
mod audio;
mod control;
mod interactions;
mod lists;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, RawQuery, rejection::PathRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use model::{CallControl, CommandKind, RecordingId};

pub(crate) use self::control::checked_reason;

use crate::{app::App, caller::recording_id, guard::labelled, ports::Mark, problem::Problem, query};

/// One path with the methods it answers (HEAD goes with GET).
pub(crate) struct Route {
    /// As the router and OpenAPI both write it.
    pub(crate) path: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "held against openapi.json by a test"))]
    pub(crate) methods: &'static [&'static str],
    handler: fn() -> MethodRouter<Arc<App>>,
}

/// Where the API lives.
pub(crate) const PREFIX: &str = "/api/v1";

/// Every route, below [`PREFIX`].
pub(crate) const TABLE: [Route; 29] = [
    Route { path: "/recordings", methods: &["get"], handler: || get(lists::recordings) },
    Route {
        path: "/recordings/{id}",
        methods: &["get", "delete"],
        handler: || get(lists::recording).delete(control::mark(Mark::Delete)),
    },
    Route { path: "/recordings/{id}/audio", methods: &["get"], handler: || get(audio::audio) },
    Route { path: "/recordings/{id}/peaks", methods: &["get"], handler: || get(lists::peaks) },
    Route {
        path: "/recordings/{id}/pause",
        methods: &["post"],
        handler: || post(control::command(CommandKind::Pause)),
    },
    Route {
        path: "/recordings/{id}/resume",
        methods: &["post"],
        handler: || post(control::command(CommandKind::Resume)),
    },
    Route { path: "/recordings/{id}/stop", methods: &["post"], handler: || post(control::command(CommandKind::Stop)) },
    Route { path: "/recordings/{id}/keep", methods: &["post"], handler: || post(control::command(CommandKind::Keep)) },
    Route {
        path: "/recordings/{id}/discard",
        methods: &["post"],
        handler: || post(control::command(CommandKind::Discard)),
    },
    Route {
        path: "/recordings/{id}/hold",
        methods: &["post", "delete"],
        handler: || post(control::mark(Mark::Hold)).delete(control::mark(Mark::Release)),
    },
    Route {
        path: "/calls/{call}/start",
        methods: &["post"],
        handler: || post(control::call_command(CallControl::Start)),
    },
    Route {
        path: "/calls/{call}/pause",
        methods: &["post"],
        handler: || post(control::call_command(CallControl::Pause)),
    },
    Route {
        path: "/calls/{call}/resume",
        methods: &["post"],
        handler: || post(control::call_command(CallControl::Resume)),
    },
    Route {
        path: "/calls/{call}/stop",
        methods: &["post"],
        handler: || post(control::call_command(CallControl::Stop)),
    },
    Route {
        path: "/calls/{call}/keep",
        methods: &["post"],
        handler: || post(control::call_command(CallControl::Keep)),
    },
    Route { path: "/interactions/{id}", methods: &["get"], handler: || get(interactions::interaction) },
    Route { path: "/delivery", methods: &["get"], handler: || get(interactions::subscribers) },
    Route { path: "/delivery/dead", methods: &["get"], handler: || get(interactions::dead_letters) },
    Route { path: "/delivery/retry", methods: &["post"], handler: || post(interactions::retry) },
    Route { path: "/assurance/days", methods: &["get"], handler: || get(assurance::days) },
    Route { path: "/assurance/days/{day}", methods: &["get"], handler: || get(assurance::day) },
    Route { path: "/assurance/days/{day}/report", methods: &["get"], handler: || get(assurance::report) },
    Route { path: "/assurance/calls", methods: &["get"], handler: || get(assurance::calls) },
    Route { path: "/assurance/incidents", methods: &["get"], handler: || get(assurance::incidents) },
    Route { path: "/assurance/incidents/{id}", methods: &["post"], handler: || post(assurance::annotate) },
    Route { path: "/assurance/silent", methods: &["get"], handler: || get(assurance::silent) },
    Route { path: "/cdrs", methods: &["post"], handler: || post(assurance::import) },
    Route { path: "/audit", methods: &["get"], handler: || get(lists::audit) },
    Route { path: "/openapi.json", methods: &["get"], handler: || get(openapi) },
];

/// The API's part of the router.
pub(crate) fn router() -> Router<Arc<App>> {
    TABLE
        .iter()
        .fold(Router::new(), |router, route| {
            router.route(route.path, labelled((route.handler)(), &format!("{PREFIX}{}", route.path)))
        })
        .fallback(|| async { Problem::not_found("no such resource") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
}

async fn openapi() -> Response {
    json(include_str!("../../assets/openapi.json").to_owned().into_bytes())
}

/// The recording a path names.
pub(crate) struct RecordingPath(pub(crate) RecordingId);

impl axum::extract::FromRequestParts<Arc<App>> for RecordingPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, app).await;
        let Ok(Path(text)) = path else { return Err(Problem::not_found("no such recording")) };
        recording_id(&text).map(Self)
    }
}

/// The interaction a path names, in any spelling.
pub(crate) struct InteractionPath(pub(crate) String);

/// The call a path names: CallUUID, ConnID or recording id.
pub(crate) struct CallPath(pub(crate) String);

impl axum::extract::FromRequestParts<Arc<App>> for CallPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, app).await;
        let named = |call: &String| !call.is_empty() && call.len() <= crate::limits::CALL_NAME_OCTETS;
        path.ok().map(|Path(call)| call).filter(named).map(Self).ok_or_else(|| Problem::not_found("no such call"))
    }
}

/// The parameters of a query string.
fn parameters(RawQuery(query): &RawQuery) -> Result<query::Pairs, Problem> {
    query::pairs(query.as_deref().unwrap_or_default())
}

/// An answer of JSON octets.
fn json(octets: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], octets).into_response()
}
