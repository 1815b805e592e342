//! The keys of one recording: its data key, and the two kinds derived from it. None has `Debug`; all are wiped on drop.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac,
};
use zeroize::Zeroizing;

use super::SealError;
use crate::digest::sha256;

/// Octets of a nonce.
pub(super) const NONCE: usize = 12;
/// Octets of a tag.
pub(super) const TAG: usize = 16;
/// What a failed encryption would have needed.
const FAR_BELOW: &str = "a chunk or frame is far below the 64 GiB of AES-GCM";

/// The data key of one recording (invariant 4: on disk it exists only wrapped).
pub struct DataKey(Zeroizing<[u8; 32]>);

/// Seals and opens the chunks of one recording.
pub struct ChunkKey(Gcm);

/// Seals and opens one object of one recording.
pub struct ObjectKey {
    pub(super) gcm: Gcm,
    pub(super) recording: [u8; 16],
    pub(super) name_check: [u8; 8],
    nonces: hmac::Key,
}

impl DataKey {
    /// The key made of 32 fresh random octets.
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(Zeroizing::new(entropy))
    }

    /// The key of that recording's chunks.
    pub fn chunk_key(&self, recording: &[u8; 16]) -> ChunkKey {
        ChunkKey(Gcm::new(&self.derive(recording, "recorder/v1/chunk")))
    }

    /// The key of that recording's object of that name. `name` is the last part of
    /// its name in the archive (`audio.wav.sealed`).
    pub fn object_key(&self, recording: &[u8; 16], name: &str) -> ObjectKey {
        let nonces = self.derive(recording, &format!("recorder/v1/object-nonce/{name}"));
        let digest = sha256(name.as_bytes());
        ObjectKey {
            gcm: Gcm::new(&self.derive(recording, &format!("recorder/v1/object/{name}"))),
            recording: *recording,
            name_check: *digest.first_chunk().expect("a digest has 32 octets"),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, &*nonces),
        }
    }

    /// The octets, for wrapping.
    pub(crate) fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn derive(&self, recording: &[u8; 16], info: &str) -> Zeroizing<[u8; 32]> {
        derive(Some(recording), &self.0, info)
    }
}

impl ChunkKey {
    pub(super) fn gcm(&self) -> &Gcm {
        &self.0
    }
}

impl ObjectKey {
    /// The nonce of a frame, made of its place and content: rendering an object again under the same name, with other
    /// content, never repeats a nonce, and with the same content gives the same sealed octets.
    /// Price: HMAC-SHA256 over the content, 0.2 GB/s on a CPU without SHA instructions; an hour of stereo G.711 is 58 MB.
    pub(super) fn frame_nonce(&self, place: &[u8; 9], plain: &[u8]) -> [u8; NONCE] {
        let mut mac = hmac::Context::with_key(&self.nonces);
        mac.update(place);
        mac.update(plain);
        *mac.sign().as_ref().first_chunk().expect("a tag has 32 octets")
    }
}

/// AES-256-GCM under one key.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has the algorithm's length")))
    }

    /// Encrypts in place; the tag.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], plain: &mut [u8]) -> [u8; TAG] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), plain).expect(FAR_BELOW);
        tag.as_ref().try_into().expect("the tag of AES-GCM has 16 octets")
    }

    /// Authenticates and decrypts in place.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), SealError> {
        // A copy a chunk, on the reading side only: there is no call that opens in place with the tag apart.
        let (nonce, ciphertext) = (Nonce::assume_unique_for_key(*nonce), sealed.to_vec());
        let opened = self.0.open_separate_gather(nonce, Aad::from(aad), &ciphertext, tag, sealed);
        opened.map_err(|_| SealError::Unauthentic)
    }
}

/// HKDF-SHA256 to 32 octets (RFC 5869; no salt is the same as an empty one).
pub(crate) fn derive(salt: Option<&[u8; 16]>, secret: &[u8; 32], info: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let salt = Salt::new(HKDF_SHA256, salt.map_or(&[], |salt| &salt[..]));
    let filled = salt.extract(secret).expand(&[info.as_bytes()], Octets32).and_then(|made| made.fill(&mut *key));
    filled.expect("32 octets are below the 8,160 of HKDF-SHA256");
    key
}

struct Octets32;

impl KeyType for Octets32 {
    fn len(&self) -> usize {
        32
    }
}
