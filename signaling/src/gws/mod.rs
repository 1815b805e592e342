//! The links to GWS (signaling/core/src/gws/README.md): one task a user, which polls a server for notifications and posts
//! recording control; every decision is made in `signaling-core`.
//!
//! [`Links::start`] starts them; what they tell goes to the queue that is handed in, what is asked of them goes by
//! [`Asker`]. A link that is down costs nothing but what it would have told.

mod config;
mod http;
mod limits;
mod link;
mod metrics;

use std::{collections::VecDeque, sync::Arc};

pub use config::{Api, Config, LinkConfig};
use prometheus::Registry;
use signaling_core::{
    gws::client::{Client, NotSent},
    tlib::event::{CtiEvent, RecordControl},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_rustls::rustls::ClientConfig;

use self::{
    http::Http,
    link::{Ask, Link},
    metrics::{Metrics, Told},
};
pub use crate::tlib::ConfigError;
use crate::world;

/// For each `[[gws.link]]`, where it has https, whom it believes.
pub type Authorities = Vec<Option<Arc<ClientConfig>>>;

/// What the links are made of.
pub struct LinksParts {
    /// `[gws]`.
    pub config: Config,
    /// Whom they believe.
    pub tls: Authorities,
    /// The number of the first link: those of T-Library come before.
    pub first: u16,
    /// Where events go. When it is full, links are not polled.
    pub events: mpsc::Sender<CtiEvent>,
    /// Where metrics are registered.
    pub registry: Registry,
}

/// The running links.
pub struct Links {
    asker: Asker,
    stop: watch::Sender<bool>,
    links: JoinSet<()>,
}

/// Asks things of links. Cheap to clone.
#[derive(Clone)]
pub struct Asker {
    first: u16,
    links: Arc<[mpsc::Sender<Ask>]>,
}

impl Links {
    /// Starts every link; call it within a runtime.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key at fault.
    pub fn start(parts: LinksParts) -> Result<Self, ConfigError> {
        let LinksParts { config, tls, first, events, registry } = parts;
        config.check()?;
        let metrics = Metrics::new(&registry).map_err(|error| ConfigError::new("metrics", error.to_string()))?;
        let (stop, stopped) = watch::channel(false);
        let (mut senders, mut links) = (Vec::new(), JoinSet::new());
        for ((at, link), name) in config.link.iter().enumerate().zip(config.names()) {
            let key = config::key(at);
            // Links are bounded far below.
            let number = first + at as u16;
            let (ask, asks) = mpsc::channel(limits::ASKS);
            let link = Link {
                told: Told::new(&metrics, &name),
                name,
                client: Client::new(link.client(&key, number)?, world::now()),
                http: Http::new(&key, link, tls.get(at).and_then(Option::as_ref))?,
                asks,
                events: events.clone(),
                stop: stopped.clone(),
                posts: JoinSet::new(),
                held: VecDeque::new(),
            };
            senders.push(ask);
            links.spawn(link.run());
        }
        if config.is_on() {
            tracing::info!(links = config.link.len(), names = ?config.names(), "gws links start");
        }
        Ok(Self { asker: Asker { first, links: senders.into() }, stop, links })
    }

    /// How to ask things of the links.
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// Ends every link; what was told and not taken yet is dropped.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.links.join_next().await.is_some() {}
    }
}

impl Asker {
    /// Whether the link is one of these.
    pub fn has(&self, link: u16) -> bool {
        self.sender(link).is_some()
    }

    /// Asks a link for recording control of the call with this ConnID. The answer comes as [`CtiEvent::Answered`] with the
    /// number that is given back here.
    ///
    /// # Errors
    /// See [`NotSent`].
    pub async fn request(&self, link: u16, what: RecordControl, conn_id: String) -> Result<u64, NotSent> {
        let (reply, replied) = oneshot::channel();
        let sender = self.sender(link).ok_or(NotSent::NotWatched)?;
        sender.send(Ask { what, conn_id, reply }).await.map_err(|_| NotSent::LinkDown)?;
        replied.await.unwrap_or(Err(NotSent::LinkDown))
    }

    fn sender(&self, link: u16) -> Option<&mpsc::Sender<Ask>> {
        self.links.get(usize::from(link.checked_sub(self.first)?))
    }
}
