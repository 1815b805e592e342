//! SHA-256 as lower-case hex, HMAC-SHA-256, and comparison in constant time.

use std::fmt;

use aws_lc_rs::{
    digest::{Context, SHA256, digest},
    hmac,
};
use subtle::ConstantTimeEq;

/// SHA-256 of what comes piece by piece.
#[derive(Clone)]
pub struct Sha256(Context);

impl Sha256 {
    /// Nothing digested yet.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest, 64 lower-case hex digits.
    pub fn finish_hex(self) -> String {
        hexed(&self.finish())
    }

    /// The digest, 32 octets.
    pub fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("SHA-256 has 32 octets")
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256")
    }
}

/// SHA-256 of the octets, 32 octets.
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    digest(&SHA256, octets).as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// SHA-256 of the octets, 64 lower-case hex digits.
pub fn sha256_hex(octets: &[u8]) -> String {
    hexed(&sha256(octets))
}

/// HMAC-SHA-256 (RFC 2104) of the octets under that key.
pub fn hmac_sha256(key: &[u8], octets: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), octets);
    tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 octets")
}

/// One of these ends every line of the ledger: `hex::encode` goes through `char`s and takes twice as long as the rest.
fn hexed(digest: &[u8; 32]) -> String {
    let mut digits = vec![0; 64];
    hex::encode_to_slice(digest, &mut digits).expect("two digits for each octet");
    String::from_utf8(digits).expect("hex digits are ASCII")
}

/// Whether both are equal, in a time that depends on their lengths alone.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_the_digest_of_the_whole() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut pieces = Sha256::new();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!(pieces.finish_hex(), abc);
        assert_eq!(sha256_hex(b"abc"), abc);
    }

    #[test]
    fn rfc_4231_test_2() {
        let tag = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")), tag);
    }

    #[test]
    fn constant_time_eq_tells_length_and_content() {
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sane"));
        assert!(!constant_time_eq(b"same", b"sam"));
    }
}
