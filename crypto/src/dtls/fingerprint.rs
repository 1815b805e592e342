//! What signaling says of a certificate (RFC 8122 5): a hash of it, compared in constant time.

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

use crate::digest::constant_time_eq;

/// Hashes that are good enough to name a certificate; the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl Hash {
    /// By the length of its digest in octets.
    pub const fn by_length(octets: usize) -> Option<Self> {
        match octets {
            32 => Some(Self::Sha256),
            48 => Some(Self::Sha384),
            64 => Some(Self::Sha512),
            _ => None,
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }
}

/// A fingerprint of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: Hash,
    octets: Vec<u8>,
}

impl Fingerprint {
    /// From the digest, whose length says the hash; `None` for a length that no accepted hash has.
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        Hash::by_length(octets.len()).map(|hash| Self { hash, octets })
    }

    /// Whether the certificate (DER) is the one that is meant.
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        constant_time_eq(digest(self.hash.algorithm(), certificate).as_ref(), &self.octets)
    }
}
