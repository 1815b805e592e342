//! The recorder as a SIP element: every transaction and dialog, one owner, no socket and no clock.
//!
//! Call [`Endpoint::receive`] with each whole message, [`Endpoint::command`] with each decision and
//! [`Endpoint::timeout`] when [`Endpoint::next_timeout`] has come; after each, drain [`Endpoint::transmit`] and
//! [`Endpoint::event`] until they return `None`.

mod asking;
mod command;
mod delayed;
mod detect;
mod dialog;
mod inside;
mod invite;
mod offer;
mod overload;
mod peers;
mod restore;
mod told;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use asking::Purpose;
pub use detect::Choice;
use dialog::Dialog;
use overload::Undecided;
pub use peers::{Network, PeerRule, Peers, unknown};
pub use restore::DialogState;

use crate::{
    event::{Command, DialogId, Event, Transport},
    flow::{Entropy, Flow, Transmit, token},
    limits, negotiate,
    sip::{
        Method, Request,
        layer::{Arrival, ClientId, Layer, ServerId},
        message::{Malformed, Message},
        parse, typed,
        write::Reply,
    },
};

/// What an endpoint is told once.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// `Server` and `User-Agent`.
    pub product: String,
    /// Host for our Contact and Via instead of the address a message came in on.
    pub advertise: Option<String>,
    /// Who is read by which profile.
    pub peers: Peers,
    /// Rules of negotiation.
    pub policy: negotiate::Policy,
    /// Session interval to ask for where the peer can but does not; `None`: a timer only when the peer wants one.
    pub session_expires_s: Option<u32>,
    /// Retry-After of a 503.
    pub retry_after_s: u32,
}

/// Counters and gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages that could not be read.
    pub malformed: u64,
    /// Datagrams whose body was shorter than Content-Length.
    pub truncated_datagrams: u64,
    /// Requests over UDP beyond 1,300 octets.
    pub large_udp_requests: u64,
    /// Words about INVITEs turned away that nobody fetched in time.
    pub dropped_events: u64,
    /// Commands for dialogs that are gone.
    pub late_commands: u64,
    /// New sessions turned away because too many waited for their decision already.
    pub overload_refusals: u64,
    /// New sessions that wait for their decision.
    pub undecided: usize,
    /// Live dialogs.
    pub dialogs: usize,
    /// Live transactions.
    pub transactions: usize,
}

/// Time and randomness of one call into the endpoint.
pub(crate) struct Moment<'a> {
    pub(crate) now: Instant,
    pub(crate) entropy: Entropy<'a>,
}

/// A request that must be answered.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    tx: ServerId,
    flow: &'a Flow,
    request: &'a Request,
    /// It should not have come over UDP.
    is_large: bool,
}

/// The recording side of SIP.
pub struct Endpoint {
    config: EndpointConfig,
    layer: Layer,
    /// Boxed: a hash table of large values keeps room for as many again.
    dialogs: HashMap<DialogId, Box<Dialog>>,
    /// By local tag.
    tags: HashMap<String, DialogId>,
    asked: HashMap<ClientId, (DialogId, Purpose)>,
    schedule: crate::sip::schedule::Schedule<DialogId>,
    undecided: Undecided,
    events: VecDeque<Event>,
    next_dialog: u64,
    /// Whose state is to be written down anew.
    changed: Vec<DialogId>,
    is_draining: bool,
    stats: Stats,
}

/// Methods we take.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO";
/// Option tags we know.
const SUPPORTED: &str = "siprec, timer, replaces";
/// Body types we read.
const ACCEPT: &str = "application/sdp, multipart/mixed, application/rs-metadata+xml, application/rs-metadata";

impl Endpoint {
    /// An endpoint without dialogs.
    pub fn new(config: EndpointConfig) -> Self {
        Self {
            config,
            layer: Layer::default(),
            dialogs: HashMap::new(),
            tags: HashMap::new(),
            asked: HashMap::new(),
            schedule: crate::sip::schedule::Schedule::default(),
            undecided: Undecided::default(),
            events: VecDeque::new(),
            next_dialog: 0,
            changed: Vec::new(),
            is_draining: false,
            stats: Stats::default(),
        }
    }

    /// One whole message: a datagram, or what [`parse`] framing cut out of a stream.
    pub fn receive(&mut self, flow: &Flow, octets: &[u8], now: Instant, entropy: Entropy<'_>) {
        let at = &mut Moment { now, entropy };
        match parse::parse(octets) {
            Ok(Message::Request(request)) => {
                let is_large = flow.transport == Transport::Udp && octets.len() > limits::UDP_REQUEST_OCTETS;
                self.stats.large_udp_requests += u64::from(is_large);
                self.on_request(flow, Arc::from(request), is_large, at);
            }
            Ok(Message::Response(response)) => {
                if let Some(client) = self.layer.response(&response, now) {
                    self.on_answer(client, &response, at);
                }
            }
            Err(malformed) => self.on_malformed(flow, malformed, at),
        }
    }

    /// The head of a stream message whose body is beyond the cap and is being skipped: 413.
    pub fn receive_too_large(&mut self, flow: &Flow, head: &[u8], now: Instant, entropy: Entropy<'_>) {
        let at = &mut Moment { now, entropy };
        let malformed = match parse::parse(head) {
            Err(malformed) if malformed.request.is_some() => malformed,
            _ => return self.stats.malformed += 1,
        };
        let status = if malformed.rule == parse::SHORT_BODY { 413 } else { malformed.status };
        self.on_malformed(flow, Malformed { status, rule: "body too large", ..malformed }, at);
    }

    fn on_malformed(&mut self, flow: &Flow, malformed: Malformed, at: &mut Moment<'_>) {
        self.stats.malformed += 1;
        if malformed.rule == parse::SHORT_BODY && flow.transport == Transport::Udp {
            self.stats.truncated_datagrams += 1;
        }
        let Some((method, headers)) = malformed.request else { return };
        // Never answer an ACK; without a Via there is nobody to answer.
        if method == Method::Ack || headers.get("Via").is_none() {
            return;
        }
        let reply = self.reply(malformed.status).with("Warning", format!("399 recorder \"{}\"", malformed.rule));
        self.layer.reject_raw(flow, (&method, &headers), &reply, &token(at.entropy));
        if method == Method::Invite {
            let call_id = headers.get("Call-ID").unwrap_or_default().to_owned();
            self.turned_away(call_id, flow, malformed.status, malformed.rule);
        }
    }

    fn on_request(&mut self, flow: &Flow, request: Arc<Request>, is_large: bool, at: &mut Moment<'_>) {
        if self.turned_away_at_door(flow, &request, at) {
            return;
        }
        let arrival = self.layer.request(flow, Arc::clone(&request), token(at.entropy), at.now);
        let refused = |status, cause| (request.method == Method::Invite).then_some((status, cause));
        let turned_away = match arrival {
            Arrival::New(tx) => return self.route(Arrived { tx, flow, request: &request, is_large }, at),
            Arrival::Ack => return self.on_ack(flow, &request, at),
            Arrival::Cancel(Some(invite)) => return self.on_cancelled(invite, at),
            Arrival::Merged => refused(482, "merged_request"),
            Arrival::Full => refused(503, "too_many_transactions"),
            Arrival::Cancel(None) | Arrival::StrayCancel | Arrival::Absorbed => None,
        };
        if let Some((status, cause)) = turned_away {
            self.turned_away(request.call_id.clone(), flow, status, cause);
        }
    }

    fn route(&mut self, arrived: Arrived<'_>, at: &mut Moment<'_>) {
        let Arrived { tx, flow, request, .. } = arrived;
        let reply = match (&request.method, request.to.tag()) {
            (Method::Other(_), _) => self.reply(405).with("Allow", ALLOW),
            _ if !matches!(typed::scheme(&request.uri).as_deref(), Some("sip" | "sips")) => self.reply(416),
            // RFC 3891 3. A BYE ends its session all the same.
            (Method::Update | Method::Info | Method::Options, _) if request.headers.get("Replaces").is_some() => {
                self.reply(400)
            }
            (_, Some(tag)) => match self.tags.get(tag).copied().filter(|id| self.belongs(*id, request)) {
                Some(id) => return self.on_inside(id, arrived, at),
                None => self.reply(481),
            },
            (Method::Invite, None) => return self.on_invite(arrived, at),
            (Method::Options, None) => match self.known_extensions(request) {
                Ok(()) => self.options(flow, self.is_draining),
                Err(refused) => *refused.reply,
            },
            (_, None) => self.reply(481),
        };
        self.layer.respond(tx, &reply, at.now);
        if request.method == Method::Invite {
            let cause = if reply.status == 481 { "unknown_dialog" } else { "unsupported_uri_scheme" };
            self.turned_away(request.call_id.clone(), flow, reply.status, cause);
        }
    }

    fn belongs(&self, id: DialogId, request: &Request) -> bool {
        self.dialogs.get(&id).is_some_and(|dialog| dialog.matches(request))
    }

    fn options(&self, flow: &Flow, is_refused: bool) -> Reply {
        let status = if is_refused { 503 } else { 200 };
        let mut reply = self.reply(status).with("Allow", ALLOW).with("Supported", SUPPORTED).with("Accept", ACCEPT);
        reply.headers.push("Contact", dialog::contact(flow, &self.host(flow)));
        if is_refused {
            reply.headers.push("Retry-After", self.config.retry_after_s.to_string());
        }
        reply
    }

    /// A bare answer of this product.
    fn reply(&self, status: u16) -> Reply {
        Reply::new(status).with("Server", &*self.config.product)
    }

    /// Host and port for our Contact and Via on this flow.
    fn host(&self, flow: &Flow) -> String {
        match &self.config.advertise {
            Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{}", flow.local.port()),
            Some(host) => format!("{host}:{}", flow.local.port()),
            None => std::net::SocketAddr::new(flow.local.ip().to_canonical(), flow.local.port()).to_string(),
        }
    }

    fn turned_away(&mut self, call_id: String, flow: &Flow, status: u16, cause: &str) {
        if self.events.len() >= limits::EVENT_BACKLOG {
            self.stats.dropped_events += 1;
            return;
        }
        self.events.push_back(Event::TurnedAway { call_id, peer: flow.peer(), status, cause: cause.to_owned() });
    }

    /// Carries out what the session core decided.
    pub fn command(&mut self, command: Command, now: Instant, entropy: Entropy<'_>) {
        self.obey(command, &mut Moment { now, entropy });
    }

    /// Runs what is due.
    pub fn timeout(&mut self, now: Instant, entropy: Entropy<'_>) {
        let at = &mut Moment { now, entropy };
        while let Some((client, _)) = self.layer.timeout(now) {
            self.on_silence(client, at);
        }
        while let Some(id) = self.schedule.pop(now) {
            self.dialog_timer(id, at);
            self.reschedule(id);
        }
    }

    /// When [`Self::timeout`] must be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.layer.next_timeout(), self.schedule.next()].into_iter().flatten().min()
    }

    /// The next message that must leave.
    pub fn transmit(&mut self) -> Option<Transmit> {
        self.layer.transmit()
    }

    /// The next thing that happened.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Events not fetched yet: at [`limits::EVENT_BACKLOG_HARD`] the shell must stop feeding.
    pub fn backlog(&self) -> usize {
        self.events.len()
    }

    /// While draining (or full), INVITE and OPTIONS outside dialogs get 503 with Retry-After.
    pub fn drain(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        let (dialogs, transactions) = (self.dialogs.len(), self.layer.len());
        Stats { undecided: self.undecided.len(), dialogs, transactions, ..self.stats }
    }

    /// Final answers given since the last call: method and status, for `recorder_sip_requests_total`.
    pub fn take_answered(&mut self) -> Vec<(&'static str, u16)> {
        self.layer.take_answered()
    }

    fn reschedule(&mut self, id: DialogId) {
        self.schedule.set(id, self.dialogs.get(&id).and_then(|dialog| dialog.due()));
    }

    /// Forgets a dialog.
    fn bury(&mut self, id: DialogId) -> Option<Box<Dialog>> {
        self.schedule.set(id, None);
        self.undecided.end(id);
        let dialog = self.dialogs.remove(&id)?;
        self.tags.remove(&dialog.local_tag);
        Some(dialog)
    }
}

#[cfg(test)]
mod tests;
