//! `make bench`: every figure of one run on one machine, as a table and as JSON; a run that lost count says INVALID.

mod cli;
mod failure;
mod ledger;
mod limits;
mod load;
mod machine;
mod node;
mod pcap;
mod process;
mod report;
mod rtpengine;
mod sound;
mod stage;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
