//! What came of a call: per dialog and per line, as the client side saw it.

use serde::Serialize;

/// What came of one call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallReport {
    /// The whole call went as planned: nothing refused, no line rejected, nothing ended early.
    pub ok: bool,
    /// The Genesys recording id, also of an RFC 7866 call (there it is not sent).
    pub record_id: String,
    /// CallUUID.
    pub call_uuid: String,
    /// ConnID.
    pub conn_id: String,
    /// Recording sessions in the order of their INVITEs.
    pub dialogs: Vec<DialogReport>,
    /// What did not go as planned.
    pub problems: Vec<String>,
}

/// One recording session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DialogReport {
    /// Call-ID.
    pub call_id: String,
    /// Final status of the INVITE.
    pub status: u16,
    /// Milliseconds from INVITE to its final answer.
    pub setup_ms: u64,
    /// Its m-lines, in order.
    pub lines: Vec<LineReport>,
}

/// One m-line and the stream that went over it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineReport {
    /// `left` (caller) or `right` (agent).
    pub side: &'static str,
    /// `a=label` of the offer.
    pub label: Option<String>,
    /// The recorder answered with a port.
    pub accepted: bool,
    /// Our role in the handshakes of a DTLS-SRTP line, `client` or `server`.
    pub dtls: Option<&'static str>,
    /// Our SSRC at the beginning.
    pub ssrc: u32,
    /// Sequence number of the first packet.
    pub first_sequence: u16,
    /// RTP timestamp of the first packet of the timeline.
    pub first_timestamp: u32,
    /// RTP packets sent, telephone-event included.
    pub packets: u64,
    /// Payload octets of these.
    pub octets: u64,
    /// Packets that the socket refused.
    pub send_errors: u64,
    /// Local RTP port.
    pub local_port: u16,
    /// RTP address of the recorder; absent when the line was rejected.
    pub remote: Option<String>,
    /// Receiver reports about our SSRC.
    pub receiver_reports: u32,
    /// Cumulative loss of the last of them.
    pub lost: Option<i32>,
    /// Spans of the timeline in which sound was sent, in milliseconds; what lies between them is silence in the dump.
    pub sent: Vec<Span>,
}

/// A span of the call's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First millisecond.
    pub from_ms: u64,
    /// First millisecond after it.
    pub to_ms: u64,
}
