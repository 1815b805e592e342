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

#[cfg(test)]
mod tests {
    use super::{super::Inbound, *};

    /// The last index of a key (RFC 3711 9.2, RFC 7714 10): 32 bits of roll-overs, 16 of sequence.
    const LAST: u64 = (1 << 48) - 1;
    const SSRC: u32 = 7;

    fn rtp(sequence: u16) -> Vec<u8> {
        let head = [0x80, 0, (sequence >> 8) as u8, sequence as u8, 0, 0, 0, 0, 0, 0, 0, SSRC as u8];
        [&head[..], &[0x55; 160]].concat()
    }

    #[test]
    fn a_key_protects_2_to_the_48_rtp_packets_and_not_one_more() {
        for suite in Suite::ALL {
            let key = vec![3; suite.key_salt_len()];
            let mut outbound = Outbound::new(suite, &key).unwrap();
            outbound.rtp.keep(SSRC, Window::begin(LAST - 1));
            let mut last = rtp(0xffff);
            outbound.protect_rtp(&mut last).unwrap();
            assert_ne!(last[12..172], rtp(0xffff)[12..]);
            let mut one_more = rtp(0);
            assert_eq!(outbound.protect_rtp(&mut one_more), Err(SrtpError::Exhausted), "{}", suite.name());
            assert_eq!(one_more, rtp(0), "nothing of it was encrypted");
            assert_eq!(outbound.protect_rtp(&mut rtp(0xffff)), Err(SrtpError::Replayed), "nor is an index used again");
            let mut inbound = Inbound::new(suite, &key, 0).unwrap();
            inbound.set_roc(u32::MAX);
            assert_eq!(inbound.unprotect_rtp(&mut last), Ok(172), "{}", suite.name());
            // What somebody sends who begins anew under the same key.
            let mut again = rtp(0);
            Outbound::new(suite, &key).unwrap().protect_rtp(&mut again).unwrap();
            assert_eq!(inbound.unprotect_rtp(&mut again), Err(SrtpError::Exhausted), "{}", suite.name());
        }
    }

    #[test]
    fn a_key_protects_2_to_the_31_rtcp_packets_and_not_one_more() {
        let report = [&[0x80, 201, 0, 1, 0, 0, 0, SSRC as u8][..], &[0x11; 24]].concat();
        for suite in Suite::ALL {
            let key = vec![3; suite.key_salt_len()];
            let mut outbound = Outbound::new(suite, &key).unwrap();
            outbound.rtcp.index = ENCRYPTED - 1;
            let mut last = report.clone();
            outbound.protect_rtcp(&mut last).unwrap();
            assert_eq!(Inbound::new(suite, &key, 0).unwrap().unprotect_rtcp(&mut last), Ok(report.len()));
            let mut one_more = report.clone();
            assert_eq!(outbound.protect_rtcp(&mut one_more), Err(SrtpError::Exhausted), "{}", suite.name());
            assert_eq!(one_more, report, "nothing of it was encrypted");
            // Half of the indices are there for lives of the process; the last of them has room for a line of 34 years.
            let mut resumed = RtcpOutbound::resuming(suite, &key, u64::from(u32::MAX)).unwrap();
            assert_eq!(resumed.protect(&mut one_more), Ok(()), "{}", suite.name());
        }
    }
}
