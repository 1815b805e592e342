//! The way between the links to CTI servers and the session core: events in, requests out. Recording never waits for it.

use std::{path::PathBuf, sync::Arc};

use crypto::tls::{TlsMaterial, Trust, client_config, server_config};
use custody::{TlsPaths, read_certificates};
use model::AskRecording;
use prometheus::{Histogram, HistogramOpts, Registry};
use signaling::{
    gws,
    tlib::{self, Certificates, Config as LinksConfig, LinkConfig},
};
use signaling_core::tlib::{
    client::Request,
    event::{CtiEvent, RecordControl},
    list::List,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    time::Instant,
};

use crate::{
    config::Config,
    fault::Fault,
    session_thread::{Mail, Mailbox},
};

/// Events of all links that wait for the session core. Beyond: links are not read any more, their servers are held up.
const EVENTS: usize = 1_024;
/// Events taken by the session core at once; the next ones are given to it when it has decided on these.
const BATCH: usize = 128;
/// Requests on their way to a link. Beyond: a further one is not made, which is logged; the recording goes on as it is.
const REQUESTS: usize = 256;

/// The running links of every kind. Those of T-Library are numbered first.
pub(crate) struct Links {
    tlib: tlib::Links,
    gws: gws::Links,
    /// By their numbers, as facts call them.
    names: Arc<[String]>,
}

impl Links {
    /// Ends all of them; what was told and not taken yet is dropped.
    pub(crate) async fn stop(self) {
        self.tlib.stop().await;
        self.gws.stop().await;
    }
}

/// Says what cannot work, files included.
pub(crate) fn check(config: &Config) -> Result<(), Fault> {
    config.tlib.check().map_err(|error| Fault::Usage(error.to_string()))?;
    certificates(&config.tlib)?;
    config.gws.check().map_err(|error| Fault::Usage(error.to_string()))?;
    authorities(&config.gws).map(drop)
}

/// How facts call the links, by their numbers.
pub(crate) fn names(config: &Config) -> Vec<String> {
    [config.tlib.names(), config.gws.names()].concat()
}

/// Starts the links, and the relay to the session core.
pub(crate) async fn start(config: &Config, registry: &Registry, mailbox: &Mailbox) -> Result<Links, Fault> {
    let fault = |error: tlib::ConfigError| Fault::Usage(error.to_string());
    let (events, told) = mpsc::channel(EVENTS);
    let parts = tlib::LinksParts {
        certificates: certificates(&config.tlib)?,
        config: config.tlib.clone(),
        events: events.clone(),
        registry: registry.clone(),
    };
    let tlib = tlib::Links::start(parts).await.map_err(fault)?;
    let parts = gws::LinksParts {
        tls: authorities(&config.gws)?,
        config: config.gws.clone(),
        // Links are bounded far below.
        first: tlib.asker().len() as u16,
        events,
        registry: registry.clone(),
    };
    let gws = gws::Links::start(parts).map_err(fault)?;
    tokio::spawn(relay(told, mailbox.clone(), join_time(registry)?));
    Ok(Links { tlib, gws, names: names(config).into() })
}

/// One batch at a time: however fast events come, the session core has calls in between.
async fn relay(mut told: mpsc::Receiver<CtiEvent>, mailbox: Mailbox, join_time: Histogram) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut since = Instant::now();
    loop {
        // What waits already has come since the batch before was taken.
        let has_waited = !told.is_empty();
        if told.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let taken = Instant::now();
        let came = if has_waited { since } else { taken };
        since = taken;
        let (done, durable) = oneshot::channel();
        let events = std::mem::take(&mut batch);
        let count = events.len();
        // The mailbox has room for more than ever waits in it; it is closed when the session core has left.
        if !mailbox.try_send(Mail::Cti(events, done)) || durable.await.is_err() {
            return;
        }
        let lasted = came.elapsed().as_secs_f64();
        (0..count).for_each(|_| join_time.observe(lasted));
    }
}

/// From the link to durable facts, at most: events of one batch are told as late as the first of them.
fn join_time(registry: &Registry) -> Result<Histogram, Fault> {
    let help = "From an event of a CTI link to the durable facts that follow from it.";
    let buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 5.0];
    let options = HistogramOpts::new("recorder_tlib_join_seconds", help).buckets(buckets.to_vec());
    let histogram = Histogram::with_opts(options).map_err(|error| Fault::Failed(error.to_string()))?;
    registry.register(Box::new(histogram.clone())).map_err(|error| Fault::Failed(error.to_string()))?;
    Ok(histogram)
}

/// Carries requests of the session core to the links. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests {
    tlib: tlib::Asker,
    gws: gws::Asker,
    names: Arc<[String]>,
    runtime: Handle,
    permits: Arc<Semaphore>,
}

impl Requests {
    pub(crate) fn new(links: &Links, runtime: Handle) -> Self {
        let permits = Arc::new(Semaphore::new(REQUESTS));
        Self { tlib: links.tlib.asker(), gws: links.gws.asker(), names: Arc::clone(&links.names), runtime, permits }
    }

    /// Asks, and does not wait: what comes of it is told by the link.
    pub(crate) fn ask(&self, ask: AskRecording) {
        let Some(what) = RecordControl::by_number(ask.message) else { return };
        let (number, message) = (ask.link, ask.message);
        let link = self.names.get(usize::from(number)).cloned().unwrap_or_default();
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            tracing::warn!(link, message, "cti request not made: too many wait");
            return;
        };
        let (tlib, gws) = (self.tlib.clone(), self.gws.clone());
        self.runtime.spawn(async move {
            let sent = match gws.has(number) {
                true => gws.request(number, what, ask.conn_id).await,
                false => tlib.request(Some(number), what, request(ask)).await.map(|(_, reference)| reference),
            };
            match sent {
                Ok(reference) => tracing::info!(link, reference, message, "cti request sent"),
                Err(reason) => tracing::warn!(link, message, ?reason, "cti request not sent"),
            }
            drop(permit);
        });
    }
}

fn request(ask: AskRecording) -> Request {
    let AskRecording { dn, conn_id, record_id, actor, reason, .. } = ask;
    let mut reasons = List::default().with("actor", &actor.id);
    if let Some(reason) = &reason {
        reasons = reasons.with("reason", reason);
    }
    let extensions = record_id.map(|id| List::default().with("record", "source").with("Id", &id));
    Request { this_dn: dn.reveal().clone(), conn_id, reasons, extensions: extensions.unwrap_or_default() }
}

fn certificates(config: &LinksConfig) -> Result<Certificates, Fault> {
    let mut certificates = Certificates::default();
    for (number, link) in config.link.iter().enumerate() {
        dialling(&format!("tlib.link[{number}]"), link, &mut certificates)?;
    }
    if config.listen != "off"
        && config.tls
        && let Some(material) = pair("tlib", config.cert.as_ref(), config.key.as_ref(), config.client_ca.clone())?
    {
        let tls = server_config(material, &[]).map_err(|error| Fault::key("tlib.cert", error))?;
        certificates.server = Some(tls);
    }
    Ok(certificates)
}

/// Whom each link to GWS believes.
fn authorities(config: &gws::Config) -> Result<gws::Authorities, Fault> {
    let one = |(number, link): (usize, &gws::LinkConfig)| {
        let Some(ca) = &link.ca else { return Ok(None) };
        let key = format!("gws.link[{number}].ca");
        let roots = read_certificates(ca).map_err(|error| Fault::key(&key, error))?;
        client_config(Trust::Roots(roots), None).map(Some).map_err(|error| Fault::key(&key, error))
    };
    config.link.iter().enumerate().map(one).collect()
}

fn dialling(key: &str, link: &LinkConfig, certificates: &mut Certificates) -> Result<(), Fault> {
    let Some(ca) = link.ca.as_ref().filter(|_| link.tls) else {
        certificates.client.push(None);
        return Ok(());
    };
    let roots = read_certificates(ca).map_err(|error| Fault::key(&format!("{key}.ca"), error))?;
    let identity = pair(key, link.cert.as_ref(), link.key.as_ref(), None)?;
    let tls = client_config(Trust::Roots(roots), identity).map_err(|error| Fault::key(key, error))?;
    certificates.client.push(Some(tls));
    Ok(())
}

fn pair(
    key: &str,
    cert: Option<&PathBuf>,
    private: Option<&PathBuf>,
    client_ca: Option<PathBuf>,
) -> Result<Option<TlsMaterial>, Fault> {
    let (Some(cert), Some(private)) = (cert, private) else { return Ok(None) };
    let paths = TlsPaths { cert: cert.clone(), key: private.clone(), client_ca };
    paths.load().map(Some).map_err(|error| Fault::key(&format!("{key}.cert"), error))
}
