//! What an RFC 7866 session tells about its call: a complete rs-metadata document with the same ids all the way.

use signaling_core::siprec::write::{self, MetadataSpec, ParticipantSpec, StreamSpec};

use super::{
    legs::{LegOffer, Side},
    signal::Invite,
};
use crate::{
    error::CallError,
    identity::{Identity, metadata_id, rfc3339},
    world,
};

/// Tells about one recording session.
pub(crate) struct Narrator {
    document: MetadataSpec,
    call_uuid: String,
}

/// Domain of our addresses of record: nobody's (RFC 2606 2).
const DOMAIN: &str = "replicator.invalid";

impl Narrator {
    /// Fresh ids for group, session, participants and streams.
    pub(crate) fn new(identity: &Identity) -> Result<Self, CallError> {
        let fresh = || world::entropy().map(metadata_id);
        let now = rfc3339(world::utc());
        let streams = [fresh()?, fresh()?];
        let participant = |side: Side, number: &str| {
            Ok(ParticipantSpec {
                id: fresh()?,
                aor: format!("sip:{number}@{DOMAIN}"),
                name: Some(number.to_owned()),
                sends: vec![streams[side.index()].clone()],
                receives: vec![streams[1 - side.index()].clone()],
                associate_time: now.clone(),
                disassociate_time: None,
            })
        };
        let document = MetadataSpec {
            group_id: Some(fresh()?),
            session_id: fresh()?,
            sip_session_id: None,
            participants: vec![participant(Side::Left, &identity.caller)?, participant(Side::Right, &identity.agent)?],
            streams: [Side::Left, Side::Right]
                .map(|side| StreamSpec { id: streams[side.index()].clone(), label: side.label().to_owned() })
                .into(),
            parameters: vec![
                ("call_uuid".to_owned(), identity.call_uuid.clone()),
                ("conn_id".to_owned(), identity.conn_id.clone()),
                ("record_id".to_owned(), identity.record_id.clone()),
            ],
            start_time: now.clone(),
            ..MetadataSpec::default()
        };
        Ok(Self { document, call_uuid: identity.call_uuid.clone() })
    }

    /// A complete snapshot (RFC 7866 9.1).
    pub(crate) fn snapshot(&self) -> String {
        write::metadata(&self.document)
    }

    /// The INVITE that starts the session: offer and snapshot in one body.
    pub(crate) fn invite(&self, uri: String, offer: &LegOffer) -> Invite {
        let (content_type, body) = write::multipart(&offer.sdp(), &self.snapshot());
        let headers = [
            ("Require", "siprec"),
            ("MIME-Version", "1.0"),
            ("Content-Disposition", write::DISPOSITION),
            ("X-Genesys-CallUUID", &self.call_uuid),
        ];
        Invite {
            uri,
            is_siprec: true,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            content_type,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use signaling_core::siprec::{body, metadata};
    use time::OffsetDateTime;

    use super::*;
    use crate::{
        call::{legs::Port, spec::CallSpec},
        identity::Chosen,
    };

    #[test]
    fn the_invite_carries_an_offer_and_a_complete_snapshot_that_belong_together() {
        let identity = Identity::new(&Chosen::default(), [4; 32], OffsetDateTime::UNIX_EPOCH);
        let spec = CallSpec::new("127.0.0.1".parse().unwrap());
        let ports = [Side::Left, Side::Right].map(|side| Port { side, port: 40_000 });
        let offer = LegOffer::new(&spec, &ports, Ipv4Addr::LOCALHOST.into(), None).unwrap();
        let invite = Narrator::new(&identity).unwrap().invite("sip:srs@h".to_owned(), &offer);
        assert!(invite.is_siprec && invite.headers.contains(&("Require".to_owned(), "siprec".to_owned())));
        let headers = body::BodyHeaders { content_type: &invite.content_type, ..body::BodyHeaders::default() };
        let parts = body::split(&headers, &invite.body, true).unwrap();
        assert_eq!(parts.sdp, Some(offer.sdp()));
        let (media_type, raw) = parts.metadata.unwrap();
        let mut warnings = Vec::new();
        let read = metadata::read(&media_type, &raw, &mut warnings);
        assert_eq!(warnings, []);
        assert!(read.complete);
        assert_eq!(read.participants[0].aors, ["sip:7001@replicator.invalid"]);
        assert_eq!(read.participants[0].sends.as_deref(), Some(&[read.streams[0].id.clone()][..]));
        assert_eq!(read.streams[1].label.as_deref(), Some("2"));
    }

    #[test]
    fn every_part_says_how_it_is_to_be_handled_and_the_whole_does() {
        let identity = Identity::new(&Chosen::default(), [4; 32], OffsetDateTime::UNIX_EPOCH);
        let spec = CallSpec::new("127.0.0.1".parse().unwrap());
        let offer = LegOffer::new(&spec, &[Port { side: Side::Left, port: 40_000 }], Ipv4Addr::LOCALHOST.into(), None);
        let invite = Narrator::new(&identity).unwrap().invite("sip:srs@h".to_owned(), &offer.unwrap());
        let required = |value: &str| value.ends_with(";handling=required");
        let whole = invite.headers.iter().find(|(name, _)| name == "Content-Disposition").map(|(_, value)| value);
        assert!(whole.is_some_and(|value| required(value)), "{:?}", invite.headers);
        let body = String::from_utf8(invite.body).unwrap();
        let parts: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("Content-Disposition: ")).collect();
        assert_eq!(parts.len(), body.matches("Content-Type: ").count());
        assert!(parts.len() == 2 && parts.iter().all(|value| required(value)), "{parts:?}");
    }

    #[test]
    fn no_id_is_used_twice() {
        let identity = Identity::new(&Chosen::default(), [4; 32], OffsetDateTime::UNIX_EPOCH);
        let document = Narrator::new(&identity).unwrap().document;
        let mut ids = vec![document.group_id.unwrap(), document.session_id];
        ids.extend(document.participants.into_iter().map(|participant| participant.id));
        ids.extend(document.streams.into_iter().map(|stream| stream.id));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 6);
    }
}
