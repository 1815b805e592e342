//! The task of one link: posts what the client wants and hands up what it tells.
//!
//! Events go to a bounded queue. While it is full no answer is taken, so no further poll begins: the server keeps what it has
//! to say. Recording is never touched by it.

use std::collections::VecDeque;

use signaling_core::{
    gws::client::{Answer, Client, NotSent, Output, Post},
    tlib::event::{CtiEvent, RecordControl},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{http::Http, metrics::Told};
use crate::{owner::sleep_until, world};

/// Recording control that is asked for; the number of the request comes back.
pub(super) struct Ask {
    pub(super) what: RecordControl,
    pub(super) conn_id: String,
    pub(super) reply: oneshot::Sender<Result<u64, NotSent>>,
}

/// Everything the task owns.
pub(super) struct Link {
    /// As in facts, metrics and the log.
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) http: Http,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) events: mpsc::Sender<CtiEvent>,
    pub(super) told: Told,
    pub(super) stop: watch::Receiver<bool>,
    /// Requests on their way: one of the session, and as many for control as the client lets be open.
    pub(super) posts: JoinSet<(u64, Result<Answer, &'static str>)>,
    /// Events of one answer at most: none is taken while there are any.
    pub(super) held: VecDeque<CtiEvent>,
}

/// What there is to do next.
enum Came {
    Stop,
    Ask(Ask),
    /// An event was handed over.
    Told,
    Answered(u64, Result<Answer, &'static str>),
    Timer,
}

impl Link {
    /// Runs until it is told to stop.
    pub(super) async fn run(mut self) {
        loop {
            self.obey().await;
            match self.next().await {
                Came::Stop => return,
                Came::Ask(ask) => self.take(ask),
                Came::Told => {}
                Came::Answered(number, answer) => self.client.answered(number, answer, world::now()),
                Came::Timer => self.client.timeout(world::now()),
            }
        }
    }

    async fn next(&mut self) -> Came {
        let due = self.client.next_timeout();
        let is_listening = self.held.is_empty();
        tokio::select! {
            _ = self.stop.wait_for(|is_stopping| *is_stopping) => Came::Stop,
            Some(ask) = self.asks.recv() => Came::Ask(ask),
            // Whoever listens is gone: everything stops.
            room = self.events.reserve(), if !is_listening => match room {
                Ok(room) => {
                    if let Some(event) = self.held.pop_front() {
                        room.send(event);
                    }
                    Came::Told
                }
                Err(_) => Came::Stop,
            },
            // A task that posts neither panics nor is cancelled while the link runs.
            Some(Ok((number, answer))) = self.posts.join_next(), if is_listening => Came::Answered(number, answer),
            () = sleep_until(due), if due.is_some() => Came::Timer,
        }
    }

    /// Does what the client wants, in its order.
    async fn obey(&mut self) {
        while let Some(output) = self.client.output() {
            match output {
                Output::Post(post) => self.post(post).await,
                Output::Lost { reason, status } => {
                    tracing::warn!(link = self.name, reason, status, "gws session lost");
                    self.told.lost(reason);
                }
                Output::Event(event) => self.tell(event),
            }
        }
        self.told.publish(&self.client);
    }

    async fn post(&mut self, post: Post) {
        if post.is_handshake && !self.http.read_password().await {
            tracing::warn!(link = self.name, "gws password file cannot be read");
        }
        let (number, http) = (post.number, self.http.clone());
        self.posts.spawn(async move { (number, http.post(post).await) });
    }

    fn tell(&mut self, event: CtiEvent) {
        match &event {
            CtiEvent::LinkUp { .. } => tracing::info!(link = self.name, "gws link up"),
            CtiEvent::LinkDown { reason, .. } => tracing::warn!(link = self.name, reason, "gws link down"),
            _ => {}
        }
        self.told.requests.event(&event);
        self.held.push_back(event);
    }

    fn take(&mut self, ask: Ask) {
        let sent = self.client.request(ask.what, &ask.conn_id);
        self.told.requests.asked(ask.what, sent.ok());
        // Whoever asked may be gone; the request is on its way all the same.
        let _ = ask.reply.send(sent);
    }
}
