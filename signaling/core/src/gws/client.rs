//! The client of one user's calls as a machine without sockets: HTTP answers and time in, requests to post and events out.

mod requests;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};

use requests::Open;

use super::{
    bayeux::{self, Message, Reconnect},
    calls::Calls,
    limits, notice,
};
pub use crate::tlib::client::NotSent;
use crate::tlib::event::CtiEvent;

/// Which of the two documented ways recording control is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `POST /api/v2/me/calls/{id}` with the name of an operation.
    V2,
    /// `POST /workspace/v3/voice/calls/{id}/start-recording` and the like.
    V3,
}

/// What a link is told by the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its number in events.
    pub link: u16,
    /// How control is asked for.
    pub api: Api,
    /// The path where CometD is spoken.
    pub notifications: String,
    /// The channel of calls.
    pub channel: String,
    /// The DN of the user, where a notification does not say.
    pub dn: Option<String>,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Post this, and hand in what comes of it.
    Post(Post),
    /// The session is lost, or none could be made; the reason is for the log and the metrics.
    Lost {
        /// One word.
        reason: &'static str,
        /// The status of the answer, where that was it.
        status: Option<u16>,
    },
    /// Tell the session core.
    Event(CtiEvent),
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Joins the answer to it.
    pub number: u64,
    /// Path below the URL of the server.
    pub path: String,
    /// JSON.
    pub body: String,
    /// The header `Cookie`.
    pub cookies: Option<String>,
    /// Longest time to its answer.
    pub within: Duration,
    /// A session begins: secrets are read anew.
    pub is_handshake: bool,
}

/// Bodies and paths carry ids, cookies a session.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Post({}, {} octets)", self.number, self.body.len())
    }
}

/// An answer of HTTP.
#[derive(Clone, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers `Set-Cookie`.
    pub cookies: Vec<String>,
    /// Its body, at most [`limits::BODY_OCTETS`].
    pub body: Vec<u8>,
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Notifications understood.
    pub received: u64,
    /// Notifications refused: a bound, or a type that is another.
    pub refused: u64,
    /// Words of states and channels that nobody documented.
    pub unknown: u64,
}

/// One link. Every input may leave outputs: take them with [`Self::output`] until there is none.
#[derive(Debug)]
pub struct Client {
    pub(super) config: Config,
    pub(super) calls: Calls,
    pub(super) counts: Counts,
    state: State,
    session: String,
    cookies: BTreeMap<String, String>,
    /// How long the server holds a poll.
    hold: Duration,
    /// Rest between two polls.
    interval: Duration,
    /// Tries since the last poll that was answered.
    attempts: u32,
    requests: BTreeMap<u64, Open>,
    next_number: u64,
    is_up: bool,
    out: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A session is begun then.
    Waiting { until: Instant },
    /// An answer must come; whoever posts sees to it.
    Asked { step: Step, number: u64, since: Instant },
    /// The next poll begins then.
    Resting { until: Instant },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Handshake,
    /// The first connect, which is not held.
    Greet,
    Subscribe,
    Poll,
}

impl Step {
    const fn channel(self) -> &'static str {
        match self {
            Self::Handshake => "/meta/handshake",
            Self::Greet | Self::Poll => "/meta/connect",
            Self::Subscribe => "/meta/subscribe",
        }
    }
}

impl Client {
    /// A link that wants a session at once.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            config,
            calls: Calls::default(),
            counts: Counts::default(),
            state: State::Waiting { until: now },
            session: String::new(),
            cookies: BTreeMap::new(),
            hold: limits::POLL,
            interval: Duration::ZERO,
            attempts: 0,
            requests: BTreeMap::new(),
            next_number: 1,
            is_up: false,
            out: VecDeque::new(),
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

    /// Notifications flow.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// What came of a [`Post`]: an answer, or one word why there is none. Numbers that nobody waits for say nothing.
    pub fn answered(&mut self, number: u64, answer: Result<Answer, &'static str>, now: Instant) {
        if let State::Asked { step, number: asked, since } = self.state
            && asked == number
        {
            return match answer {
                Ok(answer) => self.step_answered((step, since), answer, now),
                Err(reason) => self.lose(reason, None, now),
            };
        }
        self.request_answered(number, answer);
    }

    /// Time went by: call it when [`Self::next_timeout`] is reached.
    pub fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Waiting { until } if until <= now => self.ask(Step::Handshake, now),
            State::Resting { until } if until <= now => self.ask(Step::Poll, now),
            _ => {}
        }
    }

    /// When [`Self::timeout`] has something to do; none: an answer is waited for.
    pub const fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } | State::Resting { until } => Some(until),
            State::Asked { .. } => None,
        }
    }

    pub(super) fn tell(&mut self, event: CtiEvent) {
        self.out.push_back(Output::Event(event));
    }

    fn ask(&mut self, step: Step, now: Instant) {
        let number = self.next_number;
        let (body, within) = match step {
            Step::Handshake => {
                self.cookies.clear();
                (bayeux::handshake(number), limits::ANSWER)
            }
            Step::Greet => (bayeux::connect(number, &self.session, true), limits::ANSWER),
            Step::Subscribe => (bayeux::subscribe(number, &self.session, &self.config.channel), limits::ANSWER),
            Step::Poll => (bayeux::connect(number, &self.session, false), self.hold + limits::ANSWER),
        };
        self.post(self.config.notifications.clone(), body, within, step == Step::Handshake);
        self.state = State::Asked { step, number, since: now };
    }

    fn post(&mut self, path: String, body: String, within: Duration, is_handshake: bool) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = (!cookies.is_empty()).then(|| cookies.join("; "));
        self.out.push_back(Output::Post(Post { number, path, body, cookies, within, is_handshake }));
        number
    }

    fn step_answered(&mut self, (step, since): (Step, Instant), answer: Answer, now: Instant) {
        let Answer { status, cookies, body } = answer;
        match status {
            200..=299 => {}
            401 | 403 => return self.lose("unauthorised", Some(status), now),
            _ => return self.lose("http_status", Some(status), now),
        }
        self.keep(&cookies);
        let messages = match bayeux::read(&body) {
            Ok(messages) => messages,
            Err(reason) => return self.lose(reason, None, now),
        };
        let mut reply = None;
        for message in messages {
            if message.channel() == step.channel() {
                reply = Some(message);
            } else if message.channel() == self.config.channel {
                self.notified(message);
            } else if !message.channel().starts_with("/meta/") {
                self.counts.unknown += 1;
            }
        }
        let Some(reply) = reply else { return self.lose("no_reply", None, now) };
        match self.follow(&reply) {
            Ok(()) => self.go_on(step, &reply, since, now),
            Err(reason) => self.lose(reason, None, now),
        }
    }

    fn notified(&mut self, message: Message) {
        let is_taken = message.into_data().is_some_and(|data| notice::take(self, data));
        let count = if is_taken { &mut self.counts.received } else { &mut self.counts.refused };
        *count += 1;
    }

    /// Takes the advice of the server; the reason why the session is no more.
    fn follow(&mut self, reply: &Message) -> Result<(), &'static str> {
        let advice = reply.advice();
        if let Some(interval) = advice.interval {
            self.interval = interval.min(limits::INTERVAL_MOST);
        }
        if let Some(hold) = advice.timeout {
            self.hold = hold.min(limits::POLL_MOST);
        }
        let error = reply.text("error").unwrap_or_default();
        match advice.reconnect {
            _ if error.starts_with("402") => Err("unknown_client"),
            Some(Reconnect::Handshake) => Err("advised_handshake"),
            Some(Reconnect::None) => Err("advised_none"),
            _ if !reply.is_successful() => Err("refused"),
            _ => Ok(()),
        }
    }

    fn go_on(&mut self, step: Step, reply: &Message, since: Instant, now: Instant) {
        match step {
            Step::Handshake => {
                if !reply.has_long_polling() {
                    return self.lose("no_long_polling", None, now);
                }
                let is_id = |id: &&str| (1..=limits::CLIENT_ID_OCTETS).contains(&id.len());
                let Some(session) = reply.text("clientId").filter(is_id) else {
                    return self.lose("no_client_id", None, now);
                };
                session.clone_into(&mut self.session);
                self.ask(Step::Greet, now);
            }
            Step::Greet => self.ask(Step::Subscribe, now),
            Step::Subscribe => {
                self.set_up();
                self.ask(Step::Poll, now);
            }
            Step::Poll => {
                self.attempts = 0;
                let until = (now + self.interval).max(since + limits::POLLS_APART);
                self.state = State::Resting { until };
                self.timeout(now);
            }
        }
    }

    fn keep(&mut self, cookies: &[String]) {
        for cookie in cookies.iter().filter(|cookie| cookie.len() <= limits::COOKIE_OCTETS) {
            let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else { continue };
            let name = name.trim();
            if self.cookies.len() < limits::COOKIES || self.cookies.contains_key(name) {
                self.cookies.insert(name.to_owned(), value.trim().to_owned());
            }
        }
    }

    fn set_up(&mut self) {
        if !std::mem::replace(&mut self.is_up, true) {
            self.tell(CtiEvent::LinkUp { link: self.config.link });
        }
    }

    /// There is no session any more: another one is begun after a while.
    fn lose(&mut self, reason: &'static str, status: Option<u16>, now: Instant) {
        self.out.push_back(Output::Lost { reason, status });
        if std::mem::replace(&mut self.is_up, false) {
            self.tell(CtiEvent::LinkDown { link: self.config.link, reason: reason.to_owned() });
        }
        self.session.clear();
        self.hold = limits::POLL;
        self.interval = Duration::ZERO;
        let wait = limits::BACK_OFF.saturating_mul(2u32.saturating_pow(self.attempts));
        self.attempts = self.attempts.saturating_add(1).min(64);
        self.state = State::Waiting { until: now + wait.min(limits::BACK_OFF_MOST) };
    }
}
