//! Who contributed to a mixed stream, as the mixer says it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A contributing source (CSRC, RFC 3550 5.1) of the packets that a track kept. RFC 7865 metadata names no SSRC, so nobody
/// says which participant it is; a client that keeps the SSRCs of the communication session lets others tell (RFC 7866 8.1.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contributor {
    /// Its SSRC at the mixer.
    pub csrc: u32,
    /// Packets that name it.
    pub packets: u64,
    /// When it was named, on the timeline of the track: from the first packet to the end of the last one, in order.
    pub spans: Vec<(Timestamp, Timestamp)>,
}
