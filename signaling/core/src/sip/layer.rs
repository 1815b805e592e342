//! The transaction layer: matches messages to transactions, absorbs repetitions, answers and asks, for both roles.
//!
//! Feed [`Layer::request`] and [`Layer::response`]; answer with [`Layer::respond`], ask with [`Layer::send`]; call
//! [`Layer::timeout`] until it returns `None` when [`Layer::next_timeout`] has come; drain [`Layer::transmit`].

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use super::{
    Headers, Method, Request, Response,
    schedule::Schedule,
    transaction::{Client, Expiry, Server, Verdict},
    typed::Via,
    write::{self, Reply},
};
use crate::{
    flow::{Flow, Transmit},
    limits,
};

/// A server transaction of this layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(u64);

/// A client transaction of this layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

/// What a request is to the layer above.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// New: answer it.
    New(ServerId),
    /// CANCEL, already answered 200: the INVITE it is for, if that has no final answer yet.
    Cancel(Option<ServerId>),
    /// CANCEL that matches nothing, already answered 481.
    StrayCancel,
    /// ACK for a 2xx: for the dialog.
    Ack,
    /// A repetition, or an ACK of ours: done with.
    Absorbed,
    /// The same request by another path (RFC 3261 8.2.2.2), already answered 482.
    Merged,
    /// Too many transactions, already answered 503 without state.
    Full,
}

struct ServerEntry {
    machine: Server,
    /// Until the final answer has left: a transaction lives on for 32 s, at 2,000 calls a second 64,000 of them, and an
    /// INVITE with metadata has several kilobytes.
    request: Option<Arc<Request>>,
    method: Method,
    /// Whence it came.
    remote: SocketAddr,
    /// Where its answers go.
    back: Flow,
    key: String,
    merge_key: Option<String>,
    /// Tag for answers to a request that has none.
    tag: String,
}

struct ClientEntry {
    machine: Client,
    request: Box<Request>,
    flow: Flow,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Server(u64),
    Client(u64),
}

/// All transactions of one endpoint.
#[derive(Default)]
pub struct Layer {
    // By pointer: a table keeps the room that a flood of calls has once taken.
    servers: HashMap<u64, Box<ServerEntry>>,
    server_keys: HashMap<String, u64>,
    merge_keys: HashMap<String, u64>,
    clients: HashMap<u64, ClientEntry>,
    client_keys: HashMap<String, u64>,
    schedule: Schedule<Timer>,
    out: VecDeque<Transmit>,
    answered: Vec<(&'static str, u16)>,
    next: u64,
}

impl Layer {
    /// A request came. `tag` becomes the To tag of answers outside dialogs.
    pub fn request(&mut self, flow: &Flow, request: Arc<Request>, tag: String, now: Instant) -> Arrival {
        let key = server_key(&request, &request.method);
        if let Some(&id) = self.server_keys.get(&key) {
            return self.repeated(id, &request, now);
        }
        match request.method {
            Method::Ack => return Arrival::Ack,
            Method::Cancel => return self.cancel(flow, &request, &tag),
            _ => {}
        }
        let merge_key = request.to.tag().is_none().then(|| merge_key(&request));
        if merge_key.as_ref().is_some_and(|key| self.merge_keys.contains_key(key)) {
            self.reject(flow, &request, &Reply::new(482), &tag);
            return Arrival::Merged;
        }
        if self.servers.len() + self.clients.len() >= limits::TRANSACTIONS {
            self.reject(flow, &request, &Reply::new(503).with("Retry-After", "10"), &tag);
            return Arrival::Full;
        }
        self.next += 1;
        let id = self.next;
        let machine = Server::new(request.method == Method::Invite, flow.transport.is_reliable());
        self.server_keys.insert(key.clone(), id);
        if let Some(key) = &merge_key {
            self.merge_keys.insert(key.clone(), id);
        }
        let (method, remote, back) = (request.method.clone(), flow.remote, answer_flow(flow, &request.via));
        let request = Some(request);
        let entry = ServerEntry { machine, request, method, remote, back, key, merge_key, tag };
        self.servers.insert(id, Box::new(entry));
        Arrival::New(ServerId(id))
    }

    /// Whether the request repeats one that has a transaction.
    pub fn knows(&self, request: &Request) -> bool {
        self.server_keys.contains_key(&server_key(request, &request.method))
    }

    fn repeated(&mut self, id: u64, request: &Request, now: Instant) -> Arrival {
        let Some(entry) = self.servers.get_mut(&id) else { return Arrival::Absorbed };
        if request.method == Method::Ack {
            let is_absorbed = entry.machine.acknowledged(now);
            self.reschedule_server(id);
            return if is_absorbed { Arrival::Absorbed } else { Arrival::Ack };
        }
        if let Some(octets) = entry.machine.repeat() {
            self.out.push_back(Transmit { flow: entry.back.clone(), octets: octets.to_vec() });
        }
        Arrival::Absorbed
    }

    fn cancel(&mut self, flow: &Flow, request: &Request, tag: &str) -> Arrival {
        let target = self.server_keys.get(&server_key(request, &Method::Invite)).copied();
        let Some(entry) = target.and_then(|id| self.servers.get(&id)) else {
            self.reject(flow, request, &Reply::new(481), tag);
            return Arrival::StrayCancel;
        };
        // RFC 3261 9.2: the To tag of the answer to CANCEL is that of the INVITE.
        let (tag, is_open) = (entry.tag.clone(), entry.machine.is_open());
        self.reject(flow, request, &Reply::new(200), &tag);
        Arrival::Cancel(target.filter(|_| is_open).map(ServerId))
    }

    /// Answers without a transaction.
    pub fn reject(&mut self, flow: &Flow, request: &Request, reply: &Reply, tag: &str) {
        self.reject_raw(flow, (&request.method, &request.headers), reply, tag);
    }

    /// Answers something that is not even a request, as far as its headers allow.
    pub fn reject_raw(&mut self, flow: &Flow, request: (&Method, &Headers), reply: &Reply, tag: &str) {
        let (method, headers) = request;
        self.count(method, reply.status);
        let octets = write::response(reply, headers, flow.remote, tag);
        let via = headers.get("Via").and_then(Via::parse);
        let flow = via.map_or_else(|| flow.clone(), |via| answer_flow(flow, &via));
        self.out.push_back(Transmit { flow, octets });
    }

    /// The request of a server transaction that owes a final answer.
    pub fn request_of(&self, id: ServerId) -> Option<&Request> {
        self.servers.get(&id.0).and_then(|entry| entry.request.as_deref())
    }

    /// The To tag that answers of this transaction carry.
    pub fn tag_of(&self, id: ServerId) -> Option<&str> {
        self.servers.get(&id.0).map(|entry| entry.tag.as_str())
    }

    /// Whether a final answer is still owed.
    pub fn is_open(&self, id: ServerId) -> bool {
        self.servers.get(&id.0).is_some_and(|entry| entry.machine.is_open())
    }

    /// Answers a transaction; returns what left, for the dialog's own retransmission of a 2xx to INVITE.
    pub fn respond(&mut self, id: ServerId, reply: &Reply, now: Instant) -> Option<Transmit> {
        let entry = self.servers.get_mut(&id.0).filter(|entry| entry.machine.is_open())?;
        let octets = write::response(reply, &entry.request.as_ref()?.headers, entry.remote, &entry.tag);
        entry.machine.respond(reply.status, Arc::from(&*octets), now);
        let transmit = Transmit { flow: entry.back.clone(), octets };
        self.out.push_back(transmit.clone());
        if reply.status >= 200 {
            entry.request = None;
            let method = entry.method.clone();
            self.count(&method, reply.status);
        }
        self.reschedule_server(id.0);
        Some(transmit)
    }

    /// Sends a request in a transaction of its own. Its topmost Via carries a fresh branch.
    pub fn send(&mut self, flow: &Flow, request: Box<Request>, octets: Vec<u8>, now: Instant) -> ClientId {
        self.next += 1;
        let id = self.next;
        let key = client_key(&request.via.branch, &request.method);
        let is_invite = request.method == Method::Invite;
        let machine = Client::new(is_invite, flow.transport.is_reliable(), Arc::from(&*octets), now);
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(id, ClientEntry { machine, request, flow: flow.clone(), key });
        self.out.push_back(Transmit { flow: flow.clone(), octets });
        self.reschedule_client(id);
        ClientId(id)
    }

    /// Sends octets outside any transaction: an ACK for a 2xx, a repeated 200.
    pub fn send_raw(&mut self, transmit: Transmit) {
        self.out.push_back(transmit);
    }

    /// A response came: the transaction to tell, if it is news.
    pub fn response(&mut self, response: &Response, now: Instant) -> Option<ClientId> {
        let id = *self.client_keys.get(&client_key(&response.via.branch, &response.method))?;
        let entry = self.clients.get_mut(&id)?;
        let verdict = entry.machine.respond(response.status, now);
        match verdict {
            Verdict::Pass => {}
            Verdict::PassAndAck => {
                let ack = write::ack(&entry.request, response.headers.get("To").unwrap_or_default());
                entry.machine.keep_ack(Arc::from(&*ack));
                self.out.push_back(Transmit { flow: entry.flow.clone(), octets: ack });
            }
            Verdict::Absorb(ack) => {
                if let Some(ack) = ack {
                    self.out.push_back(Transmit { flow: entry.flow.clone(), octets: ack.to_vec() });
                }
                return None;
            }
        }
        self.reschedule_client(id);
        Some(ClientId(id))
    }

    /// The request of a client transaction.
    pub fn sent_request(&self, id: ClientId) -> Option<&Request> {
        self.clients.get(&id.0).map(|entry| &*entry.request)
    }

    /// The earliest timer.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// Runs due timers; returns the client transactions that got no answer, one a call.
    pub fn timeout(&mut self, now: Instant) -> Option<(ClientId, Box<Request>)> {
        while let Some(timer) = self.schedule.pop(now) {
            match timer {
                Timer::Server(id) => self.server_timer(id, now),
                Timer::Client(id) => {
                    if let Some(entry) = self.client_timer(id, now) {
                        return Some((ClientId(id), entry.request));
                    }
                }
            }
        }
        None
    }

    fn server_timer(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.servers.get_mut(&id) else { return };
        match entry.machine.expire(now) {
            Expiry::Done | Expiry::TimedOut => {
                if let Some(entry) = self.servers.remove(&id) {
                    self.server_keys.remove(&entry.key);
                    entry.merge_key.map(|key| self.merge_keys.remove(&key));
                }
                return;
            }
            Expiry::Resend(octets) => {
                self.out.push_back(Transmit { flow: entry.back.clone(), octets: octets.to_vec() });
            }
            Expiry::Nothing => {}
        }
        self.reschedule_server(id);
    }

    fn client_timer(&mut self, id: u64, now: Instant) -> Option<ClientEntry> {
        let entry = self.clients.get_mut(&id)?;
        match entry.machine.expire(now) {
            end @ (Expiry::Done | Expiry::TimedOut) => {
                let entry = self.clients.remove(&id)?;
                self.client_keys.remove(&entry.key);
                return (end == Expiry::TimedOut).then_some(entry);
            }
            Expiry::Resend(octets) => {
                self.out.push_back(Transmit { flow: entry.flow.clone(), octets: octets.to_vec() });
            }
            Expiry::Nothing => {}
        }
        self.reschedule_client(id);
        None
    }

    fn reschedule_server(&mut self, id: u64) {
        self.schedule.set(Timer::Server(id), self.servers.get(&id).and_then(|entry| entry.machine.due()));
    }

    fn reschedule_client(&mut self, id: u64) {
        self.schedule.set(Timer::Client(id), self.clients.get(&id).and_then(|entry| entry.machine.due()));
    }

    /// The next message that must leave.
    pub fn transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// Notes a final answer for the counters.
    pub fn count(&mut self, method: &Method, status: u16) {
        self.answered.push((method.label(), status));
    }

    /// Final answers since the last call: method and status.
    pub fn take_answered(&mut self) -> Vec<(&'static str, u16)> {
        std::mem::take(&mut self.answered)
    }

    /// Live transactions.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// RFC 3261 17.2.3; without the magic cookie, what RFC 2543 compares.
fn server_key(request: &Request, method: &Method) -> String {
    let method = if *method == Method::Ack { &Method::Invite } else { method };
    let via = &request.via;
    let port = via.port.unwrap_or(0);
    if via.has_cookie() {
        return format!("{}|{}:{port}|{method}", via.branch, via.host);
    }
    let from = request.from.tag().unwrap_or_default();
    format!(
        "2543|{}|{}|{from}|{}|{}:{port}|{}|{method}",
        request.uri, request.call_id, request.cseq, via.host, via.branch
    )
}

fn merge_key(request: &Request) -> String {
    let from = request.from.tag().unwrap_or_default();
    format!("{}|{from}|{}|{}", request.call_id, request.cseq, request.method)
}

fn client_key(branch: &str, method: &Method) -> String {
    format!("{branch}|{method}")
}

/// Where an answer goes (RFC 3261 18.2.2, RFC 3581). A peer behind a translator that forgot `rport` names an address
/// that is not the source; its port is then as useless, and the source port is used.
fn answer_flow(flow: &Flow, via: &Via) -> Flow {
    let mut flow = flow.clone();
    if !flow.transport.is_reliable() && !via.has_rport && via.address() == Some(flow.remote.ip()) {
        flow.remote.set_port(via.port.unwrap_or(5060));
    }
    flow
}
