//! The client of one link as a machine without sockets: which server of the pair to connect to and when, greeting,
//! heart-beat, registration of DNs, requests, missed events, and what to cut.

mod incoming;
mod requests;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

pub use requests::{NotSent, Request};

use super::{
    event::CtiEvent,
    limits,
    list::Charset,
    message::{Message, Name},
};

/// What a link is told by the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its number in events.
    pub link: u16,
    /// Servers, the primary first; two make a warm-standby pair. With none the server comes to us.
    pub servers: u8,
    /// Of texts that are not UTF-8, where the server does not say.
    pub charset: Charset,
    /// DNs to watch from the start.
    pub dns: BTreeSet<String>,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Connect to this server of the pair, and say how it went.
    Connect(u8),
    /// Send these octets.
    Send(String),
    /// Close the connection; the reason is for the log and the metrics.
    Close(&'static str),
    /// Tell the session core.
    Event(CtiEvent),
}

/// One link. Every input may leave outputs: take them with [`Self::output`] until there is none.
#[derive(Debug)]
pub struct Client {
    config: Config,
    charset: Charset,
    state: State,
    /// The server that is tried or used.
    server: u8,
    /// Tries since the last link that was up.
    attempts: u32,
    dns: BTreeMap<String, Watch>,
    /// How many of them are registered.
    registered: usize,
    /// DNs that wait for their registration.
    unregistered: BTreeSet<String>,
    requests: BTreeMap<u64, Open>,
    next_reference: u64,
    sequence: Option<u64>,
    refused_in_a_row: u32,
    is_up: bool,
    out: VecDeque<Output>,
    counts: Counts,
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages understood.
    pub received: u64,
    /// Messages refused by name.
    pub refused: u64,
    /// Messages of a later version.
    pub unknown: u64,
    /// Events missed.
    pub missed: u64,
    /// Connections that were cut by us.
    pub cut: u64,
    /// DNs that a bound kept out.
    pub dns_refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Connect then.
    Waiting { until: Instant },
    /// The shell was told to.
    Connecting,
    /// `EventServerInfo` must come by then.
    Greeting { until: Instant },
    /// It is spoken.
    Speaking { beat: Duration, next_beat: Instant, heard: Instant },
}

/// How far a DN is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Wanted,
    Asked,
    Registered,
    /// The server knows no such DN: asked again with the next connection.
    Refused,
}

/// A request without an answer.
#[derive(Debug)]
struct Open {
    what: Asked,
    until: Instant,
}

#[derive(Debug)]
enum Asked {
    Register(String),
    Unregister,
    Private,
}

impl Client {
    /// A link that wants to connect at once, or waits for its server to come.
    pub fn new(config: Config, now: Instant) -> Self {
        let dns: BTreeMap<_, _> =
            config.dns.iter().take(limits::DNS_PER_LINK).map(|dn| (dn.clone(), Watch::Wanted)).collect();
        let dns_refused = config.dns.len().saturating_sub(dns.len()) as u64;
        Self {
            charset: config.charset,
            config,
            state: State::Waiting { until: now },
            server: 0,
            attempts: 0,
            unregistered: BTreeSet::new(),
            dns,
            registered: 0,
            requests: BTreeMap::new(),
            next_reference: 1,
            sequence: None,
            refused_in_a_row: 0,
            is_up: false,
            out: VecDeque::new(),
            counts: Counts { dns_refused, ..Counts::default() },
        }
    }

    /// What to do next.
    pub fn output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Numbers for metrics.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The switch is reached and events flow.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// DNs that the server watches for us.
    pub const fn registered(&self) -> usize {
        self.registered
    }

    /// The link watches this DN, or is about to; a server that does not know the DN has said so otherwise.
    pub fn is_watching(&self, dn: &str) -> bool {
        self.dns.get(dn).is_some_and(|watch| *watch != Watch::Refused)
    }

    /// The connection is there.
    pub fn connected(&mut self, now: Instant) {
        self.state = State::Greeting { until: now + limits::ANSWER };
        self.refused_in_a_row = 0;
        self.sequence = None;
    }

    /// It could not be made, or it is gone.
    pub fn closed(&mut self, now: Instant) {
        self.lose("connection_lost", now);
    }

    /// It is of no use any more; the reason is for the log and the metrics.
    pub fn broken(&mut self, reason: &'static str, now: Instant) {
        self.lose(reason, now);
    }

    /// A line came, without its end. What comes after a [`Output::Close`] says nothing any more.
    pub fn receive(&mut self, line: &[u8], now: Instant) {
        match &mut self.state {
            State::Waiting { .. } | State::Connecting => return,
            State::Greeting { .. } => {}
            State::Speaking { heard, .. } => *heard = now,
        }
        incoming::line(self, line, now);
    }

    /// Nobody listened up to now, because what was said before was not taken yet: the silence is ours.
    pub fn not_listening(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting { .. } | State::Connecting => {}
            State::Greeting { until } => *until = now + limits::ANSWER,
            State::Speaking { heard, .. } => *heard = now,
        }
    }

    /// More than [`limits::LINE_OCTETS`] came without an end of line.
    pub fn endless_line(&mut self, now: Instant) {
        self.cut("line_too_long", now);
    }

    /// Time went by: call it when [`Self::next_timeout`] is reached.
    pub fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Waiting { until } if until <= now && self.config.servers > 0 => {
                self.state = State::Connecting;
                self.out.push_back(Output::Connect(self.server));
            }
            State::Greeting { until } if until <= now => self.cut("no_greeting", now),
            State::Speaking { beat, heard, .. } if heard + beat * limits::MISSED_HEARTBEATS <= now => {
                self.cut("no_heartbeat", now);
            }
            State::Speaking { beat, next_beat, heard } if next_beat <= now => {
                self.send(&Message::new(Name::Heartbeat));
                self.state = State::Speaking { beat, next_beat: now + beat, heard };
            }
            _ => {}
        }
        self.expire(now);
    }

    /// When [`Self::timeout`] has something to do; none: nothing but input does.
    pub fn next_timeout(&self) -> Option<Instant> {
        let state = match self.state {
            State::Waiting { until } => (self.config.servers > 0).then_some(until),
            State::Connecting => None,
            State::Greeting { until } => Some(until),
            State::Speaking { beat, next_beat, heard } => Some(next_beat.min(heard + beat * limits::MISSED_HEARTBEATS)),
        };
        // All have the same time: the oldest is the first to end.
        let request = self.requests.first_key_value().map(|(_, open)| open.until);
        state.into_iter().chain(request).min()
    }

    fn send(&mut self, message: &Message) {
        self.out.push_back(Output::Send(message.line()));
    }

    fn tell(&mut self, event: CtiEvent) {
        self.out.push_back(Output::Event(event));
    }

    /// Ends a connection that breaks the rules, saying why first.
    fn cut(&mut self, reason: &'static str, now: Instant) {
        self.counts.cut += 1;
        self.send(&Message::new(Name::Refused).with(|attributes| attributes.reason = Some(reason.to_owned())));
        self.out.push_back(Output::Close(reason));
        self.lose(reason, now);
    }

    /// There is no connection any more: the other server of the pair is next.
    fn lose(&mut self, reason: &str, now: Instant) {
        if matches!(self.state, State::Waiting { .. }) {
            return;
        }
        self.set_down(reason);
        for watch in self.dns.values_mut() {
            *watch = Watch::Wanted;
        }
        self.registered = 0;
        self.unregistered.clear();
        for (reference, open) in std::mem::take(&mut self.requests) {
            self.unanswered(reference, &open.what);
        }
        let wait = limits::BACK_OFF * 2u32.saturating_pow(self.attempts / u32::from(self.config.servers.max(1)));
        self.attempts = self.attempts.saturating_add(1).min(64);
        self.server = (self.server + 1) % self.config.servers.max(1);
        self.state = State::Waiting { until: now + wait.min(limits::BACK_OFF_MOST) };
    }

    /// How far a DN is now; one that is not watched any more stays so.
    fn set_watch(&mut self, dn: &str, watch: Watch) {
        if let Some(before) = self.dns.get_mut(dn) {
            self.registered -= usize::from(*before == Watch::Registered);
            self.registered += usize::from(watch == Watch::Registered);
            *before = watch;
        }
    }

    fn set_up(&mut self) {
        if !std::mem::replace(&mut self.is_up, true) {
            self.attempts = 0;
            self.tell(CtiEvent::LinkUp { link: self.config.link });
        }
    }

    fn set_down(&mut self, reason: &str) {
        if std::mem::replace(&mut self.is_up, false) {
            self.tell(CtiEvent::LinkDown { link: self.config.link, reason: reason.to_owned() });
        }
    }
}
