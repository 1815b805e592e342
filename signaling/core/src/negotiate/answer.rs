//! The answer: every m-line of the offer, in order, with what was granted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Grant, Line, LineState, Offer},
    sdp::{
        Direction, Media, SessionDescription, crypto,
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
    last: Option<Vec<u8>>,
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
    let (session_id, address) = (local.id, local.address);
    local.say(|version| {
        let lines = offer_sdp.media.iter().enumerate();
        write::render(Description {
            username: "recorder",
            session_id,
            version,
            address,
            time: time(&offer_sdp.time),
            lines: lines.map(|(at, media)| line(media, offer.lines.get(at), grants.get(at))).collect(),
        })
    })
}

/// An offer of ours, for an INVITE within the session that carries none (RFC 3261 14.2): it repeats every line, label,
/// port and key as they stand, so that its version stays and nothing is added (RFC 7866 7.2).
pub fn own_offer(offer_sdp: &SessionDescription, offer: &Offer, grants: &[Grant], local: &mut LocalSession) -> Vec<u8> {
    match &local.last {
        Some(last) => last.clone(),
        None => answer(offer_sdp, offer, grants, local),
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
