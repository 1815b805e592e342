//! The media of an offer as the session core sees it: lines, payload types, keys.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

/// The media of an offer, after negotiation rules were applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Every m-line, in order.
    pub lines: Vec<Line>,
}

/// One m-line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// `audio`, `video`, ... as written.
    pub media: String,
    /// `a=label`, byte for byte.
    pub label: Option<String>,
    /// What we can do with it.
    pub state: LineState,
    /// Where its media comes from: connection address if it is usable, and port.
    pub address: Option<IpAddr>,
    /// Offered RTP port; possibly a placeholder.
    pub port: u16,
    /// Where our receiver reports go.
    pub rtcp: Option<SocketAddr>,
    /// `a=rtcp-mux` was offered; we accept it.
    pub rtcp_mux: bool,
    /// The chosen crypto line; `None` on a plain RTP line.
    pub sdes: Option<Sdes>,
    /// Our key for an SRTP line, where an offer of ours has said it already; otherwise it is the session's to make.
    pub own_key: Option<OwnKey>,
    /// What a DTLS-SRTP line agrees on (RFC 5763); never together with `sdes`. By pointer, as what few lines have.
    pub dtls: Option<Box<Dtls>>,
    /// Payload types in the order of preference, every one that was offered.
    pub payloads: Vec<Payload>,
}

/// What we can do with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineState {
    /// The peer sends: we answer `recvonly`.
    Active,
    /// `a=inactive` or `a=recvonly`: we answer `inactive`, keep nothing, keep the port.
    Inactive,
    /// Held by a zero connection address (RFC 3264 8.4): as inactive.
    Hold,
    /// The offer itself has port 0.
    Removed,
    /// Beyond us, and why: no common codec, not audio, no usable crypto. Port 0 in the answer.
    Unusable(&'static str),
}

impl LineState {
    /// Whether the answer gives the line a port.
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::Active | Self::Inactive | Self::Hold)
    }
}

/// The chosen SDES crypto line (RFC 4568). Keys have no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdes {
    /// Its tag, echoed in the answer.
    pub tag: u32,
    /// Suite name, e.g. `AES_CM_128_HMAC_SHA1_80`.
    pub suite: String,
    /// The peer's master key || salt.
    pub key_salt: Vec<u8>,
    /// MKI value and its length in octets, when the peer uses one.
    pub mki: Option<(Vec<u8>, u8)>,
}

/// Our own master key || salt of a line. Keys have no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnKey(pub Vec<u8>);

impl fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnKey")
    }
}

impl fmt::Debug for Sdes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sdes(tag {}, {})", self.tag, self.suite)
    }
}

/// How a line is secured by DTLS-SRTP. What differs from one offer to the next asks for a new association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dtls {
    /// We begin the handshake (`a=setup:active` in our answer).
    pub is_client: bool,
    /// The peer's certificate has one of these.
    pub fingerprints: Vec<Fingerprint>,
    /// SHA-256 of our certificate.
    pub own: [u8; 32],
    /// What the offer calls the association (`a=tls-id`, `a=ice-ufrag`).
    pub generation: String,
}

/// The digest of a certificate; its length says the hash (SHA-256, SHA-384 or SHA-512).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub Vec<u8>);

/// One payload type of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// RTP payload type.
    pub payload_type: u8,
    /// Encoding name as in rtpmap (or of the static table, RFC 3551).
    pub encoding: String,
    /// Clock rate in Hz.
    pub clock_hz: u32,
    /// Channels, 1 unless rtpmap says otherwise.
    pub channels: u8,
}
