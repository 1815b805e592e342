//! Who is connected: what each has registered, the numbers of its events, heart-beats, and what is sent to whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use signaling_core::tlib::message::{Message, Name, Role, VERSION};
use tokio::sync::mpsc;

use super::{model::Told, report::LinkReport, scenario::Server};
use crate::world;

/// All of them.
pub(super) struct Peers {
    live: BTreeMap<u64, Peer>,
    name: String,
    charset: Option<String>,
    heartbeat: Duration,
    began: Instant,
    /// The server of the pair that is to be used.
    primary: usize,
    has_switch: bool,
    silent_until: Option<Instant>,
    pub(super) links: Vec<LinkReport>,
    pub(super) sent: BTreeMap<&'static str, u64>,
    pub(super) problems: Vec<String>,
}

struct Peer {
    server: usize,
    out: mpsc::Sender<String>,
    dns: BTreeSet<String>,
    sequence: u64,
    heard: Instant,
    /// Where its report is.
    place: usize,
}

impl Peers {
    pub(super) fn new(server: &Server, began: Instant) -> Self {
        Self {
            live: BTreeMap::new(),
            name: "replicator".to_owned(),
            charset: server.charset.clone(),
            heartbeat: server.heartbeat.0,
            began,
            primary: 0,
            has_switch: true,
            silent_until: None,
            links: Vec::new(),
            sent: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_millis() as u64
    }

    /// Greets.
    pub(super) fn opened(&mut self, link: u64, server: usize, out: mpsc::Sender<String>, now: Instant) {
        let place = self.links.len();
        self.links.push(LinkReport { server, opened_ms: self.ms(now), closed_ms: None, registered: 0 });
        self.live.insert(link, Peer { server, out, dns: BTreeSet::new(), sequence: 0, heard: now, place });
        let is_primary = server == self.primary;
        let (name, charset, beat) = (self.name.clone(), self.charset.clone(), self.heartbeat);
        let greeting = Message::new(Name::EventServerInfo).with(|a| {
            (a.version, a.server, a.charset) = (Some(VERSION), Some(name), charset);
            a.role = Some(if is_primary { Role::Primary } else { Role::Backup });
            a.heartbeat = Some(beat.as_millis() as u64);
        });
        self.send(link, greeting);
        if is_primary && self.has_switch {
            self.send(link, Message::new(Name::EventLinkConnected));
        }
    }

    pub(super) fn close(&mut self, link: u64, now: Instant) {
        if let Some(peer) = self.live.remove(&link) {
            self.links[peer.place].closed_ms = Some(self.ms(now));
        }
    }

    pub(super) fn close_all(&mut self, now: Instant) {
        for link in self.live.keys().copied().collect::<Vec<_>>() {
            self.close(link, now);
        }
    }

    pub(super) fn heard(&mut self, link: u64, now: Instant) {
        if let Some(peer) = self.live.get_mut(&link) {
            peer.heard = now;
        }
    }

    pub(super) fn register(&mut self, link: u64, dn: &str) {
        if let Some(peer) = self.live.get_mut(&link) {
            peer.dns.insert(dn.to_owned());
            self.links[peer.place].registered = peer.dns.len();
        }
    }

    pub(super) fn unregister(&mut self, link: u64, dn: &str) {
        if let Some(peer) = self.live.get_mut(&link) {
            peer.dns.remove(dn);
        }
    }

    pub(super) fn has_registered(&self, link: u64, dn: &str) -> bool {
        self.live.get(&link).is_some_and(|peer| peer.dns.contains(dn))
    }

    /// DNs that somebody watches.
    pub(super) fn registered(&self) -> BTreeSet<&str> {
        self.live.values().flat_map(|peer| peer.dns.iter().map(String::as_str)).collect()
    }

    /// A message to one.
    pub(super) fn send(&mut self, link: u64, message: Message) {
        self.send_line(link, message.message.text(), message.line());
    }

    /// An event to everybody who watches its DN, but to one.
    pub(super) fn tell(&mut self, told: Told, but: Option<u64>) {
        let Told { dn, message } = told;
        let watching = self.live.iter().filter(|(link, peer)| Some(**link) != but && peer.dns.contains(&dn));
        for link in watching.map(|(link, _)| *link).collect::<Vec<_>>() {
            let mut message = message.clone();
            if let Some(peer) = self.live.get_mut(&link) {
                peer.sequence += 1;
                message.attributes.event_sequence_number = Some(peer.sequence);
            }
            self.send(link, message);
        }
    }

    /// The same octets to everybody.
    pub(super) fn shout(&mut self, name: &'static str, octets: &str) {
        for link in self.live.keys().copied().collect::<Vec<_>>() {
            self.send_line(link, name, octets.to_owned());
        }
    }

    fn send_line(&mut self, link: u64, name: &'static str, line: String) {
        if self.silent_until.is_some_and(|until| world::now() < until) {
            return;
        }
        let Some(peer) = self.live.get(&link) else { return };
        match peer.out.try_send(line) {
            Ok(()) => *self.sent.entry(name).or_default() += 1,
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.problems.push(format!("link {link} does not read: closed"));
                self.live.remove(&link);
            }
        }
    }

    pub(super) fn beat(&mut self, now: Instant) {
        self.shout("Heartbeat", &Message::new(Name::Heartbeat).line());
        let patience = self.heartbeat * 3;
        let silent = self.live.iter().filter(|(_, peer)| now.saturating_duration_since(peer.heard) > patience);
        for link in silent.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.problems.push(format!("link {link}: nothing was heard for three heart-beats"));
            self.close(link, now);
        }
    }

    /// Says nothing, to nobody; what would be said is lost.
    pub(super) fn be_silent(&mut self, until: Instant) {
        self.silent_until = Some(until);
    }

    /// Events get lost.
    pub(super) fn skip(&mut self, count: u64) {
        for peer in self.live.values_mut() {
            peer.sequence += count;
        }
    }

    /// The other server takes over.
    pub(super) fn switch(&mut self, now: Instant) {
        let before = self.primary;
        self.primary = 1 - before.min(1);
        let of_it = self.live.iter().filter(|(_, peer)| peer.server == before);
        for link in of_it.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.close(link, now);
        }
    }

    /// The switch is reached, or not.
    pub(super) fn reach(&mut self, has_switch: bool) {
        self.has_switch = has_switch;
        let name = if has_switch { Name::EventLinkConnected } else { Name::EventLinkDisconnected };
        self.shout(name.text(), &Message::new(name).line());
    }
}
