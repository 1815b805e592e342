//! The answer: every m-line of the offer, in order, with what was granted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Grant, Line, LineState, Offer},
    sdp::{
        Direction, Media, SessionDescription, crypto, dtls,
        write::{self, Description},
    },
};

/// Our side of the description of one dialog. The version rises by one exactly when the description changed
/// (RFC 3264 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSession {
    /// `sess-id` of `o=`.
    pub id: u64,
    /// `sess-version` of the last description written.
    pub version: u64,
    /// In `o=` and `c=`.
    pub address: IpAddr,
    #[serde(with = "text")]
    last: Option<Vec<u8>>,
}

/// A description in the state of a dialog: as text, since octets would be written as so many numbers.
mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(said: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        said.as_deref().map(String::from_utf8_lossy).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(String::into_bytes))
    }
}

impl LocalSession {
    /// A session that has said nothing yet. `id` comes from entropy; keep it under 2^62, some peers read signed.
    pub fn new(id: u64, address: IpAddr) -> Self {
        Self { id, version: 1, address, last: None }
    }

    /// What was said last.
    pub fn last(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }

    fn say(&mut self, describe: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
        let mut said = describe(self.version);
        if self.last.as_ref().is_some_and(|last| *last != said) {
            self.version += 1;
            said = describe(self.version);
        }
        self.last = Some(said.clone());
        said
    }
}

/// Writes the answer to `offer_sdp`: `grants` has one entry per m-line; a missing one, one for a line that cannot be
/// kept, and one without a key for an SRTP line count as [`Grant::Reject`].
pub fn answer(offer_sdp: &SessionDescription, offer: &Offer, grants: &[Grant], local: &mut LocalSession) -> Vec<u8> {
    describe(offer_sdp, offer, grants, local, |_, _| {})
}

/// The same, each line finished by `finish`.
pub(super) fn describe(
    offer_sdp: &SessionDescription,
    offer: &Offer,
    grants: &[Grant],
    local: &mut LocalSession,
    finish: impl Fn(&Media, &mut write::Line),
) -> Vec<u8> {
    let (session_id, address) = (local.id, local.address);
    let finished = |(at, media): (usize, &Media)| {
        let mut line = line(media, offer.lines.get(at), grants.get(at));
        finish(media, &mut line);
        line
    };
    local.say(|version| {
        let lines = offer_sdp.media.iter().enumerate();
        write::render(Description {
            username: "recorder",
            session_id,
            version,
            address,
            time: time(&offer_sdp.time),
            lines: lines.map(finished).collect(),
        })
    })
}

/// An offer of ours, for an INVITE within the session that carries none (RFC 3261 14.2): it repeats every line, label,
/// port and key as they stand, so that its version stays and nothing is added (RFC 7866 7.2).
pub fn own_offer(offer_sdp: &SessionDescription, offer: &Offer, grants: &[Grant], local: &mut LocalSession) -> Vec<u8> {
    // Our certificate is another one after a restart: what was said last would name one that is gone.
    let is_lasting = offer.lines.iter().all(|line| line.dtls.is_none());
    match &local.last {
        Some(last) if is_lasting => last.clone(),
        _ => answer(offer_sdp, offer, grants, local),
    }
}

fn line(media: &Media, offered: Option<&Line>, grant: Option<&Grant>) -> write::Line {
    match (offered, grant) {
        (Some(offered), Some(Grant::Accept { port, key_salt })) if offered.state.is_kept() => {
            accepted(media, offered, *port, key_salt.as_deref()).unwrap_or_else(|| rejected(media))
        }
        _ => rejected(media),
    }
}

/// Every offered payload type stays, telephone-event included: rtpengine refuses a partial answer.
fn accepted(media: &Media, offered: &Line, port: u16, key_salt: Option<&[u8]>) -> Option<write::Line> {
    let key = match &offered.sdes {
        Some(sdes) => Some(crypto::write(sdes.tag, &sdes.suite, key_salt?)),
        None => None,
    };
    let mut line = write::Line { port, ..same(media) };
    // In the order of our preference: the first is what most peers send.
    let place = |format: &String| {
        let payload_type = format.parse::<u8>().ok();
        offered.payloads.iter().position(|payload| Some(payload.payload_type) == payload_type).unwrap_or(usize::MAX)
    };
    line.formats.sort_by_key(place);
    codecs(&mut line, media, offered);
    if let Some(ptime) = media.attribute("ptime") {
        line.with("ptime", ptime);
    }
    if let Some(label) = &offered.label {
        line.with("label", label.as_str());
    }
    if let Some(key) = key {
        line.with("crypto", key);
    }
    if let Some(agreed) = &offered.dtls {
        line.with("setup", if agreed.is_client { "active" } else { "passive" });
        line.with("fingerprint", dtls::write_fingerprint(&agreed.own));
    }
    if offered.rtcp_mux {
        line.with_flag("rtcp-mux");
    }
    line.with_direction(match offered.state {
        LineState::Active => Direction::RecvOnly,
        LineState::Inactive | LineState::Hold | LineState::Removed | LineState::Unusable(_) => Direction::Inactive,
    });
    Some(line)
}

fn codecs(line: &mut write::Line, media: &Media, offered: &Line) {
    for payload in &offered.payloads {
        let belongs = |value: &&str| value.split_ascii_whitespace().next() == Some(&payload.payload_type.to_string());
        match media.values("rtpmap").find(belongs) {
            Some(rtpmap) => line.with("rtpmap", rtpmap),
            None => line.with_rtpmap(payload),
        }
        for fmtp in media.values("fmtp").filter(belongs) {
            line.with("fmtp", fmtp);
        }
    }
}

/// Port 0, the protocol and at least one format of the offer (RFC 3264 6); the label stays, so that nobody has to count.
fn rejected(media: &Media) -> write::Line {
    let mut line = same(media);
    if let Some(label) = media.label() {
        line.with("label", label);
    }
    line.with_direction(Direction::Inactive);
    line
}

fn same(media: &Media) -> write::Line {
    let formats = match media.formats.is_empty() {
        true => vec!["0".to_owned()],
        false => media.formats.clone(),
    };
    write::Line { kind: media.kind.clone(), port: 0, protocol: media.protocol.clone(), formats, attributes: Vec::new() }
}

/// The `t=` of the offer (RFC 3264 6); an unreadable one counts as unbounded.
fn time(offered: &str) -> (u64, u64) {
    let mut words = offered.split_ascii_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(start)), Some(Ok(stop))) => (start, stop),
        _ => (0, 0),
    }
}
