//! The task that owns a client: questions in, answers out, one connection under it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use signaling_core::{
    client::{CallId, Client, ClientError as CoreError, ClientEvent, EndCause, InviteSpec, Kind, Question},
    flow::Flow,
    sip::{Headers, message::reason},
};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot, watch},
};

use super::{Answer, ClientError, Link, again::Again, refused};
use crate::{connection::Inbound, limits, owner::sleep_until, world};

/// A call that was answered.
pub(super) struct Placed {
    pub(super) id: CallId,
    pub(super) call_id: String,
    pub(super) answer: Answer,
    pub(super) ended: watch::Receiver<Option<EndCause>>,
    pub(super) snapshots: watch::Receiver<u32>,
}

/// What an established call is told of.
struct Told {
    end: watch::Sender<Option<EndCause>>,
    /// How often the recorder has asked for a metadata snapshot.
    snapshots: watch::Sender<u32>,
}

type Reply<T> = oneshot::Sender<Result<T, ClientError>>;

/// What handles ask for.
pub(super) enum Ask {
    Invite { spec: Box<InviteSpec>, reply: Reply<Placed> },
    Request { call: CallId, question: Question, reply: Reply<Answer> },
}

/// One connection and its calls.
pub(super) struct Driver {
    client: Client,
    flow: Flow,
    socket: Option<Arc<UdpSocket>>,
    stream: Option<mpsc::Sender<Vec<u8>>>,
    inbound: mpsc::Receiver<Inbound>,
    placing: HashMap<CallId, Reply<Placed>>,
    waiting: HashMap<(CallId, Kind), VecDeque<Reply<Answer>>>,
    told: HashMap<CallId, Told>,
    again: Option<Again>,
}

impl Driver {
    pub(super) fn new(product: &str, link: Link, inbound: mpsc::Receiver<Inbound>, again: Option<Again>) -> Self {
        Self {
            client: Client::new(product),
            flow: link.flow,
            socket: link.socket,
            stream: None,
            inbound,
            placing: HashMap::new(),
            waiting: HashMap::new(),
            told: HashMap::new(),
            again,
        }
    }

    /// Runs until nobody can ask any more, or the connection is gone.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        loop {
            self.flush().await;
            self.give_up_abandoned();
            let due = self.client.next_timeout();
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.ask(ask),
                    None => return self.flush().await,
                },
                inbound = self.inbound.recv() => match inbound {
                    Some(Inbound::Message { flow, octets }) => {
                        self.client.receive(&flow, &octets, world::now(), &mut world::fill);
                    }
                    Some(Inbound::Opened { writer, .. }) => self.stream = Some(writer),
                    Some(Inbound::TooLarge { .. }) => {}
                    Some(Inbound::Closed { .. }) | None => {
                        if !self.connects_again() {
                            self.client.flow_lost(self.flow.id);
                            return self.flush().await;
                        }
                    }
                },
                () = sleep_until(due), if due.is_some() => self.client.timeout(world::now(), &mut world::fill),
                // An INVITE whose caller has gone is cancelled; look for such now and then.
                () = tokio::time::sleep(limits::LAST_WORDS), if !self.placing.is_empty() => {}
            }
        }
    }

    /// The connection was lost: a client that is patient makes another one, as long as a call stands.
    fn connects_again(&mut self) -> bool {
        let is_first = self.stream.take().is_some();
        let Some(again) = self.again.clone().filter(|_| is_first) else { return false };
        self.client.flow_broken(self.flow.id);
        if self.client.is_idle() {
            return false;
        }
        tokio::spawn(again.connect());
        true
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Invite { spec, reply } => {
                match self.client.invite(&self.flow, *spec, world::now(), &mut world::fill) {
                    Ok(call) => drop(self.placing.insert(call, reply)),
                    Err(error) => drop(reply.send(Err(from_core(error)))),
                }
            }
            Ask::Request { call, question, reply } => {
                let kind = question.kind;
                match self.client.ask(call, question, world::now(), &mut world::fill) {
                    Ok(()) => self.waiting.entry((call, kind)).or_default().push_back(reply),
                    Err(error) => drop(reply.send(Err(from_core(error)))),
                }
            }
        }
    }

    fn give_up_abandoned(&mut self) {
        for (call, reply) in &self.placing {
            if reply.is_closed() {
                self.client.cancel(*call, world::now(), &mut world::fill);
            }
        }
    }

    async fn flush(&mut self) {
        // On a stream nothing can leave before the writer has been handed over, which is the first thing that comes.
        while self.socket.is_some() || self.stream.is_some() {
            let Some(transmit) = self.client.transmit() else { break };
            if let Some(socket) = &self.socket {
                let _ = socket.send(&transmit.octets).await;
            } else if let Some(stream) = &self.stream {
                let _ = stream.send(transmit.octets).await;
            }
        }
        while let Some(event) = self.client.event() {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Answered { call, status, headers, body } => {
                self.answered(call, Answer { status, headers, body })
            }
            failed @ ClientEvent::Failed { call, .. } => {
                if let Some(reply) = self.placing.remove(&call) {
                    let _ = reply.send(Err(refused(failed)));
                }
            }
            ClientEvent::Response { call, kind, status, headers, body } => {
                let waiting = self.waiting.get_mut(&(call, kind)).and_then(VecDeque::pop_front);
                let answer = if status < 300 {
                    Ok(Answer { status, headers, body })
                } else {
                    let reason = reason(status).to_owned();
                    Err(ClientError::Refused { status, reason, retry_after_s: None })
                };
                waiting.map(|reply| reply.send(answer));
            }
            ClientEvent::Ended { call, cause, .. } => {
                self.waiting.retain(|(of, _), _| *of != call);
                self.told.remove(&call).map(|told| told.end.send(Some(cause)));
            }
            ClientEvent::RequestReceived { call, body, .. } => {
                let is_snapshot = body.windows(SNAPSHOT_REQUEST.len()).any(|window| window == SNAPSHOT_REQUEST);
                if let Some(told) = self.told.get(&call).filter(|_| is_snapshot) {
                    told.snapshots.send_modify(|count| *count = count.wrapping_add(1));
                }
            }
            ClientEvent::Ringing { .. } => {}
        }
    }

    fn answered(&mut self, id: CallId, answer: Answer) {
        let Some(reply) = self.placing.remove(&id) else { return };
        let (end, ended) = watch::channel(None);
        let (asked, snapshots) = watch::channel(0);
        let call_id = self.client.sip_call_id(id).unwrap_or_default().to_owned();
        let is_wanted = reply.send(Ok(Placed { id, call_id, answer, ended, snapshots })).is_ok();
        if is_wanted {
            self.told.insert(id, Told { end, snapshots: asked });
        } else {
            let bye = Question { kind: Kind::Bye, headers: Headers::new(), body: None };
            let _ = self.client.ask(id, bye, world::now(), &mut world::fill);
        }
    }
}

/// The root element of the document that asks for one (RFC 7865 7).
const SNAPSHOT_REQUEST: &[u8] = b"requestsnapshot";

fn from_core(error: CoreError) -> ClientError {
    match error {
        CoreError::Full => ClientError::Full,
        CoreError::Gone => ClientError::Gone,
        CoreError::Busy => ClientError::Busy,
    }
}

/// Reads datagrams of a connected socket.
pub(super) async fn datagrams(socket: Arc<UdpSocket>, flow: Flow, inbox: mpsc::Sender<Inbound>) {
    let mut buffer = vec![0; limits::DATAGRAM];
    loop {
        let received = tokio::select! {
            received = socket.recv(&mut buffer) => received,
            () = inbox.closed() => return,
        };
        match received {
            Ok(count) => {
                let message = Inbound::Message { flow: flow.clone(), octets: buffer[..count].to_vec() };
                if inbox.send(message).await.is_err() {
                    return;
                }
            }
            // Nobody listens there (yet): the transaction's own timers decide.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
