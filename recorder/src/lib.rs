//! The root: wires shells and cores into the daemon, and carries the subcommands. Nobody imports it but its binary.

mod access;
mod assurance;
mod background;
mod canary;
mod cli;
mod config;
mod control;
mod current;
mod deeds;
mod delivery;
mod explain;
mod fault;
mod finish;
mod inbox;
mod keyring;
mod life;
mod offline;
mod peers;
mod playback;
mod recover;
mod session_thread;
mod states;
mod translate;
mod wiring;

pub use cli::main;
