//! The peer's keys of one line: the current one and, after a re-key, the one before it for as long as it may be in use.

use std::time::{Duration, Instant};

use crypto::srtp::{Foresight, Foretold, Inbound, RtcpOutbound, SrtpError, Suite};
use model::SrtpKeys;

use crate::{limits, metrics::Refusal};

/// Opens what the peer protects.
pub(crate) struct Unprotector {
    current: Inbound,
    // By pointer: few lines are ever re-keyed, and none for long.
    previous: Option<Box<Previous>>,
}

struct Previous {
    inbound: Inbound,
    until: Instant,
    /// A failed attempt leaves the packet unspecified: the second key needs the octets as they came.
    copy: Vec<u8>,
}

/// What a renegotiation changes of the keys of a line. By pointer: most change nothing.
#[derive(Default)]
pub(crate) struct NewKeys {
    pub(crate) remote: Option<Box<Inbound>>,
    pub(crate) local: Option<Box<RtcpOutbound>>,
}

/// Which of the two packet kinds of a line.
pub(crate) enum Kind {
    /// With its tag, if it was computed ahead.
    Rtp(Option<Foretold>),
    Rtcp,
}

impl Unprotector {
    pub(crate) fn new(current: Inbound) -> Self {
        Self { current, previous: None }
    }

    /// From now on the peer may use `next`; until it does, and a little longer, the key so far still opens.
    pub(crate) fn rekey(&mut self, next: Inbound, now: Instant) {
        let inbound = std::mem::replace(&mut self.current, next);
        let until = now + Duration::from_secs(limits::OLD_KEY_S);
        self.previous = Some(Box::new(Previous { inbound, until, copy: Vec::new() }));
    }

    /// Whether tags can be computed ahead at all.
    pub(crate) fn is_foreseeable(&self) -> bool {
        self.current.is_foreseeable()
    }

    /// Notes an RTP packet whose tag is to be computed ahead, under the current key.
    pub(crate) fn note(&self, foresight: &mut Foresight, packet: &[u8], number: usize) {
        foresight.add(&self.current, packet, number);
    }

    /// Opens a packet in place; its length afterwards.
    pub(crate) fn open(&mut self, kind: Kind, packet: &mut [u8], now: Instant) -> Result<usize, Refusal> {
        if self.previous.as_ref().is_some_and(|previous| previous.until <= now) {
            self.previous = None;
        }
        let Some(previous) = &mut self.previous else {
            return unprotect(&mut self.current, kind, packet).map_err(Refusal::from);
        };
        previous.copy.clear();
        previous.copy.extend_from_slice(packet);
        let again = kind.again();
        match unprotect(&mut self.current, kind, packet) {
            Ok(length) => {
                let soon = now + Duration::from_secs(limits::OLD_KEY_AFTER_NEW_S);
                previous.until = previous.until.min(soon);
                Ok(length)
            }
            Err(error) => {
                packet.copy_from_slice(&previous.copy);
                unprotect(&mut previous.inbound, again, packet).map_err(|_| Refusal::from(error))
            }
        }
    }
}

impl Kind {
    /// For another key: what was computed ahead is not for that.
    fn again(&self) -> Self {
        match self {
            Self::Rtp(_) => Self::Rtp(None),
            Self::Rtcp => Self::Rtcp,
        }
    }
}

fn unprotect(inbound: &mut Inbound, kind: Kind, packet: &mut [u8]) -> Result<usize, SrtpError> {
    match kind {
        Kind::Rtp(foretold) => inbound.unprotect_foretold(packet, foretold),
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

/// The sending side of our key, for reports; the error says what is wrong with it.
pub(crate) fn outbound(keys: &SrtpKeys) -> Result<RtcpOutbound, String> {
    RtcpOutbound::new(suite(keys)?, keys.key_salt.reveal()).map_err(|error| error.to_string())
}

/// The sending side of a key that was in use before this process began; `wall` is now, in nanoseconds since 1970.
pub(crate) fn outbound_again(keys: &SrtpKeys, wall: u64) -> Result<RtcpOutbound, String> {
    RtcpOutbound::resuming(suite(keys)?, keys.key_salt.reveal(), wall / 1_000_000_000)
        .map_err(|error| error.to_string())
}

fn suite(keys: &SrtpKeys) -> Result<Suite, String> {
    Suite::from_name(&keys.suite).ok_or_else(|| format!("unknown SRTP suite {}", keys.suite))
}
