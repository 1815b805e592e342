//! The doors to the world that this shell opens: the wall clock and the system's randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the clock of questions and audit facts")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Octets nobody can predict.
pub(crate) fn entropy<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).expect("the kernel gives randomness once it has booted");
    octets
}

/// 256 unpredictable bits as 43 characters of base64url.
pub(crate) fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(entropy::<32>())
}
