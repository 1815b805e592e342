//! SDP (RFC 8866) as peers really write it: read by a tolerant line scan of ours, written through `sdp-rs`.
//!
//! What is read keeps raw attributes, so that nothing offered is lost on the way to the answer. What is written goes
//! through the typed lines of `sdp-rs`; attributes whose typed form loses something there (the channel count of an
//! rtpmap) are handed over as raw text.

pub mod build;
pub mod crypto;
pub mod dtls;
pub mod limits;
pub(crate) mod packed;
pub mod payload;
mod scan;
pub(crate) mod write;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

/// Where nothing listens (RFC 863): in an offer a placeholder for a port that is not known yet.
pub const DISCARD_PORT: u16 = 9;

/// A session description, as read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// The fields of `o=` as written, empty when there was none.
    pub origin: String,
    /// Session-level `c=`.
    pub connection: Option<Connection>,
    /// The first `t=` line as written; `0 0` when there was none.
    pub time: String,
    /// Session-level attributes, in order.
    pub attributes: Vec<Attribute>,
    /// Every m-line, in order.
    pub media: Vec<Media>,
}

/// A `c=` line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The address without TTL; a host name stays text.
    pub host: String,
}

/// One `a=` line, the value byte for byte. Keys in it (`a=crypto`) do not show in `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After the colon.
    pub value: Option<String>,
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str(&self.name),
            Some(_) if self.name == "crypto" => f.write_str("crypto:•"),
            Some(value) => write!(f, "{}:{value}", self.name),
        }
    }
}

/// One m-line with what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// `audio`, `video`, ... as written.
    pub kind: String,
    /// The RTP port; 0 is a removed line.
    pub port: u16,
    /// Transport protocol as written, e.g. `RTP/SAVP`.
    pub protocol: String,
    /// Formats (payload types) in the order of preference, as written.
    pub formats: Vec<String>,
    /// Media-level `c=`.
    pub connection: Option<Connection>,
    /// Media-level attributes, in order.
    pub attributes: Vec<Attribute>,
}

/// Direction attributes (RFC 8866 6.7), from the point of view of who writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The default.
    SendRecv,
    /// It sends.
    SendOnly,
    /// It receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The attribute name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name().eq_ignore_ascii_case(name))
    }
}

/// Why octets are no session description; every case is answered 400 (RFC 3261 21.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpError {
    /// Over a limit: which one.
    TooLarge(&'static str),
    /// A line is not `x=...`, or `v=0` does not come first; the line number counts from 1.
    Malformed {
        /// What is wrong.
        rule: &'static str,
        /// Line number.
        line: usize,
    },
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(what) => write!(f, "SDP over the limit: {what}"),
            Self::Malformed { rule, line } => write!(f, "SDP line {line}: {rule}"),
        }
    }
}

impl std::error::Error for SdpError {}

impl SessionDescription {
    /// Reads a session description: CRLF or bare LF, unknown lines and attributes kept or skipped, missing `s=` and
    /// `t=` tolerated.
    ///
    /// # Errors
    /// [`SdpError`] when it is none, or over the limits of [`limits`]: 400.
    pub fn parse(octets: &[u8]) -> Result<Self, SdpError> {
        scan::session(octets)
    }

    /// The connection host that counts for `media`: its own, else the session's (RFC 8866 5.7).
    pub fn host<'a>(&'a self, media: &'a Media) -> Option<&'a str> {
        media.connection.as_ref().or(self.connection.as_ref()).map(|connection| connection.host.as_str())
    }

    /// The direction that counts for `media`: its own, else the session's, else sendrecv. Unknown words such as
    /// `a=direction:both` are no direction (Q-DIR).
    pub fn direction(&self, media: &Media) -> Direction {
        let last = |attributes: &[Attribute]| {
            attributes.iter().filter(|a| a.value.is_none()).filter_map(|a| Direction::by_name(&a.name)).next_back()
        };
        last(&media.attributes).or_else(|| last(&self.attributes)).unwrap_or(Direction::SendRecv)
    }
}

impl Media {
    /// The value of the first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().filter(|a| a.name == name).find_map(|a| a.value.as_deref())
    }

    /// The values of every attribute of that name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |a| a.name == name).filter_map(|a| a.value.as_deref())
    }

    /// Whether an attribute of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|a| a.name == name)
    }

    /// `a=label` (RFC 4574), byte for byte.
    pub fn label(&self) -> Option<&str> {
        self.attribute("label")
    }

    /// Where RTCP of the writer is received: `a=rtcp` (RFC 3605), else the RTP port plus one. `None` without a usable
    /// address.
    pub fn rtcp(&self, address: Option<IpAddr>) -> Option<SocketAddr> {
        let mut words = self.attribute("rtcp").unwrap_or_default().split_ascii_whitespace();
        let port = words.next().and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        let own_address = words.nth(2).and_then(|host| host.parse().ok()).filter(is_usable);
        let port = match port {
            Some(port) => port,
            None if self.has("rtcp-mux") => self.port,
            None => self.port.checked_add(1)?,
        };
        own_address.or(address).filter(|_| self.port != 0).map(|address| SocketAddr::new(address, port))
    }
}

/// Whether media can come from, or reports go to, this address: neither unspecified nor multicast.
pub fn is_usable(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}
