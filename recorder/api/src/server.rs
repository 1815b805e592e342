//! The HTTPS listener: TLS handed in, HTTP/1.1 and 2, bounded connections, a graceful end.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, body::Body, extract::DefaultBodyLimit, middleware::from_fn_with_state};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use prometheus::Registry;
use storage_core::{
    delivery::Delivery,
    ports::{Catalog, Playback},
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls};
use tower::ServiceExt;

use crate::{
    access::Store,
    app::{App, Metrics, Source, logins, strangers},
    config::HttpConfig,
    console,
    guard::guard,
    limits,
    ports::{Assurance, AuditLog, Control},
    routes,
    session::Sessions,
};

/// Everything the API is made of.
pub struct ApiParts<'a> {
    /// `[http]`.
    pub config: &'a HttpConfig,
    /// The server's side of TLS, with ALPN `h2` and `http/1.1`.
    pub tls: Arc<rustls::ServerConfig>,
    /// The searchable index.
    pub catalog: Arc<dyn Catalog>,
    /// Media, unsealed.
    pub playback: Arc<dyn Playback>,
    /// Interactions, and what is handed over of them.
    pub delivery: Arc<dyn Delivery>,
    /// Verdicts on calls, and call detail records.
    pub assurance: Arc<dyn Assurance>,
    /// Commands and marks.
    pub control: Arc<dyn Control>,
    /// The audit trail.
    pub audit: Arc<dyn AuditLog>,
    /// Tokens and users.
    pub access: Arc<Store>,
    /// Where the counters are registered.
    pub registry: &'a Registry,
}

/// Why the API does not start.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The address cannot be listened on.
    #[error("http.listen = {listen:?}: {source}")]
    Listen {
        /// As it was configured.
        listen: String,
        /// What the system said.
        source: io::Error,
    },
    /// A metric is registered twice.
    #[error("metrics of the API: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The running API; its listener ends when this is dropped.
#[derive(Debug)]
pub struct Api {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Api {
    /// Listens and answers.
    ///
    /// # Errors
    /// `http.listen` is no address, or cannot be bound.
    pub async fn start(parts: ApiParts<'_>) -> Result<Self, ApiError> {
        let failed = |source| ApiError::Listen { listen: parts.config.listen.clone(), source };
        let address: SocketAddr = parts
            .config
            .listen
            .parse()
            .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidInput, "not an address and port")))?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(parts.config.max_connections as usize));
        let tls = TlsAcceptor::from(Arc::clone(&parts.tls));
        let router = router(app(&parts)?);
        let task = tokio::spawn(accept(Listener { listener, tls, room, router }, stopped));
        Ok(Self { local_addr, stop, task })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops listening and waits a little for answers that are under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if timeout(limits::STOP * 2, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// The shared state of the requests.
pub(crate) fn app(parts: &ApiParts<'_>) -> Result<Arc<App>, prometheus::Error> {
    Ok(Arc::new(App {
        catalog: Arc::clone(&parts.catalog),
        playback: Arc::clone(&parts.playback),
        delivery: Arc::clone(&parts.delivery),
        assurance: Arc::clone(&parts.assurance),
        imports: Semaphore::new(limits::IMPORTS),
        control: Arc::clone(&parts.control),
        audit: Arc::clone(&parts.audit),
        access: Arc::clone(&parts.access),
        sessions: Sessions::new(parts.config.session_minutes),
        strangers: strangers(),
        logins: logins(),
        password_checks: Semaphore::new(limits::PASSWORD_CHECKS),
        requests: Semaphore::new(limits::REQUESTS),
        metrics: Metrics::register(parts.registry)?,
    }))
}

/// API and console behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    console::router()
        .nest(routes::PREFIX, routes::router())
        .layer(DefaultBodyLimit::max(limits::BODY_OCTETS))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

struct Listener {
    listener: TcpListener,
    tls: TlsAcceptor,
    room: Arc<Semaphore>,
    router: Router,
}

async fn accept(listener: Listener, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        // At the bound nobody is accepted: further connections wait in the kernel's backlog.
        let room = Arc::clone(&listener.room).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give connections time to end instead of spinning.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tls, router, watcher) = (listener.tls.clone(), listener.router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _room = room;
            serve(stream, peer, tls, router, watcher).await;
        });
    }
    drop(listener.listener);
    let _ = timeout(limits::STOP, graceful.shutdown()).await;
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(limits::HANDSHAKE, tls.accept(stream)).await else { return };
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Source(peer));
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits::HANDSHAKE).max_buf_size(limits::HEADER_OCTETS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits::HEADER_OCTETS as u32)
        .max_concurrent_streams(limits::STREAMS)
        .keep_alive_interval(limits::REQUEST / 2)
        .keep_alive_timeout(limits::HANDSHAKE);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
