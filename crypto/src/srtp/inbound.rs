//! The receiving direction: which index a packet has, whether it was seen, whether it is authentic.

use super::{
    SrtpError, Suite,
    cipher::{Reading, RtpKeys},
    counter,
    foresight::{Forecast, Foretold},
    kdf::Master,
    late::Late,
    rtcp::RtcpKeys,
    sources::{Sources, Window},
    wire::{self, ENCRYPTED, RtpClear},
};
use crate::limits::{MKI_OCTETS, SECOND_GUESS_OCTETS};

/// Unprotects the RTP and RTCP of one direction of one m-line.
///
/// A stream may be joined late. Nothing on the wire says how often its sequence number has rolled over: the first packet
/// of an SSRC is tried with the roll-over counter given by [`Inbound::set_roc`] (0 at first) and with the one after it (a
/// stream that began shortly before a roll-over and whose first packets were lost). The same second guess is tried after a
/// jump so long that the counter became doubtful, such as an outage of many minutes. A stream that was left while it went
/// on (a crash) is taken up by [`Inbound::joining_late`].
pub struct Inbound {
    rtp_keys: RtpKeys,
    rtcp_keys: RtcpKeys,
    mki_len: usize,
    roc: u32,
    rtp: Sources,
    rtcp: Sources,
    pub(super) late: Option<Late>,
}

impl Inbound {
    /// Sets up the keys. `key_salt` is the decoded `inline:` parameter; `mki_len` the octets of the MKI in each packet,
    /// 0 without. Fails when either has an impossible length.
    pub fn new(suite: Suite, key_salt: &[u8], mki_len: usize) -> Result<Self, SrtpError> {
        if mki_len > MKI_OCTETS {
            return Err(SrtpError::MkiLength(mki_len));
        }
        let master = Master::new(suite, key_salt)?;
        let (rtp_keys, rtcp_keys) = (RtpKeys::new(suite, &master), RtcpKeys::new(suite, &master));
        let (rtp, rtcp) = (Sources::none(), Sources::none());
        Ok(Self { rtp_keys, rtcp_keys, mki_len, roc: 0, rtp, rtcp, late: None })
    }

    /// As [`Inbound::new`], for a stream under way whose roll-over counter is unknown: up to a day of it at 100 packets a
    /// second is searched for, at a bounded cost.
    pub fn joining_late(suite: Suite, key_salt: &[u8], mki_len: usize) -> Result<Self, SrtpError> {
        Ok(Self { late: Some(Late::new()), ..Self::new(suite, key_salt, mki_len)? })
    }

    /// The roll-over counter to try first for an SSRC not heard yet: for a stream joined late whose age is known.
    pub fn set_roc(&mut self, roc: u32) {
        self.roc = roc;
    }

    /// Authenticates and decrypts an SRTP packet in place. The plain packet, header included, is the first `Ok(n)` octets.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.unprotect_foretold(packet, None)
    }

    /// As [`Inbound::unprotect_rtp`], with the tag that a [`Foresight`](super::Foresight) computed ahead, if it did.
    pub fn unprotect_foretold(&mut self, packet: &mut [u8], foretold: Option<Foretold>) -> Result<usize, SrtpError> {
        let clear = self.clear(packet)?;
        let known = self.rtp.find(clear.ssrc);
        let index = match known {
            Some(window) => window.estimate(clear.sequence),
            None => u64::from(self.roc) << 16 | u64::from(clear.sequence),
        };
        if let Some(late) = self.late {
            return self.unprotect_late(packet, clear, index, late);
        }
        if known.is_none_or(|window| window.is_doubtful(index)) {
            return self.unprotect_doubtful(packet, clear, index);
        }
        self.try_index(packet, clear, index, foretold.as_ref())
    }

    /// Whether a [`Foresight`](super::Foresight) can compute tags of this direction ahead: not with AEAD, and not before
    /// the roll-over counter of a stream joined late is found.
    pub fn is_foreseeable(&self) -> bool {
        self.late.is_none() && self.rtp_keys.auth().is_some()
    }

    /// Of what the tag of a packet will be computed, if nothing changes before its turn. `None` when that is not certain
    /// enough to be worth it, and with AEAD.
    pub(super) fn forecast<'p>(&self, packet: &'p [u8]) -> Option<Forecast<'_, 'p>> {
        let key = self.rtp_keys.auth().filter(|_| self.late.is_none())?;
        let clear = self.clear(packet).ok()?;
        let window = self.rtp.find(clear.ssrc)?;
        let index = window.estimate(clear.sequence);
        let message = &packet[..packet.len() - self.rtp_keys.overhead() - self.mki_len];
        (!window.is_doubtful(index)).then_some(Forecast { key, message, roc: counter::roc(index) })
    }

    /// The clear part of a packet that is long enough to be a protected one.
    fn clear(&self, packet: &[u8]) -> Result<RtpClear, SrtpError> {
        let clear = wire::rtp(packet)?;
        if packet.len() < clear.len + self.rtp_keys.overhead() + self.mki_len {
            return Err(SrtpError::Malformed);
        }
        Ok(clear)
    }

    /// Authenticates an SRTCP packet and decrypts it in place. A packet that claims not to be encrypted (E = 0) is
    /// authenticated like any other.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = wire::rtcp_ssrc(packet)?;
        if packet.len() < wire::RTCP_CLEAR + self.rtcp_keys.overhead() + self.mki_len {
            return Err(SrtpError::Malformed);
        }
        let word = self.rtcp_keys.word(packet, self.mki_len);
        let index = u64::from(word & !ENCRYPTED);
        let known = self.rtcp.find(ssrc);
        known.map_or(Ok(()), |window| window.check(index))?;
        let plain = self.rtcp_keys.open(packet, ssrc, self.mki_len, word)?;
        self.rtcp.keep(ssrc, known.map_or(Window::begin(index), |window| window.accept(index)));
        Ok(plain)
    }

    pub(super) fn try_index(
        &mut self,
        packet: &mut [u8],
        clear: RtpClear,
        index: u64,
        foretold: Option<&Foretold>,
    ) -> Result<usize, SrtpError> {
        if index >> 48 != 0 {
            return Err(SrtpError::Exhausted);
        }
        let known = self.rtp.find(clear.ssrc);
        let seen = known.map_or(Ok(()), |window| window.check(index));
        let reading = Reading { clear, mki_len: self.mki_len, index };
        let plain = self.rtp_keys.open(packet, reading, foretold)?;
        // Judged last: what is called a replay is authentic, so a forged packet never passes for a duplicate.
        seen?;
        self.rtp.keep(clear.ssrc, known.map_or(Window::begin(index), |window| window.accept(index)));
        Ok(plain)
    }

    /// Tries the index, then the same one a roll-over later. AEAD destroys what it cannot open, hence the copy.
    #[cold]
    fn unprotect_doubtful(&mut self, packet: &mut [u8], clear: RtpClear, index: u64) -> Result<usize, SrtpError> {
        let mut kept = [0; SECOND_GUESS_OCTETS];
        let Some(kept) = kept.get_mut(..packet.len()) else {
            return self.try_index(packet, clear, index, None);
        };
        kept.copy_from_slice(packet);
        let first = self.try_index(packet, clear, index, None);
        if first.is_ok() {
            return first;
        }
        packet.copy_from_slice(kept);
        self.try_index(packet, clear, index + (1 << 16), None).or(first)
    }

    pub(super) fn knows(&self, ssrc: u32) -> bool {
        self.rtp.find(ssrc).is_some()
    }

    /// What is remembered, to show that nothing changed.
    #[cfg(test)]
    pub(super) fn memory(&self) -> (Sources, Sources) {
        (self.rtp, self.rtcp)
    }
}
