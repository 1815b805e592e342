//! The bounds of a GWS link, each with what happens there.

use std::time::Duration;

pub use crate::tlib::limits::{BACK_OFF, BACK_OFF_MOST};

/// Octets of one answer. A notification with 100 keys of user data has 8 KiB, so these are over a hundred of them. Beyond: the
/// session is given up and begun anew (`answer_too_long`).
pub const BODY_OCTETS: usize = 1024 * 1024;
/// Messages in one answer. Beyond: the session is given up (`too_many_messages`).
pub const MESSAGES: usize = 4_096;
/// Octets of one word of a notification; user data has the bounds of the T-Library link. Beyond: the notification is refused.
pub const TEXT_OCTETS: usize = 1_024;
/// Octets of the id of a session. Beyond: the handshake has failed (`no_client_id`).
pub const CLIENT_ID_OCTETS: usize = 256;
/// Octets of the id of a call, which becomes a part of a path. Beyond: the call cannot be controlled.
pub const CALL_ID_OCTETS: usize = 128;
/// Calls whose state is remembered. Beyond: the one known longest is forgotten; it can be controlled when it is told again.
pub const CALLS: usize = 4_096;
/// Requests without an answer. Beyond: a further one fails at once.
pub const OPEN_REQUESTS: usize = 64;
/// Cookies of a session, and the octets of each. Beyond: a further one is not sent back.
pub const COOKIES: usize = 16;
/// See [`COOKIES`].
pub const COOKIE_OCTETS: usize = 4_096;

/// From a request to its answer, a long poll apart.
pub const ANSWER: Duration = Duration::from_secs(10);
/// How long the server holds a poll where it does not say.
pub const POLL: Duration = Duration::from_secs(60);
/// The longest that it may say; a longer one counts as this.
pub const POLL_MOST: Duration = Duration::from_secs(600);
/// The longest rest between two polls that a server may ask for; a longer one counts as this.
pub const INTERVAL_MOST: Duration = Duration::from_secs(60);
/// Polls begin no closer to each other: a server that does not hold them costs 50 requests a second, not all there can be.
pub const POLLS_APART: Duration = Duration::from_millis(20);
