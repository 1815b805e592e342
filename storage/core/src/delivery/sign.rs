//! Signatures of Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body`, one for each secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::digest::hmac_sha256;
use model::{Secret, Timestamp};
use thiserror::Error;

use crate::limits::SECRET_OCTETS;

/// Why a secret is none; it does not say what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadSecret {
    /// Standard Webhooks writes them `whsec_` and base64.
    #[error("not `whsec_` and base64")]
    Form,
    /// Too short to be safe, or absurdly long.
    #[error("must have 24 to 64 octets")]
    Length,
}

/// Reads a secret as it is written: `whsec_` and base64.
///
/// # Errors
/// It is none.
pub fn read_secret(text: &str) -> Result<Secret, BadSecret> {
    let digits = text.trim().strip_prefix("whsec_").ok_or(BadSecret::Form)?;
    let secret = Secret::new(STANDARD.decode(digits).map_err(|_| BadSecret::Form)?);
    if SECRET_OCTETS.contains(&secret.reveal().len()) { Ok(secret) } else { Err(BadSecret::Length) }
}

/// The signature under one secret: `v1,` and base64.
pub fn signature(secret: &Secret, id: &str, at: Timestamp, content: &[u8]) -> String {
    let mut signed = format!("{id}.{}.", at.millis() / 1_000).into_bytes();
    signed.extend_from_slice(content);
    format!("v1,{}", STANDARD.encode(hmac_sha256(secret.reveal(), &signed)))
}

/// The header `webhook-signature`: one signature for each secret, so that a receiver can go over from one to the next.
pub fn signatures(secrets: &[Secret], id: &str, at: Timestamp, content: &[u8]) -> String {
    secrets.iter().map(|secret| signature(secret, id, at, content)).collect::<Vec<_>>().join(" ")
}
