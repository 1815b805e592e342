//! The pure SIP stack as a whole: whatever comes, it answers by rule, forgets what ended, and comes to rest.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use signaling_core::{
    endpoint::{Endpoint, EndpointConfig, PeerRule},
    event::{Command, DialogId, Event, Grant, Offer, Transport},
    flow::Flow,
    negotiate::{Policy, SdesOverClear},
    sip::{
        frame::{Frame, Framer},
        message::Message,
        parse,
    },
};

use crate::{limits, mutate::Dice, vectors};

/// The beginning of simulated time.
pub(crate) static START: LazyLock<Instant> = LazyLock::new(start);

#[expect(clippy::disallowed_methods, reason = "an origin for simulated time; nothing waits")]
fn start() -> Instant {
    Instant::now()
}

/// An endpoint on a bench, and a session core that takes everything.
pub struct Bench {
    endpoint: Endpoint,
    flow: Flow,
    dice: Dice,
    now: Instant,
    tag: Vec<u8>,
    dialogs: Vec<DialogId>,
    answered: u64,
}

impl Bench {
    /// Over a transport, read with a profile.
    ///
    /// # Panics
    /// When there is no such profile.
    pub fn new(transport: Transport, profile: &str) -> Self {
        let policy = Policy {
            media_address: [192, 0, 2, 99].into(),
            srtp_required: false,
            sdes_over_clear: SdesOverClear::Warn,
            best_effort_srtp: false,
            dtls: None,
        };
        let config = EndpointConfig {
            product: "fuzz/1".into(),
            advertise: None,
            peers: vec![PeerRule::new("0.0.0.0/0", profile).expect("a built-in profile")].into(),
            policy,
            session_expires_s: Some(1800),
            retry_after_s: 7,
        };
        let flow = Flow {
            id: 3,
            transport,
            local: ([198, 51, 100, 20], 5060).into(),
            remote: ([192, 0, 2, 10], 40_404).into(),
            identity: None,
        };
        let endpoint = Endpoint::new(config);
        let (now, dice, tag) = (*START, Dice::new(1), Vec::new());
        Self { endpoint, flow, dice, now, tag, dialogs: Vec::new(), answered: 0 }
    }

    /// Gives it one whole message, in which the placeholder stands for the tag that it issued last.
    ///
    /// # Panics
    /// When it sends more than a message deserves.
    pub fn receive(&mut self, octets: &[u8]) {
        let octets = with_tag(octets, &self.tag);
        let Self { endpoint, flow, dice, now, .. } = self;
        endpoint.receive(flow, &octets, *now, &mut |out| dice.fill(out));
        let sent = self.drain();
        assert!(sent <= limits::ANSWERS, "{sent} messages for one");
    }

    /// Octets of a stream.
    pub fn stream(&mut self, octets: &[u8]) {
        let mut framer = Framer::default();
        framer.push(octets);
        while let Ok(Some(frame)) = framer.pull() {
            match frame {
                Frame::Message(message) => self.receive(&message),
                Frame::TooLarge(head) => {
                    let Self { endpoint, flow, dice, now, .. } = self;
                    endpoint.receive_too_large(flow, &head, *now, &mut |out| dice.fill(out));
                    self.drain();
                }
                Frame::Ping => {}
            }
        }
    }

    /// Hangs up whatever is open and lets time pass until nothing is left to do.
    ///
    /// # Panics
    /// When it does not come to rest, or keeps what ended.
    pub fn rest(&mut self) {
        self.timers(Duration::from_secs(40));
        for dialog in std::mem::take(&mut self.dialogs) {
            self.command(Command::HangUp { dialog });
        }
        self.timers(Duration::from_secs(3 * 86_400));
        let stats = self.endpoint.stats();
        assert_eq!((stats.dialogs, stats.undecided, stats.transactions), (0, 0, 0), "what ended is forgotten");
        assert_eq!(self.endpoint.next_timeout(), None, "and nothing is waited for");
    }

    /// Messages that it has sent.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    fn timers(&mut self, time: Duration) {
        let until = self.now + time;
        let mut count = 0;
        while let Some(due) = self.endpoint.next_timeout().filter(|due| *due <= until) {
            count += 1;
            assert!(count < limits::TIMERS, "timers without end");
            self.now = due.max(self.now);
            let Self { endpoint, dice, now, .. } = self;
            endpoint.timeout(*now, &mut |out| dice.fill(out));
            self.drain();
        }
        self.now = until;
    }

    fn command(&mut self, command: Command) {
        let Self { endpoint, dice, now, .. } = self;
        endpoint.command(command, *now, &mut |out| dice.fill(out));
        self.drain();
    }

    /// Fetches what it has to say and decides what it asks; returns how many messages it sent.
    fn drain(&mut self) -> u32 {
        let mut sent = self.sent();
        while let Some(event) = self.endpoint.event() {
            let (dialog, offer) = match event {
                Event::Offered(offered) => {
                    self.dialogs.push(offered.dialog);
                    (offered.dialog, offered.offer)
                }
                Event::Reoffered { dialog, offer, .. } => (dialog, offer),
                Event::Ended { dialog, .. } => {
                    self.dialogs.retain(|live| *live != dialog);
                    continue;
                }
                _ => continue,
            };
            let Self { endpoint, dice, now, .. } = self;
            let lines = grants(&offer);
            endpoint.command(Command::Accept { dialog, lines }, *now, &mut |out| dice.fill(out));
            sent += self.sent();
        }
        sent
    }

    fn sent(&mut self) -> u32 {
        let mut count = 0;
        while let Some(transmit) = self.endpoint.transmit() {
            count += 1;
            self.answered += 1;
            match parse::parse(&transmit.octets) {
                Ok(Message::Response(response)) => {
                    if let Some(tag) = response.to.tag() {
                        self.tag = tag.as_bytes().to_vec();
                    }
                }
                Ok(Message::Request(_)) => {}
                // An answer copies the headers of its request, broken ones included.
                Err(_) if self.endpoint.stats().malformed > 0 => {}
                Err(malformed) => panic!("we write what we can read: {}", malformed.rule),
            }
        }
        count
    }
}

/// What a session core grants that takes every line it can.
pub fn grants(offer: &Offer) -> Vec<Grant> {
    let grant = |(at, line): (usize, &signaling_core::event::Line)| match line.state.is_kept() {
        true => Grant::Accept {
            port: 30_000 + 2 * at as u16,
            key_salt: line.sdes.as_ref().map(|sdes| vec![at as u8 + 1; sdes.key_salt.len()]),
        },
        false => Grant::Reject,
    };
    offer.lines.iter().enumerate().map(grant).collect()
}

fn with_tag(octets: &[u8], tag: &[u8]) -> Vec<u8> {
    const PLACEHOLDER: &[u8] = b"uas-tag-placeholder";
    match octets.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER) {
        Some(at) => [&octets[..at], tag, &octets[at + PLACEHOLDER.len()..]].concat(),
        None => octets.to_vec(),
    }
}

/// The first octet says how the rest arrives: as one datagram, or as a stream of messages; lenient or by the letter.
pub fn run(octets: &[u8]) {
    let Some((how, octets)) = octets.split_first() else { return };
    let profile = if how & 2 == 0 { "auto" } else { "rfc7866-strict" };
    let transport =
        [Transport::Udp, Transport::Tcp, Transport::Udp, Transport::Tls][usize::from(how & 1 | how >> 1 & 2)];
    let mut bench = Bench::new(transport, profile);
    if transport == Transport::Udp {
        bench.receive(octets);
    } else {
        bench.stream(octets);
    }
    bench.rest();
}

/// The vectors in conversations of one Call-ID, and each by itself.
pub fn conversations() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let mut last = String::new();
    for message in vectors::messages() {
        let call = vectors::header(&message, "Call-ID", "i");
        match seeds.last_mut().filter(|_| call == last && !call.is_empty()) {
            Some(seed) => seed.extend_from_slice(&message),
            None => seeds.push([&[1], &message[..]].concat()),
        }
        last = call;
    }
    let alone = vectors::messages().into_iter().enumerate();
    seeds.extend(alone.map(|(at, message)| [&[[0, 3, 5, 7][at % 4]], &message[..]].concat()));
    seeds
}
