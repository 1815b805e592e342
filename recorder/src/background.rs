//! The runtime of work that can wait: finishing recordings, the archive, following the ledger. Its threads have the
//! lowest priority, so that a storm of hang-ups takes no time from set-ups and packets.
//!
//! Finishing a short recording costs several times its set-up, MP3 the most of it, and writing the catalog adds to it: at
//! the same priority 500 calls of a second each, every second, kept INVITEs waiting for 500 ms and more (sipp, 2 cores).

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Files, stores and databases waited for at once; beyond it work waits in the queue of the runtime, which is bounded by
/// the permits of the finisher.
const BLOCKING: usize = 8;
/// The lowest there is.
const NICE: i32 = 19;
/// For what follows a set-up and must keep pace with it: a tenth of the weight.
const NICE_BEHIND: i32 = 10;
/// For the session thread: a third of the weight of signaling. When both want all of one core, whoever comes too much must be
/// told so at the door, at once; the queue behind the door is as short as signaling lets it be.
const NICE_SESSION: i32 = 5;

/// Makes the runtime.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING)
        .thread_name("background")
        .on_thread_start(yield_to_calls)
        .enable_all()
        .build()
}

/// Puts the calling thread behind all others.
pub(crate) fn yield_to_calls() {
    be_nice(NICE);
}

/// Puts the calling thread behind signaling.
pub(crate) fn yield_to_signaling() {
    be_nice(NICE_SESSION);
}

/// Puts the calling thread behind those that set calls up.
pub(crate) fn yield_to_set_ups() {
    be_nice(NICE_BEHIND);
}

fn be_nice(nice: i32) {
    // On Linux this is the priority of the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::warn!(%error, "background work runs at the priority of calls");
    }
}
