//! The clocks of this shell: the time of what is recorded, which never steps, and monotonic time for what is measured.
//!
//! The wall clock is read once and carried on by the monotonic one: a step of the wall clock during a call (a late NTP
//! server, an operator, a resumed virtual machine) must not tear the sound apart, make up gaps or end a session. The
//! kernel stamps arrivals with the wall clock; how far it has stepped since is subtracted. [`settle`] takes the step over
//! when nothing is being recorded.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::bpf;

/// Where the steady clock was set, and what it was corrected by since (nanoseconds).
struct Steady {
    anchor: Instant,
    /// The same instant as the kernel counts it (`CLOCK_MONOTONIC`), nanoseconds.
    monotonic: u64,
    wall: u64,
    settled: AtomicI64,
    /// How far the wall clock is ahead now; kept while it has not moved by more than reading two clocks can differ.
    step: AtomicI64,
}

static STEADY: LazyLock<Steady> = LazyLock::new(|| {
    // A clock that is read for the first time may take its time.
    let _ = (bpf::monotonic_nanos(), instant(), wall_clock());
    let (anchor, monotonic, wall) = (instant(), bpf::monotonic_nanos(), wall_clock());
    Steady { anchor, monotonic, wall, settled: AtomicI64::new(0), step: AtomicI64::new(0) }
});

/// The time of what is recorded, in nanoseconds since 1970: the wall clock as it was set when nothing was recorded.
pub fn now_nanos() -> u64 {
    let since = u64::try_from(instant().duration_since(STEADY.anchor).as_nanos()).unwrap_or(u64::MAX);
    STEADY.wall.saturating_add(since).saturating_add_signed(STEADY.settled.load(Ordering::Relaxed))
}

/// The time of what is recorded at an instant of `CLOCK_MONOTONIC`, nanoseconds.
pub(crate) fn at_monotonic(stamp: u64) -> u64 {
    let since = stamp.cast_signed().wrapping_sub(STEADY.monotonic.cast_signed());
    STEADY.wall.saturating_add_signed(since.saturating_add(STEADY.settled.load(Ordering::Relaxed)))
}

/// How far the wall clock has stepped away from [`now_nanos`], in nanoseconds; forward is positive, 0 when it has not.
pub fn step_nanos() -> i64 {
    for _ in 0..READINGS {
        let before = now_nanos();
        let wall = wall_clock();
        let after = now_nanos();
        // Only then were both read at one instant, as far as it matters.
        if after.saturating_sub(before) < TOGETHER_NANOS {
            let step = wall.cast_signed().saturating_sub(before.cast_signed());
            let known = STEADY.step.load(Ordering::Relaxed);
            if step.abs_diff(known) > TOLERANCE_NANOS {
                STEADY.step.store(if step.unsigned_abs() > TOLERANCE_NANOS { step } else { 0 }, Ordering::Relaxed);
            }
            break;
        }
    }
    STEADY.step.load(Ordering::Relaxed)
}

/// Follows the wall clock again. Only while nothing is recorded: to a recording this is the very step that is kept away
/// from it. Returns by how much the clock has changed, in nanoseconds.
pub fn settle() -> i64 {
    let step = step_nanos();
    if step != 0 {
        STEADY.settled.fetch_add(step, Ordering::Relaxed);
        STEADY.step.store(0, Ordering::Relaxed);
    }
    step
}

/// When a datagram came, on the steady clock: from the kernel's stamp, and from `now` where the stamp is of another age,
/// because the wall clock stepped between the arrival and this turn.
pub(crate) fn arrival(stamp: u64, step: i64, now: u64) -> u64 {
    let arrival = stamp.saturating_add_signed(step.saturating_neg());
    if arrival.abs_diff(now) > OLDEST_NANOS { now } else { arrival }
}

#[expect(clippy::disallowed_methods, reason = "the wall clock, which the kernel stamps datagrams with")]
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Monotonic time: sweeps, silence and report intervals must survive a step of the wall clock.
#[expect(clippy::disallowed_methods, reason = "the clock of the worker threads")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Two clocks read within this time were read together.
const TOGETHER_NANOS: u64 = 200_000;
/// A thread that is always interrupted between the readings keeps what it knew.
const READINGS: usize = 3;
/// Less than a packet's jitter: the wall clock has not stepped.
const TOLERANCE_NANOS: u64 = 1_000_000;
/// Longer than a socket buffer holds packets: a stamp that far away belongs to another setting of the clock.
const OLDEST_NANOS: u64 = 3_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn an_arrival_keeps_its_age_whatever_the_wall_clock_says() {
        let waited = 40_000_000;
        assert_eq!(arrival(NOW - waited, 0, NOW), NOW - waited);
        assert_eq!(arrival((NOW - waited).saturating_add_signed(HOUR), HOUR, NOW), NOW - waited);
        assert_eq!(arrival(NOW - waited - 90_000_000_000, -90_000_000_000, NOW), NOW - waited);
    }

    #[test]
    fn a_stamp_from_before_a_step_that_is_known_already_counts_as_now() {
        assert_eq!(arrival(NOW, HOUR, NOW), NOW);
        assert_eq!(arrival(NOW.saturating_add_signed(HOUR), 0, NOW), NOW);
        assert_eq!(arrival(0, i64::MAX, NOW), NOW, "no stamp overflows");
        assert_eq!(arrival(u64::MAX, i64::MIN, NOW), NOW);
    }

    #[test]
    fn the_kernels_monotonic_time_is_the_same_time() {
        let before = now_nanos();
        let between = at_monotonic(bpf::monotonic_nanos());
        let after = now_nanos();
        assert!(before <= between + 1_000 && between <= after + 1_000, "{before} {between} {after}");
        let earlier = at_monotonic(bpf::monotonic_nanos().saturating_sub(5_000_000_000));
        assert!(before.abs_diff(earlier + 5_000_000_000) < 1_000_000_000);
    }

    #[test]
    fn the_steady_clock_is_the_wall_clock_as_long_as_nobody_sets_it() {
        let before = now_nanos();
        assert_eq!(step_nanos(), 0);
        assert_eq!(settle(), 0);
        assert!(now_nanos() >= before && wall_clock().abs_diff(now_nanos()) < 1_000_000_000);
    }
}
