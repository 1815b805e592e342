//! Target of whole DTLS-SRTP handshakes: what a stranger sends between the datagrams of two genuine ends, or makes of
//! theirs, at any moment of it.

use std::{
    collections::VecDeque,
    sync::LazyLock,
    time::{Duration, Instant},
};

use crypto::dtls::{Association, Engine, Fingerprint, Identity, Keys, Progress, Role, is_client_hello, is_dtls};

use crate::limits;

/// Identities of the genuine ends, and of somebody whom signaling named by mistake.
static ENGINES: LazyLock<[Engine; 3]> = LazyLock::new(|| [engine(), engine(), engine()]);
pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;
const OTHER: usize = 2;

fn engine() -> Engine {
    let key = rcgen::KeyPair::generate().expect("the provider makes keys");
    let params = rcgen::CertificateParams::default();
    let certificate = params.self_signed(&key).expect("a lawful certificate").der().to_vec();
    Engine::new(Identity { certificate, key: key.serialize_der().into() }).expect("a key of ECDSA")
}

/// The first octet says whom it befalls (bit 0), after how many genuine datagrams (bits 1 to 3), whether the rest is
/// datagrams of a stranger, each with a length of two octets before it, or changes to genuine datagrams of three octets
/// each: how far on, and what is turned over there (bit 4), and whether signaling named another certificate (bit 5).
/// Afterwards nobody disturbs the two any more, and each must come to an end.
pub(crate) fn handshake(octets: &[u8]) {
    let Some((how, rest)) = octets.split_first() else { return };
    let victim = usize::from(how & 1);
    let is_named_wrongly = how & 0x20 != 0;
    let mut pair = Pair::new(is_named_wrongly.then_some(victim));
    pair.exchange(usize::from(how >> 1 & 7));
    match how & 0x10 {
        0 => framed(rest).for_each(|datagram| pair.hear(victim, datagram)),
        _ => pair.disturbed(victim, rest),
    }
    pair.finish();
    assert!(!is_named_wrongly || pair.ends[victim].keys.is_none(), "a certificate that nobody named gave keys");
}

/// Datagrams with their lengths before them.
pub(crate) fn framed(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, more) = rest.split_first_chunk()?;
        let (datagram, more) = more.split_at(usize::from(u16::from_be_bytes(*length)).min(more.len()));
        rest = more;
        Some(datagram)
    })
}

pub(crate) struct End {
    association: Association,
    pub(crate) keys: Option<Keys>,
    pub(crate) has_failed: bool,
}

/// Two ends and the datagrams between them, in simulated time.
pub(crate) struct Pair {
    pub(crate) ends: [End; 2],
    pub(crate) wire: VecDeque<(usize, Vec<u8>)>,
    now: Instant,
}

impl Pair {
    /// `wrong` is the end to which signaling named another certificate.
    pub(crate) fn new(wrong: Option<usize>) -> Self {
        let now = some_instant();
        let end = |who: usize, role| {
            let named = if wrong == Some(who) { OTHER } else { 1 - who };
            let print = Fingerprint::new(ENGINES[named].fingerprint().to_vec()).into_iter().collect();
            End { association: ENGINES[who].begin(role, print, now), keys: None, has_failed: false }
        };
        let ends = [end(CLIENT, Role::Client), end(SERVER, Role::Server)];
        let mut pair = Self { ends, wire: VecDeque::new(), now };
        pair.tick(CLIENT);
        pair
    }

    /// An end hears a datagram as the capture thread would: only what looks like DTLS.
    pub(crate) fn hear(&mut self, who: usize, datagram: &[u8]) {
        if !is_dtls(datagram) {
            assert!(!is_client_hello(datagram), "a hello is DTLS");
            return;
        }
        let mut out = Vec::new();
        let (now, end) = (self.now, &mut self.ends[who]);
        if !end.has_failed {
            let progress = end.association.datagram(datagram, now, &mut out);
            self.note(who, progress, out);
        }
    }

    fn tick(&mut self, who: usize) {
        let (now, end) = (self.now, &mut self.ends[who]);
        if !end.has_failed && end.association.due().is_some_and(|due| due <= now) {
            let mut out = Vec::new();
            let progress = end.association.tick(now, &mut out);
            self.note(who, progress, out);
        }
    }

    fn note(&mut self, who: usize, progress: Progress, out: Vec<Vec<u8>>) {
        assert!(out.len() <= limits::FLIGHT, "{} datagrams for one", out.len());
        let end = &mut self.ends[who];
        match progress {
            Progress::Open => {}
            Progress::Keyed(keys) => assert!(end.keys.replace(keys).is_none(), "keys are told once"),
            Progress::Mismatch | Progress::Failed(_) | Progress::Closed => end.has_failed = true,
        }
        self.wire.extend(out.into_iter().map(|octets| (1 - who, octets)));
    }

    /// Delivers so many datagrams; fewer when no more are on the way.
    pub(crate) fn exchange(&mut self, count: usize) {
        for _ in 0..count {
            let Some((to, octets)) = self.wire.pop_front() else { return };
            self.hear(to, &octets);
        }
    }

    /// Delivers the datagrams on the way to the victim changed, one for each change that skips beyond its end.
    fn disturbed(&mut self, victim: usize, changes: &[u8]) {
        let (mut at, mut datagram) = (0, None);
        for change in changes.as_chunks::<3>().0 {
            let [far, low, turned] = *change;
            let current: &mut Vec<u8> = match &mut datagram {
                Some(current) => current,
                none => match self.next_to(victim) {
                    Some(next) => none.insert(next),
                    None => return,
                },
            };
            at += usize::from(u16::from_be_bytes([far, low]) % limits::DATAGRAM);
            if let Some(octet) = current.get_mut(at) {
                *octet ^= turned;
                continue;
            }
            at = 0;
            let changed = datagram.take().unwrap_or_default();
            self.hear(victim, &changed);
        }
        datagram.into_iter().for_each(|changed| self.hear(victim, &changed));
    }

    fn next_to(&mut self, victim: usize) -> Option<Vec<u8>> {
        while let Some((to, octets)) = self.wire.pop_front() {
            if to == victim {
                return Some(octets);
            }
            self.hear(to, &octets);
        }
        None
    }

    /// Lets the two come to an end, and judges it.
    pub(crate) fn finish(&mut self) {
        for _ in 0..limits::DTLS_TICKS {
            self.exchange(limits::FLIGHT * 4);
            if self.ends.iter().all(|end| end.keys.is_some() || end.has_failed) {
                break;
            }
            self.now += Duration::from_millis(500);
            [CLIENT, SERVER].into_iter().for_each(|who| self.tick(who));
        }
        let client = &self.ends[CLIENT];
        assert!(client.keys.is_some() || client.has_failed, "a handshake without end");
        if let [Some(client), Some(server)] = [&self.ends[CLIENT].keys, &self.ends[SERVER].keys] {
            assert!(client.local == server.remote && client.remote == server.local, "two ends of different keys");
        }
    }
}

/// The datagrams that each end of a handshake heard, with their lengths before them.
pub(crate) fn heard() -> [Vec<u8>; 2] {
    let mut pair = Pair::new(None);
    let mut heard: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    while let Some((to, octets)) = pair.wire.pop_front() {
        heard[to].extend((octets.len() as u16).to_be_bytes());
        heard[to].extend_from_slice(&octets);
        pair.hear(to, &octets);
    }
    heard
}

/// A handshake as it went, told as a stranger who repeats it, and changes at each step of one.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (who, heard) in heard().iter().enumerate() {
        let steps = (0..8).map(|step| who as u8 | step << 1);
        for how in steps {
            seeds.push([&[how], &heard[..]].concat());
            seeds.push([how | 0x10, 0, 3, 1, 0, 40, 0x80, 0x07, 0xff, 0, 0, 60, 4].to_vec());
        }
        seeds.push([&[who as u8 | 0x20], &heard[..]].concat());
    }
    seeds
}

#[expect(clippy::disallowed_methods, reason = "some instant to count simulated time from")]
fn some_instant() -> Instant {
    Instant::now()
}
