//! The handshakes of one line: which peers try, who of them is believed, and what is told when it is decided.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use crypto::{
    dtls::{Association, Engine, Keys, Progress, Role, is_client_hello},
    srtp::{Inbound, RtcpOutbound},
};
use model::{Report, Secret, SrtpKeys, TrackId, TrackKeys};

use super::{Expected, Leg};
use crate::{dtls::Keyed, limits, mailbox::Order, worker::Shared};

/// One line.
pub(super) struct Line {
    expected: Expected,
    /// Oldest first.
    peers: Vec<Peer>,
    legs: [LegState; 2],
    is_severed: bool,
    /// When it stands in the list of what is due.
    listed: Option<Instant>,
}

/// How far one transport got.
#[derive(Default, Clone, Copy)]
struct LegState {
    is_keyed: bool,
    attempts: u8,
    has_told_failure: bool,
}

/// Somebody who shakes hands.
struct Peer {
    leg: Leg,
    from: SocketAddr,
    association: Association,
    datagrams: u32,
    /// Kept so long after the keys: the peer may repeat its last flight.
    until: Option<Instant>,
}

/// What a line acts in.
pub(super) struct Surroundings<'a> {
    pub(super) engine: &'a Engine,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) now: Instant,
}

impl Line {
    pub(super) fn new(expected: Expected) -> Self {
        Self { expected, peers: Vec::new(), legs: [LegState::default(); 2], is_severed: false, listed: None }
    }

    pub(super) fn track(&self) -> TrackId {
        self.expected.track
    }

    /// It takes the place of an earlier agreement. Nothing of that is believed any more; where it stands in the list stays.
    pub(super) fn follow(&mut self, before: Self) {
        self.listed = before.listed;
    }

    /// Whether this is its entry in the list of what is due.
    pub(super) fn is_listed(&self, due: Instant) -> bool {
        self.listed == Some(due)
    }

    /// When it has to be looked at, unless it stands in the list early enough.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        // A moment that has passed would be asked for for ever.
        let soonest = now + limits::DTLS_TICK;
        let due = self.peers.iter().filter_map(Peer::due).min()?.max(soonest);
        if self.listed.is_some_and(|listed| listed > now && listed <= due) {
            return None;
        }
        self.listed = Some(due);
        Some(due)
    }

    /// A client begins on every transport it has.
    pub(super) fn begin(&mut self, around: &mut Surroundings<'_>) {
        if self.expected.role == Role::Client {
            let control = self.expected.control.flatten().map(|to| (Leg::Control, to));
            let media = self.expected.media.map(|to| (Leg::Media, to));
            media.into_iter().chain(control).for_each(|(leg, to)| self.call(leg, to, around));
        }
    }

    fn call(&mut self, leg: Leg, to: SocketAddr, around: &mut Surroundings<'_>) {
        self.legs[leg as usize].attempts += 1;
        let association = around.engine.begin(Role::Client, self.expected.fingerprints.clone(), around.now);
        self.peers.push(Peer { leg, from: to, association, datagrams: 0, until: None });
        self.drive(self.peers.len() - 1, None, around);
    }

    /// DTLS came from somewhere.
    pub(super) fn datagram(&mut self, leg: Leg, from: SocketAddr, octets: &[u8], around: &mut Surroundings<'_>) {
        if self.is_severed {
            return around.shared.metrics.dtls.dropped.inc();
        }
        let is_new = is_client_hello(octets);
        // A ClientHello to whom has keys already is a new association, which must not end the one that works
        // (RFC 6347 4.2.8).
        let is_his = |peer: &Peer| (peer.leg, peer.from) == (leg, from) && !(is_new && peer.association.is_keyed());
        let at = match self.peers.iter().rposition(is_his) {
            Some(at) => at,
            None if is_new && self.expected.role == Role::Server && self.make_room(leg, from) => {
                let association = around.engine.begin(Role::Server, self.expected.fingerprints.clone(), around.now);
                self.peers.push(Peer { leg, from, association, datagrams: 0, until: None });
                self.peers.len() - 1
            }
            // A stranger in the middle of something, a peer in the role that is ours (RFC 5763 5), or one too many.
            None => return around.shared.metrics.dtls.dropped.inc(),
        };
        let peer = &mut self.peers[at];
        peer.datagrams += 1;
        if peer.datagrams > limits::DTLS_DATAGRAMS_EACH {
            return around.shared.metrics.dtls.dropped.inc();
        }
        self.drive(at, Some(octets), around);
    }

    /// Repeats flights, gives up what took too long, forgets what is over.
    pub(super) fn tick(&mut self, around: &mut Surroundings<'_>) {
        self.listed = None;
        let now = around.now;
        self.peers.retain(|peer| peer.until.is_none_or(|until| until > now));
        // From the end: a peer that goes leaves those before it in their places.
        for at in (0..self.peers.len()).rev() {
            let is_due = self.peers.get(at).and_then(Peer::due).is_some_and(|due| due <= now);
            if is_due {
                self.drive(at, None, around);
            }
        }
    }

    /// Room for one more who tries: the oldest of those who are less likely the peer, or as likely, goes.
    fn make_room(&mut self, leg: Leg, from: SocketAddr) -> bool {
        let trying = |peer: &Peer| peer.leg == leg && !peer.association.is_keyed();
        if self.peers.iter().filter(|peer| trying(peer)).count() < limits::DTLS_PEERS {
            return true;
        }
        let rank = |from| self.likelihood(leg, from);
        let places = self.peers.iter().enumerate().filter(|(_, peer)| trying(peer));
        let least = places.min_by_key(|(at, peer)| (rank(peer.from), *at)).map(|(at, peer)| (at, rank(peer.from)));
        let Some((at, _)) = least.filter(|(_, least)| *least <= rank(from)) else { return false };
        self.peers.remove(at);
        true
    }

    /// The offered address and port, the offered address, or anybody.
    fn likelihood(&self, leg: Leg, from: SocketAddr) -> u8 {
        let offered = match leg {
            Leg::Media => self.expected.media,
            Leg::Control => self.expected.control.flatten(),
        };
        u8::from(self.is_offered(from)) + u8::from(offered == Some(from))
    }

    fn is_offered(&self, from: SocketAddr) -> bool {
        self.expected.host.is_none_or(|host| host == from.ip())
    }

    fn drive(&mut self, at: usize, octets: Option<&[u8]>, around: &mut Surroundings<'_>) {
        let mut flights = Vec::new();
        let peer = &mut self.peers[at];
        let progress = match octets {
            Some(octets) => peer.association.datagram(octets, around.now, &mut flights),
            None => peer.association.tick(around.now, &mut flights),
        };
        let (leg, to) = (peer.leg, peer.from);
        // Keys first: what the peer sends on our last flight must find them.
        match progress {
            Progress::Open => {}
            Progress::Keyed(keys) => self.keyed(at, keys, around),
            Progress::Mismatch => {
                flights.clear();
                self.mismatch(at, around);
            }
            Progress::Failed(cause) => {
                flights.clear();
                self.failed(at, cause, around);
            }
            Progress::Closed => drop(self.peers.remove(at)),
        }
        for octets in flights {
            self.tell(Order::Transmit { track: self.track(), leg, octets, to }, around);
        }
    }

    fn keyed(&mut self, at: usize, keys: Keys, around: &Surroundings<'_>) {
        let peer = &mut self.peers[at];
        peer.until = Some(around.now + limits::DTLS_LINGER);
        let leg = peer.leg;
        let inbound = Inbound::new(keys.suite, &keys.remote, 0);
        let outbound = RtcpOutbound::new(keys.suite, &keys.local);
        let (Ok(inbound), Ok(outbound)) = (inbound, outbound) else {
            return self.failed(at, "key_length", around);
        };
        let track = self.track();
        self.legs[leg as usize].is_keyed = true;
        // Nobody else is waited for, nor an association that this one replaces.
        let mut places = 0..;
        self.peers.retain(|peer| places.next() == Some(at) || peer.leg != leg);
        around.shared.metrics.dtls.keyed.inc();
        tracing::info!(%track, ?leg, suite = keys.suite.name(), "DTLS-SRTP keys agreed");
        self.tell(Order::Key { track, keyed: Box::new(Keyed { leg, inbound, outbound }) }, around);
        if leg == Leg::Media {
            let of = |key_salt: &[u8]| SrtpKeys {
                suite: keys.suite.name().to_owned(),
                key_salt: Secret::new(key_salt.to_vec()),
                mki: None,
            };
            let (remote, local) = (of(&keys.remote), of(&keys.local));
            (around.shared.reports)(Report::TrackKeyed(Box::new(TrackKeys { track, remote, local })));
        }
    }

    /// RFC 5763 5: torn down at once. A stranger with a certificate of its own only fails; else anybody who finds a port
    /// could end a recording.
    fn mismatch(&mut self, at: usize, around: &Surroundings<'_>) {
        let is_peer = self.expected.role == Role::Client || self.is_offered(self.peers[at].from);
        if !is_peer {
            return self.failed(at, "stranger", around);
        }
        let track = self.track();
        self.is_severed = true;
        self.peers.clear();
        around.shared.metrics.dtls.mismatched.inc();
        tracing::error!(%track, "the peer's DTLS certificate is not the one that signaling named: its media is not kept");
        self.tell(Order::Sever { track }, around);
        (around.shared.reports)(Report::TrackSevered { track });
    }

    fn failed(&mut self, at: usize, cause: &'static str, around: &Surroundings<'_>) {
        let peer = self.peers.remove(at);
        let (leg, track) = (peer.leg, self.track());
        around.shared.metrics.dtls.failed.inc();
        let state = &mut self.legs[leg as usize];
        if state.is_keyed {
            return;
        }
        if self.expected.role == Role::Client && state.attempts < limits::DTLS_ATTEMPTS {
            let mut around = Surroundings { ..*around };
            return self.call(leg, peer.from, &mut around);
        }
        if !std::mem::replace(&mut state.has_told_failure, true) {
            tracing::warn!(%track, ?leg, cause, "no DTLS handshake came about");
            (around.shared.reports)(Report::HandshakeFailed { track, cause });
        }
    }

    fn tell(&self, order: Order, around: &Surroundings<'_>) {
        if self.expected.mailbox.put(order).is_err() {
            around.shared.metrics.orders_dropped.inc();
        }
    }
}

impl Peer {
    fn due(&self) -> Option<Instant> {
        match self.until {
            // Its last flight is repeated when the peer asks for it, not by time.
            Some(until) => Some(until),
            None => self.association.due(),
        }
    }
}
