//! The T-Library link: an open, versioned protocol with the message and attribute names of T-Library, one JSON object a
//! line, over TCP or mutual TLS. A sidecar with a licensed SDK, or `replicator serve`, is its server; we are the client.
//!
//! How to write the server side stands in `PROTOCOL.md` beside this file, its schema in `schema.json`. The encoding of
//! the switch's own protocol is not public and not spoken here.

pub mod client;
pub mod event;
pub mod limits;
pub mod lines;
pub mod list;
pub mod message;
