//! A run of one target: its inputs one after the other, watched for hangs, panics and growing memory.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fuzz_targets::{Target, limits, mutate::Mutator, shaken::Shaking};

/// The input that is being run, for whoever must name it.
static NUMBER: AtomicU64 = AtomicU64::new(0);
static TARGET: Mutex<(&str, u64)> = Mutex::new(("shaken", 0));

/// The column names.
pub(crate) fn heading() {
    println!(
        "{:<10} {:>11} {:>9} {:>8} {:>10} {:>10} {:>10}",
        "target", "inputs", "seconds", "us mean", "us worst", "grown kB", "peak kB"
    );
}

/// Runs `count` inputs of a target; what failed.
pub(crate) fn all(target: &'static Target, seed: u64, count: u64) -> Vec<String> {
    *TARGET.lock().unwrap_or_else(PoisonError::into_inner) = (target.name, seed);
    let (mutator, mut input) = (Mutator::new(target, seed), Vec::with_capacity(limits::INPUT_OCTETS * 2));
    let (mut worst, mut failures, began) = (Duration::ZERO, Vec::new(), now());
    let warm = (count / 100).min(100_000);
    let mut before = resident();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&done));
        for number in 0..count {
            if number == warm {
                forget_peak();
                before = resident();
            }
            mutator.draw(number, &mut input);
            let took = timed(target, number, &input);
            worst = worst.max(took);
            if took > limits::HANG {
                failures.push(format!("{}: input {number} of seed {seed} took {took:?}", target.name));
            }
        }
        done.store(true, Ordering::Relaxed);
        watch.thread().unpark();
    });
    let (grown, peak) = (resident().0.saturating_sub(before.0), resident().1.saturating_sub(before.0));
    if grown > limits::GROWTH_OCTETS || peak > limits::PEAK_OCTETS {
        failures.push(format!("{}: memory grew by {grown} octets, {peak} at the peak", target.name));
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:<10} {count:>11} {seconds:>9.1} {:>8.1} {:>10} {:>10} {:>10}",
        target.name,
        seconds * 1e6 / count.max(1) as f64,
        worst.as_micros(),
        grown / 1024,
        peak / 1024
    );
    failures
}

/// Cuts and shakes every vector; a variant that does not come back or panics is named.
pub(crate) fn shaken(stride: u64) {
    let (done, began) = (AtomicBool::new(false), now());
    let shaking = Shaking { stride: (stride as usize).max(1), flips: 500, share: (0, 1) };
    let count = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&done));
        let count = fuzz_targets::shaken::all(shaking, |_, number| NUMBER.store(number as u64, Ordering::Relaxed));
        done.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        count
    });
    println!("shaken     {count:>11} {:>9.1}", began.elapsed().as_secs_f64());
}

/// Runs one input again, with those that may have a part in it.
pub(crate) fn replay(target: &'static Target, seed: u64, number: u64) {
    let (mutator, mut input) = (Mutator::new(target, seed), Vec::new());
    let first = number - number.checked_rem(target.before).unwrap_or(0);
    for before in first..number {
        mutator.draw(before, &mut input);
        (target.run)(&input);
    }
    mutator.draw(number, &mut input);
    println!("{}: {}", target.name, input.escape_ascii());
    *TARGET.lock().unwrap_or_else(PoisonError::into_inner) = (target.name, seed);
    println!("{:?}", timed(target, number, &input));
}

/// How long an input takes; the best of a few tries when the first one looks like a hang.
fn timed(target: &Target, number: u64, input: &[u8]) -> Duration {
    NUMBER.store(number, Ordering::Relaxed);
    let once = || {
        let began = now();
        (target.run)(input);
        began.elapsed()
    };
    let first = once();
    if first <= limits::HANG {
        return first;
    }
    (0..limits::HANG_TRIES).map(|_| once()).fold(first, Duration::min)
}

/// Ends the process when no input has come back for too long.
fn watch(done: &AtomicBool) {
    let mut last = u64::MAX;
    while !done.load(Ordering::Relaxed) {
        std::thread::park_timeout(limits::STUCK);
        let number = NUMBER.load(Ordering::Relaxed);
        if number == last && !done.load(Ordering::Relaxed) {
            eprintln!("mutants: {} does not come back", name());
            std::process::exit(1);
        }
        last = number;
    }
}

fn name() -> String {
    let (target, seed) = *TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    format!("{target}: input {} of seed {seed}", NUMBER.load(Ordering::Relaxed))
}

/// A panic ends the process: its last word is which input it was.
pub(crate) fn name_the_input_of_a_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("mutants: {} panics", name());
        told(panic);
    }));
}

/// Octets of resident memory, now and at the peak.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    (line("VmRSS:").unwrap_or(0) * 1024, line("VmHWM:").unwrap_or(0) * 1024)
}

/// The peak begins anew (proc(5), clear_refs); where that is not allowed it is the peak of the process.
fn forget_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}
