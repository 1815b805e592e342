//! The ways to a connection: dialling a server of a pair, or letting one in that comes to us.

use std::{fmt, io, sync::Arc};

use crypto::tls::peer_identity;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, ServerConfig, pki_types::ServerName},
};

use super::{
    config::{Address, ConfigError},
    connection::Stream,
    limits,
    metrics::Metrics,
};
use crate::listen;

/// Where a server of a link is, and how it is spoken to.
#[derive(Clone)]
pub(super) struct Server {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no connection.
pub(super) enum NoConnection {
    Network(io::Error),
    Tls(io::Error),
    TimedOut,
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl Server {
    /// `name` is the one in its certificate, where it is not the host of the address.
    pub(super) fn new(
        key: &str,
        address: Address,
        tls: Option<&Arc<ClientConfig>>,
        name: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let tls = tls.map(|tls| {
            let wrong = |_| ConfigError::new(format!("{key}.server_name"), "neither a host name nor an address");
            let name = ServerName::try_from(name.unwrap_or(&address.host).to_owned()).map_err(wrong)?;
            Ok((TlsConnector::from(Arc::clone(tls)), name))
        });
        Ok(Self { tls: tls.transpose()?, address })
    }

    pub(super) async fn dial(self) -> Result<Box<dyn Stream>, NoConnection> {
        timeout(limits::CONNECT, self.open()).await.unwrap_or(Err(NoConnection::TimedOut))
    }

    async fn open(self) -> Result<Box<dyn Stream>, NoConnection> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await;
        let stream = stream.map_err(NoConnection::Network)?;
        listen::prepare(&stream).map_err(NoConnection::Network)?;
        Ok(match self.tls {
            None => Box::new(stream),
            Some((tls, name)) => Box::new(tls.connect(name, stream).await.map_err(NoConnection::Tls)?),
        })
    }
}

/// Lets servers in.
pub(super) struct Porter {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Links that are free, each with the way to it.
    pub(super) free: mpsc::Receiver<Place>,
    pub(super) metrics: Metrics,
}

/// A link that waits for its server: takes one connection.
pub(super) struct Place(pub(super) mpsc::Sender<Box<dyn Stream>>);

impl Porter {
    /// Runs until it is aborted; handshakes end with it.
    pub(super) async fn run(mut self) {
        let acceptor = self.tls.take().map(TlsAcceptor::from);
        let permits = Arc::new(Semaphore::new(limits::HANDSHAKES));
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                            self.refuse("too_many_handshakes");
                            continue;
                        };
                        let acceptor = acceptor.clone();
                        handshakes.spawn(async move {
                            let outcome = shake(stream, acceptor).await;
                            drop(permit);
                            outcome
                        });
                    }
                    Err(error) => {
                        // Out of descriptors: wait for one instead of spinning.
                        tracing::warn!(%error, "tlib accept");
                        tokio::time::sleep(limits::LAST_WORDS).await;
                    }
                },
                Some(Ok(shaken)) = handshakes.join_next() => match shaken {
                    Ok(stream) => self.let_in(stream),
                    Err(error) => {
                        tracing::warn!(%error, "tlib: a server that came was not let in");
                        self.metrics.cuts.with_label_values(&["handshake"]).inc();
                    }
                },
            }
        }
    }

    fn let_in(&mut self, stream: Box<dyn Stream>) {
        match self.free.try_recv() {
            // It waits for exactly one, so there is room; it is gone only when everything stops.
            Ok(Place(link)) => drop(link.try_send(stream)),
            Err(_) => self.refuse("too_many_links"),
        }
    }

    fn refuse(&self, reason: &'static str) {
        tracing::warn!(reason, "tlib: a server that came was not let in");
        self.metrics.cuts.with_label_values(&[reason]).inc();
    }
}

async fn shake(stream: TcpStream, acceptor: Option<TlsAcceptor>) -> Result<Box<dyn Stream>, NoConnection> {
    listen::prepare(&stream).map_err(NoConnection::Network)?;
    let Some(acceptor) = acceptor else { return Ok(Box::new(stream)) };
    let shaken = timeout(limits::CONNECT, acceptor.accept(stream)).await.map_err(|_| NoConnection::TimedOut)?;
    let stream = shaken.map_err(NoConnection::Tls)?;
    let has_name = stream.get_ref().1.peer_certificates().and_then(peer_identity).is_some();
    tracing::debug!(has_name, "tlib: a server came over TLS");
    Ok(Box::new(stream))
}
