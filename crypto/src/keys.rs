//! The key hierarchy above a recording: a custodian's master key wraps data keys (invariant 4).
//!
//! ```text
//! master key --HKDF "recorder/v1/wrap"--> key-encryption key --AES-256-GCM--> wrapped data key, one per recording
//!            --HKDF "recorder/v1/id"----> what names the master key in a wrap
//!            --HKDF "recorder/v1/LABEL"-> seeds of other secrets of the node (ledger signatures)
//! ```

use aes_gcm::{
    Aes256Gcm,
    aead::{AeadInOut, KeyInit},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    digest::sha256_hex,
    seal::{DataKey, derive},
};

/// Who keeps a master key and wraps data keys under it: a key file, a vault, a PKCS#11 token.
pub trait Custodian: Send + Sync {
    /// What names this custodian's key in a wrap: never secret, the same for the same key.
    fn id(&self) -> String;
    /// Wraps the data key of a recording. `entropy` must be fresh: the nonce.
    fn wrap(&self, recording: &[u8; 16], key: &DataKey, entropy: [u8; 12]) -> Result<WrappedKey, CustodyError>;
    /// Unwraps the data key of a recording.
    fn unwrap_key(&self, recording: &[u8; 16], wrapped: &WrappedKey) -> Result<DataKey, CustodyError>;
}

/// A wrapped data key as it stands in key object and catalog (JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Version of the wrap: 1.
    pub version: u8,
    /// The custodian that can unwrap it.
    pub custodian: String,
    /// Nonce, 24 hex digits.
    pub nonce: String,
    /// Encrypted data key and tag, 96 hex digits.
    pub wrapped: String,
}

/// What a custodian could not do; each variant is another reaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CustodyError {
    /// It was wrapped by somebody else: the other custodian is needed.
    #[error("wrapped by custodian {theirs}, but this one is {ours}")]
    Foreign {
        /// The custodian of the wrap.
        theirs: String,
        /// This custodian.
        ours: String,
    },
    /// The wrap is none of ours, or of a later version.
    #[error("malformed wrapped key: {0}")]
    Malformed(&'static str),
    /// Altered, or the wrap of another recording.
    #[error("the wrapped key fails authentication")]
    Unauthentic,
    /// The custodian is away: try again later.
    #[error("key custodian unavailable: {0}")]
    Unavailable(String),
}

const VERSION: u8 = 1;

/// A master key in memory, for custodians that hold one. Has no `Debug`; wiped on drop.
pub struct MasterKey {
    octets: Zeroizing<[u8; 32]>,
    id: String,
    /// The key-encryption key. Deriving it, and the id, at every wrap took a tenth of setting a call up.
    wrapping: Aes256Gcm,
}

impl MasterKey {
    /// The key of those octets.
    pub fn new(octets: Zeroizing<[u8; 32]>) -> Self {
        let mut id = sha256_hex(&*derive(None, &octets, "recorder/v1/id"));
        id.truncate(16);
        let wrapping = Aes256Gcm::new((&*derive(None, &octets, "recorder/v1/wrap")).into());
        Self { octets, id, wrapping }
    }

    /// What names this key: 16 hex digits from which nothing of it can be learned.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Another secret of the node, bound to `label`. The labels `wrap` and `id` are taken.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        debug_assert!(!matches!(label, "wrap" | "id"), "{label} is a label of the hierarchy itself");
        *derive(None, &self.octets, &format!("recorder/v1/{label}"))
    }

    /// Wraps a data key in the name of `custodian`.
    pub fn wrap(&self, custodian: String, recording: &[u8; 16], key: &DataKey, nonce: [u8; 12]) -> WrappedKey {
        let mut sealed = Zeroizing::new(*key.octets());
        let tag = self
            .wrapping
            .encrypt_inout_detached((&nonce).into(), recording, sealed.as_mut_slice().into())
            .expect("32 octets are far below the limit of AES-GCM");
        let wrapped = format!("{}{}", hex::encode(*sealed), hex::encode(tag));
        WrappedKey { version: VERSION, custodian, nonce: hex::encode(nonce), wrapped }
    }

    /// Unwraps a data key that was wrapped in the name of `custodian`.
    pub fn unwrap_key(
        &self,
        custodian: &str,
        recording: &[u8; 16],
        wrapped: &WrappedKey,
    ) -> Result<DataKey, CustodyError> {
        if wrapped.version != VERSION {
            return Err(CustodyError::Malformed("unknown version"));
        }
        if wrapped.custodian != custodian {
            return Err(CustodyError::Foreign { theirs: wrapped.custodian.clone(), ours: custodian.into() });
        }
        let nonce = octets(&wrapped.nonce).ok_or(CustodyError::Malformed("nonce is not 24 hex digits"))?;
        let sealed: [u8; 48] =
            octets(&wrapped.wrapped).ok_or(CustodyError::Malformed("wrapped is not 96 hex digits"))?;
        let (key, tag) = sealed.split_last_chunk().expect("48 octets hold a tag");
        let mut plain = Zeroizing::new([0; 32]);
        plain.copy_from_slice(key);
        let opened =
            self.wrapping.decrypt_inout_detached((&nonce).into(), recording, plain.as_mut_slice().into(), tag.into());
        opened.map_err(|_| CustodyError::Unauthentic)?;
        Ok(DataKey::from_entropy(*plain))
    }
}

fn octets<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    hex::decode_to_slice(digits, &mut octets).ok()?;
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(octet: u8) -> MasterKey {
        MasterKey::new([octet; 32].into())
    }

    #[test]
    fn a_wrapped_key_comes_back_for_its_own_recording_only() {
        let wrapped = master(1).wrap("file:1".into(), &[9; 16], &DataKey::from_entropy([5; 32]), [3; 12]);
        let key = master(1).unwrap_key("file:1", &[9; 16], &wrapped).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(key.octets(), &[5; 32]);
        assert_eq!(master(1).unwrap_key("file:1", &[8; 16], &wrapped).err(), Some(CustodyError::Unauthentic));
        assert_eq!(master(2).unwrap_key("file:1", &[9; 16], &wrapped).err(), Some(CustodyError::Unauthentic));
    }

    #[test]
    fn a_wrap_of_another_custodian_or_form_is_named() {
        let good = master(1).wrap("file:1".into(), &[9; 16], &DataKey::from_entropy([5; 32]), [3; 12]);
        let refused = |wrapped: &WrappedKey| master(1).unwrap_key("file:1", &[9; 16], wrapped).err().unwrap();
        let foreign = WrappedKey { custodian: "vault:x".into(), ..good.clone() };
        assert_eq!(refused(&foreign), CustodyError::Foreign { theirs: "vault:x".into(), ours: "file:1".into() });
        assert_eq!(refused(&WrappedKey { version: 2, ..good.clone() }), CustodyError::Malformed("unknown version"));
        let short = WrappedKey { nonce: "00".into(), ..good.clone() };
        assert_eq!(refused(&short), CustodyError::Malformed("nonce is not 24 hex digits"));
        let altered = WrappedKey { wrapped: format!("{:02x}{}", 0, &good.wrapped[2..]), ..good.clone() };
        assert_eq!(refused(&altered), CustodyError::Unauthentic);
    }

    #[test]
    fn every_label_and_every_key_has_its_own_secret() {
        assert_ne!(master(1).derive("ledger"), master(1).derive("tokens"));
        assert_ne!(master(1).derive("ledger"), master(2).derive("ledger"));
        assert_ne!(master(1).id(), master(2).id());
    }
}
