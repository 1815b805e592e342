//! The packet side of DTLS-SRTP (RFC 5764 5.1.2): what of a line's datagrams is handshake, and what waits for its keys.
//!
//! ```text
//! 20..=63  -> allowance -> the handshake thread
//! others   -> keyed: as ever            -> before: the newest few held, and taken as they came once there are keys
//! ```

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crypto::{
    dtls::is_dtls,
    srtp::{Inbound, RtcpOutbound},
};

use crate::{
    envelope::Envelope,
    handshake::{Leg, Word},
    limits,
    metrics::Refusal,
    srtp::Unprotector,
    sweep::Sweep,
    track::Track,
};

/// A line whose keys come of a handshake.
pub(crate) struct Handshaking {
    state: State,
    /// Keys of the RTCP port, which has a handshake of its own unless it is the RTP port (RFC 5764 3).
    pub(crate) control: Option<Unprotector>,
    /// Came before the keys.
    held: VecDeque<(Envelope, Vec<u8>)>,
    /// What the offered host and what others may still send.
    allowances: [Allowance; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No keys yet, since then.
    Waiting(Instant),
    Keyed,
    /// The peer is not who signaling said: nothing is kept.
    Severed,
}

/// Keys of one transport.
pub(crate) struct Keyed {
    pub(crate) leg: Leg,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: RtcpOutbound,
}

/// Datagrams that may pass: a stock that fills up again with time.
#[derive(Debug)]
struct Allowance {
    left: u32,
    most: u32,
    every: Duration,
    since: Instant,
}

impl Allowance {
    fn new((most, every): (u32, Duration), now: Instant) -> Self {
        Self { left: most, most, every, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned = (now.saturating_duration_since(self.since).as_millis() / self.every.as_millis()) as u32;
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(self.most);
            self.since = now;
        }
        self.left.checked_sub(1).inspect(|left| self.left = *left).is_some()
    }
}

impl Handshaking {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Waiting(now),
            control: None,
            held: VecDeque::new(),
            allowances: [limits::DTLS_OFFERED, limits::DTLS_OTHERS].map(|allowance| Allowance::new(allowance, now)),
        }
    }

    /// Whether its sockets are worth a look between two sweeps: a handshake is under way, and every flight that waits for
    /// a sweep is sound that is not heard.
    pub(crate) fn is_urgent(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting(since) if now.saturating_duration_since(since) < limits::DTLS_URGENT)
    }

    fn hold(&mut self, envelope: Envelope, octets: &[u8]) -> bool {
        let is_full = self.held.len() >= limits::DTLS_HELD;
        if is_full {
            self.held.pop_front();
        }
        self.held.push_back((envelope, octets.to_vec()));
        is_full
    }
}

impl Track {
    /// The line waits for a handshake, the first or another one. Keys that it has stay in force until then; where we begin
    /// another one, what the peer sends under its new keys before ours are here (two packets or so) fails authentication.
    pub(crate) fn await_handshake(&mut self, now: Instant) {
        let mut handshaking = Handshaking::new(now);
        if self.srtp.is_some() {
            handshaking.state = State::Keyed;
            handshaking.control = self.dtls.take().and_then(|before| before.control);
        } else {
            self.reporter.mute();
        }
        self.dtls = Some(Box::new(handshaking));
    }

    /// Whether a datagram of a DTLS line goes the way of every other; if not, it was dealt with.
    pub(crate) fn passes_handshake(
        &mut self,
        leg: Leg,
        envelope: &Envelope,
        octets: &[u8],
        sweep: &mut Sweep<'_>,
    ) -> bool {
        let Some(handshaking) = &mut self.dtls else { return true };
        let is_offered = self.source.is_plausible(envelope.from.ip());
        let refusal = if is_dtls(octets) && handshaking.state != State::Severed {
            let is_allowed = handshaking.allowances[usize::from(!is_offered)].take(sweep.now);
            let word = || Word::Datagram { track: self.id, leg, from: envelope.from, octets: octets.to_vec() };
            let handshakes = sweep.shared.handshakes.as_ref();
            let is_taken = is_allowed && !envelope.truncated && handshakes.is_some_and(|queue| queue.hand_over(word()));
            (!is_taken).then_some(Refusal::Handshake)
        } else {
            match handshaking.state {
                State::Keyed => return true,
                // Only the media of who may be the peer: anybody else would push it out.
                State::Waiting(_) if is_offered && leg == Leg::Media && !envelope.truncated => {
                    handshaking.hold(*envelope, octets).then_some(Refusal::NoKey)
                }
                State::Waiting(_) | State::Severed => Some(Refusal::NoKey),
            }
        };
        if let Some(refusal) = refusal {
            self.progress.refused += 1;
            sweep.tally.refuse(refusal);
        }
        false
    }

    /// Keys of a handshake: what waited for them is taken as it came.
    pub(crate) fn key(&mut self, keyed: Keyed, sweep: &mut Sweep<'_>) {
        let Some(handshaking) = self.dtls.as_mut().filter(|handshaking| handshaking.state != State::Severed) else {
            return;
        };
        if (keyed.leg == Leg::Control) == self.control.is_some() {
            self.reporter.protect(keyed.outbound);
        }
        if keyed.leg == Leg::Control {
            match &mut handshaking.control {
                Some(srtp) => srtp.rekey(keyed.inbound, sweep.now),
                None => handshaking.control = Some(Unprotector::new(keyed.inbound)),
            }
            return;
        }
        handshaking.state = State::Keyed;
        let held = std::mem::take(&mut handshaking.held);
        match &mut self.srtp {
            Some(srtp) => srtp.rekey(keyed.inbound, sweep.now),
            None => self.srtp = Some(Unprotector::new(keyed.inbound)),
        }
        for (envelope, mut octets) in held {
            self.datagram(envelope, &mut octets, None, sweep);
        }
    }

    /// The peer is not who signaling said (RFC 5763 5): nothing it sends is kept from here on, nothing is sent to it.
    pub(crate) fn sever(&mut self, sweep: &mut Sweep<'_>) {
        let Some(handshaking) = &mut self.dtls else { return };
        let held = std::mem::take(&mut handshaking.held).len() as u64;
        handshaking.state = State::Severed;
        handshaking.control = None;
        self.srtp = None;
        self.reporter.mute();
        self.progress.refused += held;
        (0..held).for_each(|_| sweep.tally.refuse(Refusal::NoKey));
    }

    /// Sends a flight of a handshake; whether it left.
    pub(crate) fn transmit(&self, leg: Leg, octets: &[u8], to: SocketAddr) -> bool {
        let socket = match leg {
            Leg::Media => Some(&self.media),
            Leg::Control => self.control.as_ref(),
        };
        socket.is_some_and(|socket| socket.can_reach(to) && socket.send(octets, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_used_up_and_comes_back_with_time_up_to_its_bound() {
        let start = crate::clock::instant();
        let mut allowance = Allowance::new((3, Duration::from_millis(100)), start);
        let taken = |allowance: &mut Allowance, now| (0..9).filter(|_| allowance.take(now)).count();
        assert_eq!(taken(&mut allowance, start), 3);
        assert_eq!(taken(&mut allowance, start + Duration::from_millis(99)), 0);
        assert_eq!(taken(&mut allowance, start + Duration::from_millis(250)), 2);
        assert_eq!(taken(&mut allowance, start + Duration::from_secs(60)), 3);
    }

    #[test]
    fn the_newest_few_are_held() {
        let mut handshaking = Handshaking::new(crate::clock::instant());
        let envelope =
            Envelope { from: "127.0.0.1:9".parse().expect("one"), arrival: None, drops: None, truncated: false };
        let pushed_out = (0..limits::DTLS_HELD + 2).filter(|at| handshaking.hold(envelope, &[*at as u8])).count();
        assert_eq!((pushed_out, handshaking.held.len()), (2, limits::DTLS_HELD));
        assert_eq!(handshaking.held.front().map(|(_, octets)| octets.as_slice()), Some([2].as_slice()));
    }
}
