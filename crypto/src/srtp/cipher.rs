//! The two families of transforms behind one door: which octets of an RTP packet are what, under derived session keys.

use zeroize::Zeroizing;

use super::{
    SrtpError, Suite,
    aead::{self, Aead},
    auth::AuthKey,
    counter::Counter,
    foresight::Foretold,
    kdf::{Label, Master},
    wire::RtpClear,
};

/// The keys of one transform, those of the common suites inline with the line they belong to.
#[expect(clippy::large_enum_variant, reason = "a pointer would cost every packet of the common suites a cache miss")]
pub(super) enum Cipher {
    /// AES counter mode with HMAC-SHA1.
    Counter(Counter),
    /// AES-GCM.
    Aead(Aead),
}

/// The RTP keys of one direction. The caller has checked that a packet is as long as header and overhead.
pub(super) struct RtpKeys {
    cipher: Cipher,
    tag: usize,
}

/// A protected packet as its line reads it: where the payload begins, octets of the MKI, the index it is taken for.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) clear: RtpClear,
    pub(super) mki_len: usize,
    pub(super) index: u64,
}

impl Cipher {
    /// Of the suite's lengths: `key` and `salt` are used as far as it needs them, `auth` not with AEAD.
    pub(super) fn new(suite: Suite, key: &[u8; 32], auth: &[u8; 20], salt: &Zeroizing<[u8; 14]>) -> Self {
        let key = &key[..suite.key_len()];
        if suite.is_aead() { Self::Aead(Aead::new(key, salt)) } else { Self::Counter(Counter::new(key, auth, salt)) }
    }
}

impl RtpKeys {
    pub(super) fn new(suite: Suite, master: &Master) -> Self {
        let (key, auth) = (master.derive(Label::RtpKey), master.derive(Label::RtpAuth));
        let cipher = Cipher::new(suite, &key, &auth, &master.derive(Label::RtpSalt));
        Self { cipher, tag: suite.rtp_tag_len() }
    }

    /// Octets that SRTP adds to a packet, MKI aside.
    pub(super) fn overhead(&self) -> usize {
        match &self.cipher {
            Cipher::Counter(_) => self.tag,
            Cipher::Aead(_) => aead::TAG,
        }
    }

    /// The key of the tags, with suites whose tag can be computed ahead.
    pub(super) fn auth(&self) -> Option<&AuthKey> {
        match &self.cipher {
            Cipher::Counter(counter) => Some(counter.auth()),
            Cipher::Aead(_) => None,
        }
    }

    /// Authenticates and decrypts a packet; the length of the plain one.
    pub(super) fn open(
        &self,
        packet: &mut [u8],
        reading: Reading,
        foretold: Option<&Foretold>,
    ) -> Result<usize, SrtpError> {
        match &self.cipher {
            Cipher::Counter(counter) => counter.open_rtp(packet, reading, self.tag, foretold),
            Cipher::Aead(aead) => aead.open_rtp(packet, reading),
        }
    }

    /// Encrypts a packet and appends its tag.
    pub(super) fn seal(&self, packet: &mut Vec<u8>, clear: RtpClear, index: u64) {
        match &self.cipher {
            Cipher::Counter(counter) => counter.seal_rtp(packet, clear, index, self.tag),
            Cipher::Aead(aead) => aead.seal_rtp(packet, clear, index),
        }
    }
}
