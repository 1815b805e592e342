//! Clock and entropy of the companion: the only place where it asks the machine what time it is, or for a random number.

use std::time::{Duration, Instant, SystemTime};

use time::OffsetDateTime;

use crate::error::CallError;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the companion is a shell: this is its clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Time since 1970.
#[expect(clippy::disallowed_methods, reason = "the companion is a shell: this is its wall clock")]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Wall clock for metadata and made-up ids, to the millisecond.
pub(crate) fn utc() -> OffsetDateTime {
    let millis = since_1970().as_millis() as i128;
    OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `N` octets that nobody can guess.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], CallError> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|cause| CallError::Media(format!("no entropy: {cause}")))?;
    Ok(octets)
}

/// A fresh SDES key and salt of that many octets.
pub(crate) fn fresh_key(length: usize) -> Result<Vec<u8>, CallError> {
    let mut octets = vec![0; length];
    getrandom::fill(&mut octets).map_err(|cause| CallError::Media(format!("no entropy: {cause}")))?;
    Ok(octets)
}
