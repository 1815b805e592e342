//! SIP, SDP, SIPREC, T-Library and GWS for recorders: bytes and time in, events and bytes out. No socket, clock or runtime.

pub mod client;
pub mod endpoint;
pub mod event;
pub mod flow;
pub mod genesys;
pub mod gws;
pub mod limits;
pub mod negotiate;
pub mod profile;
pub mod sdp;
mod session_timer;
#[cfg(test)]
mod simulated;
pub mod sip;
pub mod siprec;
pub mod tlib;
