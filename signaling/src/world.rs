//! Clock and entropy of the SIP tasks: the only place where they ask the machine for either.

use std::time::Instant;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the clock of the SIP tasks")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Fills `octets` with what nobody can predict.
pub(crate) fn fill(octets: &mut [u8]) {
    getrandom::fill(octets).expect("the kernel's generator does not fail once the system is up");
}
