//! SIPREC (RFC 7865, RFC 7866): bodies, metadata in every dialect met so far, and who speaks on which line.

pub mod attribution;
pub mod body;
mod correlation;
pub(crate) mod dialect;
pub mod limits;
pub mod metadata;
mod mime;
mod time;
pub mod write;
mod xml;

#[cfg(test)]
pub(crate) mod vector;
