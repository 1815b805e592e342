//! The root: wires shells and cores into the daemon, and carries the subcommands. Nobody imports it but its binary.

mod access;
mod cli;
mod config;
mod control;
mod fault;
mod finish;
mod keyring;
mod life;
mod offline;
mod playback;
mod recover;
mod session_thread;
mod translate;
mod wiring;

pub use cli::main;
