//! Health: in which phase of its life the node is, what keeps it from recording, and the plain HTTP listener that
//! tells (`/metrics`, `/healthz`, `/readyz`).
//!
//! Alive means the process answers. Ready means *a call would be kept*: the phase is `Recording` and every named
//! condition holds.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TextEncoder};
use serde::Serialize;
use thiserror::Error;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};

use crate::limits;

/// The phases of a node's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Opening what it needs, repairing what a crash left.
    Starting,
    /// A call would be kept.
    Recording,
    /// New sessions are turned away, live ones finish.
    Draining,
    /// Everything is closed.
    Sealed,
}

/// The shared state of health. Cheap to clone; the parts that know hold one and say so.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    phase: Phase,
    failing: BTreeMap<&'static str, String>,
}

/// What `/readyz` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether a call would be kept.
    pub ready: bool,
    /// The phase.
    pub phase: Phase,
    /// Conditions that do not hold.
    pub failing: Vec<Failing>,
}

/// One condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// Its stable name, e.g. `spool`.
    pub condition: &'static str,
    /// What is wrong; ids and places, never people.
    pub detail: String,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// A node that is starting; nothing fails yet.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Known { phase: Phase::Starting, failing: BTreeMap::new() })))
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.known().phase
    }

    /// Moves on. Life has one direction: an earlier phase is ignored.
    pub fn enter(&self, phase: Phase) {
        let mut known = self.known();
        known.phase = known.phase.max(phase);
    }

    /// The condition holds.
    pub fn holds(&self, condition: &'static str) {
        self.known().failing.remove(condition);
    }

    /// The condition does not hold; while so, no call would be kept.
    pub fn fails(&self, condition: &'static str, detail: &str) {
        let detail = detail.chars().take(limits::CONDITION_DETAIL).collect();
        self.known().failing.insert(condition, detail);
    }

    /// Whether a call would be kept, and if not, why.
    pub fn readiness(&self) -> Readiness {
        let known = self.known();
        let failing: Vec<_> =
            known.failing.iter().map(|(condition, detail)| Failing { condition, detail: detail.clone() }).collect();
        Readiness { ready: known.phase == Phase::Recording && failing.is_empty(), phase: known.phase, failing }
    }

    /// Whether a call would be kept.
    pub fn is_ready(&self) -> bool {
        self.readiness().ready
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the listener does not listen.
#[derive(Debug, Error)]
#[error("http.metrics = {listen:?}: {source}")]
pub struct HealthError {
    /// As it was configured.
    pub listen: String,
    /// What the system said.
    pub source: io::Error,
}

/// The running listener; it ends when this is dropped.
#[derive(Debug)]
pub struct HealthServer {
    local_addr: SocketAddr,
    task: JoinHandle<()>,
}

impl HealthServer {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    registry: Registry,
    health: Health,
    room: Arc<Semaphore>,
}

/// Listens on `listen` (`address:port`; the caller handles `off`) and answers until dropped.
///
/// # Errors
/// The address is none, or cannot be bound: names `http.metrics`.
pub async fn serve(listen: &str, registry: Registry, health: Health) -> Result<HealthServer, HealthError> {
    let failed = |source| HealthError { listen: listen.to_owned(), source };
    let address: SocketAddr =
        listen.parse().map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidInput, "not an address and port")))?;
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    let room = Arc::new(Semaphore::new(limits::HEALTH_REQUESTS));
    let router = router(Shared { registry, health, room });
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the metrics listener ended");
        }
    });
    Ok(HealthServer { local_addr, task })
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(DefaultBodyLimit::max(limits::HEALTH_BODY))
        .with_state(shared)
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let _room = shared.room.acquire().await;
    match TextEncoder::new().encode_to_string(&shared.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    let readiness = shared.health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(server: &HealthServer, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(server.local_addr()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn ready_only_while_recording_and_every_condition_holds() {
        let health = Health::new();
        let server = serve("127.0.0.1:0", Registry::new(), health.clone()).await.unwrap();
        let starting = ask(&server, "/readyz").await;
        assert!(starting.starts_with("HTTP/1.1 503") && starting.contains(r#""phase":"starting""#), "{starting}");
        health.enter(Phase::Recording);
        assert!(ask(&server, "/readyz").await.starts_with("HTTP/1.1 200"));
        health.fails("spool", "no room left");
        let full = ask(&server, "/readyz").await;
        assert!(full.starts_with("HTTP/1.1 503") && full.contains(r#""condition":"spool""#), "{full}");
        health.holds("spool");
        assert!(health.is_ready());
        health.enter(Phase::Draining);
        health.enter(Phase::Recording);
        assert_eq!(health.phase(), Phase::Draining, "life has one direction");
        assert!(ask(&server, "/healthz").await.starts_with("HTTP/1.1 200"), "alive while draining");
    }

    #[tokio::test]
    async fn metrics_are_text_that_prometheus_reads() {
        let registry = Registry::new();
        let counter = prometheus::IntCounter::new("recorder_things_total", "Things.").unwrap();
        counter.inc_by(3);
        registry.register(Box::new(counter)).unwrap();
        let server = serve("127.0.0.1:0", registry, Health::new()).await.unwrap();
        let answer = ask(&server, "/metrics").await;
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("recorder_things_total 3"), "{answer}");
    }

    #[tokio::test]
    async fn a_port_in_use_and_a_bad_address_name_the_key() {
        let first = serve("127.0.0.1:0", Registry::new(), Health::new()).await.unwrap();
        let taken = first.local_addr().to_string();
        for listen in [taken.as_str(), "everywhere"] {
            let error = serve(listen, Registry::new(), Health::new()).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("http.metrics = \"{listen}\": ")), "{error}");
        }
    }
}
