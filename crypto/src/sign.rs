//! Ed25519 signatures for the checkpoints of the ledger, in hex.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Signs under one key. Has no `Debug`.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// The key pair of that seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 octets are an Ed25519 seed"))
    }

    /// The public key, 64 lower-case hex digits.
    pub fn public_hex(&self) -> String {
        hex::encode(self.0.public_key())
    }

    /// The signature of the octets, 128 lower-case hex digits.
    pub fn sign(&self, octets: &[u8]) -> String {
        hex::encode(self.0.sign(octets))
    }
}

/// Whether `signature_hex` is that key's signature of the octets. False for anything that is no key or no signature.
pub fn verify(public_hex: &str, octets: &[u8], signature_hex: &str) -> bool {
    let (Ok(public), Ok(signature)) = (hex::decode(public_hex), hex::decode(signature_hex)) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, public).verify(octets, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8032_test_1() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let signer = Signer::from_seed(seed.try_into().unwrap());
        assert_eq!(signer.public_hex(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        assert_eq!(signer.sign(b""), signature);
        assert!(verify(&signer.public_hex(), b"", signature));
    }

    #[test]
    fn another_text_key_or_signature_is_refused() {
        let signer = Signer::from_seed([7; 32]);
        let signature = signer.sign(b"checkpoint 12");
        assert!(verify(&signer.public_hex(), b"checkpoint 12", &signature));
        assert!(!verify(&signer.public_hex(), b"checkpoint 13", &signature));
        assert!(!verify(&Signer::from_seed([8; 32]).public_hex(), b"checkpoint 12", &signature));
        assert!(!verify(&signer.public_hex(), b"checkpoint 12", &signature[2..]));
        assert!(!verify("no hex", b"checkpoint 12", &signature));
    }
}
