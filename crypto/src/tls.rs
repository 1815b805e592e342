//! The TLS policy of every socket of the product: TLS 1.2 and 1.3, aws-lc-rs, client certificates only where a CA is given.

mod identity;
mod unverified;

use std::sync::Arc;

pub use identity::peer_identity;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;
use zeroize::Zeroizing;

use unverified::Unverified;

/// Certificate and key of one side, in PEM. Has no `Debug`; the key is wiped on drop.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The certificate, then those of the CAs between it and the root.
    pub cert_chain_pem: Vec<u8>,
    /// Its private key: PKCS#8, SEC1 or PKCS#1.
    pub key_pem: Zeroizing<Vec<u8>>,
    /// For a server: the CAs whose certificates a client must show. Without, no client is asked for one.
    pub client_ca_pem: Option<Vec<u8>>,
}

/// Whom a client believes.
pub enum Trust {
    /// Servers whose certificates come from one of these (PEM).
    Roots(Vec<u8>),
    /// **Anybody.** No server is verified, everything sent can be read by who stands between. Only for the test client's
    /// `--insecure`.
    Insecure,
}

/// Why TLS cannot be set up; each names the material at fault.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The PEM cannot be read.
    #[error("{what}: not PEM: {cause}")]
    Pem {
        /// The material.
        what: &'static str,
        /// What the reader says.
        cause: rustls_pki_types::pem::Error,
    },
    /// The PEM holds nothing of the kind.
    #[error("{0}: none in the PEM")]
    Missing(&'static str),
    /// Certificate and key do not fit together, or are of a kind we do not use.
    #[error("{what}: {cause}")]
    Rejected {
        /// The material.
        what: &'static str,
        /// What the TLS library says.
        cause: rustls::Error,
    },
    /// The client CAs cannot be used.
    #[error("client CA: {0}")]
    ClientCa(#[from] rustls::client::VerifierBuilderError),
}

/// A server's configuration. `alpn` lists the protocols it speaks, the preferred one first; empty for SIP.
pub fn server_config(material: TlsMaterial, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("aws-lc-rs has suites for TLS 1.2 and 1.3");
    let builder = match &material.client_ca_pem {
        Some(pem) => builder.with_client_cert_verifier(client_verifier(pem)?),
        None => builder.with_no_client_auth(),
    };
    let (chain, key) = identity_of(&material)?;
    let mut config = builder.with_single_cert(chain, key).map_err(rejected("certificate and key"))?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A client's configuration, with a certificate of its own for servers that ask for one.
pub fn client_config(trust: Trust, identity: Option<TlsMaterial>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("aws-lc-rs has suites for TLS 1.2 and 1.3");
    let builder = match trust {
        Trust::Roots(pem) => builder.with_root_certificates(roots(&pem, "trusted CA")?),
        Trust::Insecure => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified::new(provider()))),
    };
    let config = match identity {
        Some(material) => {
            let (chain, key) = identity_of(&material)?;
            builder.with_client_auth_cert(chain, key).map_err(rejected("client certificate and key"))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn client_verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(roots(pem, "client CA")?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?)
}

fn roots(pem: &[u8], what: &'static str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        roots.add(certificate).map_err(rejected(what))?;
    }
    Ok(roots)
}

fn identity_of(material: &TlsMaterial) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&material.cert_chain_pem, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&material.key_pem).map_err(|cause| match cause {
        rustls_pki_types::pem::Error::NoItemsFound => TlsError::Missing("private key"),
        cause => TlsError::Pem { what: "private key", cause },
    })?;
    Ok((chain, key))
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|cause| TlsError::Pem { what, cause })?;
    if found.is_empty() { Err(TlsError::Missing(what)) } else { Ok(found) }
}

fn rejected(what: &'static str) -> impl Fn(rustls::Error) -> TlsError {
    move |cause| TlsError::Rejected { what, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(chain: &[u8], key: &[u8]) -> String {
        let key_pem = Zeroizing::new(key.to_vec());
        let material = TlsMaterial { cert_chain_pem: chain.to_vec(), key_pem, client_ca_pem: None };
        server_config(material, &[]).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        assert_eq!(refused(b"", b""), "certificate: none in the PEM");
        let chain = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(refused(chain, b"nothing"), "private key: none in the PEM");
        assert!(refused(b"-----BEGIN CERTIFICATE-----\n!!\n", b"").starts_with("certificate: not PEM"));
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(refused(chain, key).starts_with("certificate and key: "));
        let error = client_config(Trust::Roots(b"nothing".to_vec()), None).unwrap_err();
        assert_eq!(error.to_string(), "trusted CA: none in the PEM");
    }
}
