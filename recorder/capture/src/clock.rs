//! The clocks of this shell: wall time for what is recorded, monotonic time for what is measured.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall time in nanoseconds since 1970: the clock the kernel stamps datagrams with.
#[expect(clippy::disallowed_methods, reason = "gaps are recorded on the clock of the kernel's arrival stamps")]
pub(crate) fn wall_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Monotonic time: sweeps, silence and report intervals must survive a step of the wall clock.
#[expect(clippy::disallowed_methods, reason = "the clock of the worker threads")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
