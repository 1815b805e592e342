//! The certificate for DTLS-SRTP: one a process, made at its start and kept nowhere, since its fingerprint in the SDP is all
//! that a peer believes (RFC 5763 5).

use crypto::dtls::Identity;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use zeroize::Zeroizing;

/// A new ECDSA P-256 key and a certificate for it that vouches for itself and names nobody.
///
/// # Errors
/// When the library can make no key.
pub fn identity() -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "recorder");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    let certificate = params.self_signed(&key)?.der().to_vec();
    Ok(Identity { certificate, key: Zeroizing::new(key.serialize_der()) })
}

#[cfg(test)]
mod tests {
    use crypto::dtls::Engine;

    use super::*;

    #[test]
    fn each_is_another_one_that_can_shake_hands_and_names_no_host() {
        let identities = [identity().unwrap(), identity().unwrap()];
        for identity in &identities {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            assert!(!identity.certificate.windows(host.len()).any(|window| window == host.as_bytes()));
        }
        let prints = identities.map(|identity| Engine::new(identity).unwrap().fingerprint());
        assert_ne!(prints[0], prints[1]);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let broken = Identity { key: Zeroizing::new(vec![1, 2, 3]), ..identity().unwrap() };
        assert!(Engine::new(broken).is_err());
    }
}
