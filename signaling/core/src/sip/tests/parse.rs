//! What RFC 4475 asks to accept and to refuse, in messages of our own.

use super::*;

/// A request with one line replaced or added, CRLF by itself.
fn request(start: &str, replaced: &[(&str, &str)]) -> Vec<u8> {
    let mut lines = vec![
        ("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK390skdjuw".to_owned()),
        ("Max-Forwards", "70".to_owned()),
        ("From", "<sip:a@example.com>;tag=3413".to_owned()),
        ("To", "<sip:b@example.com>".to_owned()),
        ("Call-ID", "x.1@192.0.2.2".to_owned()),
        ("CSeq", "9 OPTIONS".to_owned()),
    ];
    for (name, value) in replaced {
        match lines.iter_mut().find(|(have, _)| have == name) {
            Some(line) => line.1 = (*value).to_owned(),
            None => lines.push((name, (*value).to_owned())),
        }
    }
    let head: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{start}\r\n{head}\r\n").into_bytes()
}

fn options(replaced: &[(&str, &str)]) -> Vec<u8> {
    request("OPTIONS sip:b@example.com SIP/2.0", replaced)
}

fn accepted(octets: &[u8]) -> Request {
    match parse(octets) {
        Ok(Message::Request(request)) => *request,
        other => panic!("not accepted: {other:?}"),
    }
}

fn refused(octets: &[u8]) -> (u16, &'static str) {
    let malformed = parse(octets).expect_err("not refused");
    (malformed.status, malformed.rule)
}

#[test]
fn a_tortuous_invite_is_read() {
    let text = "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n\
        TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
        from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
        MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\n\
        Content-Length   : 4\r\ncseq: 0009\r\n  INVITE\r\n\
        Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
        s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n\
        UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n\
        v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n\
        \x20SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\
        m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\nbody trailing";
    let read = accepted(text.as_bytes());
    assert_eq!((read.cseq, &read.method), (9, &Method::Invite));
    assert_eq!((read.to.tag(), read.from.tag()), (Some("1918181833n"), Some("98asjd8")));
    assert_eq!(read.headers.all("Via").count(), 3);
    assert_eq!(read.via.host, "192.0.2.2");
    assert_eq!(read.body, b"body", "octets beyond Content-Length are dropped");
    assert_eq!(read.headers.get("NewFangledHeader"), Some("newfangled value continued newfangled value"));
}

#[test]
fn odd_but_lawful_requests_are_read() {
    assert_eq!(
        accepted(&request(
            "!interesting-Method0123456789_*+`.%indeed'~ sip:b@example.com SIP/2.0",
            &[("CSeq", "139122385 !interesting-Method0123456789_*+`.%indeed'~")]
        ))
        .method
        .label(),
        "OTHER"
    );
    accepted(&request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", &[]));
    accepted(&request("OPTIONS tel:+4930 SIP/2.0", &[]));
    accepted(&options(&[("Max-Forwards", "0")]));
    accepted(&options(&[("From", "sip:caller@example.net;tag=bare")]));
    assert_eq!(
        accepted(&options(&[("Via", "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3")])).via.host,
        "2001:db8::9:1"
    );
    accepted(&[b"\r\n\r\n", &options(&[])[..]].concat());
}

#[test]
fn broken_requests_are_refused_with_400() {
    for (rule, octets) in [
        ("Via is malformed", options(&[("Via", "SIP/2.0/UDP 192.0.2.15;;,;,,")])),
        ("From is malformed", options(&[("From", "\"Mr. J. User <sip:j@example.com>;tag=1")])),
        ("To is malformed", options(&[("To", "\"Watson, Thomas\" < sip:t.watson @example.org >")])),
        ("CSeq is malformed", options(&[("CSeq", "36893488147419103232 OPTIONS")])),
        ("CSeq names another method", options(&[("CSeq", "9 INVITE")])),
        ("Max-Forwards is not 0-255", options(&[("Max-Forwards", "300")])),
        ("Content-Length is not a number", options(&[("Content-Length", "-999")])),
        (SHORT_BODY, options(&[("Content-Length", "9999")])),
        ("Call-ID is malformed", options(&[("Call-ID", "a b")])),
        ("Request-URI is not a URI", request("OPTIONS <sip:user@example.com> SIP/2.0", &[])),
        ("request line is not method, URI, version", request("OPTIONS sip:a@b; lr SIP/2.0", &[])),
        ("request line is not method, URI, version", request("OPTIONS  sip:a@b  SIP/2.0", &[])),
        ("request line is not method, URI, version", request("OPTIONS sip:a@b SIP/2.0 ", &[])),
        ("INVITE without Contact", request("INVITE sip:a@b SIP/2.0", &[("CSeq", "1 INVITE")])),
    ] {
        assert_eq!(refused(&octets), (400, rule));
    }
    let twice = String::from_utf8(options(&[])).unwrap().replace("CSeq: 9", "CSeq: 8 OPTIONS\r\nCSeq: 9");
    assert_eq!(refused(twice.as_bytes()), (400, "CSeq given twice"));
    for missing in ["From", "To", "Call-ID", "CSeq", "Via"] {
        let text = String::from_utf8(options(&[])).unwrap();
        let without: String = text.split_inclusive("\r\n").filter(|line| !line.starts_with(missing)).collect();
        assert_eq!(refused(without.as_bytes()).0, 400, "without {missing}");
    }
}

#[test]
fn versions_and_noise() {
    assert_eq!(refused(&request("OPTIONS sip:t@example.com SIP/7.0", &[])).0, 505);
    for noise in [&b""[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x80\x00\x01\x02", b"a b c\r\n\r\n"] {
        let malformed = parse(noise).expect_err("noise");
        assert!(
            malformed.request.is_none() || malformed.request.is_some_and(|(_, headers)| headers.get("Via").is_none())
        );
    }
}

#[test]
fn responses_within_bounds() {
    let response = |start: &str| {
        let text = String::from_utf8(options(&[])).unwrap();
        parse(text.replace("OPTIONS sip:b@example.com SIP/2.0", start).as_bytes())
    };
    assert!(matches!(response("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e}"), Ok(Message::Response(_))));
    assert!(matches!(response("SIP/2.0 100 "), Ok(Message::Response(_))));
    assert!(response("SIP/2.0 4294967301 better not break").is_err());
    assert!(response("SIP/2.0 700 x").is_err());
}
