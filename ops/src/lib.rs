//! What every daemon of the house needs to be operated: configuration, logs, health and the word to systemd.

pub mod config;
pub mod health;
pub mod limits;
pub mod systemd;
pub mod telemetry;
