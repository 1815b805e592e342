//! HTTPS: search, retrieval, control, access control and the console. Questions are answered from the side: nothing here
//! touches the live path, and nothing is answered that is not on record.
//!
//! ```text
//!  request -> guard (room, time, headers) -> caller (token or cookie) -> ask (right, scope, deed, audit fact) -> answer
//!                                                                         |  catalog, playback   (storage's read ports)
//!                                                                         |  control, audit      (ports the root fills)
//! ```

pub mod access;
mod app;
mod ask;
mod assure;
mod caller;
mod config;
mod console;
mod guard;
mod limits;
mod outside;
pub mod ports;
mod problem;
mod query;
mod range;
mod rights;
mod routes;
mod server;
mod session;
mod shape;
mod throttle;

#[cfg(test)]
mod tests;

pub use config::HttpConfig;
pub use server::{Api, ApiError, ApiParts};
