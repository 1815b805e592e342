//! The console: server-rendered pages over the same questions as the API; no outside origin, no inline script or style.

mod assurance;
mod detail;
mod list;
mod login;
mod page;
mod sessions;
mod waveform;

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Path},
    http::{HeaderMap, HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get, post},
};
use crypto::digest::constant_time_eq;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use storage_core::assurance::Day;

use crate::{
    app::App,
    caller::{Caller, by_cookie, recording_id, source},
    guard::labelled,
    problem::Problem,
    query::{self, Pairs},
};

/// The console's part of the router.
pub(crate) fn router() -> Router<Arc<App>> {
    let routes: [(&'static str, MethodRouter<Arc<App>>); 9] = [
        ("/", get(list::page)),
        ("/login", get(login::page).post(login::submit)),
        ("/logout", post(login::logout)),
        ("/recordings/{id}", get(detail::page)),
        ("/recordings/{id}/{action}", post(detail::act)),
        ("/assurance", get(assurance::page)),
        ("/assurance/{day}", get(assurance::day)),
        ("/assurance/{day}/{incident}", get(assurance::incident).post(assurance::say)),
        ("/assets/{name}", get(asset)),
    ];
    routes
        .into_iter()
        .fold(Router::new(), |router, (pattern, route)| router.route(pattern, labelled(route, pattern)))
        .fallback(|| async { Refused::from(Problem::not_found("there is no such page")) })
        .method_not_allowed_fallback(|| async { Refused::from(Problem::method_not_allowed()) })
}

/// Somebody with a console session; anybody else is sent to the login page.
pub(crate) struct Visitor(pub(crate) Caller);

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        match by_cookie(app, &parts.headers, source(parts))? {
            Some(caller) => Ok(Self(caller)),
            None => Err(Refused(Redirect::to(&login_url(&parts.uri)).into_response())),
        }
    }
}

/// The login page; it leads back to the recording or the day that was asked for, and to nothing else.
fn login_url(uri: &Uri) -> String {
    let path = uri.path();
    let id = path.strip_prefix("/recordings/").and_then(|id| recording_id(id).ok()).map(|id| id.to_string());
    let day = path.strip_prefix("/assurance/").and_then(|rest| rest.split('/').next()?.parse::<Day>().ok());
    match id.or(day.map(|day| day.to_string())) {
        Some(next) => format!("/login?next={next}"),
        None => "/login".into(),
    }
}

/// Why there is no page: a problem as a page, or a redirection.
pub(crate) struct Refused(Response);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let body = page::problem(&problem).into_string();
        Self((problem.status, problem.headers(), html_type(), body).into_response())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0
    }
}

/// A page.
fn html(markup: maud::Markup) -> Response {
    (html_type(), markup.into_string()).into_response()
}

fn html_type() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))]
}

/// The fields of a form that a logged-in visitor sent; it carries the form token of the session.
fn form(caller: &Caller, body: &[u8]) -> Result<Pairs, Problem> {
    let fields = fields(body)?;
    let sent = query::value(&fields, "csrf").unwrap_or_default();
    let is_ours = caller.csrf.as_ref().is_some_and(|known| constant_time_eq(known.as_bytes(), sent.as_bytes()));
    match is_ours {
        true => Ok(fields),
        false => Err(Problem::forbidden("the form is not from this session; go back, reload the page and try again")),
    }
}

fn fields(body: &[u8]) -> Result<Pairs, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::bad_request("the form is not UTF-8"))?;
    query::pairs(text)
}

/// A form that is sent before there is a session must come from a page of ours: browsers say where from.
fn is_same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text("host"));
    match text("origin") {
        Some(origin) => origin.strip_prefix("https://").is_some_and(|origin| Some(origin) == host),
        None => true,
    }
}

async fn asset(name: Result<Path<String>, axum::extract::rejection::PathRejection>) -> Response {
    let (kind, body) = match name.as_ref().map(|Path(name)| name.as_str()) {
        Ok("console.css") => ("text/css; charset=utf-8", include_str!("../../assets/console.css")),
        Ok("player.js") => ("text/javascript; charset=utf-8", include_str!("../../assets/player.js")),
        Ok("icon.svg") => ("image/svg+xml", include_str!("../../assets/icon.svg")),
        _ => return Refused::from(Problem::not_found("there is no such page")).into_response(),
    };
    let cache = "private, max-age=300";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], body).into_response()
}

/// A value in a link.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
