//! The binary: everything stands in the library.

use std::process::ExitCode;

/// Threads of every kind take and free small things at thousands of calls a second: the C library's heap costs a quarter
/// of the signaling thread there, and a tenth more memory a call.
#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    recorder::main()
}
