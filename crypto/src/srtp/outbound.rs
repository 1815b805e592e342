//! The sending direction: every index is used once.

use super::{
    SrtpError, Suite,
    cipher::Cipher,
    sources::{Sources, Window},
    wire::{self, ENCRYPTED},
};

/// Protects the RTP and RTCP of one direction of one m-line. The key must be fresh: one `Outbound` per key, ever
/// (RFC 7714 8.4), except after [`Outbound::resuming`]. Sends no MKI.
pub struct Outbound {
    cipher: Cipher,
    rtp: Sources,
    rtcp_index: u32,
}

impl Outbound {
    /// Sets up the keys. `key_salt` is what the `inline:` parameter carries, decoded.
    pub fn new(suite: Suite, key_salt: &[u8]) -> Result<Self, SrtpError> {
        Ok(Self { cipher: Cipher::new(suite, key_salt)?, rtp: Sources::none(), rtcp_index: 0 })
    }

    /// A key that protected RTCP before this process began, and must not repeat an index (RFC 3711 9.1).
    ///
    /// Nothing was kept of the indices used: `seconds` of the clock (since any fixed day) take their place. A line sends
    /// at most one packet a second and began at index 0, so every life of the process begins above what those before it
    /// used, unless the clock steps back by as long as the lives lasted. Even then no key stream repeats as long as
    /// every life draws its SSRC anew, which is part of it (RFC 3711 4.1.1, RFC 7714 9.1). RTP cannot be resumed.
    pub fn resuming(suite: Suite, key_salt: &[u8], seconds: u64) -> Result<Self, SrtpError> {
        // Half of the 2^31 indices, 34 years, so that what is begun there has room.
        let rtcp_index = (seconds % (1 << 30)) as u32 + 1;
        Ok(Self { rtcp_index, ..Self::new(suite, key_salt)? })
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
        self.cipher.seal_rtp(packet, clear, index);
        self.rtp.keep(clear.ssrc, known.map_or(Window::begin(index), |window| window.accept(index)));
        Ok(())
    }

    /// Encrypts an RTCP packet in place and appends index and tag.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = wire::rtcp_ssrc(packet)?;
        if self.rtcp_index >= ENCRYPTED {
            return Err(SrtpError::Exhausted);
        }
        self.cipher.seal_rtcp(packet, ssrc, self.rtcp_index);
        self.rtcp_index += 1;
        Ok(())
    }
}
