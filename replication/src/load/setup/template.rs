//! One INVITE made with care, of which every session sends a copy with its own number in all ids.
//!
//! Making each INVITE anew costs some 100 us; a copy costs 2. Only the SDES keys are the same for all: no sound comes.

use std::net::IpAddr;

use super::script::Script;
use crate::{
    call::{
        legs::{LegOffer, Port, Side},
        metadata::Narrator,
        session::invite,
        spec::CallSpec,
    },
    error::CallError,
    identity::Identity,
    load::{LoadSpec, run::personal_names},
    world,
};

/// The INVITE, and where its number stands.
pub(super) struct Template {
    message: Vec<u8>,
    spots: Vec<usize>,
}

/// Stands for the number: eight digits, more than [`crate::limits::LOAD_CALLS`] needs.
const MARK: u32 = 99_999_999;
/// As text.
const MARK_TEXT: &[u8] = b"99999999";
/// Where the offers say that sound will come from. None comes.
const SILENT_PORTS: [u16; 2] = [40_000, 40_002];
/// Characters of the base64 of a UUID before its padding.
const UUID_CHARACTERS: usize = 22;

impl Template {
    /// Makes it.
    pub(super) fn new(script: &Script, spec: &LoadSpec, address: IpAddr) -> Result<Self, CallError> {
        let call = &spec.call;
        let identity = identity(call)?;
        let ports = [Side::Left, Side::Right].map(|side| Port { side, port: SILENT_PORTS[side.index()] });
        let mut offer = LegOffer::new(call, &ports, address, None)?;
        offer.offer.lines.iter_mut().for_each(|line| line.rtcp_mux = spec.rtcp_mux);
        let mut invite = invite(call, &identity, &offer, &Narrator::new(&identity)?);
        mark_uuids(&mut invite.body);
        let message = script.invite(MARK, &invite);
        let spots = spots(&message);
        Ok(Self { message, spots })
    }

    /// The INVITE of session `number`.
    pub(super) fn number(&self, number: u32) -> Vec<u8> {
        let mut message = self.message.clone();
        let text = format!("{number:08}");
        for spot in &self.spots {
            message[*spot..][..MARK_TEXT.len()].copy_from_slice(text.as_bytes());
        }
        message
    }
}

/// Where the mark stands; the random digit behind it may look like it and is not part of it.
fn spots(message: &[u8]) -> Vec<usize> {
    let (mut spots, mut at) = (Vec::new(), 0);
    while let Some(found) = message[at..].windows(MARK_TEXT.len()).position(|window| window == MARK_TEXT) {
        spots.push(at + found);
        at += found + MARK_TEXT.len();
    }
    spots
}

/// Names of the call with the mark in each that must be its own.
fn identity(spec: &CallSpec) -> Result<Identity, CallError> {
    let mut identity = Identity::new(&personal_names(spec, MARK as usize), world::entropy()?, world::utc());
    if spec.chosen.call_uuid.is_none() {
        let marked = format!("{MARK}{}", &identity.call_uuid[MARK_TEXT.len()..]);
        identity.record_id = identity.record_id.replace(&identity.call_uuid, &marked);
        identity.call_uuid = marked;
    }
    if spec.chosen.conn_id.is_none() {
        identity.conn_id.replace_range(..MARK_TEXT.len(), &MARK.to_string());
    }
    Ok(identity)
}

/// Puts the mark into the base64 of each UUID (RFC 7865 6.10), in front of its version; digits are base64 as well.
fn mark_uuids(body: &mut [u8]) {
    let is_base64 = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/".contains(octet);
    for end in UUID_CHARACTERS..body.len() {
        let start = end - UUID_CHARACTERS;
        if body[end..].starts_with(b"==") && body[start..end].iter().all(is_base64) {
            body[start..][..MARK_TEXT.len()].copy_from_slice(MARK_TEXT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::Ipv4Addr};

    use signaling_core::siprec::{body, metadata};

    use super::*;
    use crate::call::spec::{Layout, Profile};

    fn template(profile: Profile) -> Template {
        let call = CallSpec::new("127.0.0.1".parse().unwrap());
        let call = CallSpec { profile, layout: Layout::Single, ..call };
        let script = Script::new(&call, ([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 5060).into(), "r");
        let spec = LoadSpec { call, calls: 2, rate: 1.0, burst: 5, shared_key: false, rtcp_mux: true };
        Template::new(&script, &spec, Ipv4Addr::LOCALHOST.into()).unwrap()
    }

    #[test]
    fn a_mark_followed_by_its_own_digit_is_one_mark() {
        assert_eq!(spots(b"id=999999999a;99999999"), [3, 14]);
        assert_eq!(spots(b"9999999"), [0usize; 0]);
    }

    #[test]
    fn no_id_of_a_genesys_session_is_that_of_another() {
        let template = template(Profile::GenesysMsr);
        let [one, two] = [1, 2].map(|number| String::from_utf8(template.number(number)).unwrap());
        assert_eq!(one.replace("00000001", "00000002"), two);
        for name in ["calluuid=00000001", "connid=00000001", "record=00000001", "Call-ID: 00000001.", ";tag=00000001"] {
            assert!(one.contains(name), "{name}: {one}");
        }
        assert!(one.contains("a=rtcp-mux"));
    }

    #[test]
    fn the_metadata_of_a_session_stays_whole_and_its_ids_are_its_own() {
        let template = template(Profile::Rfc7866);
        let ids = |number: u32| {
            let message = template.number(number);
            let head = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            let content_type = super::super::script::header(&message[..head + 2], b"Content-Type").unwrap().to_owned();
            let headers = body::BodyHeaders { content_type: &content_type, ..body::BodyHeaders::default() };
            let parts = body::split(&headers, &message[head + 4..], true).unwrap();
            let (media_type, raw) = parts.metadata.unwrap();
            let mut warnings = Vec::new();
            let read = metadata::read(&media_type, &raw, &mut warnings);
            assert_eq!(warnings, []);
            assert_eq!(read.participants[0].sends.as_deref(), Some(&[read.streams[0].id.clone()][..]));
            let participants = read.participants.into_iter().map(|participant| participant.id);
            participants.chain(read.streams.into_iter().map(|stream| stream.id)).collect::<BTreeSet<String>>()
        };
        let (one, two) = (ids(1), ids(2));
        assert_eq!((one.len(), two.len()), (4, 4));
        assert!(one.is_disjoint(&two));
    }
}
