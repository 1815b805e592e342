//! SIP without sockets: framing, tolerant parsing, typed values, transactions.

pub mod frame;
pub mod header;
pub mod layer;
pub mod message;
pub mod parse;
pub mod schedule;
pub mod text;
pub mod transaction;
pub mod typed;
pub mod write;

pub use header::Headers;
pub use message::{Method, Request, Response};
pub use text::NameAddr;
