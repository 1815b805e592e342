//! Starting and stopping the recording side.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus::Registry;
use signaling_core::{
    endpoint::{Endpoint, EndpointConfig, Peers},
    event::Command,
    limits::MIN_SESSION_EXPIRES_S,
    negotiate::Policy,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::{
    Config, StartError,
    connection::Inbox,
    ear::Ear,
    limits,
    listen::{self, Doorman},
    metrics::Metrics,
    owner::{Owner, Queues, Wish},
    revival::{Redial, Revival},
};

/// What signaling is made of.
pub struct SignalingParts {
    /// `[sip]`.
    pub config: Config,
    /// For the TLS listener.
    pub tls: Option<Arc<ServerConfig>>,
    /// Rules of negotiation, from `[media]`.
    pub policy: Policy,
    /// `[[peer]]`: who is read by which profile.
    pub peers: Peers,
    /// Where events go. When it is full, new sessions are refused with 503; events of live ones wait.
    pub events: Box<dyn Ear>,
    /// Where decisions come from: what was decided together is said together.
    pub commands: mpsc::Receiver<Vec<Command>>,
    /// Sessions that outlived the process before this one, and where the states of sessions go.
    pub revival: Revival,
    /// Where metrics are registered.
    pub registry: Registry,
}

/// Where the listeners are bound, ports chosen by the system included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    /// UDP.
    pub udp: Option<SocketAddr>,
    /// TCP.
    pub tcp: Option<SocketAddr>,
    /// TLS.
    pub tls: Option<SocketAddr>,
}

/// The running recording side of SIP.
pub struct Signaling {
    addresses: Addresses,
    wishes: mpsc::Sender<Wish>,
    tasks: JoinSet<()>,
}

impl Signaling {
    /// Opens the listeners and starts the task that owns the endpoint.
    ///
    /// # Errors
    /// [`StartError`] naming the key at fault.
    pub async fn start(parts: SignalingParts) -> Result<Self, StartError> {
        let SignalingParts { config, tls, policy, peers, events, commands, revival, registry } = parts;
        let metrics = Metrics::new(&registry)?;
        let ((live, live_receiver), (new, new_receiver)) = (mpsc::channel(limits::INBOX), mpsc::channel(limits::INBOX));
        let door = Doorman {
            inbox: Inbox::new(live, new),
            metrics: metrics.clone(),
            next_flow: Arc::new(AtomicU64::new(1)),
            places: Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS))),
            idle: (config.idle_s > 0).then(|| Duration::from_secs(config.idle_s)),
        };
        let endpoint = Endpoint::new(endpoint_config(&config, policy, peers)?);
        let Revival { dialogs, keep, tls: dial_tls } = revival;
        let redial = Redial::new(door.inbox.live(), dial_tls, door.idle);
        let mut owner = Owner::new(endpoint, events, (metrics, keep, redial));
        let mut tasks = JoinSet::new();
        let mut addresses = Addresses::default();
        let mut udp = None;
        if let Some(address) = Config::address("sip.udp", &config.udp)? {
            let failed = |cause| StartError::Listen { key: "sip.udp", address, cause };
            let socket = Arc::new(listen::bind_udp(address).map_err(failed)?);
            addresses.udp = Some(socket.local_addr().map_err(failed)?);
            let id = door.flow_id();
            owner.add_udp(id, Arc::clone(&socket));
            udp = Some(id);
            tasks.spawn(listen::udp(socket, id, door.clone()));
        }
        if let Some((listener, address)) = listener("sip.tcp", &config.tcp).await? {
            addresses.tcp = Some(address);
            tasks.spawn(listen::streams(listener, None, door.clone()));
        }
        if let Some((listener, address)) = listener("sip.tls", &config.tls).await? {
            addresses.tls = Some(address);
            let acceptor = TlsAcceptor::from(tls.ok_or(StartError::NoCertificate)?);
            tasks.spawn(listen::streams(listener, Some(acceptor), door.clone()));
        }
        owner.take_up(dialogs, udp, &door);
        let (wishes, wish_receiver) = mpsc::channel(limits::WISHES);
        tasks.spawn(owner.run(Queues { live: live_receiver, new: new_receiver, commands, wishes: wish_receiver }));
        tracing::info!(udp = ?addresses.udp, tcp = ?addresses.tcp, tls = ?addresses.tls, "sip listens");
        Ok(Self { addresses, wishes, tasks })
    }

    /// Where it listens.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// From now on INVITE and OPTIONS get 503 with Retry-After; live sessions go on.
    pub fn drain(&self) {
        let _ = self.wishes.try_send(Wish::Drain(true));
    }

    /// Takes new sessions again, after [`Self::drain`] for a disk that was full.
    pub fn resume(&self) {
        let _ = self.wishes.try_send(Wish::Drain(false));
    }

    /// Lets the last words out, closes everything.
    pub async fn stop(mut self) {
        let (done, said) = oneshot::channel();
        if self.wishes.send(Wish::Stop(done)).await.is_ok() {
            let _ = said.await;
        }
        self.tasks.shutdown().await;
    }
}

async fn listener(key: &'static str, text: &str) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(address) = Config::address(key, text)? else { return Ok(None) };
    let failed = |cause| StartError::Listen { key, address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, bound)))
}

fn endpoint_config(config: &Config, policy: Policy, peers: Peers) -> Result<EndpointConfig, StartError> {
    let session_expires_s = (config.session_expires_s > 0).then_some(config.session_expires_s);
    if session_expires_s.is_some_and(|seconds| seconds < MIN_SESSION_EXPIRES_S) {
        return Err(StartError::Value { key: "sip.session_expires_s", rule: "must be 0 or at least 90 (RFC 4028)" });
    }
    if config.max_connections == 0 {
        return Err(StartError::Value { key: "sip.max_connections", rule: "must be at least 1" });
    }
    Ok(EndpointConfig {
        product: concat!("recorder/", env!("CARGO_PKG_VERSION")).into(),
        advertise: config.advertise.clone(),
        peers,
        policy,
        session_expires_s,
        retry_after_s: config.retry_after_s,
    })
}
