//! The RTCP side of a track: whom receiver reports go to, when, and under which key.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crypto::srtp::RtcpOutbound;
use media::rtcp::{self, ReportBlock};

use crate::socket::Socket;

/// Receiver reports of one track.
pub(crate) struct Reporter {
    ssrc: u32,
    cname: [u8; Seed::CNAME],
    /// RTCP was heard from there: symmetric RTCP (RFC 4961) goes back. Until then it goes where the offer wants it.
    is_heard: bool,
    to: Option<SocketAddr>,
    protection: Protection,
    interval: Duration,
    next: Instant,
    dice: Dice,
}

/// How what we send is protected.
pub(crate) enum Protection {
    /// The line is plain RTP.
    Clear,
    /// The line is SRTP, and this is our key.
    Srtcp(RtcpOutbound),
    /// The line is SRTP, and we have no key: nothing is sent, least of all in clear.
    Mute,
}

/// Identity and chance of one track, drawn once when it is opened.
pub(crate) struct Seed {
    /// Our SSRC.
    pub(crate) ssrc: u32,
    /// 96 random bits (RFC 7022 4.2).
    pub(crate) cname: [u8; Self::CNAME],
    /// For the spread of the intervals.
    pub(crate) dice: u64,
}

impl Seed {
    pub(crate) const OCTETS: usize = 24;
    const CNAME: usize = 12;

    pub(crate) fn new(entropy: [u8; Self::OCTETS]) -> Self {
        let number = |octets: &[u8]| octets.iter().fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet));
        let cname = std::array::from_fn(|index| entropy[index]);
        Self { ssrc: number(&entropy[12..16]) as u32, cname, dice: number(&entropy[16..]) }
    }
}

/// As it is told: hex.
fn spelled(cname: &[u8]) -> String {
    cname.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Reporter {
    pub(crate) fn new(seed: Seed, protection: Protection, interval: Duration, now: Instant) -> Self {
        let mut dice = Dice(seed.dice | 1);
        // The first one comes at half the interval (RFC 3550 6.2).
        let next = now + dice.spread(interval / 2);
        Self { ssrc: seed.ssrc, cname: seed.cname, is_heard: false, to: None, protection, interval, next, dice }
    }

    /// The session says where RTCP goes; what was heard from an earlier place is forgotten when the source moved.
    pub(crate) fn offer(&mut self, to: Option<SocketAddr>, has_moved: bool) {
        if has_moved || !self.is_heard {
            (self.to, self.is_heard) = (to, false);
        }
    }

    /// The line became SRTP and we have no key for it.
    pub(crate) fn mute(&mut self) {
        self.protection = Protection::Mute;
    }

    /// The line has a key of ours from now on.
    pub(crate) fn protect(&mut self, key: RtcpOutbound) {
        self.protection = Protection::Srtcp(key);
    }

    /// RTCP of this line was accepted from there.
    pub(crate) fn heard(&mut self, from: SocketAddr) {
        (self.to, self.is_heard) = (Some(from), true);
    }

    /// Whether a report is due; if so, when the next one is has been drawn.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + self.dice.spread(self.interval);
        true
    }

    /// Sends a receiver report; whether one left.
    pub(crate) fn report(&mut self, socket: &Socket, block: Option<ReportBlock>) -> bool {
        let Some(to) = self.destination(socket) else { return false };
        let report = rtcp::receiver_report(self.ssrc, &spelled(&self.cname), block);
        self.send(socket, report, to)
    }

    /// Says that we leave (RFC 3550 6.3.7); whether it left.
    pub(crate) fn bye(&mut self, socket: &Socket) -> bool {
        let Some(to) = self.destination(socket) else { return false };
        let bye = rtcp::bye(self.ssrc, &spelled(&self.cname));
        self.send(socket, bye, to)
    }

    fn destination(&self, socket: &Socket) -> Option<SocketAddr> {
        self.to.filter(|to| socket.can_reach(*to))
    }

    fn send(&mut self, socket: &Socket, mut octets: Vec<u8>, to: SocketAddr) -> bool {
        match &mut self.protection {
            Protection::Clear => {}
            Protection::Srtcp(outbound) => {
                if outbound.protect(&mut octets).is_err() {
                    return false;
                }
            }
            Protection::Mute => return false,
        }
        socket.send(&octets, to)
    }
}

/// xorshift64*: spreads reports so that a thousand tracks opened at once do not report at once. Not for secrets.
struct Dice(u64);

impl Dice {
    /// Between half and one and a half of `mean`.
    fn spread(&mut self, mean: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = (self.0 >> 40) as f64 / (1_u64 << 24) as f64;
        mean.mul_f64(0.5 + share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_spread_and_stay_within_their_bounds() {
        let mut dice = Dice(7);
        let mean = Duration::from_secs(5);
        let drawn: Vec<_> = (0..1_000).map(|_| dice.spread(mean)).collect();
        assert!(drawn.iter().all(|drawn| (mean / 2..=mean * 3 / 2).contains(drawn)));
        let average = drawn.iter().sum::<Duration>() / 1_000;
        assert!((average.as_secs_f64() - 5.0).abs() < 0.2, "{average:?}");
    }

    #[test]
    fn a_seed_names_nobody_and_fills_everything() {
        let seed = Seed::new(std::array::from_fn(|index| index as u8));
        assert_eq!(spelled(&seed.cname), "000102030405060708090a0b");
        assert_eq!((seed.ssrc, seed.dice), (0x0c0d_0e0f, 0x1011_1213_1415_1617));
    }
}
