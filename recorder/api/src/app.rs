//! What every request shares: the ports, access, sessions, throttles and counters; and the one way to write an audit
//! fact.

use std::{net::SocketAddr, sync::Arc};

use model::{Actor, Audit, AuditResult, Personal, RecordingId};
use prometheus::{IntCounterVec, Opts, Registry};
use storage_core::{
    delivery::Delivery,
    ports::{Catalog, Playback},
};
use tokio::sync::Semaphore;

use crate::{
    access::Store,
    limits, outside,
    ports::{Assurance, AuditLog, Control},
    problem::Problem,
    session::Sessions,
    throttle::Throttle,
};

/// Shared by all requests; the router's state.
pub(crate) struct App {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) playback: Arc<dyn Playback>,
    pub(crate) delivery: Arc<dyn Delivery>,
    pub(crate) assurance: Arc<dyn Assurance>,
    /// Files of call detail records in memory at once.
    pub(crate) imports: Semaphore,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) access: Arc<Store>,
    pub(crate) sessions: Sessions,
    /// Requests without valid credentials, by source.
    pub(crate) strangers: Throttle,
    /// Failed logins, by source and by name.
    pub(crate) logins: Throttle,
    pub(crate) password_checks: Semaphore,
    pub(crate) requests: Semaphore,
    pub(crate) metrics: Metrics,
}

/// The counters of this shell.
pub(crate) struct Metrics {
    /// `recorder_http_requests_total{route,code}`; the route is the pattern, never the path.
    pub(crate) requests: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = Opts::new("recorder_http_requests_total", "HTTPS requests by route pattern and status code.");
        let requests = IntCounterVec::new(help, &["route", "code"])?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self { requests })
    }
}

/// Where a request came from; set by the listener on every connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source(pub(crate) SocketAddr);

/// What somebody did, as it will stand in the audit trail.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) action: &'static str,
    pub(crate) recording: Option<RecordingId>,
    pub(crate) detail: Option<String>,
    pub(crate) result: AuditResult,
}

impl Deed {
    /// Done; the answer is about to leave.
    pub(crate) fn done(action: &'static str) -> Self {
        Self { action, recording: None, detail: None, result: AuditResult::Allowed }
    }

    pub(crate) fn on(self, recording: RecordingId) -> Self {
        Self { recording: Some(recording), ..self }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(crate) fn denied(self) -> Self {
        Self { result: AuditResult::Denied, ..self }
    }

    pub(crate) fn failed(self) -> Self {
        Self { result: AuditResult::Failed, ..self }
    }
}

impl App {
    /// Writes the fact and waits until it is durable; an error means that nothing may be answered.
    pub(crate) async fn note(&self, actor: &Actor, source: Option<&str>, deed: Deed) -> Result<(), Problem> {
        let audit = Audit {
            at: outside::now(),
            actor: actor.clone(),
            action: deed.action.into(),
            recording: deed.recording,
            detail: deed.detail.map(Personal::new),
            source: source.map(str::to_owned),
            result: deed.result,
        };
        Ok(self.audit.record(audit).await?)
    }

    /// The password check, off the runtime's threads and at most [`limits::PASSWORD_CHECKS`] at once.
    pub(crate) async fn check_password(
        &self,
        name: String,
        password: String,
    ) -> Result<Option<crate::access::Principal>, Problem> {
        let _turn = self.password_checks.acquire().await.expect("the semaphore is never closed");
        let access = Arc::clone(&self.access);
        let checked = tokio::task::spawn_blocking(move || access.verify_password(&name, &password)).await;
        match checked {
            Ok(Ok(principal)) => Ok(principal),
            Ok(Err(error)) => Err(access_away(&error)),
            Err(_) => Err(Problem::unavailable("the password check was interrupted")),
        }
    }
}

/// The access files cannot be read: nobody can be let in.
pub(crate) fn access_away(error: &crate::access::AccessError) -> Problem {
    tracing::error!(%error, "access cannot be looked up");
    Problem::unavailable("access cannot be looked up")
}

/// The throttle of requests without valid credentials.
pub(crate) fn strangers() -> Throttle {
    Throttle::new(limits::STRANGER_FAILURES, limits::STRANGER_NANOS)
}

/// The throttle of logins.
pub(crate) fn logins() -> Throttle {
    Throttle::new(limits::LOGIN_FAILURES, limits::LOGIN_NANOS)
}
