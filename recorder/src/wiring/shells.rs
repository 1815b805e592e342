//! Carries orders out over the real shells, and the threads that bring their words back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
        mpsc::Receiver,
    },
    thread::JoinHandle,
};

use capture::Capture;
use model::{Fact, OpenTrack, Order, Report, RsId, Secret};
use session::Input;
use signaling_core::event::{Command, Event};
use storage::{Ledger, Spool};
use storage_core::view::RecordingView;
use tokio::sync::{Notify, mpsc};

use super::{House, metrics::Metrics};
use crate::{
    fault::Fault,
    finish::Finisher,
    keyring::Keyring,
    session_thread::{Mail, Mailbox, SessionThread, Shells},
    states::States,
    translate,
};

/// The shells of a running node.
pub(crate) struct RealShells {
    capture: Arc<Capture>,
    commands: mpsc::Sender<Command>,
    finisher: Finisher,
    spool: Arc<Spool>,
    keyring: Keyring,
    mailbox: Mailbox,
    committed: Arc<Notify>,
    written: Arc<AtomicU64>,
    pending: Arc<AtomicI64>,
    states: States,
    metrics: Metrics,
}

impl RealShells {
    pub(crate) fn new(
        house: &House<'_>,
        capture: Arc<Capture>,
        commands: mpsc::Sender<Command>,
        finisher: Finisher,
        states: States,
    ) -> Result<Self, Fault> {
        Ok(Self {
            capture,
            commands,
            finisher,
            spool: Arc::clone(&house.spool),
            keyring: house.keyring.clone(),
            mailbox: house.mailbox.clone(),
            committed: Arc::clone(&house.committed),
            written: Arc::clone(&house.written),
            pending: Arc::clone(&house.pending),
            states,
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
    fn obey(&mut self, order: Order, view: Option<&RecordingView>) {
        let order = match translate::command(order) {
            Ok(command) => {
                // Signaling ends only after this thread has.
                let _ = self.commands.blocking_send(command);
                return;
            }
            Err(order) => order,
        };
        match order {
            Order::OpenTrack(order) => open_track(*order, &self.capture, &self.keyring, &self.mailbox),
            Order::RetuneTrack(order) => self.capture.retune(*order),
            Order::PauseTrack { track, cause } => self.capture.pause(track, cause),
            Order::ResumeTrack { track } => self.capture.resume(track),
            Order::CloseTrack { track } => self.capture.close(track),
            Order::FinishRecording { recording } => match view {
                Some(view) => self.finisher.submit(view.clone()),
                None => tracing::error!(%recording, "nothing is known of a recording that ended"),
            },
            Order::DropRecording { recording } | Order::FreeSpool { recording } => self.free(recording),
            Order::Answer { .. } | Order::Refuse { .. } | Order::HangUp { .. } | Order::RequestSnapshot { .. } => {
                unreachable!("translated above")
            }
        }
    }

    fn observe(&mut self, stats: session::Stats, facts: &[Fact]) {
        self.metrics.observe(stats, self.pending.load(Ordering::Relaxed), facts);
    }

    fn committed(&mut self, last: u64) {
        self.written.store(last, Ordering::Release);
        self.committed.notify_one();
    }

    fn keep_state(&mut self, recording: model::RecordingId, state: Option<(Vec<RsId>, Secret)>) {
        match state {
            Some((sessions, state)) => self.states.recording(recording, sessions, state),
            None => self.states.over(recording),
        }
    }
}

/// Binds the ports of a track, under the key of its recording.
pub(crate) fn open_track(order: OpenTrack, capture: &Capture, keyring: &Keyring, mailbox: &Mailbox) {
    let track = order.track;
    match keyring.make(track.recording) {
        Ok(key) => capture.open(order, Arc::new(key.chunk_key(track.recording.as_bytes()))),
        Err(error) => {
            let cause = format!("no key: {error}");
            let report = Report::TrackRefused { track, cause };
            mailbox.try_send(Mail::Input(Box::new(Input::Capture(report))));
        }
    }
}

/// Starts the session thread and the one that hands signaling's events to it.
pub(crate) fn spawn_session(
    thread: SessionThread<RealShells>,
    mail: Receiver<Mail>,
    mut events: mpsc::Receiver<Event>,
    mailbox: &Mailbox,
) -> Result<JoinHandle<Ledger>, Fault> {
    let failed = |error: std::io::Error| Fault::Failed(format!("a thread cannot start: {error}"));
    let mailbox = mailbox.clone();
    std::thread::Builder::new()
        .name("events".into())
        .spawn(move || {
            while let Some(event) = events.blocking_recv() {
                if !mailbox.send(Input::Signal(event)) {
                    return;
                }
            }
        })
        .map_err(failed)?;
    std::thread::Builder::new().name("session".into()).spawn(move || thread.run(&mail)).map_err(failed)
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
