//! Targets of signaling: SIP messages and streams, SDP, multipart bodies, recording metadata, Genesys Request-URIs.

use signaling_core::{
    genesys,
    negotiate::{self, LocalSession, Policy, SdesOverClear},
    sdp::SessionDescription,
    sip::{
        frame::{Frame, Framer, begins_session},
        message::Message,
        parse,
    },
    siprec::{
        body::{self, BodyHeaders, Parts},
        metadata as rs_metadata,
    },
};

use crate::{endpoint::grants, vectors};

pub(crate) const SIP: &[&str] = &[
    "\r\n",
    "\r\n ",
    "\r\n\r\n",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK",
    "Content-Length: ",
    "CSeq: 1 INVITE",
    ";tag=",
    "INVITE ",
    "BYE ",
    "CANCEL ",
    "UPDATE ",
    " SIP/2.0\r\n",
    "SIP/2.0 200 OK\r\n",
    "<sip:",
    ">",
    "\"",
    "\\",
    "[2001:db8::1]",
    "Require: siprec",
    "Session-Expires: 90;refresher=uac",
    "Replaces: ",
    "Contact: *",
    ",,",
    ";;",
    "%00",
    "boundary=",
];
pub(crate) const SDP: &[&str] = &[
    "\r\nm=audio 0 RTP/AVP 0",
    "\r\nm=video 5004 RTP/SAVPF 96",
    "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
    "|2^48|1:4",
    "\r\na=rtpmap:0 ",
    "/4294967296",
    "\r\na=label:",
    "\r\na=inactive",
    "\r\nc=IN IP4 0.0.0.0",
    "\r\nc=IN IP6 ::1",
    "\r\na=rtcp:",
    "\r\na=fingerprint:sha-256 AA:BB:",
    "\r\na=setup:actpass",
    "UDP/TLS/RTP/SAVPF",
    "\r\na=fmtp:101 0-16",
    "\r\na=group:BUNDLE",
    "\r\na=rtcp-mux",
    "\r\nt=0 0",
    "\r\nb=AS:",
    "\r\nz=",
    "\r\nk=",
    "v=0\r\n",
];
pub(crate) const MIME: &[&str] = &[
    "--",
    "\r\n--",
    "--\r\n",
    "boundary=",
    "Content-Type: multipart/mixed;boundary=x\r\n\r\n",
    "Content-Disposition: ",
    "handling=optional",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "=\r\n",
    "application/sdp",
    "application/rs-metadata+xml",
    "Content-Length: 0\r\n",
];
pub(crate) const XML: &[&str] = &[
    "<",
    "/>",
    "</recording>",
    "<!DOCTYPE r [<!ENTITY a \"b\">]>",
    "&a;",
    "&#x0;",
    "&lt;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "xmlns=\"urn:ietf:params:xml:ns:recording:1\"",
    "xmlns:a=\"",
    "<stream stream_id=\"",
    "<participant participant_id=\"",
    "<send>",
    "<datamode>partial</datamode>",
    "<associate-time>",
    "2026-02-30T25:61:61Z",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
];
pub(crate) const URI: &[&str] =
    &["sip:record=", "@", ";", "=", "%", "%00", "%zz", ";calluuid=", ";dn=", ";otherDN=", "<", ":5060"];

/// One message, as a datagram brings it.
pub(crate) fn sip(octets: &[u8]) {
    let _ = begins_session(octets);
    match parse::parse(octets) {
        Ok(Message::Request(request)) => {
            assert!(!request.call_id.is_empty() && request.headers.get("Via").is_some(), "what is read is whole");
            assert!(request.body.len() <= octets.len(), "a body comes from the message");
        }
        Ok(Message::Response(response)) => assert!((100..700).contains(&response.status), "a status"),
        Err(malformed) => assert!((400..700).contains(&malformed.status), "a refusal has a status"),
    }
}

/// A stream; its first octet says in which pieces it arrives.
pub(crate) fn stream(octets: &[u8]) {
    let Some((pieces, octets)) = octets.split_first() else { return };
    let whole = frames(octets, octets.len().max(1));
    let cut = frames(octets, usize::from(*pieces) + 1);
    assert!(whole == cut, "what a stream holds does not depend on its pieces");
}

fn frames(octets: &[u8], piece: usize) -> Vec<Option<Frame>> {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for piece in octets.chunks(piece) {
        framer.push(piece);
        loop {
            match framer.pull() {
                Ok(Some(frame)) => frames.push(Some(frame)),
                Ok(None) => break,
                // The connection is closed: how much was read by then is the network's doing.
                Err(_) => return frames,
            }
        }
    }
    frames
}

pub(crate) fn streams() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = vectors::messages().iter().map(|message| [&[40], &message[..]].concat()).collect();
    let first: Vec<u8> = vectors::messages().into_iter().take(3).flatten().collect();
    seeds.push([&[7], &first[..], b"\r\n\r\n", &first[..]].concat());
    seeds
}

/// A description: read, negotiated both as offer and as answer, and our answer to it read back.
pub(crate) fn sdp(octets: &[u8]) {
    let Ok(offered) = SessionDescription::parse(octets) else { return };
    for (secure, sdes_over_clear) in [(true, SdesOverClear::Refuse), (false, SdesOverClear::Warn)] {
        let policy = Policy {
            media_address: [192, 0, 2, 99].into(),
            srtp_required: false,
            sdes_over_clear,
            best_effort_srtp: false,
            dtls: secure.then_some([7; 32]),
        };
        let mut warnings = Vec::new();
        let Ok(offer) = negotiate::offer(&offered, &policy, secure, None, &mut warnings) else { continue };
        let mut local = LocalSession::new(7, policy.media_address);
        let answer = negotiate::answer(&offered, &offer, &grants(&offer), &mut local);
        let answer = SessionDescription::parse(&answer).expect("we write what we can read");
        assert_eq!(answer.media.len(), offered.media.len(), "RFC 3264 6: every m-line is answered");
        drop(negotiate::read_answer(&offered, &answer));
        assert!(negotiate::offer(&offered, &policy, secure, Some(&offer), &mut warnings).is_ok(), "a repeated offer");
    }
    drop(negotiate::read_answer(&offered, &offered));
}

/// Parts of every vector.
fn parts() -> Vec<Parts> {
    let split = |message: &Vec<u8>| {
        let content_type = vectors::header(message, "Content-Type", "c");
        let headers = BodyHeaders { content_type: &content_type, ..BodyHeaders::default() };
        body::split(&headers, vectors::halves(message).1, false).ok()
    };
    vectors::messages().iter().filter_map(split).collect()
}

pub(crate) fn descriptions() -> Vec<Vec<u8>> {
    parts().into_iter().filter_map(|parts| parts.sdp).collect()
}

pub(crate) fn documents() -> Vec<Vec<u8>> {
    parts().into_iter().filter_map(|parts| Some(parts.metadata?.1)).collect()
}

/// A Content-Type line and the body it describes.
pub(crate) fn multipart(octets: &[u8]) {
    let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
    let content_type = String::from_utf8_lossy(&octets[..end]);
    let body = octets.get(end + 1..).unwrap_or_default();
    let headers = BodyHeaders { content_type: content_type.trim(), ..BodyHeaders::default() };
    let strict = body::split(&headers, body, true);
    match body::split(&headers, body, false) {
        Ok(parts) => assert!(parts.others.iter().map(|other| other.octets.len()).sum::<usize>() <= octets.len() * 2),
        Err(_) => assert!(strict.is_err(), "what lenient refuses, strict refuses"),
    }
}

pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let seed = |message: &Vec<u8>| {
        let content_type = vectors::header(message, "Content-Type", "c");
        [content_type.as_bytes(), b"\n", vectors::halves(message).1].concat()
    };
    vectors::messages().iter().map(seed).filter(|seed| seed.len() > 1).collect()
}

/// A metadata document.
pub(crate) fn metadata(octets: &[u8]) {
    let mut warnings = Vec::new();
    let read = rs_metadata::read("application/rs-metadata+xml", octets, &mut warnings);
    assert_eq!(read.raw, octets, "the raw part is kept whatever it says");
    let mut names: Vec<_> = warnings.iter().map(|warning| warning.name).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() <= 16, "a document has no more than each warning once: {names:?}");
}

/// A Request-URI.
pub(crate) fn genesys(octets: &[u8]) {
    let uri = String::from_utf8_lossy(octets);
    if let Some(call) = genesys::parse_request_uri(&uri) {
        assert!(!call.record_id.is_empty(), "a recording has an id");
    }
}

pub(crate) fn uris() -> Vec<Vec<u8>> {
    [
        "sip:record=0AB123_2026-03-04@198.51.100.20:5060;calluuid=0AB123;dn=7001;recordDN=7001;otherDN=5550100",
        "sip:record=x%20y@host;connid=00aa;x-unknown=%C3%A9;dn=;;=;a",
        "sips:record=r@[2001:db8::1]:5061;transport=tls",
    ]
    .map(|uri| uri.as_bytes().to_vec())
    .to_vec()
}
