//! The handle of the capture shell: what the rest of the house asks of it.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use crypto::{dtls::Engine, seal::ChunkKey};
use model::{DtlsTerms, GapCause, MediaSource, OpenTrack, Report, RetuneTrack, TrackId, TrackNo};
use prometheus::Registry;
use storage_core::ports::SpoolSink;
use thiserror::Error;

use crate::{
    clock,
    config::Config,
    descriptors,
    handshake::{Expected, Handshakes, Queue, Word},
    keeping::Gate,
    limits,
    mailbox::{Mailbox, Order},
    metrics::Metrics,
    opening,
    reception::Reception,
    srtp::{self, NewKeys},
    track::Track,
    worker::{Shared, Worker},
};

/// Why capture cannot start.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// A metric of that name is registered already.
    #[error("capture metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system gives no thread.
    #[error("capture worker {worker}: {source}")]
    Thread {
        /// Number of the worker.
        worker: usize,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread for handshakes.
    #[error("capture handshakes: {0}")]
    Handshakes(io::Error),
}

/// The running capture shell. Every method returns at once; what came of it is told as a [`Report`].
pub struct Capture {
    shared: Arc<Shared>,
    workers: Vec<Arc<Mailbox>>,
    /// Which worker owns a track, and its pause gate.
    tracks: Mutex<HashMap<TrackId, Place>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    fingerprint: Option<[u8; 32]>,
}

struct Place {
    worker: usize,
    gate: Arc<Gate>,
    rtcp_mux: bool,
    /// The handshake thread knows of it.
    has_handshakes: bool,
}

impl Capture {
    /// Starts the workers.
    ///
    /// `reports` is called from the workers, and from the caller of [`Capture::open`]; it must not block and must not
    /// call back into capture. `spool` gets the sealed chunks.
    ///
    /// # Errors
    /// [`CaptureError`] when a metric is registered twice or no thread can be had; nothing is left running then.
    pub fn start(
        config: &Config,
        spool: Arc<dyn SpoolSink>,
        reports: Arc<dyn Fn(Report) + Send + Sync>,
        registry: &Registry,
    ) -> Result<Self, CaptureError> {
        Self::start_with(config, Reception::prepare(config), spool, reports, registry, None)
    }

    /// As [`Capture::start`], by a way to receive that was prepared before, and with lines secured by DTLS-SRTP: `dtls`
    /// shakes hands for them, on a thread of its own.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn start_with(
        config: &Config,
        mut reception: Reception,
        spool: Arc<dyn SpoolSink>,
        reports: Arc<dyn Fn(Report) + Send + Sync>,
        registry: &Registry,
        dtls: Option<Engine>,
    ) -> Result<Self, CaptureError> {
        let metrics = Metrics::register(registry)?;
        raise_descriptors(config, &metrics);
        reception.tell(&metrics);
        let fingerprint = dtls.as_ref().map(Engine::fingerprint);
        let handshakes = dtls.is_some().then(Arc::<Queue>::default);
        let (strategy, intakes) = (reception.strategy, reception.take_intakes());
        let shared = Arc::new(Shared { config: config.clone(), spool, reports, metrics, strategy, handshakes });
        let mut capture =
            Self { shared, workers: Vec::new(), tracks: Mutex::default(), threads: Mutex::default(), fingerprint };
        for (worker, intake) in intakes.into_iter().enumerate() {
            let mailbox = Arc::new(Mailbox::default());
            let (shared, orders) = (Arc::clone(&capture.shared), Arc::clone(&mailbox));
            let thread = thread::Builder::new()
                .name(format!("capture-{worker}"))
                .spawn(move || Worker::run(worker, shared, orders, intake))
                .map_err(|source| CaptureError::Thread { worker, source })?;
            capture.workers.push(mailbox);
            capture.threads().push(thread);
        }
        if let Some((engine, queue)) = dtls.zip(capture.shared.handshakes.clone()) {
            let shared = Arc::clone(&capture.shared);
            let thread = thread::Builder::new()
                .name("handshakes".into())
                .spawn(move || Handshakes::run(engine, shared, &queue))
                .map_err(CaptureError::Handshakes)?;
            capture.threads().push(thread);
        }
        Ok(capture)
    }

    /// SHA-256 of our certificate, where DTLS-SRTP is on: what answers have to say.
    pub fn dtls_fingerprint(&self) -> Option<[u8; 32]> {
        self.fingerprint
    }

    /// Binds the ports and gives the track to the least loaded worker. Answered by [`Report::TrackOpened`], after
    /// which nothing that arrives is missed, or by [`Report::TrackRefused`].
    pub fn open(&self, order: OpenTrack, key: Arc<ChunkKey>) {
        let track = order.track;
        let report = match self.try_open(&order, key) {
            Ok(()) => Report::TrackOpened { track },
            Err(cause) => {
                self.shared.metrics.tracks_refused.inc();
                tracing::warn!(%track, %cause, "track refused");
                Report::TrackRefused { track, cause }
            }
        };
        (self.shared.reports)(report);
    }

    /// The session was renegotiated. Keys that cannot be used leave those before them in force.
    pub fn retune(&self, order: RetuneTrack) {
        let RetuneTrack { track, source, srtp_remote, srtp_local, dtls, codecs } = order;
        // A new key begins no new stream: its roll-over counter goes on (RFC 3711 3.3.1), unless the peer began anew.
        let remote = srtp_remote.as_ref().map(|keys| srtp::inbound(keys, true)).transpose();
        let local = srtp_local.as_ref().map(srtp::outbound).transpose();
        let keys = match remote.and_then(|remote| Ok((remote, local?))) {
            Ok((remote, local)) => NewKeys { remote: remote.map(Box::new), local: local.map(Box::new) },
            Err(cause) => {
                tracing::warn!(%track, %cause, "new SRTP keys are unusable");
                NewKeys::default()
            }
        };
        self.send(track, Order::Retune { track, source, keys, codecs });
        if let Some(terms) = dtls {
            self.send(track, Order::Await { track });
            self.expect(track, terms, &source);
        }
    }

    /// Nothing that arrives after this call is kept, until resumed; the span becomes a gap.
    pub fn pause(&self, track: TrackId, cause: GapCause) {
        let at = clock::now_nanos();
        if let Some(place) = self.tracks().get(&track) {
            place.gate.shut(at);
        }
        self.send(track, Order::Pause { track, cause, at });
    }

    /// Keeps again.
    pub fn resume(&self, track: TrackId) {
        let at = clock::now_nanos();
        if let Some(place) = self.tracks().get(&track) {
            place.gate.lift(at);
        }
        self.send(track, Order::Resume { track, at });
    }

    /// Drains, flushes and lets go; answered by [`Report::TrackClosed`], after which the ports are free.
    pub fn close(&self, track: TrackId) {
        self.send(track, Order::Close { track });
        let place = self.tracks().remove(&track);
        if let (Some(handshakes), Some(true)) = (&self.shared.handshakes, place.map(|place| place.has_handshakes)) {
            handshakes.order(Word::Forget(track));
        }
    }

    /// Closes what is open (each track is reported) and ends the workers. Returns when they are gone.
    pub fn shutdown(&self) {
        for worker in &self.workers {
            worker.stop();
        }
        if let Some(handshakes) = &self.shared.handshakes {
            handshakes.order(Word::Stop);
        }
        for thread in std::mem::take(&mut *self.threads()) {
            if thread.join().is_err() {
                tracing::error!("a capture worker ended by panic");
            }
        }
        self.tracks().clear();
    }

    fn try_open(&self, order: &OpenTrack, key: Arc<ChunkKey>) -> Result<(), String> {
        if self.tracks().contains_key(&order.track) {
            return Err("the track is open already".into());
        }
        if order.dtls.is_some() && self.shared.handshakes.is_none() {
            return Err("media.dtls is off".into());
        }
        let worker = self.worker_for(order.track).ok_or("no worker has room")?;
        let mailbox = &self.workers[worker];
        let gate = Arc::new(Gate::open());
        let opened = opening::open(order, key, Arc::clone(&gate), &self.shared.config, self.shared.strategy);
        let opened = opened.and_then(|track| {
            self.look_at_buffer(&track);
            mailbox.put(Order::Adopt(Box::new(track))).map_err(|_| "capture is stopping or its queue is full".into())
        });
        if opened.is_err() {
            mailbox.release();
        }
        opened?;
        self.tracks().insert(order.track, Place { worker, gate, rtcp_mux: order.rtcp_mux, has_handshakes: false });
        if let Some(terms) = order.dtls.clone() {
            self.expect(order.track, terms, &order.source);
        }
        Ok(())
    }

    /// A place on the worker of the track before in the recording: served one after the other they find the key that
    /// they share in the cache. Of the first one, and where that worker is full, on the one with the fewest.
    fn worker_for(&self, track: TrackId) -> Option<usize> {
        let before = track.no.0.checked_sub(1).map(|no| TrackId { no: TrackNo(no), ..track });
        let beside = before.and_then(|before| self.tracks().get(&before).map(|place| place.worker));
        let fewest = || (0..self.workers.len()).min_by_key(|&worker| self.workers[worker].tracks());
        let has_place = |worker: &usize| self.workers[*worker].reserve();
        beside.filter(has_place).or_else(|| fewest().filter(has_place))
    }

    /// Tells the handshake thread whom a line waits for.
    fn expect(&self, track: TrackId, terms: DtlsTerms, source: &MediaSource) {
        let place = self.tracks().get_mut(&track).map(|place| {
            place.has_handshakes = true;
            (place.worker, place.rtcp_mux)
        });
        let (Some((worker, rtcp_mux)), Some(handshakes)) = (place, &self.shared.handshakes) else {
            return tracing::warn!(%track, "a handshake for a track that is not open, or with media.dtls off");
        };
        let mailbox = Arc::clone(&self.workers[worker]);
        let expected = Expected::new(track, mailbox, terms, (source, rtcp_mux));
        if !expected.is_some_and(|expected| handshakes.order(Word::Expect(expected))) {
            self.shared.metrics.orders_dropped.inc();
            tracing::error!(%track, "the handshake thread takes no orders, or no fingerprint is one");
        }
    }

    /// What the kernel granted may be less than what a worker that stands still needs: told once, counted always.
    fn look_at_buffer(&self, track: &Track) {
        let wanted = self.shared.config.receive_buffer();
        if track.media.is_capped && self.shared.metrics.capped_buffer() == 0 {
            tracing::warn!(wanted, "net.core.rmem_max keeps receive buffers too small: raise it to this many octets");
        }
    }

    fn send(&self, track: TrackId, order: Order) {
        let Some(worker) = self.tracks().get(&track).map(|place| place.worker) else {
            tracing::debug!(%track, "order for a track that is not open");
            return;
        };
        if self.workers[worker].put(order).is_err() {
            self.shared.metrics.orders_dropped.inc();
            tracing::error!(%track, worker, "capture worker takes no orders");
        }
    }

    fn tracks(&self) -> MutexGuard<'_, HashMap<TrackId, Place>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prepares the process for its sockets.
fn raise_descriptors(config: &Config, metrics: &Metrics) {
    let needed = 2 * config.ports.pairs() as u64 + limits::OTHER_DESCRIPTORS;
    match descriptors::raise(needed) {
        Ok(limit) => {
            metrics.may_open(limit);
            if limit < needed {
                tracing::warn!(needed, limit, "RLIMIT_NOFILE is too low for all of media.ports: raise it");
            }
        }
        Err(error) => tracing::warn!(needed, %error, "RLIMIT_NOFILE cannot be read or raised"),
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shutdown();
    }
}
