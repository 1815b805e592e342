//! Every bound of the sockets of the T-Library link, the reason for it, and what happens when it is reached.

use std::time::Duration;

/// `[[tlib.link]]` sections. Beyond: refused as wrong configuration.
pub(super) const LINKS: usize = 64;

/// Most connections that `[tlib] max_links` may allow to come to us. Beyond: refused as wrong configuration.
pub(super) const COMING_LINKS: u16 = 64;

/// TLS handshakes of servers that come to us, at once. Beyond: the connection is closed at once and counted.
pub(super) const HANDSHAKES: usize = 16;

/// Connecting, or a TLS handshake, that takes longer is given up.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Octets written that the server has not taken. 4,096 requests are 2 MiB. Beyond: the link is cut (`write_stalled`).
pub(super) const WRITE_OCTETS: usize = 4 * 1024 * 1024;

/// A server that takes no octet for so long, while there are some, is cut (`write_stalled`).
pub(super) const WRITE: Duration = Duration::from_secs(10);

/// Octets read at once.
pub(super) const READ_OCTETS: usize = 64 * 1024;

/// The reason of a cut, or a stop, is given so long to leave.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// Requests and DNs to watch on their way to one link. Beyond: whoever asks waits.
pub(super) const ASKS: usize = 256;
