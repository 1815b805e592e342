//! The one task that owns the endpoint: what comes in, in which order, and what goes out after each.

use std::{collections::HashMap, iter, sync::Arc, time::Instant};

use signaling_core::{
    endpoint::{DialogState, Endpoint, Stats},
    event::Command,
    flow::Transmit,
    limits::EVENT_BACKLOG_HARD,
};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    connection::Inbound,
    ear::Ear,
    limits,
    listen::{Doorman, wipe},
    metrics::Metrics,
    revival::{Keep, Redial},
    world,
};

/// What the handle wants.
pub(crate) enum Wish {
    /// Refuse new sessions, or take them again.
    Drain(bool),
    /// Leave, and say when the last words are out.
    Stop(oneshot::Sender<()>),
}

enum Way {
    Datagrams(Arc<UdpSocket>),
    Stream(mpsc::Sender<Vec<u8>>),
}

/// Everything the task owns.
pub(crate) struct Owner {
    endpoint: Endpoint,
    ways: HashMap<u64, Way>,
    ear: Box<dyn Ear>,
    metrics: Metrics,
    last: Stats,
    has_listener: bool,
    keep: Option<Keep>,
    redial: Redial,
}

/// What there is to do next.
enum Step {
    Commands(Option<Vec<Command>>),
    Wish(Option<Wish>),
    /// Whoever listens may have room again.
    Room,
    Inbound(Inbound),
    Timer,
}

/// The queues that lead to the task.
pub(crate) struct Queues {
    /// Of sessions that stand.
    pub(crate) live: mpsc::Receiver<Inbound>,
    /// Of those that want to begin.
    pub(crate) new: mpsc::Receiver<Inbound>,
    pub(crate) commands: mpsc::Receiver<Vec<Command>>,
    pub(crate) wishes: mpsc::Receiver<Wish>,
}

impl Owner {
    pub(crate) fn new(
        endpoint: Endpoint,
        ear: Box<dyn Ear>,
        (metrics, keep, redial): (Metrics, Option<Keep>, Redial),
    ) -> Self {
        let last = endpoint.stats();
        Self { endpoint, ways: HashMap::new(), ear, metrics, last, has_listener: true, keep, redial }
    }

    /// Takes sessions of the process before up again. Datagrams go the way they went; a connection is gone, and is made
    /// anew to where the peer said that it can be reached.
    pub(crate) fn take_up(&mut self, dialogs: Vec<DialogState>, udp: Option<u64>, door: &Doorman) {
        let (mut restored, now) = (0, world::now());
        for state in dialogs {
            let flow = self.redial.flow_of(&state, udp, door);
            restored += u64::from(self.endpoint.restore(state, flow, now));
        }
        if restored > 0 {
            tracing::info!(sessions = restored, "sip sessions of the process before go on");
        }
    }

    pub(crate) fn add_udp(&mut self, id: u64, socket: Arc<UdpSocket>) {
        self.ways.insert(id, Way::Datagrams(socket));
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self, mut queues: Queues) {
        let mut has_commands = true;
        loop {
            self.flush().await;
            match self.next(&mut queues, has_commands).await {
                Step::Commands(Some(commands)) => self.obey(commands),
                Step::Commands(None) => has_commands = false,
                Step::Wish(Some(Wish::Drain(is_draining))) => self.endpoint.drain(is_draining),
                Step::Wish(Some(Wish::Stop(done))) => {
                    self.last_words().await;
                    let _ = done.send(());
                    return;
                }
                Step::Wish(None) => return,
                Step::Room => {}
                Step::Inbound(inbound) => self.take(inbound),
                Step::Timer => {}
            }
            self.round(&mut queues);
        }
    }

    /// What is there already is taken at once, so that one wake-up serves a burst: decisions first, because somebody
    /// waits for each, then what belongs to live sessions, then what wants to begin; timers in any case.
    fn round(&mut self, queues: &mut Queues) {
        for _ in 0..limits::BURST {
            let Ok(commands) = queues.commands.try_recv() else { break };
            self.obey(commands);
        }
        for lane in [&mut queues.live, &mut queues.new] {
            for _ in 0..limits::BURST {
                if self.endpoint.backlog() >= EVENT_BACKLOG_HARD {
                    break;
                }
                let Ok(inbound) = lane.try_recv() else { break };
                self.take(inbound);
            }
        }
        let now = world::now();
        if self.endpoint.next_timeout().is_some_and(|due| due <= now) {
            self.endpoint.timeout(now, &mut world::fill);
        }
    }

    fn obey(&mut self, commands: Vec<Command>) {
        let now = world::now();
        for command in commands {
            self.endpoint.command(command, now, &mut world::fill);
        }
    }

    async fn next(&mut self, queues: &mut Queues, has_commands: bool) -> Step {
        let due = self.endpoint.next_timeout();
        let can_take = self.endpoint.backlog() < EVENT_BACKLOG_HARD;
        tokio::select! {
            commands = queues.commands.recv(), if has_commands => Step::Commands(commands),
            wish = queues.wishes.recv() => Step::Wish(wish),
            () = tokio::time::sleep(limits::ROOM_LOOK), if self.endpoint.backlog() > 0 => Step::Room,
            Some(inbound) = queues.live.recv(), if can_take => Step::Inbound(inbound),
            Some(inbound) = queues.new.recv(), if can_take => Step::Inbound(inbound),
            () = sleep_until(due), if due.is_some() => Step::Timer,
        }
    }

    fn take(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Opened { flow, writer } => {
                self.metrics.undeliverable.inc_by(self.redial.opened(flow, &writer));
                self.ways.insert(flow, Way::Stream(writer));
            }
            Inbound::Closed { flow } => {
                self.metrics.undeliverable.inc_by(self.redial.closed(flow));
                self.ways.remove(&flow);
            }
            Inbound::Message { flow, mut octets } => {
                self.endpoint.receive(&flow, &octets, world::now(), &mut world::fill);
                wipe(&mut octets);
            }
            Inbound::TooLarge { flow, head } => {
                self.endpoint.receive_too_large(&flow, &head, world::now(), &mut world::fill);
            }
        }
    }

    /// Sends what must leave, hands up what happened, takes over the counters.
    async fn flush(&mut self) {
        // Before the 200 leaves, so that a crash in between forgets no session that the peer believes in.
        let changed: Vec<DialogState> = iter::from_fn(|| self.endpoint.changed()).collect();
        if let (Some(keep), false) = (&self.keep, changed.is_empty()) {
            keep(changed);
        }
        while let Some(transmit) = self.endpoint.transmit() {
            self.send(transmit).await;
        }
        self.hand_up();
        self.metrics.publish(&mut self.endpoint, &mut self.last);
    }

    /// Last, and all at once: what was answered already need not wait for whoever it wakes.
    fn hand_up(&mut self) {
        if self.endpoint.backlog() == 0 {
            return;
        }
        match self.ear.room().filter(|_| self.has_listener) {
            Some(0) => {}
            Some(room) => self.ear.tell(iter::from_fn(|| self.endpoint.event()).take(room).collect()),
            // The session core is gone: whatever comes now would not be kept.
            None => {
                self.has_listener = false;
                self.endpoint.drain(true);
                while self.endpoint.event().is_some() {}
            }
        }
    }

    async fn send(&mut self, transmit: Transmit) {
        let Transmit { flow, octets } = transmit;
        match self.ways.get(&flow.id) {
            Some(Way::Datagrams(socket)) => {
                if let Err(error) = socket.send_to(&octets, flow.remote).await {
                    self.metrics.undeliverable.inc();
                    tracing::debug!(%error, "sip udp send");
                }
            }
            Some(Way::Stream(writer)) => match writer.try_send(octets) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.metrics.overflows.inc();
                    // Its writer ends with the queue, and the connection with it.
                    self.ways.remove(&flow.id);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.metrics.undeliverable.inc();
                    self.ways.remove(&flow.id);
                }
            },
            None => {
                if !self.redial.send(&flow, octets) {
                    self.metrics.undeliverable.inc();
                }
            }
        }
    }

    async fn last_words(&mut self) {
        self.flush().await;
        let all_written = async {
            for way in self.ways.values() {
                if let Way::Stream(writer) = way {
                    let _ = writer.reserve_many(limits::WRITE_QUEUE).await;
                }
            }
        };
        let _ = timeout(limits::LAST_WORDS, all_written).await;
    }
}

pub(crate) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
