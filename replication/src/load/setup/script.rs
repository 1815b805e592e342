//! The messages of a session, written and read by hand: only what a client that talks to the recorder alone needs.

use std::{fmt::Write as _, net::SocketAddr};

use signaling_core::event::Transport;

use crate::call::{
    signal::Invite,
    spec::{CallSpec, Profile},
};

/// What all messages of one connection have in common.
pub(super) struct Script {
    via: String,
    from: String,
    to: String,
    contact: String,
    run: String,
}

/// The other side of an established session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// URI of its Contact.
    pub(super) contact: String,
    /// Its To with the tag.
    pub(super) to: String,
}

/// A message from the recorder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// An answer to one of our requests.
    Answer { number: u32, status: u16, is_invite: bool, to: &'a str, contact: &'a str, retry_after: bool },
    /// A request of its own.
    Request { number: u32, is_bye: bool },
}

impl Script {
    /// `run` is unique among loads.
    pub(super) fn new(spec: &CallSpec, local: SocketAddr, remote: SocketAddr, run: &str) -> Self {
        let (name, scheme, parameter) = match spec.transport {
            Transport::Udp => ("UDP", "sip", ""),
            Transport::Tcp => ("TCP", "sip", ";transport=tcp"),
            Transport::Tls => ("TLS", "sips", ""),
        };
        let siprec = if spec.profile == Profile::Rfc7866 { ";+sip.src" } else { "" };
        Self {
            via: format!("SIP/2.0/{name} {local};rport;branch=z9hG4bK{run}"),
            from: format!("<{scheme}:replicator@{}>", local.ip()),
            to: format!("<{scheme}:srs@{remote}>"),
            contact: format!("<{scheme}:replicator@{local}{parameter}>{siprec}"),
            run: run.to_owned(),
        }
    }

    /// The INVITE of session `number`.
    pub(super) fn invite(&self, number: u32, invite: &Invite) -> Vec<u8> {
        let mut text = self.head(("INVITE", &invite.uri), number, &self.to, 1);
        let fields = format_args!(
            "Contact: {}\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS\r\nSupported: timer\r\n\
             Session-Expires: 1800\r\nContent-Type: {}\r\n",
            self.contact, invite.content_type
        );
        write_text(&mut text, fields);
        for (name, value) in &invite.headers {
            write_text(&mut text, format_args!("{name}: {value}\r\n"));
        }
        write_text(&mut text, format_args!("Content-Length: {}\r\n\r\n", invite.body.len()));
        let mut message = text.into_bytes();
        message.extend_from_slice(&invite.body);
        message
    }

    /// ACK of a 200: a transaction of its own, to the Contact (RFC 3261 13.2.2.4).
    pub(super) fn ack(&self, number: u32, peer: &Peer) -> Vec<u8> {
        self.bodiless(("ACK", &peer.contact), number, &peer.to, 1)
    }

    /// ACK of a refusal: part of the INVITE's transaction (RFC 3261 17.1.1.3).
    pub(super) fn ack_refusal(&self, number: u32, invite: &[u8], to: &str) -> Vec<u8> {
        let uri = invite.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
        let text = self.bodiless(("ACK", &String::from_utf8_lossy(uri)), number, to, 1);
        let theirs = format!("{number:08}.ACK");
        let ours = format!("{number:08}.INVITE");
        String::from_utf8_lossy(&text).replacen(&theirs, &ours, 1).into_bytes()
    }

    /// BYE.
    pub(super) fn bye(&self, number: u32, peer: &Peer) -> Vec<u8> {
        self.bodiless(("BYE", &peer.contact), number, &peer.to, 2)
    }

    /// 200 to a request of the recorder: its own head, turned round.
    pub(super) fn ok(request: &[u8]) -> Vec<u8> {
        let mut answer = b"SIP/2.0 200 OK\r\n".to_vec();
        for line in request.split(|octet| *octet == b'\n').skip(1).take_while(|line| !line.trim_ascii().is_empty()) {
            let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
            let is_kept = ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "record-route"];
            if is_kept.iter().any(|kept| name.trim_ascii().eq_ignore_ascii_case(kept.as_bytes())) {
                answer.extend_from_slice(line.trim_ascii_end());
                answer.extend_from_slice(b"\r\n");
            }
        }
        answer.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        answer
    }

    fn bodiless(&self, line: (&str, &str), number: u32, to: &str, cseq: u32) -> Vec<u8> {
        let mut text = self.head(line, number, to, cseq);
        text.push_str("Content-Length: 0\r\n\r\n");
        text.into_bytes()
    }

    fn head(&self, (method, uri): (&str, &str), number: u32, to: &str, cseq: u32) -> String {
        let Self { via, from, run, .. } = self;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: {via}.{number:08}.{method}\r\nMax-Forwards: 70\r\nFrom: {from};tag={number:08}\r\n\
             To: {to}\r\nCall-ID: {number:08}.{run}@replicator.invalid\r\nCSeq: {cseq} {method}\r\n"
        )
    }
}

fn write_text(text: &mut String, fields: std::fmt::Arguments<'_>) {
    text.write_fmt(fields).expect("a String takes everything");
}

/// Reads what can be read; anything else is nothing of ours.
pub(super) fn read(message: &[u8]) -> Option<Heard<'_>> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = &message[..end + 2];
    let number = header(head, b"Call-ID")?.split_once('.')?.0.parse().ok()?;
    let (_, method) = header(head, b"CSeq")?.split_once(' ')?;
    let Some(status) = head.strip_prefix(b"SIP/2.0 ") else {
        return Some(Heard::Request { number, is_bye: method == "BYE" });
    };
    Some(Heard::Answer {
        number,
        status: std::str::from_utf8(status.get(..3)?).ok()?.parse().ok()?,
        is_invite: method == "INVITE",
        to: header(head, b"To")?,
        contact: header(head, b"Contact").and_then(uri).unwrap_or_default(),
        retry_after: header(head, b"Retry-After").is_some(),
    })
}

/// What stands between the angle brackets.
fn uri(contact: &str) -> Option<&str> {
    contact.split_once('<')?.1.split_once('>').map(|(uri, _)| uri)
}

/// The value of the first header field of that (long) name: the recorder writes no compact ones.
pub(super) fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let is_it = |line: &&[u8]| {
        line.len() > name.len() && line[name.len()] == b':' && line[..name.len()].eq_ignore_ascii_case(name)
    };
    let line = head.split(|octet| *octet == b'\n').find(is_it)?;
    Some(std::str::from_utf8(&line[name.len() + 1..]).ok()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        let spec = CallSpec::new("127.0.0.1".parse().unwrap());
        Script::new(&spec, ([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 5060).into(), "r")
    }

    fn text(message: &[u8]) -> &str {
        std::str::from_utf8(message).unwrap()
    }

    #[test]
    fn an_invite_is_whole() {
        let invite = Invite {
            uri: "sip:srs@h".to_owned(),
            is_siprec: true,
            headers: vec![("Require".to_owned(), "siprec".to_owned())],
            content_type: "application/sdp".to_owned(),
            body: b"v=0\r\n".to_vec(),
        };
        let message = script().invite(7, &invite);
        let text = text(&message);
        assert!(
            text.starts_with(
                "INVITE sip:srs@h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:40000;rport;branch=z9hG4bKr.00000007.INVITE\r\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("\r\nCall-ID: 00000007.r@replicator.invalid\r\n") && text.contains("\r\nRequire: siprec\r\n")
        );
        assert!(text.ends_with("Content-Length: 5\r\n\r\nv=0\r\n"));
    }

    #[test]
    fn an_answer_names_its_session_and_its_peer() {
        let answer = b"SIP/2.0 200 OK\r\nVia: x\r\nTo: <sip:srs@h>;tag=b\r\nCall-ID: 12.r@replicator.invalid\r\n\
                       CSeq: 1 INVITE\r\nContact: <sip:recorder@h:5060>;+sip.srs\r\nContent-Length: 0\r\n\r\n";
        let Some(Heard::Answer { number, status, is_invite, to, contact, retry_after }) = read(answer) else {
            panic!()
        };
        assert_eq!((number, status, is_invite, retry_after), (12, 200, true, false));
        assert_eq!((to, contact), ("<sip:srs@h>;tag=b", "sip:recorder@h:5060"));
        let peer = Peer { contact: contact.to_owned(), to: to.to_owned() };
        assert!(text(&script().bye(12, &peer)).starts_with("BYE sip:recorder@h:5060 SIP/2.0\r\n"));
        assert!(text(&script().ack(12, &peer)).contains("branch=z9hG4bKr.00000012.ACK\r\n"));
        assert!(read(b"SIP/2.0 200 OK\r\nCall-ID: other\r\n\r\n").is_none());
    }

    #[test]
    fn a_refusal_is_acknowledged_in_the_transaction_of_its_invite() {
        let ack = script().ack_refusal(3, b"INVITE sip:srs@h SIP/2.0", "<sip:srs@h>;tag=c");
        assert!(text(&ack).contains("branch=z9hG4bKr.00000003.INVITE\r\n") && text(&ack).contains("CSeq: 1 ACK\r\n"));
    }

    #[test]
    fn a_request_of_the_recorder_is_answered_with_its_own_head() {
        let bye = b"BYE sip:x SIP/2.0\r\nVia: v\r\nMax-Forwards: 70\r\nFrom: a\r\nTo: b\r\nCall-ID: 5.r@h\r\nCSeq: 9 BYE\r\n\r\n";
        assert_eq!(read(bye), Some(Heard::Request { number: 5, is_bye: true }));
        let expected = "SIP/2.0 200 OK\r\nVia: v\r\nFrom: a\r\nTo: b\r\nCall-ID: 5.r@h\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(text(&Script::ok(bye)), expected);
    }
}
