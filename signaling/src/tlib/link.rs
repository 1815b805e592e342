//! The task of one link: drives the client of the protocol over whatever connection there is, and hands up what it tells.
//!
//! Events go to a bounded queue. While it is full nothing is read: the server is held up by its own connection. Recording
//! is never touched by it.

use std::{collections::VecDeque, future::pending, pin::Pin, time::Instant};

use signaling_core::tlib::{
    client::{Client, NotSent, Output, Request},
    event::{CtiEvent, RecordControl},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    connection::{Connection, Heard, Stream},
    door::{NoConnection, Place, Server},
    metrics::Told,
};
use crate::{owner::sleep_until, world};

/// What is asked of a link.
pub(super) enum Ask {
    /// Recording control; the number of the request comes back.
    Control(RecordControl, Box<Request>, oneshot::Sender<Result<u64, NotSent>>),
    /// One more DN.
    Watch(String),
    /// One DN less.
    Unwatch(String),
}

/// Where the connections of a link come from.
pub(super) enum Source {
    /// We dial these, the primary first.
    Servers(Vec<Server>),
    /// They come to us.
    Porter {
        /// Where it is said that the link is free.
        free: mpsc::Sender<Place>,
        /// It is said; what comes comes here.
        coming: Option<mpsc::Receiver<Box<dyn Stream>>>,
    },
}

/// Everything the task owns.
pub(super) struct Link {
    pub(super) number: u16,
    pub(super) client: Client,
    pub(super) source: Source,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) events: mpsc::Sender<CtiEvent>,
    pub(super) told: Told,
    pub(super) stop: watch::Receiver<bool>,
}

type Dialling = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, NoConnection>> + Send>>;

/// The connection, as far as it is.
enum Way {
    None,
    Dialling(Dialling),
    Open(Box<Connection>),
}

/// What there is to do next.
enum Came {
    Ask(Ask),
    Stop,
    /// An event was handed over.
    Told,
    Connected(Box<dyn Stream>),
    NotConnected(NoConnection),
    Heard(Heard),
    Timer,
}

/// The way and the events that wait, apart from [`Link`] so that both can be borrowed.
struct Running {
    link: Link,
    way: Way,
    server: u8,
    /// Events of one line at most: nothing is read while there are any.
    held: VecDeque<CtiEvent>,
}

impl Link {
    /// Runs until it is told to stop.
    pub(super) async fn run(self) {
        let mut running = Running { link: self, way: Way::None, server: 0, held: VecDeque::new() };
        running.live().await;
        if let Way::Open(connection) = running.way {
            connection.close().await;
        }
    }
}

impl Running {
    async fn live(&mut self) {
        loop {
            self.obey().await;
            let now = || world::now();
            match self.next().await {
                Came::Stop => return,
                Came::Ask(ask) => self.take(ask, now()),
                // Nobody listened until now.
                Came::Told => self.link.client.not_listening(now()),
                Came::Connected(stream) => {
                    self.way = Way::Open(Box::new(Connection::new(stream)));
                    self.link.client.connected(now());
                }
                Came::NotConnected(error) => {
                    tracing::warn!(link = self.link.number, server = self.server, %error, "tlib link not connected");
                    self.way = Way::None;
                    self.link.client.closed(now());
                }
                Came::Heard(heard) => self.hear(heard, now()).await,
                Came::Timer => {
                    if !self.held.is_empty() {
                        self.link.client.not_listening(now());
                    }
                    self.link.client.timeout(now());
                }
            }
        }
    }

    async fn next(&mut self) -> Came {
        let Self { link, way, held, .. } = self;
        let due = link.client.next_timeout();
        let is_listening = held.is_empty();
        tokio::select! {
            _ = link.stop.wait_for(|is_stopping| *is_stopping) => Came::Stop,
            Some(ask) = link.asks.recv() => Came::Ask(ask),
            // Whoever listens is gone: everything stops.
            room = link.events.reserve(), if !is_listening => match room {
                Ok(room) => {
                    if let Some(event) = held.pop_front() {
                        room.send(event);
                    }
                    Came::Told
                }
                Err(_) => Came::Stop,
            },
            stream = link.source.come(), if matches!(way, Way::None) => Came::Connected(stream),
            came = way.next(is_listening) => came,
            () = sleep_until(due), if due.is_some() => Came::Timer,
        }
    }

    /// Does what the client wants, in its order.
    async fn obey(&mut self) {
        while let Some(output) = self.link.client.output() {
            match output {
                Output::Connect(server) => self.dial(server),
                Output::Send(line) => self.send(&line),
                Output::Close(reason) => {
                    tracing::warn!(link = self.link.number, server = self.server, reason, "tlib link cut");
                    self.link.told.cut(reason);
                    self.close().await;
                }
                Output::Event(event) => self.tell(event),
            }
        }
        self.link.told.publish(&self.link.client, matches!(self.way, Way::Open(_)));
    }

    fn dial(&mut self, server: u8) {
        let Source::Servers(servers) = &self.link.source else { return };
        self.server = server;
        if let Some(server) = servers.get(usize::from(server)) {
            self.way = Way::Dialling(Box::pin(server.clone().dial()));
        }
    }

    fn send(&mut self, line: &str) {
        let Way::Open(connection) = &mut self.way else { return };
        if !connection.write(line) {
            self.stall(world::now());
        }
    }

    fn tell(&mut self, event: CtiEvent) {
        let (link, server) = (self.link.number, self.server);
        match &event {
            CtiEvent::LinkUp { .. } => tracing::info!(link, server, "tlib link up"),
            CtiEvent::LinkDown { reason, .. } => tracing::warn!(link, server, reason, "tlib link down"),
            CtiEvent::EventsMissed { expected, got, .. } => {
                tracing::warn!(link, server, expected, got, "tlib events missed: calls are read again");
            }
            _ => {}
        }
        self.link.told.requests.event(&event);
        self.held.push_back(event);
    }

    fn take(&mut self, ask: Ask, now: Instant) {
        let client = &mut self.link.client;
        match ask {
            Ask::Control(what, request, reply) => {
                let sent = client.request(what, *request, now);
                self.link.told.requests.asked(what, sent.ok());
                // Whoever asked may be gone; the request is on its way all the same.
                let _ = reply.send(sent);
            }
            Ask::Watch(dn) => drop(client.watch(&dn, now)),
            Ask::Unwatch(dn) => client.unwatch(&dn, now),
        }
    }

    async fn hear(&mut self, heard: Heard, now: Instant) {
        match heard {
            Heard::Line(line) => self.link.client.receive(&line, now),
            Heard::Endless => self.link.client.endless_line(now),
            Heard::Written => {}
            Heard::Stalled => self.stall(now),
            Heard::Ended(error) => {
                if let Some(error) = error {
                    tracing::warn!(link = self.link.number, server = self.server, %error, "tlib connection failed");
                }
                self.close().await;
                self.link.client.closed(now);
            }
        }
    }

    /// The server takes nothing: no use to say why.
    fn stall(&mut self, now: Instant) {
        self.way = Way::None;
        self.link.told.cut("write_stalled");
        self.link.client.broken("write_stalled", now);
    }

    async fn close(&mut self) {
        if let Way::Open(connection) = std::mem::replace(&mut self.way, Way::None) {
            connection.close().await;
        }
    }
}

impl Way {
    async fn next(&mut self, is_listening: bool) -> Came {
        match self {
            Self::None => pending().await,
            Self::Dialling(dialling) => match dialling.await {
                Ok(stream) => Came::Connected(stream),
                Err(error) => Came::NotConnected(error),
            },
            Self::Open(connection) => Came::Heard(connection.next(is_listening).await),
        }
    }
}

impl Source {
    /// A connection that comes to us; never one that we have to dial. May be dropped without a loss.
    async fn come(&mut self) -> Box<dyn Stream> {
        let Self::Porter { free, coming } = self else { return pending().await };
        loop {
            if coming.is_none() {
                let (way, receiver) = mpsc::channel(1);
                // There is room for every link, once; the porter is gone only when everything stops.
                if free.try_send(Place(way)).is_err() {
                    return pending().await;
                }
                *coming = Some(receiver);
            }
            let stream = match coming {
                Some(coming) => coming.recv().await,
                None => None,
            };
            *coming = None;
            if let Some(stream) = stream {
                return stream;
            }
        }
    }
}
