//! AES-GCM without any state of a stream (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{
    SrtpError,
    cipher::Reading,
    wire::{ENCRYPTED, RTCP_CLEAR, RtpClear},
};

/// Octets of the tag, never truncated (RFC 7714 13.2).
pub(super) const TAG: usize = 16;

/// The session keys of RTP or of RTCP of one direction.
pub(super) struct Aead {
    key: LessSafeKey,
    salt: Zeroizing<[u8; 12]>,
}

impl Aead {
    /// Of a key of 16 or 32 octets; of the salt the first 12.
    pub(super) fn new(key: &[u8], salt: &Zeroizing<[u8; 14]>) -> Self {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).expect("the key has the algorithm's length");
        let salt = Zeroizing::new(*salt.first_chunk().expect("14 are more than 12"));
        Self { key: LessSafeKey::new(key), salt }
    }

    pub(super) fn open_rtp(&self, packet: &mut [u8], reading: Reading) -> Result<usize, SrtpError> {
        let Reading { clear, mki_len, index } = reading;
        let end = packet.len() - mki_len;
        let (header, sealed) = packet[..end].split_at_mut(clear.len);
        self.open(clear.ssrc, index, header, sealed)?;
        Ok(end - TAG)
    }

    pub(super) fn seal_rtp(&self, packet: &mut Vec<u8>, clear: RtpClear, index: u64) {
        let (header, payload) = packet.split_at_mut(clear.len);
        let tag = self.seal(clear.ssrc, index, header, payload);
        packet.extend_from_slice(&tag);
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        mki_len: usize,
        word: u32,
    ) -> Result<usize, SrtpError> {
        let end = packet.len() - mki_len - 4;
        let index = u64::from(word & !ENCRYPTED);
        if word & ENCRYPTED == 0 {
            return self.check_rtcp_in_clear(&mut packet[..end + 4], ssrc, word);
        }
        let aad = rtcp_aad(packet, word);
        self.open(ssrc, index, &aad, &mut packet[RTCP_CLEAR..end])?;
        Ok(end - TAG)
    }

    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) {
        let word = index | ENCRYPTED;
        let aad = rtcp_aad(packet, word);
        let tag = self.seal(ssrc, u64::from(index), &aad, &mut packet[RTCP_CLEAR..]);
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&word.to_be_bytes());
    }

    /// A packet that is authenticated only (RFC 7714 9.3): all of it and the index word are associated data.
    /// `packet` is plain text, tag, index word; the word is moved up behind the plain text to make them contiguous.
    fn check_rtcp_in_clear(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Result<usize, SrtpError> {
        let end = packet.len() - 4 - TAG;
        let mut tag = [0; TAG];
        tag.copy_from_slice(&packet[end..end + TAG]);
        packet[end..end + 4].copy_from_slice(&word.to_be_bytes());
        self.open(ssrc, u64::from(word), &packet[..end + 4], &mut tag)?;
        Ok(end)
    }

    /// Salt, exclusive-or: SSRC at octet 2, 48-bit index at octet 6 (RFC 7714 8.1, 9.1).
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        iv.iter_mut().zip(&*self.salt).for_each(|(octet, salt)| *octet ^= salt);
        Nonce::assume_unique_for_key(iv)
    }

    fn open(&self, ssrc: u32, index: u64, aad: &[u8], sealed: &mut [u8]) -> Result<(), SrtpError> {
        let opened = self.key.open_in_place(self.nonce(ssrc, index), Aad::from(aad), sealed);
        opened.map(|_| ()).map_err(|_| SrtpError::Unauthentic)
    }

    fn seal(&self, ssrc: u32, index: u64, aad: &[u8], plain: &mut [u8]) -> [u8; TAG] {
        let sealed = self.key.seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), plain);
        let tag = sealed.expect("a datagram is far below the 64 GiB of AES-GCM");
        tag.as_ref().try_into().expect("the tag of AES-GCM has 16 octets")
    }
}

/// Associated data of an encrypted SRTCP packet: header, SSRC, index word (RFC 7714 9.2).
fn rtcp_aad(packet: &[u8], word: u32) -> [u8; RTCP_CLEAR + 4] {
    let mut aad = [0; RTCP_CLEAR + 4];
    aad[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
    aad[RTCP_CLEAR..].copy_from_slice(&word.to_be_bytes());
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::wire;

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).unwrap()
    }

    /// The session keys of RFC 7714 16 and 17: "Quid pro quo".
    fn aead(key_octets: u8) -> Aead {
        let key: Vec<u8> = (0..key_octets).collect();
        Aead::new(&key, &Zeroizing::new(*b"Quid pro quo\0\0"))
    }

    #[test]
    fn rfc_7714_16_rtp() {
        let header = hex("8040f17b 8041f8d3 5501a0b2");
        let plain = [&header[..], b"Gallia est omnis divisa in partes tres"].concat();
        let sealed_128 = "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833\
                          899d7f27 beb16a91 52cf765e e4390cce";
        let sealed_256 = "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b\
                          7aa3db36 dfffd6b0 f9bb7878 d7a76c13";
        for (octets, sealed) in [(16, sealed_128), (32, sealed_256)] {
            let clear = wire::rtp(&plain).unwrap();
            let mut packet = plain.clone();
            aead(octets).seal_rtp(&mut packet, clear, u64::from(clear.sequence));
            assert_eq!(packet[12..], hex(sealed));
            let reading = Reading { clear, mki_len: 0, index: u64::from(clear.sequence) };
            assert_eq!(aead(octets).open_rtp(&mut packet, reading), Ok(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
        }
    }

    #[test]
    fn rfc_7714_17_rtcp() {
        let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 \
                         deadbeef deadbeef deadbeef deadbeef deadbeef");
        // 17.1, and 17.2.
        let sealed_128 = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda \
                          4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
        let sealed_256 = "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be \
                          8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4";
        for (octets, sealed) in [(16, sealed_128), (32, sealed_256)] {
            let mut packet = plain.clone();
            aead(octets).seal_rtcp(&mut packet, 0x4d61_7273, 0x5d4);
            assert_eq!(packet, hex(sealed));
            assert_eq!(aead(octets).open_rtcp(&mut packet, 0x4d61_7273, 0, 0x8000_05d4), Ok(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
        }
        // 17.3 and 17.4: not encrypted, authenticated all the same.
        for (octets, tag) in [(16, "841dd968 3dd78ec9 2ae58790 125f62b3"), (32, "91db4afb feee5a97 8fab4393 ed2615fe")]
        {
            let mut packet = [plain.clone(), hex(tag), hex("000005d4")].concat();
            assert_eq!(aead(octets).open_rtcp(&mut packet, 0x4d61_7273, 0, 0x5d4), Ok(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
        }
    }

    /// No suite of ours sends such RTP; the tag is the same one as of RTCP in clear.
    #[test]
    fn rfc_7714_16_tag_alone() {
        let packet = [&hex("8040f17b 8041f8d3 5501a0b2")[..], b"Gallia est omnis divisa in partes tres"].concat();
        for (octets, tag) in [(16, "22493f82 d2bce397 e9d79e3b 19aa4216"), (32, "a866d591 0f887463 067ceefe c45215d4")]
        {
            assert_eq!(aead(octets).seal(0x5501_a0b2, 0xf17b, &packet, &mut []).to_vec(), hex(tag));
        }
    }

    #[test]
    fn rtcp_in_clear_needs_a_valid_tag() {
        let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930");
        let word = 0x5d4_u32;
        let aad = [&plain[..], &word.to_be_bytes()].concat();
        let tag = aead(16).seal(0x4d61_7273, u64::from(word), &aad, &mut []);
        let packet = [&plain[..], &tag, &word.to_be_bytes()].concat();
        assert_eq!(aead(16).open_rtcp(&mut packet.clone(), 0x4d61_7273, 0, word), Ok(plain.len()));
        for at in 0..plain.len() + TAG {
            let mut forged = packet.clone();
            forged[at] ^= 1;
            assert_eq!(aead(16).open_rtcp(&mut forged, 0x4d61_7273, 0, word), Err(SrtpError::Unauthentic));
        }
    }
}
