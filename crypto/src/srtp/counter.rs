//! AES counter mode with HMAC-SHA1, without any state of a stream (RFC 3711 4.1.1, 4.2.1).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    SrtpError,
    auth::AuthKey,
    cipher::Reading,
    foresight::Foretold,
    kdf::BlockKey,
    wire::{ENCRYPTED, RTCP_CLEAR, RtpClear},
};

/// Octets of the SRTCP tag: 80 bits for the `_32` suites too (RFC 4568 6.2.2).
pub(super) const RTCP_TAG: usize = 10;

/// The session keys of RTP or of RTCP of one direction.
pub(super) struct Counter {
    block: BlockKey,
    salt: Zeroizing<[u8; 14]>,
    auth: AuthKey,
}

impl Counter {
    pub(super) fn new(key: &[u8], auth: &[u8; 20], salt: &Zeroizing<[u8; 14]>) -> Self {
        Self { block: BlockKey::new(key), salt: salt.clone(), auth: AuthKey::new(auth) }
    }

    pub(super) fn auth(&self) -> &AuthKey {
        &self.auth
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        reading: Reading,
        tag_len: usize,
        foretold: Option<&Foretold>,
    ) -> Result<usize, SrtpError> {
        let Reading { clear, mki_len, index } = reading;
        let (tag_at, roc) = (packet.len() - tag_len, roc(index));
        let end = tag_at - mki_len;
        let ours = match foretold.and_then(|foretold| foretold.tag(packet, &self.auth, roc)) {
            Some(tag) => *tag,
            None => self.auth.tag(&packet[..end], &roc.to_be_bytes()),
        };
        check(&ours, &packet[tag_at..])?;
        self.apply(clear.ssrc, index, &mut packet[clear.len..end]);
        Ok(end)
    }

    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: RtpClear, index: u64, tag_len: usize) {
        self.apply(clear.ssrc, index, &mut packet[clear.len..]);
        let tag = self.auth.tag(packet, &roc(index).to_be_bytes());
        packet.extend_from_slice(&tag[..tag_len]);
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
        check(&self.auth.tag(&packet[..end], &word.to_be_bytes()), &packet[tag_at..])?;
        if word & ENCRYPTED != 0 {
            self.apply(ssrc, u64::from(word & !ENCRYPTED), &mut packet[RTCP_CLEAR..end]);
        }
        Ok(end)
    }

    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) {
        self.apply(ssrc, u64::from(index), &mut packet[RTCP_CLEAR..]);
        packet.extend_from_slice(&(index | ENCRYPTED).to_be_bytes());
        let tag = self.auth.tag(packet, &[]);
        packet.extend_from_slice(&tag[..RTCP_TAG]);
    }

    /// Counter block: salt, SSRC at octet 4, 48-bit index at octet 8, block count at octet 14.
    fn apply(&self, ssrc: u32, index: u64, octets: &mut [u8]) {
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&*self.salt);
        let iv = u128::from_be_bytes(salt) ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        self.block.apply(&iv.to_be_bytes(), octets);
    }
}

/// Compares a tag, as far as it is sent (10 octets at most), in constant time: as one number, because octet by octet
/// costs 30 ns more.
fn check(ours: &[u8; 20], tag: &[u8]) -> Result<(), SrtpError> {
    let number = |octets: &[u8]| {
        let mut wide = [0; 16];
        wide[..octets.len()].copy_from_slice(octets);
        u128::from_ne_bytes(wide)
    };
    let is_equal = number(&ours[..tag.len()]).ct_eq(&number(tag));
    if bool::from(is_equal) { Ok(()) } else { Err(SrtpError::Unauthentic) }
}

/// The roll-over counter as it enters the tag.
pub(super) fn roc(index: u64) -> u32 {
    (index >> 16) as u32
}
