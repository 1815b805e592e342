//! The bounds of the T-Library link, each with what happens there.

use std::time::Duration;

/// Octets of one line. An event with all attributes and 100 keys of user data has 8 KiB. Beyond: the link is cut, its framing
/// is lost (`line_too_long`).
pub const LINE_OCTETS: usize = 256 * 1024;
/// Pairs of one list, inner ones included. Beyond: the message is refused by name, the link stays.
pub const LIST_PAIRS: usize = 1_024;
/// Lists in lists. Beyond: the message is refused by name.
pub const LIST_DEPTH: usize = 8;
/// Octets of one plain attribute. Beyond: the message is refused by name.
pub const ATTRIBUTE_OCTETS: usize = 1_024;
/// Calls told with one `EventRegistered`. Beyond: the message is refused by name.
pub const CALLS_PER_DN: usize = 64;
/// Messages refused one after the other before the link is cut: it speaks something else.
pub const REFUSED_IN_A_ROW: u32 = 16;
/// DNs that one link watches. Beyond: a further one is not registered, counted.
pub const DNS_PER_LINK: usize = 50_000;
/// Requests without an answer. Beyond: a further request fails at once.
pub const OPEN_REQUESTS: usize = 4_096;
/// Registrations without an answer: the server is not flooded with 50,000 at once.
pub const REGISTRATIONS_AT_ONCE: usize = 256;

/// From the connection to `EventServerInfo`, and from a request to its answer.
pub const ANSWER: Duration = Duration::from_secs(10);
/// Between our heart-beats where the server does not say.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// A server may ask for no shorter and no longer one.
pub const HEARTBEATS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Heart-beats without a line from the server before the link is cut.
pub const MISSED_HEARTBEATS: u32 = 3;
/// The first wait before a link is tried again; it doubles up to [`BACK_OFF_MOST`].
pub const BACK_OFF: Duration = Duration::from_millis(500);
/// The longest wait.
pub const BACK_OFF_MOST: Duration = Duration::from_secs(30);
