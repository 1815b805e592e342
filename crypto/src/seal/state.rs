//! Sealed states: what must outlive a crash of a live recording, one small record written anew whenever it changes.
//!
//! ```text
//!  0     4    5    8           24         36
//!  +-----+----+----+-----------+----------+------------+--------+
//!  |RSTA | 01 | 00 | recording | nonce 12 | ciphertext | tag 16 |      associated data: the first 24 octets
//!  +-----+----+----+-----------+----------+------------+--------+
//! ```
//! The nonce is random: a recording has some hundred states in its life, far below the 2^32 that 96 random bits allow.
//! An object's nonce, made of its content, would cost a SHA-256 over each of them.

use super::{
    DataKey, SealError,
    key::{Gcm, NONCE, TAG},
};

const MAGIC: [u8; 4] = *b"RSTA";
const VERSION: u8 = 1;
/// Octets that are authenticated in clear.
const HEAD: usize = 24;
/// Where the ciphertext begins.
const BODY: usize = HEAD + NONCE;

/// Seals and opens the states of one recording.
pub struct StateKey {
    gcm: Gcm,
    head: [u8; HEAD],
}

/// A state as it is put together: what is pushed to it stands where it will be sealed, so that no copy in clear is left.
pub struct StateDraft(Vec<u8>);

impl StateDraft {
    /// An empty one with room for so many octets.
    pub fn with_capacity(octets: usize) -> Self {
        let mut draft = Vec::with_capacity(BODY + octets + TAG);
        draft.resize(BODY, 0);
        Self(draft)
    }

    /// Appends octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }
}

impl StateKey {
    pub(super) fn new(key: &[u8; 32], recording: &[u8; 16]) -> Self {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&MAGIC);
        head[4] = VERSION;
        head[8..].copy_from_slice(recording);
        Self { gcm: Gcm::new(key), head }
    }

    /// Seals a state. `entropy` must be fresh: the nonce.
    pub fn seal(&self, draft: StateDraft, entropy: [u8; NONCE]) -> Vec<u8> {
        let StateDraft(mut octets) = draft;
        octets[..HEAD].copy_from_slice(&self.head);
        octets[HEAD..BODY].copy_from_slice(&entropy);
        let tag = self.gcm.seal(&entropy, &self.head, &mut octets[BODY..]);
        octets.extend_from_slice(&tag);
        octets
    }

    /// The nonce of a sealed state: what tells it from the one before.
    pub fn nonce_of(sealed: &[u8]) -> Option<&[u8; NONCE]> {
        sealed.get(HEAD..)?.first_chunk()
    }

    /// Opens a state.
    ///
    /// # Errors
    /// [`SealError`]: no state, one of another version or recording, or altered.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (head, rest) = sealed.split_first_chunk::<HEAD>().ok_or(SealError::Truncated)?;
        if head[..4] != MAGIC {
            return Err(SealError::Malformed("no state begins here"));
        }
        if head[4] != VERSION {
            return Err(SealError::Version(head[4]));
        }
        if *head != self.head {
            return Err(SealError::Foreign);
        }
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(SealError::Truncated)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or(SealError::Truncated)?;
        let mut plain = ciphertext.to_vec();
        self.gcm.open(nonce, head, &mut plain, tag)?;
        Ok(plain)
    }
}

impl DataKey {
    /// The key of that recording's states.
    pub fn state_key(&self, recording: &[u8; 16]) -> StateKey {
        StateKey::new(&self.derive(recording, "recorder/v1/state"), recording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut draft = StateDraft::with_capacity(plain.len());
        draft.push(plain);
        DataKey::from_entropy([5; 32]).state_key(&[9; 16]).seal(draft, [3; 12])
    }

    #[test]
    fn a_state_comes_back_under_its_own_key_and_for_its_own_recording_only() {
        let key = DataKey::from_entropy([5; 32]);
        for plain in [&b""[..], b"a state", &[7; 5_000]] {
            let sealed = sealed(plain);
            assert_eq!(key.state_key(&[9; 16]).open(&sealed).as_deref(), Ok(plain));
            assert_eq!(key.state_key(&[8; 16]).open(&sealed), Err(SealError::Foreign));
            let other = DataKey::from_entropy([6; 32]);
            assert_eq!(other.state_key(&[9; 16]).open(&sealed), Err(SealError::Unauthentic));
        }
    }

    #[test]
    fn an_altered_or_cut_state_is_refused_and_nothing_stands_in_clear() {
        let key = DataKey::from_entropy([5; 32]).state_key(&[9; 16]);
        let whole = sealed(b"a state of some length");
        assert!(!whole.windows(7).any(|some| some == b"a state"));
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            assert!(key.open(&altered).is_err(), "octet {at}");
            assert!(key.open(&whole[..at]).is_err(), "cut at {at}");
        }
    }
}
