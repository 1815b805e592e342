//! GWS (Genesys Web Services) as a source of CTI: notifications over CometD, recording control over REST.
//!
//! What of it is relied on, and what is only tolerated, stands in `README.md` beside this file.

mod bayeux;
mod calls;
pub mod client;
pub mod limits;
mod notice;
