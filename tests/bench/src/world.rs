//! Clock and patience of the bench.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "a bench is a shell: this is its clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets time pass: a measuring window, or the pause between two looks at a condition.
#[expect(clippy::disallowed_methods, reason = "a measuring window is a length of time, not a condition")]
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}

/// Looks every `pause` until `look` gives something.
///
/// # Errors
/// Nothing within `patience`, named by `what`.
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    pause: Duration,
    mut look: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let end = now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if now() >= end {
            return Err(Failure::new(format!("no {what} within {} s", patience.as_secs())));
        }
        pass(pause);
    }
}
