//! The two families of transforms behind one door: which octets are what, under derived session keys.

use super::{
    SrtpError, Suite,
    aead::{self, Aead},
    counter::{self, Counter},
    kdf::Master,
    wire::RtpClear,
};

/// The session keys of one direction, those of the common suites inline with the line they belong to. The caller has checked that a packet is as long as header and overhead.
#[expect(clippy::large_enum_variant, reason = "a pointer would cost every packet of the common suites a cache miss")]
pub(super) enum Cipher {
    /// AES counter mode with HMAC-SHA1.
    Counter(Counter),
    /// AES-GCM.
    Aead(Box<Aead>),
}

impl Cipher {
    /// Derives the session keys.
    pub(super) fn new(suite: Suite, key_salt: &[u8]) -> Result<Self, SrtpError> {
        let master = Master::new(suite, key_salt)?;
        Ok(if suite.is_aead() {
            Self::Aead(Box::new(Aead::new(suite, &master)))
        } else {
            Self::Counter(Counter::new(suite, &master))
        })
    }

    /// Octets that SRTP adds to a packet, MKI aside.
    pub(super) fn rtp_overhead(&self) -> usize {
        match self {
            Self::Counter(counter) => counter.rtp_tag(),
            Self::Aead(_) => aead::TAG,
        }
    }

    /// Octets that SRTCP adds to a packet, MKI aside.
    pub(super) fn rtcp_overhead(&self) -> usize {
        match self {
            Self::Counter(_) => 4 + counter::RTCP_TAG,
            Self::Aead(_) => 4 + aead::TAG,
        }
    }

    /// E flag and index of an SRTCP packet.
    pub(super) fn rtcp_word(&self, packet: &[u8], mki_len: usize) -> u32 {
        let behind = match self {
            Self::Counter(_) => mki_len + counter::RTCP_TAG,
            Self::Aead(_) => mki_len,
        };
        let at = packet.len() - behind - 4;
        u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
    }

    /// Authenticates and decrypts an RTP packet; the length of the plain one.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        clear: RtpClear,
        mki_len: usize,
        index: u64,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Counter(counter) => counter.open_rtp(packet, clear, mki_len, index),
            Self::Aead(aead) => aead.open_rtp(packet, clear, mki_len, index),
        }
    }

    /// Encrypts an RTP packet and appends its tag.
    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: RtpClear, index: u64) {
        match self {
            Self::Counter(counter) => counter.seal_rtp(packet, clear, index),
            Self::Aead(aead) => aead.seal_rtp(packet, clear, index),
        }
    }

    /// Authenticates an RTCP packet and decrypts it if its E flag says so; the length of the plain one.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        mki_len: usize,
        word: u32,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Counter(counter) => counter.open_rtcp(packet, ssrc, mki_len, word),
            Self::Aead(aead) => aead.open_rtcp(packet, ssrc, mki_len, word),
        }
    }

    /// Encrypts an RTCP packet and appends index word and tag.
    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) {
        match self {
            Self::Counter(counter) => counter.seal_rtcp(packet, ssrc, index),
            Self::Aead(aead) => aead.seal_rtcp(packet, ssrc, index),
        }
    }
}
