//! DTLS-SRTP (RFC 5763, 5764) without sockets or clock: an [`Association`] turns datagrams and time into datagrams and,
//! when the peer has shown the certificate that signaling named, into the SRTP keys of both directions.
//!
//! Contract: one [`Engine`] a process; one [`Association`] a peer and transport. Give it every DTLS datagram by
//! [`Association::datagram`] and the time by [`Association::tick`] at or after [`Association::due`]; send what both put out.
//! After [`Progress::Keyed`] keep it for as long as the peer may repeat its last flight. Every other [`Progress`] but
//! [`Progress::Open`] is its end.
//!
//! The handshake is `dimpl` 0.9: DTLS 1.2 with ECDHE and ECDSA (no RSA, no DTLS 1.0, no renegotiation: RFC 5763 6.6 asks for
//! a new association), extended master secret, cookies against spoofed addresses. Its ciphers are those of aws-lc-rs. It
//! knows the profiles AEAD_AES_256_GCM, AEAD_AES_128_GCM and AES128_CM_SHA1_80, in this order; AES128_CM_SHA1_32 it does
//! not, which every peer that has it accompanies by _80 (RFC 5764 4.1.2).

mod association;
mod fingerprint;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Instant};

pub use association::{Association, Keys, Progress};
use dimpl::{Config, Dtls, DtlsCertificate};
pub use fingerprint::{Fingerprint, Hash};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{digest, limits};

/// Our certificate and its key.
pub struct Identity {
    /// The certificate (DER), whom nobody has to know: its fingerprint stands in the SDP.
    pub certificate: Vec<u8>,
    /// The ECDSA key (PKCS#8, DER).
    pub key: Zeroizing<Vec<u8>>,
}

/// Who begins the handshake (RFC 5763 5, `a=setup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We do: `active`.
    Client,
    /// The peer does: `passive`.
    Server,
}

/// Our identity is unusable.
#[derive(Debug, Error)]
#[error("DTLS certificate and key: {0}")]
pub struct IdentityError(String);

/// What all associations share.
#[derive(Clone)]
pub struct Engine {
    config: Arc<Config>,
    identity: Arc<Identity>,
}

impl Engine {
    /// Checks the identity.
    ///
    /// # Errors
    /// [`IdentityError`] when the key is none that ECDSA can sign with.
    pub fn new(identity: Identity) -> Result<Self, IdentityError> {
        let config = Config::builder()
            .flight_start_rto(limits::DTLS_FIRST_REPEAT)
            .flight_retries(limits::DTLS_REPEATS)
            .handshake_timeout(limits::DTLS_HANDSHAKE)
            .max_queue_rx(limits::DTLS_QUEUED)
            .require_client_certificate(true)
            .use_server_cookie(true)
            .build()
            .map_err(|error| IdentityError(error.to_string()))?;
        let keys = config.crypto_provider().key_provider;
        keys.load_private_key(&identity.key).map_err(|error| IdentityError(error.to_string()))?;
        Ok(Self { config: Arc::new(config), identity: Arc::new(identity) })
    }

    /// SHA-256 of our certificate: what `a=fingerprint` says.
    pub fn fingerprint(&self) -> [u8; 32] {
        digest::sha256(&self.identity.certificate)
    }

    /// Begins an association with a peer whose certificate has one of these fingerprints. A client's first flight is due
    /// at once.
    pub fn begin(&self, role: Role, fingerprints: Vec<Fingerprint>, now: Instant) -> Association {
        let certificate =
            DtlsCertificate { certificate: self.identity.certificate.clone(), private_key: self.identity.key.to_vec() };
        let mut dtls = Dtls::new_12(Arc::clone(&self.config), certificate, now);
        dtls.set_active(role == Role::Client);
        Association::new(dtls, role, fingerprints, now)
    }
}

/// Whether a datagram on an RTP port is DTLS, by its first octet (RFC 7983 7).
pub fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..=63).contains(first))
}

/// Whether a datagram begins a handshake: an unencrypted ClientHello (RFC 6347 4.2.8).
pub fn is_client_hello(datagram: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    matches!(datagram, [HANDSHAKE, _, _, 0, 0, ..]) && datagram.get(13) == Some(&CLIENT_HELLO)
}
