//! The peer's keys of one line: the current one and, after a re-key, the one before it for as long as it may be in use.

use std::time::{Duration, Instant};

use crypto::srtp::{Inbound, Outbound, SrtpError, Suite};
use model::SrtpKeys;

use crate::{limits, metrics::Refusal};

/// Opens what the peer protects.
pub(crate) struct Unprotector {
    current: Inbound,
    previous: Option<Previous>,
    /// A failed attempt leaves the packet unspecified: the second key needs the octets as they came.
    copy: Vec<u8>,
}

struct Previous {
    inbound: Inbound,
    until: Instant,
}

/// Which of the two packet kinds of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rtp,
    Rtcp,
}

impl Unprotector {
    pub(crate) fn new(current: Inbound) -> Self {
        Self { current, previous: None, copy: Vec::new() }
    }

    /// From now on the peer may use `next`; until it does, and a little longer, the key so far still opens.
    pub(crate) fn rekey(&mut self, next: Inbound, now: Instant) {
        let inbound = std::mem::replace(&mut self.current, next);
        self.previous = Some(Previous { inbound, until: now + Duration::from_secs(limits::OLD_KEY_S) });
    }

    /// Opens a packet in place; its length afterwards.
    pub(crate) fn open(&mut self, kind: Kind, packet: &mut [u8], now: Instant) -> Result<usize, Refusal> {
        if self.previous.as_ref().is_some_and(|previous| previous.until <= now) {
            self.previous = None;
        }
        let Some(previous) = &mut self.previous else {
            return unprotect(&mut self.current, kind, packet).map_err(Refusal::from);
        };
        self.copy.clear();
        self.copy.extend_from_slice(packet);
        match unprotect(&mut self.current, kind, packet) {
            Ok(length) => {
                let soon = now + Duration::from_secs(limits::OLD_KEY_AFTER_NEW_S);
                previous.until = previous.until.min(soon);
                Ok(length)
            }
            Err(error) => {
                packet.copy_from_slice(&self.copy);
                unprotect(&mut previous.inbound, kind, packet).map_err(|_| Refusal::from(error))
            }
        }
    }
}

fn unprotect(inbound: &mut Inbound, kind: Kind, packet: &mut [u8]) -> Result<usize, SrtpError> {
    match kind {
        Kind::Rtp => inbound.unprotect_rtp(packet),
        Kind::Rtcp => inbound.unprotect_rtcp(packet),
    }
}

impl From<SrtpError> for Refusal {
    fn from(error: SrtpError) -> Self {
        match error {
            SrtpError::Malformed => Self::Malformed,
            SrtpError::Replayed | SrtpError::TooOld => Self::Replayed,
            SrtpError::KeyLength { .. }
            | SrtpError::MkiLength(_)
            | SrtpError::Unauthentic
            | SrtpError::TooManySources
            | SrtpError::Exhausted => Self::Unauthentic,
        }
    }
}

/// The receiving side of a peer's key; the error says what is wrong with it. `joins_late` for a stream under way, whose
/// roll-over counter has to be found.
pub(crate) fn inbound(keys: &SrtpKeys, joins_late: bool) -> Result<Inbound, String> {
    let mki_len = keys.mki.as_ref().map_or(0, |(_, length)| usize::from(*length));
    let begin = if joins_late { Inbound::joining_late } else { Inbound::new };
    begin(suite(keys)?, keys.key_salt.reveal(), mki_len).map_err(|error| error.to_string())
}

/// The sending side of our key; the error says what is wrong with it.
pub(crate) fn outbound(keys: &SrtpKeys) -> Result<Outbound, String> {
    Outbound::new(suite(keys)?, keys.key_salt.reveal()).map_err(|error| error.to_string())
}

/// The sending side of a key that was in use before this process began; `wall` is now, in nanoseconds since 1970.
pub(crate) fn outbound_again(keys: &SrtpKeys, wall: u64) -> Result<Outbound, String> {
    Outbound::resuming(suite(keys)?, keys.key_salt.reveal(), wall / 1_000_000_000).map_err(|error| error.to_string())
}

fn suite(keys: &SrtpKeys) -> Result<Suite, String> {
    Suite::from_name(&keys.suite).ok_or_else(|| format!("unknown SRTP suite {}", keys.suite))
}
