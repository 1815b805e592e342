//! Bodies of the vectors, and what is refused beside what is accepted.

use proptest::prelude::*;

use super::*;
use crate::{
    sdp::SessionDescription,
    siprec::{
        metadata,
        vector::{self, vector},
    },
};

fn named(warnings: &[Warning]) -> Vec<&'static str> {
    warnings.iter().map(|warning| warning.name).collect()
}

fn multipart(boundary: &str, body: &str, strict: bool) -> Result<Parts, BodyError> {
    let content_type = format!("multipart/mixed;boundary={boundary}");
    let headers = BodyHeaders { content_type: &content_type, ..BodyHeaders::default() };
    split(&headers, body.as_bytes(), strict)
}

#[test]
fn every_way_to_write_the_baseline_gives_the_same_parts() {
    let all = [
        ("001", vector!("001-baseline-rfc7866")),
        ("002", vector!("002-type-without-xml-suffix")),
        ("003", vector!("003-type-params-and-case")),
        ("005", vector!("005-compact-headers")),
        ("006", vector!("006-disposition-missing-on-both-parts")),
        ("200", vector!("200-metadata-first-tight-headers")),
        ("202", vector!("202-space-before-boundary-param")),
        ("203", vector!("203-preamble-epilogue-trailing-space")),
        ("205", vector!("205-third-part-optional-signal")),
        ("208", vector!("208-bare-lf-inside-parts")),
        ("209", vector!("209-base64-transfer-encoding")),
    ];
    for (name, message) in all {
        let parts = vector::split(message, true).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(named(&parts.warnings), [""; 0], "{name}");
        let sdp = SessionDescription::parse(&parts.sdp.expect("SDP")).expect("SDP");
        assert_eq!(sdp.media.iter().map(|media| media.label()).collect::<Vec<_>>(), [Some("1"), Some("2")], "{name}");
        let (media_type, raw) = parts.metadata.expect("metadata");
        let mut warnings = Vec::new();
        let read = metadata::read(&media_type, &raw, &mut warnings);
        assert_eq!(named(&warnings), [""; 0], "{name}");
        let names: Vec<_> = read.participants.iter().map(|one| one.name.as_deref()).collect();
        assert_eq!(names, [Some("Caller One"), Some("Agent Two")], "{name}");
        assert_eq!(parts.others.len(), usize::from(name == "205"), "{name}");
        for other in parts.others {
            assert_eq!(other.disposition.as_deref(), Some("signal;handling=optional"), "{name}");
            assert!(!other.content_type.is_empty() && !other.octets.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_missing_closing_delimiter_is_forgiven_leniently_and_refused_strictly() {
    let message = vector!("204-final-delimiter-missing");
    let parts = vector::split(message, false).expect("forgiven");
    assert_eq!(named(&parts.warnings), ["unterminated_multipart"]);
    assert!(parts.metadata.is_some_and(|(_, raw)| raw.trim_ascii_end().ends_with(b"</recording>")));
    assert_eq!(vector::split(message, true), Err(BodyError::BadRequest("multipart without closing delimiter")));
}

#[test]
fn required_unknown_parts_second_offers_and_missing_boundaries_are_refused() {
    assert_eq!(vector::split(vector!("206-third-part-required-unknown"), false), Err(BodyError::Unsupported));
    assert_eq!(
        vector::split(vector!("214-two-sdp-parts"), false),
        Err(BodyError::BadRequest("two session descriptions"))
    );
    assert_eq!(
        vector::split(vector!("216-no-boundary-parameter"), false),
        Err(BodyError::BadRequest("multipart without boundary"))
    );
    assert_eq!(multipart("b", "nothing of it", false), Err(BodyError::BadRequest("no delimiter of the boundary")));
    let many = "--b\r\nContent-Type: application/sdp\r\nContent-Disposition: x;handling=optional\r\n\r\n".repeat(40);
    assert!(matches!(multipart("b", &many, false), Err(BodyError::BadRequest(_))));
}

#[test]
fn plain_bodies_are_known_by_their_type() {
    let plain = |content_type, body: &[u8]| split(&BodyHeaders { content_type, ..BodyHeaders::default() }, body, true);
    assert_eq!(plain("application/sdp", b"v=0").map(|parts| parts.sdp), Ok(Some(b"v=0".to_vec())));
    let metadata = plain("Application/RS-Metadata ; charset=utf-8", b"<recording/>").expect("metadata").metadata;
    assert_eq!(metadata, Some(("application/rs-metadata".to_owned(), b"<recording/>".to_vec())));
    assert_eq!(plain("", b""), Ok(Parts::default()));
    assert_eq!(plain("application/sdp", b""), Ok(Parts::default()));
    assert_eq!(plain("text/plain", b"hello"), Err(BodyError::Unsupported));
    let packed = BodyHeaders { content_type: "application/sdp", content_encoding: Some("gzip"), ..Default::default() };
    assert_eq!(split(&packed, b"x", false), Err(BodyError::Unsupported));
    let whole = BodyHeaders { content_type: "multipart/mixed;boundary=b", ..packed };
    let plain = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n";
    assert_eq!(split(&whole, plain, false), Err(BodyError::Unsupported));
}

#[test]
fn nested_parts_quoted_boundaries_and_quoted_printable_are_understood() {
    let body = "--out\"er\r\nContent-Type: multipart/alternative; boundary=\"in ner\"\r\n\r\n\
        --in ner\r\nc: application/sdp\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nv=3D0=\r\n\r\n--in ner--\r\n\
        --out\"er\r\nContent-Type:\r\n application/rs-metadata\r\n\r\n<a/>\r\n--out\"er--\r\n";
    let parts = multipart("\"out\\\"er\"", body, true).expect("nested");
    assert_eq!(parts.sdp.as_deref(), Some(&b"v=0"[..]));
    assert_eq!(parts.metadata, Some(("application/rs-metadata".to_owned(), b"<a/>".to_vec())));
}

/// RFC 2046 5.1.4, RFC 5621 8.2: alternatives say the same, the best last.
#[test]
fn of_alternatives_the_last_that_is_understood_counts() {
    let inner = "--in\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--in\r\nContent-Type: application/sdp\r\n\r\nv=1\r\n\
        --in\r\nContent-Type: text/html\r\n\r\nhello\r\n--in--\r\n";
    let within = |more: &str, inner: &str| {
        let body = format!("--b\r\nContent-Type: multipart/alternative;boundary=in\r\n{more}\r\n{inner}--b--\r\n");
        multipart("b", &body, true)
    };
    let parts = within("", inner).expect("understood");
    assert_eq!((parts.sdp.as_deref(), parts.others.len()), (Some(&b"v=1"[..]), 0));
    let headers = BodyHeaders { content_type: "multipart/alternative;boundary=in", ..BodyHeaders::default() };
    assert_eq!(split(&headers, inner.as_bytes(), true).map(|parts| parts.sdp), Ok(Some(b"v=1".to_vec())));
    let strange = "--in\r\nContent-Type: text/plain\r\n\r\na\r\n--in\r\nContent-Type: text/html\r\n\r\nb\r\n--in--\r\n";
    assert_eq!(within("", strange), Err(BodyError::Unsupported));
    let kept = within("Content-Disposition: render;handling=optional\r\n", strange).expect("optional").others;
    let [Attachment { content_type, octets, .. }] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((content_type.as_str(), octets.as_slice()), ("text/html", &b"b"[..]));
}

#[test]
fn undecodable_metadata_is_kept_and_undecodable_sdp_refused() {
    let body = |kind| format!("--b\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n--b--");
    let parts = multipart("b", &body("application/rs-metadata"), true).expect("audio is not at stake");
    assert_eq!(
        (named(&parts.warnings), parts.metadata.map(|(_, raw)| raw)),
        (vec!["metadata_undecodable"], Some(b"%%%".to_vec()))
    );
    assert_eq!(multipart("b", &body("application/sdp"), true), Err(BodyError::BadRequest("bad base64")));
}

proptest! {
    #[test]
    fn no_mutation_of_a_body_makes_it_panic(at in 0_usize..2_500, with in any::<u8>(), cut in 0_usize..2_600) {
        let (content_type, _, body) = vector::take_apart(vector!("001-baseline-rfc7866"));
        let headers = BodyHeaders { content_type: &content_type, ..BodyHeaders::default() };
        let mut octets = body.to_vec();
        let at = at.min(octets.len() - 1);
        octets[at] = with;
        let _ = split(&headers, &octets, false);
        let _ = split(&headers, &octets[..cut.min(octets.len())], true);
    }

    #[test]
    fn no_content_type_makes_it_panic(content_type in "(multipart/mixed)?[ -~é]{0,40}(; ?boundary=\"?[ -~]{0,20})?", body in "(--[ -~]{0,20}\r\n)*") {
        let headers = BodyHeaders { content_type: &content_type, disposition: Some(&content_type), ..BodyHeaders::default() };
        let _ = split(&headers, body.as_bytes(), false);
    }
}

#[test]
fn what_is_kept_without_being_understood_has_a_bound() {
    let part = |octets: usize| {
        let body = "x".repeat(octets);
        format!("--b\r\nContent-Type: text/x\r\nContent-Disposition: info;handling=optional\r\n\r\n{body}\r\n")
    };
    let headers = BodyHeaders { content_type: "multipart/mixed;boundary=b", ..BodyHeaders::default() };
    let read = |body: String| split(&headers, format!("{body}--b--\r\n").as_bytes(), true).expect("a body");
    let many = read(part(3).repeat(limits::ATTACHMENTS + 1));
    assert_eq!((many.others.len(), named(&many.warnings)), (limits::ATTACHMENTS, vec!["attachment_dropped"]));
    let large = read(part(limits::ATTACHMENT_OCTETS + 1));
    assert_eq!((large.others.len(), named(&large.warnings)), (0, vec!["attachment_dropped"]));
    let fits = read(part(limits::ATTACHMENT_OCTETS));
    assert_eq!((fits.others.len(), named(&fits.warnings)), (1, vec![]));
}

#[test]
fn a_part_that_is_there_to_be_referred_to_is_kept_aside() {
    let text = |kind: &str, disposition: &str, body: &str| {
        format!("--b\r\nContent-Type: {kind}\r\nContent-Disposition: {disposition}\r\n\r\n{body}\r\n")
    };
    let body = [
        text("application/sdp", "session", "v=0"),
        text("application/sdp", "By-Reference; handling=required", "v=1"),
        text("application/rs-metadata", "by-reference", "<a/>"),
        text("image/png", "by-reference", "x"),
        "--b--\r\n".to_owned(),
    ];
    let parts = multipart("b", &body.concat(), true).expect("one offer");
    assert_eq!((parts.sdp.as_deref(), parts.metadata), (Some(&b"v=0"[..]), None));
    let aside: Vec<_> = parts.others.iter().map(|part| (part.content_type.as_str(), &part.octets[..])).collect();
    let expected = [("application/sdp", &b"v=1"[..]), ("application/rs-metadata", b"<a/>"), ("image/png", b"x")];
    assert_eq!(aside, expected);
}
