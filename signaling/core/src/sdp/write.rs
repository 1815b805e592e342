//! Writing a description through the typed lines of `sdp-rs`.

use std::net::IpAddr;

use sdp_rs::{
    MediaDescription, SessionDescription, Time,
    lines::{
        Active, Attribute, Connection, Media, Origin, SessionName, Version,
        common::{Addrtype, Nettype},
        media::{MediaType, ProtoType},
    },
};

use super::Direction;
use crate::event::Payload;

/// What one description says, in the words of its writer.
pub(crate) struct Description {
    /// First word of `o=`.
    pub(crate) username: &'static str,
    /// `sess-id` of `o=`.
    pub(crate) session_id: u64,
    /// `sess-version` of `o=`.
    pub(crate) version: u64,
    /// In `o=` and `c=`.
    pub(crate) address: IpAddr,
    /// `t=` start and stop.
    pub(crate) time: (u64, u64),
    /// m-lines.
    pub(crate) lines: Vec<Line>,
}

/// One m-line.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) kind: String,
    pub(crate) port: u16,
    pub(crate) protocol: String,
    pub(crate) formats: Vec<String>,
    pub(crate) attributes: Vec<Attribute>,
}

impl Line {
    /// Adds `a=name:value`.
    pub(crate) fn with(&mut self, name: &str, value: impl Into<String>) {
        self.attributes.push(Attribute::Other(name.to_owned(), Some(value.into())));
    }

    /// Adds `a=name`.
    pub(crate) fn with_flag(&mut self, name: &str) {
        self.attributes.push(Attribute::Other(name.to_owned(), None));
    }

    /// Adds the direction attribute.
    pub(crate) fn with_direction(&mut self, direction: Direction) {
        self.attributes.push(match direction {
            Direction::SendRecv => Attribute::Sendrecv,
            Direction::SendOnly => Attribute::Sendonly,
            Direction::RecvOnly => Attribute::Recvonly,
            Direction::Inactive => Attribute::Inactive,
        });
    }

    /// Adds an rtpmap. Raw, because `sdp_rs::lines::attribute::Rtpmap` writes the channels behind a blank.
    pub(crate) fn with_rtpmap(&mut self, payload: &Payload) {
        let Payload { payload_type, encoding, clock_hz, channels } = payload;
        if *channels > 1 {
            self.with("rtpmap", format!("{payload_type} {encoding}/{clock_hz}/{channels}"));
        } else if !encoding.is_empty() {
            self.with("rtpmap", format!("{payload_type} {encoding}/{clock_hz}"));
        }
    }
}

/// The octets of the description.
pub(crate) fn render(description: Description) -> Vec<u8> {
    let Description { username, session_id, version, address, time: (start, stop), lines } = description;
    let addrtype = if address.is_ipv4() { Addrtype::Ip4 } else { Addrtype::Ip6 };
    let written = SessionDescription {
        version: Version::V0,
        origin: Origin {
            username: username.to_owned(),
            sess_id: session_id.to_string(),
            sess_version: version.to_string(),
            nettype: Nettype::In,
            addrtype: addrtype.clone(),
            unicast_address: address,
        },
        session_name: SessionName::new("-".to_owned()),
        session_info: None,
        uri: None,
        emails: Vec::new(),
        phones: Vec::new(),
        connection: Some(Connection { nettype: Nettype::In, addrtype, connection_address: address.into() }),
        bandwidths: Vec::new(),
        times: vec![Time { active: Active { start, stop }, repeat: Vec::new(), zone: None }]
            .try_into()
            .expect("one time line is there"),
        key: None,
        attributes: Vec::new(),
        media_descriptions: lines.into_iter().map(media).collect(),
    };
    written.to_string().into_bytes()
}

fn media(line: Line) -> MediaDescription {
    MediaDescription {
        media: Media {
            media: MediaType::from(line.kind.as_str()),
            port: line.port,
            num_of_ports: None,
            proto: ProtoType::from(line.protocol.as_str()),
            fmt: line.formats.join(" "),
        },
        info: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: line.attributes,
    }
}
