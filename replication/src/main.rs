//! The binary `replicator`: exit 0 when everything went as planned, 1 when it did not, 2 on wrong usage.

use std::process::ExitCode;

fn main() -> ExitCode {
    replication::cli::main()
}
