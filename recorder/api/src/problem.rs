//! Refusals as RFC 9457 problem details: one value that becomes JSON for programs and a page for people.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::CommandError;
use serde_json::json;
use storage_core::ports::{CatalogError, PlaybackError};

use crate::ports::{AssuranceError, AuditError, MarkError};

/// Why there is no answer. `name` is stable; `detail` is for people and holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    extra: Extra,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Extra {
    None,
    /// The parameter at fault.
    Parameter(Box<str>),
    /// Try again in so many seconds.
    RetryAfter(u32),
    /// How to authenticate.
    Challenge(&'static str),
    /// The length that a range was beyond.
    Length(u64),
}

impl Problem {
    fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, name, title, detail: detail.into(), extra: Extra::None }
    }

    /// A parameter or filter that makes no sense: 400 naming it.
    pub(crate) fn parameter(name: &str, detail: impl AsRef<str>) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let detail = format!("`{name}`: {}", detail.as_ref());
        let problem = Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "Bad parameter", detail);
        Self { extra: Extra::Parameter(name.into()), ..problem }
    }

    /// A request that cannot be read: 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail)
    }

    /// Nobody, or nobody we know: 401.
    pub(crate) fn unauthenticated(is_token_given: bool) -> Self {
        let (detail, challenge) = if is_token_given {
            ("the token is unknown, expired or revoked", r#"Bearer realm="recorder", error="invalid_token""#)
        } else {
            ("an `Authorization: Bearer` token is needed", r#"Bearer realm="recorder""#)
        };
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not authenticated", detail);
        Self { extra: Extra::Challenge(challenge), ..problem }
    }

    /// Known, but without the right: 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// No such thing: 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The path is there, the method is not: 405.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this method is not allowed here; see the Allow header";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
    }

    /// The thing is in a state that forbids it: 409.
    pub(crate) fn conflict(name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, name, title, detail)
    }

    /// The body is larger than any lawful one: 413.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large", "the body is too large")
    }

    /// The range lies beyond the end: 416.
    pub(crate) fn range(length: u64) -> Self {
        let detail = format!("the range lies beyond the {length} octets there are");
        let problem = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad-range", "Range not satisfiable", detail);
        Self { extra: Extra::Length(length), ..problem }
    }

    /// Too many failures: 429.
    pub(crate) fn throttled(seconds: u32) -> Self {
        let detail = "too many failed attempts from here; wait a little";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too many attempts", detail);
        Self { extra: Extra::RetryAfter(seconds), ..problem }
    }

    /// Our fault, for good: 500.
    pub(crate) fn broken(name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, name, title, detail)
    }

    /// Our fault, for now: 503 with Retry-After.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now", detail);
        Self { extra: Extra::RetryAfter(5), ..problem }
    }

    /// The headers that go with it, whatever the body.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match &self.extra {
            Extra::None | Extra::Parameter(_) => {}
            Extra::RetryAfter(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Extra::Challenge(challenge) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Extra::Length(length) => {
                let value = HeaderValue::from_str(&format!("bytes */{length}")).expect("digits are a header value");
                headers.insert(header::CONTENT_RANGE, value);
            }
        }
        headers
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:recorder:problem:{}", self.name),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Extra::Parameter(name) = &self.extra {
            body["parameter"] = name.as_ref().into();
        }
        let mut response = (self.status, self.headers(), body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        tracing::error!(%error, "an answer was withheld");
        Self::unavailable("the audit trail cannot be written, so nothing is answered")
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::BadQuery(detail) => Self::bad_request(detail),
            CatalogError::Unavailable(cause) => {
                tracing::warn!(%cause, "the catalog is away");
                Self::unavailable("the catalog is not available")
            }
        }
    }
}

impl From<PlaybackError> for Problem {
    fn from(error: PlaybackError) -> Self {
        match error {
            PlaybackError::Missing => Self::not_found("no such media"),
            PlaybackError::NotReady(detail) => Self::conflict("not-ready", "Media not ready", detail),
            PlaybackError::Damaged(cause) => {
                tracing::error!(%cause, "stored media is damaged");
                Self::broken("media-damaged", "Media damaged", "the stored media fails authentication")
            }
            PlaybackError::Unavailable(cause) => {
                tracing::warn!(%cause, "media is not reachable");
                Self::unavailable("the archive or the key custodian is not available")
            }
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Unknown => Self::not_found("no such recording"),
            CommandError::NotLive => Self::conflict("not-live", "Not live", "the recording is no longer live"),
            CommandError::NotProvisional => {
                Self::conflict("not-provisional", "Not provisional", "the recording is not provisional")
            }
            CommandError::Unavailable => Self::unavailable("the node is stopping or overloaded"),
        }
    }
}

impl From<MarkError> for Problem {
    fn from(error: MarkError) -> Self {
        match error {
            MarkError::Unknown => Self::not_found("no such recording"),
            MarkError::Held => Self::conflict("held", "On hold", error.to_string()),
            MarkError::NotReady => Self::conflict("not-ready", "Not in that state", error.to_string()),
            MarkError::Unavailable => Self::unavailable("the node is stopping or overloaded"),
        }
    }
}

impl From<AssuranceError> for Problem {
    fn from(error: AssuranceError) -> Self {
        match error {
            AssuranceError::Unknown(detail) => Self::not_found(detail),
            AssuranceError::Bad(detail) => Self::bad_request(detail),
            AssuranceError::Unavailable(detail) => Self::unavailable(detail),
            AssuranceError::Damaged(cause) => {
                tracing::error!(%cause, "a stored report is damaged");
                Self::broken("report-damaged", "Report damaged", "the stored report is not the one that was signed")
            }
        }
    }
}
