//! HMAC-SHA1 as SRTP uses it (RFC 2104, RFC 3711 4.2): a key of 20 octets, the message and one word behind it.

use sha1::{compress, digest::generic_array::GenericArray};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Octets of a SHA-1 block.
pub(super) const BLOCK: usize = 64;

/// An authentication key as the two states in which the hash of every message begins: two blocks less to hash a message,
/// and 40 octets at rest.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct AuthKey {
    /// After the key, exclusive-or 0x36.
    pub(super) inner: [u32; 5],
    /// After the key, exclusive-or 0x5c.
    pub(super) outer: [u32; 5],
}

impl AuthKey {
    pub(super) fn new(key: &[u8; 20]) -> Self {
        Self { inner: keyed(key, 0x36), outer: keyed(key, 0x5c) }
    }

    /// The tag of a message and, behind it, a word: the roll-over counter, or nothing.
    pub(super) fn tag(&self, message: &[u8], word: &[u8]) -> [u8; 20] {
        let (whole, rest) = message.as_chunks::<BLOCK>();
        let mut state = Zeroizing::new(self.inner);
        whole.iter().for_each(|block| absorb(&mut state, block));
        Padded::new(rest, word, message.len()).blocks().iter().for_each(|block| absorb(&mut state, block));
        let digest = octets(&state);
        let mut state = Zeroizing::new(self.outer);
        Padded::new(&digest, &[], digest.len()).blocks().iter().for_each(|block| absorb(&mut state, block));
        octets(&state)
    }
}

/// The end of a message: what does not fill a block, the word, and the padding of SHA-1 (FIPS 180-4 5.1.1).
pub(super) struct Padded {
    octets: [[u8; BLOCK]; 2],
    count: usize,
}

impl Padded {
    /// `rest` is the end of a message of `length` octets, less than a block of it; `word` has at most 4.
    pub(super) fn new(rest: &[u8], word: &[u8], length: usize) -> Self {
        let end = rest.len() + word.len();
        let count = (end + 9).div_ceil(BLOCK);
        let mut octets = [[0; BLOCK]; 2];
        let flat = octets.as_flattened_mut();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()..end].copy_from_slice(word);
        flat[end] = 0x80;
        // The block of the key counts.
        let bits = 8 * (BLOCK + length + word.len()) as u64;
        flat[count * BLOCK - 8..count * BLOCK].copy_from_slice(&bits.to_be_bytes());
        Self { octets, count }
    }

    pub(super) fn blocks(&self) -> &[[u8; BLOCK]] {
        &self.octets[..self.count]
    }
}

/// A state of SHA-1 as octets.
pub(super) fn octets(state: &[u32; 5]) -> [u8; 20] {
    let mut octets = [0; 20];
    for (at, word) in octets.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *at = word.to_be_bytes();
    }
    octets
}

fn absorb(state: &mut [u32; 5], block: &[u8; BLOCK]) {
    compress(state, std::slice::from_ref(GenericArray::from_slice(block)));
}

/// The state after the block of the key.
fn keyed(key: &[u8; 20], pad: u8) -> [u32; 5] {
    let mut block = Zeroizing::new([pad; BLOCK]);
    block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
    let mut state = BEGIN;
    absorb(&mut state, &block);
    state
}

/// The initial state of SHA-1 (FIPS 180-4 5.3.1).
const BEGIN: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use sha1::Sha1;

    use super::*;

    #[test]
    fn rfc_2202_hmac_sha1() {
        let ascending: Vec<u8> = (1..=20).collect();
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (&[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (&[0x0c; 20], b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
        ];
        for (key, message, tag) in cases {
            let key = AuthKey::new(key.try_into().unwrap());
            assert_eq!(hex::encode(key.tag(message, &[])), tag);
            let (message, word) = message.split_at(message.len() - 4);
            assert_eq!(hex::encode(key.tag(message, word)), tag, "whatever stands in the word");
        }
        assert_ne!(
            AuthKey::new(&ascending.try_into().unwrap()).tag(b"Hi There", &[]),
            AuthKey::new(&[0x0b; 20]).tag(b"Hi There", &[])
        );
    }

    #[test]
    fn every_length_up_to_five_blocks_agrees_with_hmac() {
        let key = [0x42; 20];
        let message: Vec<u8> = (0..320_u32).map(|at| (at * 7) as u8).collect();
        for length in 0..message.len() {
            let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
            mac.update(&message[..length]);
            mac.update(&[9, 8, 7, 6]);
            assert_eq!(AuthKey::new(&key).tag(&message[..length], &[9, 8, 7, 6])[..], mac.finalize().into_bytes()[..]);
        }
    }
}
