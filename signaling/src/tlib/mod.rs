//! The sockets of the T-Library link (signaling/core/src/tlib/PROTOCOL.md): one task a link, which connects to a server or
//! to a pair of them, or waits for one that comes to us; every decision is made in `signaling-core`.
//!
//! [`Links::start`] starts them; what they tell goes to the queue that is handed in, what is asked of them goes by
//! [`Asker`]. A link that is down costs nothing but what it would have told.

mod config;
mod connection;
mod door;
mod limits;
mod link;
mod metrics;

use std::{net::SocketAddr, sync::Arc};

pub(crate) use config::dns;
pub use config::{Config, ConfigError, LinkConfig};
use prometheus::Registry;
use signaling_core::tlib::{
    client::{self, Client, NotSent, Request},
    event::{CtiEvent, RecordControl},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};

use self::{
    door::{Porter, Server},
    link::{Ask, Link, Source},
    metrics::{Metrics, State, Told},
};
use crate::world;

/// What the links are made of.
pub struct LinksParts {
    /// `[tlib]`.
    pub config: Config,
    /// Those that it names.
    pub certificates: Certificates,
    /// Where events go. When it is full, links are not read.
    pub events: mpsc::Sender<CtiEvent>,
    /// Where metrics are registered.
    pub registry: Registry,
}

/// The certificates of `[tlib]`, read and found usable.
#[derive(Clone, Default)]
pub struct Certificates {
    /// For each `[[tlib.link]]`, where it has TLS.
    pub client: Vec<Option<Arc<ClientConfig>>>,
    /// For those that come to us.
    pub server: Option<Arc<ServerConfig>>,
}

/// The running links. Link numbers are those of `[[tlib.link]]`, from 0; those that come to us follow.
pub struct Links {
    address: Option<SocketAddr>,
    asker: Asker,
    stop: watch::Sender<bool>,
    links: JoinSet<()>,
    porter: JoinSet<()>,
}

/// Asks things of links. Cheap to clone.
#[derive(Clone)]
pub struct Asker {
    links: Arc<[mpsc::Sender<Ask>]>,
}

impl Links {
    /// Starts every link, and the listener.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key at fault.
    pub async fn start(parts: LinksParts) -> Result<Self, ConfigError> {
        let LinksParts { config, certificates, events, registry } = parts;
        config.check()?;
        let metrics = Metrics::new(&registry).map_err(|error| ConfigError::new("metrics", error.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        let mut starter = Starter { metrics, events, stopped, asks: Vec::new(), links: JoinSet::new() };
        for (number, link) in config.link.iter().enumerate() {
            let tls = certificates.client.get(number).and_then(Option::as_ref).filter(|_| link.tls);
            if link.tls && tls.is_none() {
                return Err(ConfigError::new(format!("tlib.link[{number}].tls"), "no certificates were given"));
            }
            starter.dialled(number, link, tls)?;
        }
        let mut porter = JoinSet::new();
        let address = match config.listener()? {
            Some(address) => Some(starter.listener(&config, address, certificates.server, &mut porter).await?),
            None => None,
        };
        if !starter.asks.is_empty() {
            tracing::info!(links = config.link.len(), listen = ?address, "tlib links start");
        }
        let asker = Asker { links: starter.asks.into() };
        Ok(Self { address, asker, stop, links: starter.links, porter })
    }

    /// Where servers can come to, a port chosen by the system included.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// How to ask things of the links.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Closes every connection; what was told and not taken yet is dropped.
    pub async fn stop(mut self) {
        self.porter.shutdown().await;
        self.stop.send_replace(true);
        while self.links.join_next().await.is_some() {}
    }
}

impl Asker {
    /// Asks one link for recording control, or the first that watches the DN that asks. The answer comes as
    /// [`CtiEvent::Answered`] with the link and the number that are given back here.
    ///
    /// # Errors
    /// [`NotSent`]; of several links that could not, why the most hopeful of them could not.
    pub async fn request(
        &self,
        link: Option<u16>,
        what: RecordControl,
        request: Request,
    ) -> Result<(u16, u64), NotSent> {
        let mut fault = NotSent::NotWatched;
        for number in self.numbers(link) {
            let (reply, replied) = oneshot::channel();
            let ask = Ask::Control(what, Box::new(request.clone()), reply);
            let sent = match self.tell(number, ask).await {
                true => replied.await.unwrap_or(Err(NotSent::LinkDown)),
                false => Err(NotSent::LinkDown),
            };
            match sent {
                Ok(reference) => return Ok((number, reference)),
                Err(NotSent::NotWatched) => {}
                Err(other) => fault = other,
            }
        }
        Err(fault)
    }

    /// Watches one more DN over this link, or over all, from now on.
    pub async fn watch(&self, link: Option<u16>, dn: &str) {
        for number in self.numbers(link) {
            self.tell(number, Ask::Watch(dn.to_owned())).await;
        }
    }

    /// Watches it no longer.
    pub async fn unwatch(&self, link: Option<u16>, dn: &str) {
        for number in self.numbers(link) {
            self.tell(number, Ask::Unwatch(dn.to_owned())).await;
        }
    }

    /// How many links there are; they are numbered from 0.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Nobody can be asked.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    fn numbers(&self, link: Option<u16>) -> std::ops::Range<u16> {
        // Links are bounded far below.
        let all = self.links.len() as u16;
        link.map_or(0..all, |link| link.min(all)..link.saturating_add(1).min(all))
    }

    async fn tell(&self, link: u16, ask: Ask) -> bool {
        match self.links.get(usize::from(link)) {
            Some(link) => link.send(ask).await.is_ok(),
            None => false,
        }
    }
}

/// Makes the tasks.
struct Starter {
    metrics: Metrics,
    events: mpsc::Sender<CtiEvent>,
    stopped: watch::Receiver<bool>,
    asks: Vec<mpsc::Sender<Ask>>,
    links: JoinSet<()>,
}

impl Starter {
    fn dialled(
        &mut self,
        number: usize,
        link: &LinkConfig,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<(), ConfigError> {
        let key = format!("tlib.link[{number}]");
        let server = |address| Server::new(&key, address, tls, link.server_name.as_deref());
        let servers: Vec<Server> = link.servers(&key)?.into_iter().map(server).collect::<Result<_, _>>()?;
        let config = client::Config {
            link: self.asks.len() as u16,
            servers: servers.len() as u8,
            charset: config::charset(&format!("{key}.charset"), &link.charset)?,
            dns: config::dns(&format!("{key}.dns"), &link.dns)?,
        };
        self.spawn(config, Source::Servers(servers), State::Down);
        Ok(())
    }

    async fn listener(
        &mut self,
        config: &Config,
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        porters: &mut JoinSet<()>,
    ) -> Result<SocketAddr, ConfigError> {
        let failed = |cause| ConfigError::new("tlib.listen", format!("cannot listen on {address}: {cause}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let tls = tls.filter(|_| config.tls);
        if config.tls && tls.is_none() {
            return Err(ConfigError::new("tlib.cert", "no certificate was given"));
        }
        let (free, places) = mpsc::channel(usize::from(config.max_links));
        for _ in 0..config.max_links {
            let client = client::Config {
                link: self.asks.len() as u16,
                servers: 0,
                charset: config::charset("tlib.charset", &config.charset)?,
                dns: config::dns("tlib.dns", &config.dns)?,
            };
            self.spawn(client, Source::Porter { free: free.clone(), coming: None }, State::Unused);
        }
        porters.spawn(Porter { listener, tls, free: places, metrics: self.metrics.clone() }.run());
        Ok(bound)
    }

    fn spawn(&mut self, config: client::Config, source: Source, state: State) {
        let (ask, asks) = mpsc::channel(limits::ASKS);
        self.asks.push(ask);
        let number = config.link;
        let link = Link {
            number,
            client: Client::new(config, world::now()),
            source,
            asks,
            events: self.events.clone(),
            told: Told::new(&self.metrics, number, state),
            stop: self.stopped.clone(),
        };
        self.links.spawn(link.run());
    }
}
