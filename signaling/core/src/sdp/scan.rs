//! The tolerant line scan: any line ending, blank lines, unknown line types, missing `s=` and `t=`.

use super::{Attribute, Connection, Media, SdpError, SessionDescription, limits};

pub(super) fn session(octets: &[u8]) -> Result<SessionDescription, SdpError> {
    if octets.len() > limits::OCTETS {
        return Err(SdpError::TooLarge("octets"));
    }
    let text = String::from_utf8_lossy(octets);
    let mut out = SessionDescription::default();
    let mut has_version = false;
    for (index, line) in text.split(['\n', '\r']).enumerate() {
        // CRLF yields an empty piece between its two octets, so pieces are counted at twice the bound.
        if index >= limits::LINES * 2 {
            return Err(SdpError::TooLarge("lines"));
        }
        let line = line.trim_start_matches([' ', '\t']).trim_end_matches('\0');
        if line.trim_end().is_empty() {
            continue;
        }
        if line.len() > limits::LINE_OCTETS {
            return Err(SdpError::TooLarge("line"));
        }
        let malformed = |rule| SdpError::Malformed { rule, line: line_number(&text, line) };
        if line.contains('\0') {
            return Err(malformed("a NUL octet"));
        }
        let (kind, value) = split_line(line).ok_or_else(|| malformed("not a type=value line"))?;
        if has_version {
            take(&mut out, kind, value).map_err(malformed)?;
        } else if kind == b'v' && value.trim() == "0" {
            has_version = true;
        } else {
            return Err(malformed("v=0 must come first"));
        }
    }
    if !has_version {
        return Err(SdpError::Malformed { rule: "empty", line: 1 });
    }
    if out.time.is_empty() {
        out.time = "0 0".to_owned();
    }
    Ok(out)
}

/// `line` is a slice of `text`; counted only on the way to an error.
fn line_number(text: &str, line: &str) -> usize {
    let offset = (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    text.as_bytes()[..offset].iter().filter(|octet| **octet == b'\n').count() + 1
}

fn split_line(line: &str) -> Option<(u8, &str)> {
    let (kind, value) = line.split_once('=')?;
    match kind.trim_end().as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some((*letter, value)),
        _ => None,
    }
}

fn take(out: &mut SessionDescription, kind: u8, value: &str) -> Result<(), &'static str> {
    match kind {
        b'm' => out.media.push(media(value).ok_or("bad m-line")?),
        b'c' => {
            let connection = connection(value);
            match out.media.last_mut() {
                // Of several c= lines of one m-line the first counts: layered multicast is not for recorders.
                Some(media) => media.connection = media.connection.take().or(connection),
                None => out.connection = out.connection.take().or(connection),
            }
        }
        b'a' => {
            let attributes = match out.media.last_mut() {
                Some(media) => &mut media.attributes,
                None => &mut out.attributes,
            };
            if attributes.len() < limits::ATTRIBUTES {
                attributes.push(attribute(value));
            }
        }
        b'o' if out.origin.is_empty() => out.origin = value.trim().to_owned(),
        b't' if out.time.is_empty() => out.time = value.trim().to_owned(),
        _ => {}
    }
    Ok(())
}

/// `m=audio 49170/2 RTP/AVP 0 8`; a line without formats is tolerated, the answer rejects it with one of ours.
fn media(value: &str) -> Option<Media> {
    let mut words = value.split_ascii_whitespace();
    let kind = words.next()?.to_owned();
    let port = words.next()?;
    let port = port.split('/').next().unwrap_or(port).parse().ok()?;
    let protocol = words.next()?.to_owned();
    let formats = words.take(limits::FORMATS).map(str::to_owned).collect();
    Some(Media { kind, port, protocol, formats, ..Media::default() })
}

/// `c=IN IP4 233.252.0.1/127`: the TTL is dropped, a host name kept.
fn connection(value: &str) -> Option<Connection> {
    let host = value.split_ascii_whitespace().nth(2)?;
    let host = host.split('/').next().unwrap_or(host);
    Some(Connection { host: host.trim_matches(['[', ']']).to_owned() })
}

/// The name loses outer blanks; the value stays byte for byte, because labels are echoed from it.
fn attribute(value: &str) -> Attribute {
    match value.split_once(':') {
        Some((name, value)) => Attribute { name: name.trim().to_owned(), value: Some(value.to_owned()) },
        None => Attribute { name: value.trim().to_owned(), value: None },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sdp::Direction;

    const OFFER: &str = "v=0\r\no=SRC 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
        m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=label:1\r\na=sendonly\r\n\
        m=audio 40010/1 RTP/AVP 0\r\nc=IN IP6 2001:db8::1/3\r\na=label: two \r\na=rtcp:40011 IN IP4 192.0.2.9\r\na=inactive\r\n";

    #[test]
    fn a_plain_offer_is_read_with_everything_in_order() {
        let sdp = SessionDescription::parse(OFFER.as_bytes()).expect("an offer");
        assert_eq!(sdp.origin, "SRC 1 1 IN IP4 192.0.2.10");
        let [first, second] = sdp.media.as_slice() else { panic!("two lines: {sdp:?}") };
        assert_eq!((first.port, first.label(), sdp.host(first)), (40000, Some("1"), Some("192.0.2.10")));
        assert_eq!(first.formats, ["0", "101"]);
        assert_eq!((second.port, second.label(), sdp.host(second)), (40010, Some(" two "), Some("2001:db8::1")));
        assert_eq!(second.rtcp(None), Some("192.0.2.9:40011".parse().expect("an address")));
        assert_eq!((sdp.direction(first), sdp.direction(second)), (Direction::SendOnly, Direction::Inactive));
    }

    #[test]
    fn line_endings_blank_and_unknown_lines_and_missing_ones_are_tolerated() {
        for text in [
            OFFER.replace("\r\n", "\n"),
            format!("\r\n\r\n{OFFER}"),
            OFFER.replace("s=-\r\n", "").replace("t=0 0\r\n", "y=odd\r\n"),
            OFFER.trim_end().to_owned(),
            format!("{OFFER}\0"),
        ] {
            let sdp = SessionDescription::parse(text.as_bytes()).expect("tolerated");
            assert_eq!((sdp.media.len(), sdp.time.as_str()), (2, "0 0"), "{text}");
        }
    }

    #[test]
    fn host_names_stay_text_and_session_direction_counts_until_overridden() {
        let text =
            OFFER.replace("IP4 192.0.2.10\r\nt", "IP4 sbc.example\r\nt").replace("a=sendonly", "a=direction:both");
        let sdp = SessionDescription::parse(text.replace("t=0 0", "t=0 0\r\na=recvonly").as_bytes()).expect("an offer");
        assert_eq!(sdp.host(&sdp.media[0]), Some("sbc.example"));
        assert_eq!(sdp.direction(&sdp.media[0]), Direction::RecvOnly);
        assert_eq!(sdp.direction(&sdp.media[1]), Direction::Inactive);
    }

    #[test]
    fn what_is_no_description_is_refused_with_its_line() {
        let bad = |text: &str| SessionDescription::parse(text.as_bytes()).expect_err("refused");
        assert_eq!(bad(""), SdpError::Malformed { rule: "empty", line: 1 });
        assert_eq!(bad("o=x\r\nv=0\r\n"), SdpError::Malformed { rule: "v=0 must come first", line: 1 });
        assert_eq!(bad("v=0\r\nhello\r\n"), SdpError::Malformed { rule: "not a type=value line", line: 2 });
        assert_eq!(bad("v=0\r\ns=-\r\nm=audio x RTP/AVP 0\r\n"), SdpError::Malformed { rule: "bad m-line", line: 3 });
        assert_eq!(bad("v=0\r\nm=audio 70000 RTP/AVP 0\r\n"), SdpError::Malformed { rule: "bad m-line", line: 2 });
        assert_eq!(bad("v=0\r\na=label:\0x\r\n"), SdpError::Malformed { rule: "a NUL octet", line: 2 });
        assert_eq!(bad(&format!("v=0\r\na={}", "x".repeat(5_000))), SdpError::TooLarge("line"));
        assert_eq!(bad(&"v=0\r\n".repeat(20_000)), SdpError::TooLarge("octets"));
        assert_eq!(bad(&format!("v=0\n{}", "a=x\n".repeat(5_000))), SdpError::TooLarge("lines"));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = SessionDescription::parse(&octets);
        }

        #[test]
        fn no_mutation_of_an_offer_makes_it_panic(at in 0..OFFER.len(), with in any::<u8>(), cut in 0..OFFER.len()) {
            let mut octets = OFFER.as_bytes().to_vec();
            octets[at] = with;
            let _ = SessionDescription::parse(&octets);
            let _ = SessionDescription::parse(&octets[..cut]);
        }
    }
}
