//! The sending direction: every index is used once.

use super::{
    SrtpError, Suite,
    cipher::RtpKeys,
    kdf::Master,
    rtcp::RtcpKeys,
    sources::{Sources, Window},
    wire::{self, ENCRYPTED},
};

/// Protects the RTP and RTCP of one direction of one m-line. The key must be fresh: one `Outbound` per key, ever
/// (RFC 7714 8.4). Sends no MKI.
pub struct Outbound {
    keys: RtpKeys,
    rtp: Sources,
    rtcp: RtcpOutbound,
}

/// Protects the RTCP of a direction that sends nothing else: a few octets where an [`Outbound`] has a kilobyte. The key
/// must be fresh as with that, except after [`RtcpOutbound::resuming`].
pub struct RtcpOutbound {
    keys: RtcpKeys,
    index: u32,
}

impl Outbound {
    /// Sets up the keys. `key_salt` is what the `inline:` parameter carries, decoded.
    pub fn new(suite: Suite, key_salt: &[u8]) -> Result<Self, SrtpError> {
        let keys = RtpKeys::new(suite, &Master::new(suite, key_salt)?);
        Ok(Self { keys, rtp: Sources::none(), rtcp: RtcpOutbound::new(suite, key_salt)? })
    }

    /// Encrypts an RTP packet in place and appends its tag. Sequence numbers may roll over and come slightly out of order;
    /// one that was used already is refused, because its key stream would repeat.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let clear = wire::rtp(packet)?;
        let known = self.rtp.find(clear.ssrc);
        if known.is_none() && self.rtp.is_full() {
            return Err(SrtpError::TooManySources);
        }
        let index = known.map_or(u64::from(clear.sequence), |window| window.estimate(clear.sequence));
        known.map_or(Ok(()), |window| window.check(index))?;
        if index >> 48 != 0 {
            return Err(SrtpError::Exhausted);
        }
        self.keys.seal(packet, clear, index);
        self.rtp.keep(clear.ssrc, known.map_or(Window::begin(index), |window| window.accept(index)));
        Ok(())
    }

    /// Encrypts an RTCP packet in place and appends index and tag.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        self.rtcp.protect(packet)
    }
}

impl RtcpOutbound {
    /// Sets up the keys. `key_salt` is what the `inline:` parameter carries, decoded.
    pub fn new(suite: Suite, key_salt: &[u8]) -> Result<Self, SrtpError> {
        Ok(Self { keys: RtcpKeys::new(suite, &Master::new(suite, key_salt)?), index: 0 })
    }

    /// A key that protected RTCP before this process began, and must not repeat an index (RFC 3711 9.1).
    ///
    /// Nothing was kept of the indices used: `seconds` of the clock (since any fixed day) take their place. A line sends
    /// at most one packet a second and began at index 0, so every life of the process begins above what those before it
    /// used, unless the clock steps back by as long as the lives lasted. Even then no key stream repeats as long as
    /// every life draws its SSRC anew, which is part of it (RFC 3711 4.1.1, RFC 7714 9.1). RTP cannot be resumed.
    pub fn resuming(suite: Suite, key_salt: &[u8], seconds: u64) -> Result<Self, SrtpError> {
        // Half of the 2^31 indices, 34 years, so that what is begun there has room.
        let index = (seconds % (1 << 30)) as u32 + 1;
        Ok(Self { index, ..Self::new(suite, key_salt)? })
    }

    /// Encrypts an RTCP packet in place and appends index and tag.
    pub fn protect(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = wire::rtcp_ssrc(packet)?;
        if self.index >= ENCRYPTED {
            return Err(SrtpError::Exhausted);
        }
        self.keys.seal(packet, ssrc, self.index);
        self.index += 1;
        Ok(())
    }
}
