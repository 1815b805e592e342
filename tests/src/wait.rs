//! Waiting for a condition with a deadline; the only place of the tests that sleeps.

use std::time::{Duration, Instant};

/// Polls `condition` until it holds.
///
/// # Panics
/// When `seconds` have passed without it; names `what` was waited for.
#[expect(clippy::disallowed_methods, reason = "the deadline of a real process is real time")]
pub fn until(seconds: u64, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(Instant::now() < deadline, "{seconds} s have passed without {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
