//! The recording sessions of one call: which side goes over which, and what each of them offers.

use std::net::IpAddr;

use signaling_core::{
    event::Transport,
    sdp::{
        Direction,
        build::{Offer, OfferCodec, OfferDtls, OfferKey, OfferLine},
    },
};

use super::spec::{CallSpec, Law, Layout, Profile};
use crate::{error::CallError, identity::Identity, stream::packets::EVENT_PAYLOAD_TYPE, world};

/// One side of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The caller.
    Left,
    /// The agent.
    Right,
}

impl Side {
    /// As the report says it, and the names of the dumped files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    /// 0 or 1.
    pub const fn index(self) -> usize {
        match self {
            Self::Left => 0,
            Self::Right => 1,
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Left => "1",
            Self::Right => "2",
        }
    }
}

/// The lines of each recording session, in the order of their INVITEs.
pub fn sides(spec: &CallSpec) -> Vec<Vec<Side>> {
    match (spec.layout, spec.reverse_legs) {
        (Layout::Single, _) => vec![vec![Side::Left, Side::Right]],
        (Layout::PerParty, false) => vec![vec![Side::Left], vec![Side::Right]],
        (Layout::PerParty, true) => vec![vec![Side::Right], vec![Side::Left]],
    }
}

/// One line of a recording session before its offer is made.
#[derive(Debug, Clone, Copy)]
pub struct Port {
    /// Which side is heard on it.
    pub side: Side,
    /// Our RTP port.
    pub port: u16,
}

/// What one recording session offers. Holds keys; the offer shows none in `Debug`.
#[derive(Debug, Clone)]
pub struct LegOffer {
    /// Which side each line is.
    pub sides: Vec<Side>,
    /// The current local description.
    pub offer: Offer,
}

impl LegOffer {
    /// The first offer of a session: every line `sendonly`, with a fresh key of its own.
    pub fn new(
        spec: &CallSpec,
        ports: &[Port],
        address: IpAddr,
        shared: Option<&[Vec<u8>; 2]>,
    ) -> Result<Self, CallError> {
        let lines = ports.iter().map(|port| line(spec, *port, shared)).collect::<Result<_, _>>()?;
        let session_id = u64::from(u32::from_be_bytes(world::entropy()?));
        let sides = ports.iter().map(|port| port.side).collect();
        Ok(Self { sides, offer: Offer { session_id, version: 1, address, lines } })
    }

    /// The octets of the current offer.
    pub fn sdp(&self) -> Vec<u8> {
        self.offer.write()
    }

    /// Turns every line to `direction`; the version rises because the description changes (RFC 3264 8).
    pub fn turn(&mut self, direction: Direction) {
        for line in &mut self.offer.lines {
            line.direction = direction;
        }
        self.offer.version += 1;
    }

    /// Offers DTLS-SRTP on every line, before anything was sent.
    pub fn shake_hands(&mut self, dtls: OfferDtls) {
        self.offer.lines.iter_mut().for_each(|line| line.dtls = Some(dtls));
    }

    /// The key of a line, on an SRTP call.
    pub fn key(&self, line: usize) -> Option<&[u8]> {
        self.offer.lines.get(line)?.crypto.first().map(|key| key.key_salt.as_slice())
    }
}

fn line(spec: &CallSpec, port: Port, shared: Option<&[Vec<u8>; 2]>) -> Result<OfferLine, CallError> {
    let codecs = vec![codec(spec.law), OfferCodec::telephone_event(EVENT_PAYLOAD_TYPE)];
    let mut line = OfferLine::audio(port.port, port.side.label(), codecs);
    line.ptime_ms = Some(spec.ptime_ms as u16);
    if spec.profile == Profile::GenesysMsr {
        line.label = None;
    }
    if let Some(suite) = spec.srtp {
        let key_salt = match shared {
            Some(keys) => keys[port.side.index()].clone(),
            None => world::fresh_key(suite.key_salt_len())?,
        };
        line.crypto.push(OfferKey { tag: 1, suite: suite.name().to_owned(), key_salt });
    }
    Ok(line)
}

fn codec(law: Law) -> OfferCodec {
    OfferCodec::narrowband(law.payload_type(), law.encoding())
}

/// The Request-URI of a session: where it goes, and for Genesys everything that is known about the call.
pub fn request_uri(spec: &CallSpec, identity: &Identity, sides: &[Side]) -> String {
    let scheme = if spec.transport == Transport::Tls { "sips" } else { "sip" };
    let mut target = spec.target.clone();
    target.port = Some(spec.port());
    let transport = match spec.transport {
        Transport::Tcp => ";transport=tcp",
        Transport::Udp | Transport::Tls => "",
    };
    match spec.profile {
        Profile::Rfc7866 => {
            let user = target.user.as_deref().unwrap_or("srs");
            format!("{scheme}:{user}@{target}{transport}")
        }
        Profile::GenesysMsr => {
            let parameters = genesys_parameters(identity, sides);
            format!("{scheme}:record={}@{target}{parameters}", escaped(&identity.record_id))
        }
    }
}

fn genesys_parameters(identity: &Identity, sides: &[Side]) -> String {
    let Identity { caller, agent, call_uuid, conn_id, .. } = identity;
    let mut parameters = vec![("calluuid", call_uuid.as_str())];
    match sides {
        [Side::Left] => parameters.push(("dn", caller)),
        [Side::Right] => parameters.push(("dn", agent)),
        _ => parameters.extend([("dn", caller.as_str()), ("otherDN", agent)]),
    }
    parameters.extend([("recordDN", agent.as_str()), ("ani", caller), ("dnis", agent), ("connid", conn_id)]);
    parameters.into_iter().map(|(name, value)| format!(";{name}={}", escaped(value))).collect()
}

/// Percent-encodes what may not stand in a URI parameter or user part (RFC 3261 25.1).
pub fn escaped(value: &str) -> String {
    let mut out = String::new();
    for octet in value.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'+' => {
                out.push(char::from(octet));
            }
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use crypto::srtp::Suite;
    use signaling_core::{genesys, sdp::SessionDescription};
    use time::OffsetDateTime;

    use super::*;
    use crate::identity::Chosen;

    fn genesys_spec(layout: Layout) -> CallSpec {
        let spec = CallSpec::new("recorder.example:5070".parse().unwrap());
        CallSpec { profile: Profile::GenesysMsr, layout, ..spec }
    }

    fn identity() -> Identity {
        let chosen = Chosen {
            record_id: Some("R 1".to_owned()),
            call_uuid: Some("U1".to_owned()),
            conn_id: Some("C1".to_owned()),
            ..Chosen::default()
        };
        Identity::new(&chosen, [0; 32], OffsetDateTime::UNIX_EPOCH)
    }

    fn ports(sides: &[Side]) -> Vec<Port> {
        sides.iter().map(|side| Port { side: *side, port: 40_000 + 2 * side.index() as u16 }).collect()
    }

    #[test]
    fn the_two_legs_of_a_per_party_call_differ_in_dn_alone() {
        let spec = genesys_spec(Layout::PerParty);
        let uris: Vec<String> = sides(&spec).iter().map(|sides| request_uri(&spec, &identity(), sides)).collect();
        assert_eq!(
            uris[0],
            "sip:record=R%201@recorder.example:5070;calluuid=U1;dn=7001;recordDN=7002;ani=7001;dnis=7002;connid=C1"
        );
        assert_eq!(uris[1], uris[0].replace(";dn=7001", ";dn=7002"));
        let read = genesys::parse_request_uri(&uris[1]).unwrap();
        assert_eq!(
            (read.record_id.as_str(), read.dn.as_deref(), read.record_dn.as_deref()),
            ("R 1", Some("7002"), Some("7002"))
        );
    }

    #[test]
    fn a_single_session_names_both_and_reversed_legs_begin_with_the_agent() {
        let spec = CallSpec { transport: Transport::Tls, ..genesys_spec(Layout::Single) };
        let uri = request_uri(&spec, &identity(), &sides(&spec)[0]);
        assert!(uri.starts_with("sips:record=") && uri.contains(";dn=7001;otherDN=7002;"), "{uri}");
        let reversed = CallSpec { reverse_legs: true, ..genesys_spec(Layout::PerParty) };
        assert_eq!(sides(&reversed), [[Side::Right], [Side::Left]]);
    }

    #[test]
    fn an_rfc7866_offer_has_labels_and_a_fresh_key_per_line() {
        let spec = CallSpec::new("127.0.0.1".parse().unwrap());
        let spec = CallSpec { srtp: Some(Suite::AesCm128Sha1_80), ..spec };
        assert_eq!(request_uri(&spec, &identity(), &sides(&spec)[0]), "sip:srs@127.0.0.1:5060");
        let leg = LegOffer::new(&spec, &ports(&sides(&spec)[0]), Ipv4Addr::LOCALHOST.into(), None).unwrap();
        let sdp = SessionDescription::parse(&leg.sdp()).unwrap();
        let labels: Vec<_> = sdp.media.iter().map(|media| media.label()).collect();
        assert_eq!(labels, [Some("1"), Some("2")]);
        assert!(sdp.media.iter().all(|media| media.protocol == "RTP/SAVP" && media.formats == ["0", "101"]));
        assert_ne!(leg.key(0), leg.key(1));
        assert_eq!(leg.key(0).map(<[u8]>::len), Some(30));
    }

    #[test]
    fn a_genesys_offer_has_no_label_and_a_pause_raises_its_version() {
        let spec = genesys_spec(Layout::PerParty);
        let mut leg = LegOffer::new(&spec, &ports(&[Side::Right]), Ipv4Addr::LOCALHOST.into(), None).unwrap();
        let before = SessionDescription::parse(&leg.sdp()).unwrap();
        assert_eq!((before.media[0].label(), before.direction(&before.media[0])), (None, Direction::SendOnly));
        leg.turn(Direction::Inactive);
        let after = SessionDescription::parse(&leg.sdp()).unwrap();
        assert_eq!(after.direction(&after.media[0]), Direction::Inactive);
        assert_ne!(before.origin, after.origin);
        assert_eq!(leg.offer.version, 2);
    }
}
