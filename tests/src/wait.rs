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

/// Lets time pass that is part of what is tested: the random instant of a kill, a pause between two calls. Never for a
/// condition: those are waited for.
#[expect(clippy::disallowed_methods, reason = "chaos happens at instants of real time")]
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}
