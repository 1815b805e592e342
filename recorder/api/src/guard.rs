//! Around every answer: room for the request, a time limit, security headers and the counter.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{Next, map_response},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};

use crate::{app::App, limits, problem::Problem};

/// The pattern of the route that answered: the label of the counter.
#[derive(Debug, Clone)]
struct Label(Arc<str>);

/// Notes the pattern on every answer of the route.
pub(crate) fn labelled(route: MethodRouter<Arc<App>>, pattern: &str) -> MethodRouter<Arc<App>> {
    let label = Label(pattern.into());
    route.layer(map_response(move |mut response: Response| {
        response.extensions_mut().insert(label.clone());
        std::future::ready(response)
    }))
}

/// The outermost layer.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match app.requests.try_acquire() {
        Ok(_room) => match tokio::time::timeout(limits::REQUEST, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::unavailable("the answer took too long").into_response(),
        },
        Err(_) => Problem::unavailable("too many requests at once").into_response(),
    };
    let label = response.extensions().get::<Label>().map_or("other", |label| &*label.0);
    app.metrics.requests.with_label_values(&[label, response.status().as_str()]).inc();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// No script, style or frame from anywhere but here, none inline; nothing for other origins.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
