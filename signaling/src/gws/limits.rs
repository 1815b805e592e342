//! Every bound of the links to GWS, the reason for it, and what happens when it is reached.

use std::time::Duration;

/// `[[gws.link]]` sections, one a user. Beyond: refused as wrong configuration.
pub(super) const LINKS: usize = 64;

/// Connecting that takes longer is given up.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Requests on their way to one link. Beyond: whoever asks waits.
pub(super) const ASKS: usize = 64;

/// Octets of a password file. Beyond: refused.
pub(super) const PASSWORD_OCTETS: u64 = 4_096;
