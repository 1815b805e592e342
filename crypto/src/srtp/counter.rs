//! AES counter mode with HMAC-SHA1, without any state of a stream (RFC 3711 4.1.1, 4.2.1).

use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    SrtpError, Suite,
    kdf::{BlockKey, Label, Master},
    wire::{ENCRYPTED, RTCP_CLEAR, RtpClear},
};

/// Octets of the SRTCP tag: 80 bits for the `_32` suites too (RFC 4568 6.2.2).
pub(super) const RTCP_TAG: usize = 10;

/// The session keys of one direction.
pub(super) struct Counter {
    rtp: Keys,
    rtcp: Seldom,
    rtp_tag: usize,
}

/// The RTCP keys as they were derived: set up for each packet, because one comes every few seconds, that costs about a
/// microsecond, and a key schedule at rest is a kilobyte.
struct Seldom {
    suite: Suite,
    key: Zeroizing<[u8; 32]>,
    auth: Zeroizing<[u8; 20]>,
    salt: Zeroizing<[u8; 14]>,
}

struct Keys {
    block: BlockKey,
    salt: Zeroizing<[u8; 14]>,
    // Keyed once; each packet copies this state. `hmac` 0.12 cannot wipe it: the one key material not wiped on drop.
    auth: Hmac<Sha1>,
}

impl Counter {
    pub(super) fn new(suite: Suite, master: &Master) -> Self {
        let auth = master.derive(Label::RtpAuth);
        let rtp = Keys::new(master.block_key(suite, Label::RtpKey), &auth, master.derive(Label::RtpSalt));
        let (key, auth) = (master.derive(Label::RtcpKey), master.derive(Label::RtcpAuth));
        let rtcp = Seldom { suite, key, auth, salt: master.derive(Label::RtcpSalt) };
        Self { rtp, rtcp, rtp_tag: suite.rtp_tag_len() }
    }

    pub(super) fn rtp_tag(&self) -> usize {
        self.rtp_tag
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        clear: RtpClear,
        mki_len: usize,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let tag_at = packet.len() - self.rtp_tag;
        let end = tag_at - mki_len;
        self.rtp.check([&packet[..end], &roc(index)], &packet[tag_at..])?;
        self.rtp.apply(clear.ssrc, index, &mut packet[clear.len..end]);
        Ok(end)
    }

    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: RtpClear, index: u64) {
        self.rtp.apply(clear.ssrc, index, &mut packet[clear.len..]);
        let tag = self.rtp.tag([packet, &roc(index)]);
        packet.extend_from_slice(&tag[..self.rtp_tag]);
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        mki_len: usize,
        word: u32,
    ) -> Result<usize, SrtpError> {
        let tag_at = packet.len() - RTCP_TAG;
        let end = tag_at - mki_len - 4;
        let keys = self.rtcp.keys();
        keys.check([&packet[..end], &word.to_be_bytes()], &packet[tag_at..])?;
        if word & ENCRYPTED != 0 {
            keys.apply(ssrc, u64::from(word & !ENCRYPTED), &mut packet[RTCP_CLEAR..end]);
        }
        Ok(end)
    }

    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) {
        let keys = self.rtcp.keys();
        keys.apply(ssrc, u64::from(index), &mut packet[RTCP_CLEAR..]);
        packet.extend_from_slice(&(index | ENCRYPTED).to_be_bytes());
        let tag = keys.tag([packet, &[]]);
        packet.extend_from_slice(&tag[..RTCP_TAG]);
    }
}

impl Seldom {
    fn keys(&self) -> Keys {
        Keys::new(BlockKey::new(&self.key[..self.suite.key_len()]), &self.auth, self.salt.clone())
    }
}

impl Keys {
    fn new(block: BlockKey, auth: &[u8; 20], salt: Zeroizing<[u8; 14]>) -> Self {
        Self { block, salt, auth: Hmac::new_from_slice(auth).expect("HMAC takes a key of any length") }
    }

    /// Counter block: salt, SSRC at octet 4, 48-bit index at octet 8, block count at octet 14.
    fn apply(&self, ssrc: u32, index: u64, octets: &mut [u8]) {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        iv.iter_mut().zip(&*self.salt).for_each(|(octet, salt)| *octet ^= salt);
        self.block.apply(&iv, octets);
    }

    fn tag(&self, parts: [&[u8]; 2]) -> [u8; 20] {
        let mut mac = self.auth.clone();
        parts.into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    fn check(&self, parts: [&[u8]; 2], tag: &[u8]) -> Result<(), SrtpError> {
        let ours = self.tag(parts);
        if bool::from(ours[..tag.len()].ct_eq(tag)) { Ok(()) } else { Err(SrtpError::Unauthentic) }
    }
}

/// The roll-over counter as it enters the tag.
fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
