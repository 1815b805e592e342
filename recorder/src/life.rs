//! The clock of the root and the signals of the operating system.

use model::Timestamp;

/// The time of facts, on the clock of what is recorded: it does not step while anything is live.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_nanos(capture::clock::now_nanos())
}

/// Looks after the wall clock; `told` is the last step that was told. Returns how far it is ahead now, in nanoseconds.
pub(crate) fn watch_clock(is_idle: bool, told: i64) -> i64 {
    let step = capture::clock::step_nanos();
    let step_s = step as f64 / 1e9;
    if is_idle && step != 0 {
        capture::clock::settle();
        tracing::info!(step_s, "the wall clock was set and is followed");
        return 0;
    }
    if step.abs_diff(told) > STEP_TOLD_NANOS {
        tracing::warn!(step_s, "the wall clock was set; what is live goes on by its own clock, until nothing is live");
        return step;
    }
    told
}

/// Smaller steps are the daily work of a time server.
const STEP_TOLD_NANOS: u64 = 100_000_000;

/// No core file may hold keys or sound: not of this process, not by a debugger of the same user.
pub(crate) fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be forbidden by limit");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
}

/// What was needed to prepare the ring of capture is not needed any more. Of this thread, and of those that it begins.
pub(crate) fn give_up_capability() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let given_up = capabilities(None).and_then(|mut sets| {
        if !sets.permitted.contains(CapabilitySet::BPF) {
            return Ok(());
        }
        for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
            set.remove(CapabilitySet::BPF);
        }
        set_capabilities(None, sets)
    });
    if let Err(error) = given_up {
        tracing::warn!(%error, "CAP_BPF could not be given up");
    }
}
