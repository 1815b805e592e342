//! Wires cores and shells into the daemon: opens everything in order, starts the threads, and takes the phases of life
//! one after the other. A fault before the node is ready is one line naming the key, exit 2.

mod cti;
mod doors;
mod front;
mod metrics;
mod parts;
mod recall;
mod revival;
mod shells;
mod snapshots;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use api::ports::Control;
use capture::{Capture, Reception};
use model::Fact;
use ops::health::{Health, HealthServer, Phase};
use prometheus::Registry;
use session::Input;
use signaling::{Addresses, Signaling};
use storage::{Disk, Ledger, Snapshots, Spool, Unfinished};
use storage_core::ports::{Archive, Catalog, Playback};
use tokio::{
    runtime::{Handle, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, mpsc},
};

use cti::{Links, Requests};
pub(crate) use doors::{policy, session_config};
use front::Front;
pub(crate) use parts::{archive, catalog, custodian, keyring, ledger, signer};
use revival::{Opened, Revived};
use shells::RealShells;
use snapshots::SnapshotTaker;

use crate::{
    background, canary,
    config::Config,
    control::Desk,
    fault::Fault,
    finish::{Eraser, Finisher},
    keyring::Keyring,
    life,
    playback::ArchivePlayback,
    session_thread::{Mail, Mailbox, SessionThread},
};

/// Batches of commands on their way to signaling. Beyond: the session thread waits for signaling.
const COMMANDS: usize = 4_096;

/// What all parts of a running node share.
pub(crate) struct House<'a> {
    pub(crate) config: &'a Config,
    pub(crate) registry: Registry,
    pub(crate) health: Health,
    pub(crate) keyring: Keyring,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) mailbox: Mailbox,
    /// The fingerprint of our DTLS certificate.
    pub(crate) dtls: Option<[u8; 32]>,
    pub(crate) committed: Arc<Notify>,
    pub(crate) pending: Arc<AtomicI64>,
    /// The way to CTI servers.
    pub(crate) requests: Requests,
    /// Where work that can wait runs.
    pub(crate) background: Handle,
    /// Number of the last durable fact.
    pub(crate) written: Arc<AtomicU64>,
}

/// Says whether the configuration would work: files, addresses and URLs are read, nothing is started.
pub(crate) fn check(config: &Config) -> Result<(), Fault> {
    parts::check_sections(config)?;
    archive(config)?;
    for line in crate::peers::told(&crate::peers::peers(config)?) {
        println!("{line}");
    }
    println!("the configuration works");
    Ok(())
}

/// Runs the daemon to its end.
pub(crate) fn serve(config: &Config) -> Result<(), Fault> {
    ops::telemetry::init(&config.log.level, config.log.json).map_err(|error| Fault::key("log.level", error))?;
    life::forbid_core_dumps();
    parts::check_sections(config)?;
    // Before the first thread: every thread has what it had when it began.
    let reception = Reception::prepare(&config.media);
    life::give_up_capability();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Fault::Failed(format!("the runtime cannot start: {error}")))?;
    let background = background::runtime();
    let background = background.map_err(|error| Fault::Failed(format!("the runtime cannot start: {error}")))?;
    let outcome =
        Node::start(config, reception, (&runtime, &background)).and_then(|node| runtime.block_on(node.live()));
    background.shutdown_timeout(Duration::from_secs(5));
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

struct Node {
    health: Health,
    _health_server: Option<HealthServer>,
    signaling: Signaling,
    /// After `signaling`, whose tasks run on it.
    _front: Front,
    links: Links,
    capture: Arc<Capture>,
    api: Option<api::Api>,
    mailbox: Mailbox,
    session: JoinHandle<(Ledger, Unfinished)>,
    spool: Arc<Spool>,
    node: String,
    snapshots: JoinHandle<Snapshots>,
    drain: Duration,
}

impl Node {
    fn start(config: &Config, way: Reception, (runtime, background): (&Runtime, &Runtime)) -> Result<Self, Fault> {
        let _guard = runtime.enter();
        let registry = Registry::new();
        let disk = Disk::new(&registry);
        let (custodian, keyring) = parts::keys(config, &disk)?;
        let health = Health::new();
        let health_server = runtime.block_on(doors::open_health(config, &registry, &health))?;
        let (mut ledger, recovered) = parts::ledger(config, &custodian, &disk)?;
        let snapshots = Snapshots::new(&disk, &config.data_dir, signer(&custodian));
        let (taker, snapshots) = SnapshotTaker::start(snapshots, recovered.snapshot_no)?;
        let (mailbox, letters) = Mailbox::new();
        let spool = parts::spool(config, &mailbox, &registry, &disk)?;
        let opened = Opened { config, spool: &spool, keyring: &keyring, mailbox: &mailbox, registry: &registry };
        let Revived { core, capture, states, mut recovery } = revival::revive(&opened, way, &mut ledger, recovered)?;
        let links = runtime.block_on(cti::start(config, &registry, &mailbox))?;
        let house = House {
            config,
            health,
            keyring,
            archive: archive(config)?,
            catalog: catalog(config)?,
            spool,
            mailbox,
            dtls: capture.dtls_fingerprint(),
            committed: Arc::new(Notify::new()),
            pending: Arc::new(AtomicI64::new(0)),
            requests: Requests::new(&links, runtime.handle().clone()),
            background: background.handle().clone(),
            written: Arc::new(AtomicU64::new(ledger.next_no().saturating_sub(1))),
            registry,
        };
        parts::follow(&house);
        let finisher = finisher(&house);
        let (commands, command_receiver) = mpsc::channel(COMMANDS);
        let dialogs = (std::mem::take(&mut recovery.dialogs), states.clone());
        let starting = doors::start_signaling(&house, command_receiver, dialogs);
        let front = Front::start()?;
        let signaling = front.handle().block_on(starting)?;
        let shells = RealShells::new(&house, Arc::clone(&capture), commands, finisher.clone(), (states, taker))?;
        let views = std::mem::take(&mut recovery.views).into_iter().collect();
        let keyring = house.keyring.clone();
        let thread = SessionThread { core, ledger, keyring, shells, entropy: Box::new(parts::Random), views };
        let session = shells::spawn_session(thread, letters)?;
        revival::take_up(&house, recovery, &finisher)?;
        recall::start(&house);
        let api = runtime.block_on(open_api(&house, signaling.addresses()))?;
        Ok(Self {
            health: house.health,
            _health_server: health_server,
            signaling,
            _front: front,
            links,
            capture,
            api,
            mailbox: house.mailbox,
            session,
            spool: house.spool,
            node: config.node.clone(),
            snapshots,
            drain: Duration::from_secs(config.session.drain_s),
        })
    }

    /// Until a signal comes. Looks every second whether the disk has room: without it OPTIONS and INVITE get 503, so
    /// that a Resource Manager turns to another node, and live sessions go on into the reserve.
    async fn record(&self, signals: &mut Signals) {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        let mut had_room = true;
        loop {
            tokio::select! {
                () = signals.next() => return,
                _ = interval.tick() => {}
            }
            let has_room = self.spool.has_room();
            if has_room == had_room || !self.mailbox.try_send(Mail::Input(Box::new(Input::Room(has_room)))) {
                continue;
            }
            had_room = has_room;
            if has_room {
                self.health.holds("spool");
                self.signaling.resume();
                tracing::info!("the spool has room again");
            } else {
                self.health.fails("spool", "less than the reserve is free, or the disk fails");
                self.signaling.drain();
                let (free, low_water) = (self.spool.free_octets(), self.spool.low_water_octets());
                tracing::error!(
                    free,
                    low_water,
                    "the spool has less than its reserve, or its disk fails: new sessions are refused, live ones go on"
                );
            }
        }
    }

    /// Recording, then draining, then sealed.
    async fn live(self) -> Result<(), Fault> {
        let mut signals = Signals::listen()?;
        self.health.enter(Phase::Recording);
        notify("READY=1");
        tracing::info!(node = %self.node, "recording");
        self.record(&mut signals).await;
        tracing::info!("draining: new sessions are refused, live ones finish");
        self.health.enter(Phase::Draining);
        notify("STOPPING=1");
        self.signaling.drain();
        self.mailbox.send(Input::Drain);
        let session = self.session;
        let mailbox = self.mailbox.clone();
        mailbox.try_send(Mail::Leave);
        let mut left = tokio::task::spawn_blocking(move || session.join());
        let ended = tokio::select! {
            ended = &mut left => ended,
            () = tokio::time::sleep(self.drain) => {
                tracing::warn!("the time for draining is over: live sessions are ended");
                mailbox.send(Input::EndAll);
                tokio::select! {
                    ended = &mut left => ended,
                    _ = signals.next() => return Err(Fault::Failed("left by a second signal".into())),
                }
            }
            _ = signals.next() => return Err(Fault::Failed("left by a second signal".into())),
        };
        let (mut ledger, views) = ended
            .map_err(|error| Fault::Failed(error.to_string()))?
            .map_err(|_| Fault::Failed("the session thread ended by panic".into()))?;
        self.signaling.stop().await;
        self.links.stop().await;
        if let Some(api) = self.api {
            api.stop().await;
        }
        let capture = self.capture;
        let _ = tokio::task::spawn_blocking(move || capture.shutdown()).await;
        let spool = self.spool;
        let _ = tokio::task::spawn_blocking(move || spool.stop()).await;
        let stopped = [Fact::NodeStopped { node: self.node }];
        let sealed = ledger.commit(&stopped, life::now()).and_then(|_| ledger.close(life::now()));
        let mark = sealed.map_err(|error| Fault::Failed(format!("the ledger cannot be sealed: {error}")))?;
        if let Ok(Ok(taker)) = tokio::task::spawn_blocking(move || self.snapshots.join()).await {
            snapshots::write(&taker, &mark, &views.all());
        }
        self.health.enter(Phase::Sealed);
        tracing::info!("sealed");
        Ok(())
    }
}

fn finisher(house: &House<'_>) -> Finisher {
    let (rendering, uploading) = Finisher::permits();
    Finisher {
        spool: Arc::clone(&house.spool),
        keyring: house.keyring.clone(),
        archive: Arc::clone(&house.archive),
        staging: house.config.data_dir.join("staging"),
        mailbox: house.mailbox.clone(),
        runtime: house.background.clone(),
        pending: Arc::clone(&house.pending),
        rendering,
        uploading,
    }
}

async fn open_api(house: &House<'_>, addresses: Addresses) -> Result<Option<api::Api>, Fault> {
    let eraser = Arc::new(Eraser {
        keyring: house.keyring.clone(),
        archive: Arc::clone(&house.archive),
        spool: Arc::clone(&house.spool),
    });
    let desk = Desk {
        mailbox: house.mailbox.clone(),
        catalog: Arc::clone(&house.catalog),
        eraser,
        marked: Arc::new(tokio::sync::Mutex::new(house.written.load(Ordering::Acquire))),
    };
    let playback = ArchivePlayback {
        archive: Arc::clone(&house.archive),
        catalog: Arc::clone(&house.catalog),
        keyring: house.keyring.clone(),
    };
    let delivery = crate::delivery::start(house)?;
    let assurance = crate::assurance::start(house)?;
    crate::deeds::start(house)?;
    let (desk, playback) = (Arc::new(desk), Arc::new(playback));
    let config = house.config;
    let birdcage = canary::Means {
        addresses,
        needs_srtp: config.media.srtp == ::capture::SrtpPolicy::Required,
        certificate: config.sip.cert.clone().unwrap_or_else(|| config.tls_dir().join("cert.pem")),
        catalog: Arc::clone(&house.catalog),
        playback: Arc::clone(&playback) as Arc<dyn Playback>,
        control: Arc::clone(&desk) as Arc<dyn Control>,
        health: house.health.clone(),
        folder: config.data_dir.join("staging/canary"),
    };
    canary::start(&config.canary, birdcage, &house.registry, &house.background)?;
    doors::start_api(house, desk, playback, (delivery, assurance)).await
}

fn notify(state: &str) {
    if let Err(error) = ops::systemd::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Fault> {
        let listen = |kind| signal(kind).map_err(|error| Fault::Failed(format!("signals: {error}")));
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
