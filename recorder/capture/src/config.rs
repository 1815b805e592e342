//! The `[media]` section: text as written, then checked values with units.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    time::Duration,
};

use serde::Deserialize;
use thiserror::Error;

use crate::limits;

/// The `[media]` section, checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Config {
    /// The address in SDP answers.
    pub address: IpAddr,
    /// The local address sockets bind; differs from `address` behind a NAT.
    pub bind: IpAddr,
    /// RTP ports (even) and their RTCP ports (odd).
    pub ports: PortRange,
    /// Whether plain RTP is accepted. For signaling.
    pub srtp: SrtpPolicy,
    /// What to do with keys that came over clear signaling. For signaling.
    pub sdes_over_clear_signaling: ClearSdes,
    /// Whether lines that ask for DTLS-SRTP are accepted. For signaling.
    pub dtls: bool,
    /// How packets are fetched from the sockets.
    pub receive: Receive,
    /// How often every socket is drained.
    pub sweep: Duration,
    /// How old the oldest packet of a chunk gets before it is sealed: with the queue of the spool, what a kill may cost.
    pub chunk: Duration,
    /// Worker threads.
    pub workers: usize,
    /// No packet for so long is reported as silence; `None` never.
    pub silence: Option<Duration>,
    /// Mean time between receiver reports (RFC 3550 6.2); shortened in tests only.
    pub(crate) rtcp_interval: Duration,
}

/// A range of UDP ports, both ends included; RTP takes the even ones (RFC 3550 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first RTP port, even.
    pub first: u16,
    /// The last port, odd: the RTCP port of the last pair.
    pub last: u16,
}

/// What lines are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SrtpPolicy {
    /// RTP and SRTP.
    Optional,
    /// SRTP only; a plain offer is answered 488.
    Required,
}

/// How packets are fetched from the sockets. Where the kernel refuses, the sweep is the way that always works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receive {
    /// What was measured to be cheapest and is there: `Bpf`, or `Sweep`.
    Auto,
    /// Every socket once a sweep, by `recvmmsg`.
    Sweep,
    /// Multishot receives by io_uring.
    IoUring,
    /// The sockets that epoll names, by `recvmmsg`.
    Epoll,
    /// A ring in memory that an eBPF filter of each socket fills; needs `CAP_BPF` when the recorder starts.
    Bpf,
}

/// SDES keys in an offer that came over UDP or TCP (RFC 4568 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClearSdes {
    /// 488 with Warning 399.
    Refuse,
    /// Accepted with a named warning.
    Warn,
}

/// A value of `[media]` that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("media.{key} = {value}: {rule}")]
pub struct ConfigError {
    key: &'static str,
    value: String,
    rule: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Raw::default().try_into().expect("the defaults are valid")
    }
}

impl PortRange {
    /// How many RTP/RTCP pairs the range holds.
    pub fn pairs(self) -> usize {
        (usize::from(self.last) - usize::from(self.first)).div_ceil(2)
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
        let first = first.checked_next_multiple_of(2)?;
        let last = if last % 2 == 0 { last.checked_sub(1)? } else { last };
        (first > 0 && first < last).then_some(Self { first, last })
    }
}

impl Config {
    /// Octets of a chunk buffer: what a busy line brings in the life of a chunk.
    pub(crate) fn chunk_capacity(&self) -> usize {
        let octets = limits::CHUNK_OCTETS_PER_SECOND * self.chunk.as_millis() as usize / 1_000;
        octets.clamp(limits::CHUNK_MIN, limits::CHUNK_MAX)
    }

    /// Octets of the ring of a worker: what arrives in a sweep on every port pair it may have, to a power of two.
    pub(crate) fn ring_octets(&self) -> usize {
        let tracks = self.ports.pairs().div_ceil(self.workers).min(limits::TRACKS_PER_WORKER);
        let packets = tracks * limits::RING_PACKETS_PER_SECOND * self.sweep.as_millis() as usize / 1_000;
        (packets * limits::RING_RECORD).next_power_of_two().clamp(limits::RING_MIN, limits::RING_MAX)
    }

    /// Octets of a receive buffer: what arrives while a worker stands still.
    pub(crate) fn receive_buffer(&self) -> usize {
        let stall = Duration::from_millis(limits::STALL_MS).max(4 * self.sweep);
        let packets = limits::PACKETS_PER_SECOND * stall.as_millis() as usize / 1_000;
        packets * limits::TRUESIZE
    }
}

/// As written. Every key is optional.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    /// Address in SDP answers.
    address: IpAddr,
    /// Local address of the sockets; `address` when not given.
    bind: Option<IpAddr>,
    /// `"first-last"`.
    ports: String,
    srtp: SrtpPolicy,
    sdes_over_clear_signaling: ClearSdes,
    /// False: lines that ask for DTLS-SRTP are refused.
    dtls: bool,
    receive: Receive,
    /// Milliseconds between two drains of a socket.
    sweep_ms: u64,
    /// Milliseconds from the arrival of the oldest packet of a chunk to the spool, at most: a whole number of sweeps.
    ///
    /// A kill costs what has not reached the page cache: at most the chunk that is open (its packets in the socket
    /// included), or the one before it that waits for the spool's writer. So 150 ms, and up to 20 ms in that queue, and
    /// up to 15 ms that a turn comes late: less than 200. One sweep makes one chunk: packets that wait in the kernel are
    /// as lost by a kill as those in an open chunk, and each look at a track costs its cold memory and a system call.
    /// 500 calls of RTP in bursts: 1.5 % of a core per 100 with sweeps of 150 ms, 1.95 with 75 (same chunks).
    chunk_ms: u64,
    /// Worker threads; one per core when not given.
    workers: Option<usize>,
    /// Seconds without a packet until a line counts as silent; 0 never.
    silence_s: u64,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            bind: None,
            ports: "20000-39999".into(),
            srtp: SrtpPolicy::Optional,
            sdes_over_clear_signaling: ClearSdes::Refuse,
            dtls: true,
            receive: Receive::Auto,
            sweep_ms: 150,
            chunk_ms: 150,
            workers: None,
            silence_s: 60,
        }
    }
}

impl TryFrom<Raw> for Config {
    type Error = ConfigError;

    fn try_from(raw: Raw) -> Result<Self, ConfigError> {
        let refuse = |key, value: &dyn ToString, rule| ConfigError { key, value: value.to_string(), rule };
        if raw.address.is_unspecified() || raw.address.is_multicast() {
            return Err(refuse("address", &raw.address, "the address peers send to, neither a wildcard nor a group"));
        }
        let bind = raw.bind.unwrap_or(raw.address);
        if bind.is_ipv4() != raw.address.is_ipv4() {
            return Err(refuse("bind", &bind, "of the same family as media.address"));
        }
        let ports = PortRange::parse(&raw.ports)
            .ok_or_else(|| refuse("ports", &raw.ports, "\"first-last\" with room for an even port and its odd one"))?;
        if !(5..=1_000).contains(&raw.sweep_ms) {
            return Err(refuse("sweep_ms", &raw.sweep_ms, "5 to 1000"));
        }
        if !(20..=10_000).contains(&raw.chunk_ms) {
            return Err(refuse("chunk_ms", &raw.chunk_ms, "20 to 10000"));
        }
        let workers = raw.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
        if !(1..=256).contains(&workers) {
            return Err(refuse("workers", &workers, "1 to 256"));
        }
        if raw.silence_s > 86_400 {
            return Err(refuse("silence_s", &raw.silence_s, "0 (never) to 86400"));
        }
        Ok(Self {
            address: raw.address,
            bind,
            ports,
            srtp: raw.srtp,
            sdes_over_clear_signaling: raw.sdes_over_clear_signaling,
            dtls: raw.dtls,
            receive: raw.receive,
            sweep: Duration::from_millis(raw.sweep_ms),
            chunk: Duration::from_millis(raw.chunk_ms),
            workers,
            silence: (raw.silence_s > 0).then(|| Duration::from_secs(raw.silence_s)),
            rtcp_interval: Duration::from_secs(5),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_section_is_the_contract_of_the_design() {
        let config = read("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.ports, PortRange { first: 20_000, last: 39_999 });
        assert_eq!(config.ports.pairs(), 10_000);
        assert_eq!((config.srtp, config.sdes_over_clear_signaling), (SrtpPolicy::Optional, ClearSdes::Refuse));
        assert_eq!(config.bind, config.address);
    }

    #[test]
    fn a_full_section_is_read() {
        let text = "address = \"192.0.2.7\"\nbind = \"0.0.0.0\"\nports = \"30001 - 30010\"\nsrtp = \"required\"\n\
                    sdes_over_clear_signaling = \"warn\"\nsweep_ms = 100\nchunk_ms = 1000\nworkers = 3\nsilence_s = 0";
        let config = read(text).unwrap();
        assert_eq!(config.ports, PortRange { first: 30_002, last: 30_009 });
        assert_eq!((config.workers, config.silence), (3, None));
        assert_eq!((config.sweep, config.chunk), (Duration::from_millis(100), Duration::from_secs(1)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_key() {
        for (text, key) in [
            ("ports = \"2000\"", "media.ports"),
            ("ports = \"4000-3000\"", "media.ports"),
            ("ports = \"4000-4000\"", "media.ports"),
            ("ports = \"0-1\"", "media.ports"),
            ("ports = \"1-70000\"", "media.ports"),
            ("address = \"0.0.0.0\"", "media.address"),
            ("bind = \"::\"", "media.bind"),
            ("sweep_ms = 0", "media.sweep_ms"),
            ("chunk_ms = 1", "media.chunk_ms"),
            ("workers = 0", "media.workers"),
            ("silence_s = 100000", "media.silence_s"),
            ("sweep = 20", "sweep"),
            ("srtp = \"maybe\"", "maybe"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
