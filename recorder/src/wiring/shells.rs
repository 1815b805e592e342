//! Carries orders out over the real shells, and the threads that bring their words back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use capture::Capture;
use model::{Fact, OpenTrack, Order, Report};
use session::Input;
use signaling_core::event::Command;
use storage::{Ledger, Mark, Spool, Unfinished};
use storage_core::view::RecordingView;
use tokio::sync::{Notify, mpsc};

use super::{House, cti::Requests, metrics::Metrics, snapshots::SnapshotTaker};
use crate::{
    background,
    fault::Fault,
    finish::Finisher,
    keyring::{Keyring, Syncer},
    session_thread::{Letters, LiveState, Mail, Mailbox, SessionThread, Shells},
    states::States,
    translate,
};

/// The shells of a running node.
pub(crate) struct RealShells {
    capture: Arc<Capture>,
    commands: mpsc::Sender<Vec<Command>>,
    /// For signaling, since the last flush.
    said: Vec<Command>,
    finisher: Finisher,
    spool: Arc<Spool>,
    keyring: Keyring,
    keys: Syncer,
    /// Keys may have been made since the last flush.
    has_new_keys: bool,
    mailbox: Mailbox,
    committed: Arc<Notify>,
    written: Arc<AtomicU64>,
    pending: Arc<AtomicI64>,
    states: States,
    snapshots: SnapshotTaker,
    requests: Requests,
    metrics: Metrics,
}

impl RealShells {
    pub(crate) fn new(
        house: &House<'_>,
        capture: Arc<Capture>,
        commands: mpsc::Sender<Vec<Command>>,
        finisher: Finisher,
        (states, snapshots): (States, SnapshotTaker),
    ) -> Result<Self, Fault> {
        Ok(Self {
            capture,
            commands,
            said: Vec::new(),
            finisher,
            spool: Arc::clone(&house.spool),
            keyring: house.keyring.clone(),
            keys: Syncer::start(&house.keyring)?,
            has_new_keys: false,
            mailbox: house.mailbox.clone(),
            committed: Arc::clone(&house.committed),
            written: Arc::clone(&house.written),
            pending: Arc::clone(&house.pending),
            states,
            snapshots,
            requests: house.requests.clone(),
            metrics: Metrics::register(&house.registry).map_err(|error| Fault::Failed(error.to_string()))?,
        })
    }

    fn free(&self, recording: model::RecordingId) {
        if let Err(error) = self.spool.remove(recording) {
            tracing::warn!(%recording, %error, "the spool is not freed; the next start frees it");
        }
    }
}

impl Shells for RealShells {
    fn obey(&mut self, order: Order, view: Option<&Arc<RecordingView>>) {
        let order = match translate::command(order) {
            Ok(command) => return self.said.push(command),
            Err(order) => order,
        };
        match order {
            Order::OpenTrack(order) => {
                open_track(*order, &self.capture, &self.keyring, &self.mailbox);
                self.has_new_keys = true;
            }
            Order::RetuneTrack(order) => self.capture.retune(*order),
            Order::PauseTrack { track, cause } => self.capture.pause(track, cause),
            Order::ResumeTrack { track } => self.capture.resume(track),
            Order::CloseTrack { track } => self.capture.close(track),
            Order::FinishRecording { recording } => match view {
                Some(view) => self.finisher.submit(Arc::clone(view)),
                None => tracing::error!(%recording, "nothing is known of a recording that ended"),
            },
            Order::DropRecording { recording } | Order::FreeSpool { recording } => self.free(recording),
            Order::AskRecording(ask) => self.requests.ask(*ask),
            // Carried out by whoever keeps the states, before orders are.
            Order::KeepState { .. } => {}
            Order::Answer { .. }
            | Order::Refuse { .. }
            | Order::HangUp { .. }
            | Order::RequestSnapshot { .. }
            | Order::CheckPeer { .. } => {
                unreachable!("translated above")
            }
        }
    }

    /// One message wakes signaling once, whatever a batch decided: a wake-up for each answer was a third of the cost of both
    /// threads on one core, because signaling took it over at once for a single message.
    fn flush(&mut self) {
        if !self.said.is_empty() {
            // Signaling ends only after this thread has.
            let _ = self.commands.blocking_send(std::mem::take(&mut self.said));
        }
        if std::mem::take(&mut self.has_new_keys) {
            self.keys.soon();
        }
    }

    fn observe(&mut self, stats: session::Stats, facts: &[Fact]) {
        self.metrics.observe(stats, self.pending.load(Ordering::Relaxed), facts);
    }

    fn committed(&mut self, mark: Mark, views: &Unfinished) {
        self.written.store(mark.fact(), Ordering::Release);
        self.committed.notify_one();
        self.snapshots.offer(mark, views);
    }

    fn keep_states(&mut self, states: Vec<LiveState>) {
        self.states.recordings(states);
    }
}

/// Binds the ports of a track, under the key of its recording.
pub(crate) fn open_track(order: OpenTrack, capture: &Capture, keyring: &Keyring, mailbox: &Mailbox) {
    let track = order.track;
    match keyring.chunk_key(track.recording) {
        Ok(key) => capture.open(order, key),
        Err(error) => {
            let cause = format!("no key: {error}");
            let report = Report::TrackRefused { track, cause };
            mailbox.try_send(Mail::Input(Box::new(Input::Capture(report))));
        }
    }
}

/// Starts the session thread.
pub(crate) fn spawn_session(
    thread: SessionThread<RealShells>,
    letters: Letters,
) -> Result<JoinHandle<(Ledger, Unfinished)>, Fault> {
    let failed = |error: std::io::Error| Fault::Failed(format!("a thread cannot start: {error}"));
    std::thread::Builder::new()
        .name("session".into())
        .spawn(move || {
            background::yield_to_signaling();
            thread.run(&letters)
        })
        .map_err(failed)
}

/// Reports of capture go to the mailbox. It has room for all that all tracks can report, so it is never full; if it
/// were, waiting here would stop the packets, so the report is dropped loudly instead.
pub(crate) fn reports(mailbox: &Mailbox) -> Arc<dyn Fn(Report) + Send + Sync> {
    let mailbox = mailbox.clone();
    Arc::new(move |report| {
        if !mailbox.try_send(Mail::Input(Box::new(Input::Capture(report)))) {
            tracing::error!("a report of capture was lost: the session thread is stuck or gone");
        }
    })
}
