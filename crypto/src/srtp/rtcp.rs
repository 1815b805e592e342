//! The RTCP keys of one direction, whatever the suite: at rest as they were derived, set up for each packet.
//!
//! One comes every few seconds and that costs about a microsecond, while a key schedule at rest is a kilobyte, twice a
//! line and for each of ten thousand lines.

use zeroize::Zeroizing;

use super::{
    SrtpError, Suite, aead,
    cipher::Cipher,
    counter,
    kdf::{Label, Master},
};

/// The RTCP keys of one direction.
pub(super) struct RtcpKeys {
    suite: Suite,
    key: Zeroizing<[u8; 32]>,
    auth: Zeroizing<[u8; 20]>,
    salt: Zeroizing<[u8; 14]>,
}

impl RtcpKeys {
    pub(super) fn new(suite: Suite, master: &Master) -> Self {
        let (key, auth) = (master.derive(Label::RtcpKey), master.derive(Label::RtcpAuth));
        Self { suite, key, auth, salt: master.derive(Label::RtcpSalt) }
    }

    /// Octets that SRTCP adds to a packet, MKI aside.
    pub(super) fn overhead(&self) -> usize {
        4 + if self.suite.is_aead() { aead::TAG } else { counter::RTCP_TAG }
    }

    /// E flag and index of a packet that is at least as long as header and overhead.
    pub(super) fn word(&self, packet: &[u8], mki_len: usize) -> u32 {
        let behind = if self.suite.is_aead() { mki_len } else { mki_len + counter::RTCP_TAG };
        let at = packet.len() - behind - 4;
        u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
    }

    /// Authenticates a packet and decrypts it if its E flag says so; the length of the plain one.
    pub(super) fn open(&self, packet: &mut [u8], ssrc: u32, mki_len: usize, word: u32) -> Result<usize, SrtpError> {
        match self.cipher() {
            Cipher::Counter(counter) => counter.open_rtcp(packet, ssrc, mki_len, word),
            Cipher::Aead(aead) => aead.open_rtcp(packet, ssrc, mki_len, word),
        }
    }

    /// Encrypts a packet and appends index word and tag.
    pub(super) fn seal(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) {
        match self.cipher() {
            Cipher::Counter(counter) => counter.seal_rtcp(packet, ssrc, index),
            Cipher::Aead(aead) => aead.seal_rtcp(packet, ssrc, index),
        }
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(self.suite, &self.key, &self.auth, &self.salt)
    }
}
