//! Who asks: a bearer token, or the session cookie of the console; anybody else is turned away and audited.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};
use model::{Actor, RecordingId, Role};

use crate::{
    access::Principal,
    app::{App, Deed, Source, access_away},
    limits, outside,
    problem::Problem,
    rights::{Right, is_scoped},
};

/// Somebody whose credentials were checked.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    role: Role,
    subject: Option<String>,
    pub(crate) source: Option<String>,
    /// The form token, where a console session asks.
    pub(crate) csrf: Option<String>,
}

/// The name of the session cookie; the prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis 4.1.3).
pub(crate) const COOKIE: &str = "__Host-recorder";

impl Caller {
    fn new(principal: Principal, source: Option<String>, csrf: Option<String>) -> Self {
        let actor = Actor { id: principal.id, role: Some(principal.role) };
        Self { actor, role: principal.role, subject: principal.subject, source, csrf }
    }

    /// Whether the caller has the right at all; for showing or leaving out a button.
    pub(crate) fn may(&self, right: Right) -> bool {
        right.is_of(self.role)
    }

    /// The caller has the right, or the denial is on record and this is the refusal.
    pub(crate) async fn require(&self, app: &App, right: Right, deed: Deed) -> Result<(), Problem> {
        if self.may(right) {
            return Ok(());
        }
        self.note(app, deed.denied()).await?;
        Err(Problem::forbidden(format!("the role {} has not the right `{}`", self.role.name(), right.name())))
    }

    /// Writes an audit fact in the caller's name.
    pub(crate) async fn note(&self, app: &App, deed: Deed) -> Result<(), Problem> {
        app.note(&self.actor, self.source.as_deref(), deed).await
    }

    /// Whose calls the caller is limited to.
    pub(crate) fn scope(&self) -> Scope<'_> {
        match (is_scoped(self.role), &self.subject) {
            (false, _) => Scope::All,
            (true, Some(subject)) => Scope::Own(subject),
            (true, None) => Scope::Nothing,
        }
    }
}

/// What part of the recordings a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// Every recording.
    All,
    /// The own calls of this subject.
    Own(&'a str),
    /// None: limited to own calls, but nobody said whose.
    Nothing,
}

/// The API's door: a bearer token, or for reading the console's cookie.
impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let source = source(parts);
        let token = bearer(&parts.headers);
        if let Some(token) = token {
            if let Some(principal) = app.access.verify_token(token).map_err(|error| access_away(&error))? {
                return Ok(Self::new(principal, source, None));
            }
        } else if matches!(parts.method, Method::GET | Method::HEAD)
            && let Some(visitor) = by_cookie(app, &parts.headers, source.clone())?
        {
            // SameSite=Strict keeps other origins from sending the cookie; and reading is all that it is good for here.
            return Ok(visitor);
        }
        let is_token_given = parts.headers.contains_key(header::AUTHORIZATION);
        Err(turn_away(app, source.as_deref(), is_token_given).await)
    }
}

/// The console's door: the session cookie alone.
pub(crate) fn by_cookie(app: &App, headers: &HeaderMap, source: Option<String>) -> Result<Option<Caller>, Problem> {
    let Some(session) = cookie(headers).and_then(|cookie| app.sessions.find(cookie, outside::now())) else {
        return Ok(None);
    };
    // Asked anew on every use: whoever was disabled or given another role must not keep what the session began with.
    let principal = app.access.user(&session.user).map_err(|error| access_away(&error))?;
    Ok(principal
        .filter(|principal| principal.role == session.role)
        .map(|principal| Caller::new(principal, source, Some(session.csrf))))
}

async fn turn_away(app: &App, source: Option<&str>, is_token_given: bool) -> Problem {
    let failures = app.strangers.failed(source.unwrap_or("?"), outside::now());
    if failures > limits::STRANGER_FAILURES {
        return Problem::throttled(app.strangers.seconds());
    }
    let detail = if is_token_given { "unknown token" } else { "no token" };
    let deed = Deed::done("authenticate").detail(detail).denied();
    match app.note(&stranger(), source, deed).await {
        Ok(()) => Problem::unauthenticated(is_token_given),
        Err(problem) => problem,
    }
}

/// Somebody without valid credentials, as the audit trail calls them.
pub(crate) fn stranger() -> Actor {
    Actor { id: "anonymous".into(), role: None }
}

/// The address a request came from, without the port.
pub(crate) fn source(parts: &Parts) -> Option<String> {
    parts.extensions.get::<Source>().map(|source| source.0.ip().to_canonical().to_string())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of our cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// The recording id of a path; whatever is no id names no recording.
pub(crate) fn recording_id(text: &str) -> Result<RecordingId, Problem> {
    text.parse().map_err(|_| Problem::not_found("no such recording"))
}
