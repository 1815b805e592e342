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

fn yield_to_calls() {
    // On Linux this is the priority of the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "background work runs at the priority of calls");
    }
}
