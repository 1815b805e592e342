//! Logging in and out.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use storage_core::assurance::Day;

use super::{Refused, Visitor, fields, form, html as answer, is_same_origin, page::frame};
use crate::{
    app::{App, Deed},
    caller::{COOKIE, cookie, recording_id, source, stranger},
    limits, outside,
    problem::Problem,
    query,
};

/// `GET /login`.
pub(super) async fn page(RawQuery(raw): RawQuery) -> Result<Response, Refused> {
    let pairs = query::pairs(raw.as_deref().unwrap_or_default())?;
    Ok(answer(form_page(query::value(&pairs, "next"), None)))
}

/// `POST /login`.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    Origin(source): Origin,
    body: Bytes,
) -> Result<Response, Refused> {
    if !is_same_origin(&headers, &uri) {
        return Err(Problem::forbidden("the login form was sent from another site").into());
    }
    let fields = fields(&body)?;
    let field = |name| query::value(&fields, name).unwrap_or_default().to_owned();
    let (name, password, next) = (field("user"), field("password"), field("next"));
    let keys = [format!("from {}", source.as_deref().unwrap_or("?")), format!("user {}", short(&name))];
    let now = outside::now();
    if !keys.iter().all(|key| app.logins.admits(key, now)) {
        return Err(Problem::throttled(app.logins.seconds()).into());
    }
    match app.check_password(name.clone(), password).await? {
        Some(user) => {
            let actor = model::Actor { id: user.id.clone(), role: Some(user.role) };
            app.note(&actor, source.as_deref(), Deed::done("login")).await?;
            let cookie = app.sessions.open(&user.id, user.role, now);
            Ok(with_cookie(Redirect::to(&target(&next)).into_response(), &cookie, ""))
        }
        None => {
            for key in &keys {
                app.logins.failed(key, now);
            }
            // People type passwords into the name field: what was typed stands in the audit trail as personal, cut.
            let deed = Deed::done("login").detail(short(&name)).denied();
            app.note(&stranger(), source.as_deref(), deed).await?;
            let page = form_page(Some(&next), Some("User name or password is wrong."));
            Ok((axum::http::StatusCode::UNAUTHORIZED, answer(page)).into_response())
        }
    }
}

/// `POST /logout`.
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    form(&caller, &body)?;
    caller.note(&app, Deed::done("logout")).await?;
    if let Some(cookie) = cookie(&headers) {
        app.sessions.close(cookie);
    }
    Ok(with_cookie(Redirect::to("/login").into_response(), "", "; Max-Age=0"))
}

/// Where a request came from.
pub(super) struct Origin(pub(super) Option<String>);

impl axum::extract::FromRequestParts<Arc<App>> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(source(parts)))
    }
}

/// Only a recording or a day of ours is a place to go on to: never a URL that somebody put into the link.
fn target(next: &str) -> String {
    match (recording_id(next), next.parse::<Day>()) {
        (Ok(id), _) => format!("/recordings/{id}"),
        (Err(_), Ok(day)) => format!("/assurance/{day}"),
        (Err(_), Err(_)) => "/".into(),
    }
}

fn with_cookie(mut response: Response, value: &str, more: &str) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{more}");
    let cookie = HeaderValue::from_str(&cookie).expect("base64url is a header value");
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(limits::NAME_CHARS).collect()
}

fn form_page(next: Option<&str>, complaint: Option<&str>) -> Markup {
    let content = html! {
        section.login {
            h1 { "Log in" }
            @if let Some(complaint) = complaint { p.complaint role="alert" { (complaint) } }
            form method="post" action="/login" {
                label for="user" { "User" }
                input #user name="user" autocomplete="username" required autofocus;
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required;
                @if let Some(next) = next.filter(|next| !next.is_empty()) {
                    input type="hidden" name="next" value=(next);
                }
                button type="submit" { "Log in" }
            }
        }
    };
    frame("Log in", None, &content)
}
