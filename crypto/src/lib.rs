//! SRTP, DTLS-SRTP, sealing at rest, the key hierarchy with its custodian trait, digests, signatures and the TLS policy.
//!
//! Pure: no file, socket, clock or randomness. Entropy is an argument; custodians that touch the world live in `custody`.
//! The formats on disk are written down for outsiders in `SEALED.md`.

pub mod digest;
pub mod dtls;
pub mod keys;
pub mod limits;
pub mod seal;
pub mod sign;
pub mod srtp;
pub mod tls;
