//! Session keys from the master key: AES in counter mode as the pseudo-random function (RFC 3711 4.3, 6188 3, 7714 11).

use aes::cipher::{
    BlockCipher, BlockEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper, consts::U16,
};
use aes::{Aes128Enc, Aes256Enc};
use ctr::{CtrCore, flavors::Ctr128BE};
use zeroize::Zeroizing;

use super::{SrtpError, Suite};

/// Key derivation labels (RFC 3711 4.3.1, 4.3.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// An AES key schedule of either length, for encryption alone: counter mode knows nothing else. The space is that of the
/// schedule in software, whichever is used.
#[expect(clippy::large_enum_variant, reason = "a pointer would cost every packet of the common suites a cache miss")]
pub(super) enum BlockKey {
    /// AES-128.
    Short(Aes128Enc),
    /// AES-256; apart, because the common one is 256 octets smaller.
    Long(Box<Aes256Enc>),
}

impl BlockKey {
    /// The schedule of a 16- or 32-octet key, as the suite's lengths guarantee.
    pub(super) fn new(key: &[u8]) -> Self {
        if key.len() == 32 {
            Self::Long(Box::new(Aes256Enc::new(key.into())))
        } else {
            Self::Short(Aes128Enc::new(key.into()))
        }
    }

    /// Exclusive-ors the key stream that begins at counter block `iv` into `octets`.
    pub(super) fn apply(&self, iv: &[u8; 16], octets: &mut [u8]) {
        match self {
            Self::Short(aes) => key_stream(aes, iv).apply_keystream(octets),
            Self::Long(aes) => key_stream(&**aes, iv).apply_keystream(octets),
        }
    }
}

fn key_stream<'aes, C>(aes: &'aes C, iv: &[u8; 16]) -> StreamCipherCoreWrapper<CtrCore<&'aes C, Ctr128BE>>
where
    C: BlockEncrypt + BlockCipher + BlockSizeUser<BlockSize = U16>,
{
    StreamCipherCoreWrapper::from_core(CtrCore::inner_iv_init(aes, iv.into()))
}

/// The master key and salt of one direction, ready to derive session keys.
pub(super) struct Master {
    block: BlockKey,
    salt: Zeroizing<[u8; 14]>,
}

impl Master {
    /// Splits `key_salt` as the suite lays it out. A 12-octet salt is filled up with zero octets at its end (RFC 7714 11).
    pub(super) fn new(suite: Suite, key_salt: &[u8]) -> Result<Self, SrtpError> {
        if key_salt.len() != suite.key_salt_len() {
            let (expected, got) = (suite.key_salt_len(), key_salt.len());
            return Err(SrtpError::KeyLength { suite: suite.name(), expected, got });
        }
        let (key, given) = key_salt.split_at(suite.key_len());
        let mut salt = Zeroizing::new([0; 14]);
        salt[..given.len()].copy_from_slice(given);
        Ok(Self { block: BlockKey::new(key), salt })
    }

    /// `LEN` octets for that label, key derivation rate 0; the first of them are a shorter key (RFC 6188 3.1).
    pub(super) fn derive<const LEN: usize>(&self, label: Label) -> Zeroizing<[u8; LEN]> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&*self.salt);
        iv[7] ^= label as u8;
        let mut octets = Zeroizing::new([0; LEN]);
        self.block.apply(&iv, &mut *octets);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).unwrap()
    }

    /// Blocks of a key stream in RFC 3711 B.2 and RFC 6188 7.1; they show the first three and the last three.
    const BLOCKS: usize = 0xff02;

    #[test]
    fn rfc_3711_b2_key_stream() {
        let key = BlockKey::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let mut stream = vec![0; BLOCKS * 16];
        key.apply(&iv, &mut stream);
        let first =
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        let last = "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
        assert_eq!((&stream[..48], &stream[stream.len() - 48..]), (&*hex(first), &*hex(last)));
    }

    #[test]
    fn rfc_3711_b3_session_keys() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let master = Master::new(Suite::AesCm128Sha1_80, &master).unwrap();
        assert_eq!(master.derive::<16>(Label::RtpKey).to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(master.derive::<14>(Label::RtpSalt).to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        // Of these 94 octets the suites take the first 20.
        let auth = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098 \
                    6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(master.derive::<94>(Label::RtpAuth).to_vec(), hex(auth));
        assert_eq!(master.derive::<20>(Label::RtpAuth).to_vec(), hex(auth)[..20]);
    }

    #[test]
    fn rfc_6188_7_1_key_stream_and_7_2_session_keys() {
        let key = BlockKey::new(&hex("57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98"));
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
        let mut stream = vec![0; BLOCKS * 16];
        key.apply(&iv, &mut stream);
        let first =
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31";
        let last = "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d 6eb246913062a16891433e97dd01a57f";
        assert_eq!((&stream[..48], &stream[stream.len() - 48..]), (&*hex(first), &*hex(last)));

        let master = "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2";
        let master = Master::new(Suite::AesCm256Sha1_80, &hex(master)).unwrap();
        let key = "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4";
        assert_eq!(master.derive::<32>(Label::RtpKey).to_vec(), hex(key));
        assert_eq!(master.derive::<14>(Label::RtpSalt).to_vec(), hex("fa31791685ca444a9e07c6c64e93"));
        let auth = "fd9c32d39ed5fbb5a9dc96b30818454d 1313dc05";
        assert_eq!(master.derive::<20>(Label::RtpAuth).to_vec(), hex(auth));
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for (suite, len) in [(Suite::AesCm128Sha1_80, 46), (Suite::AeadAes128Gcm, 30), (Suite::AeadAes256Gcm, 0)] {
            let refused = Master::new(suite, &vec![0; len]).err();
            let expected = suite.key_salt_len();
            assert_eq!(refused, Some(SrtpError::KeyLength { suite: suite.name(), expected, got: len }));
        }
    }
}
