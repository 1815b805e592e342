//! Message to octets.

use std::net::SocketAddr;

use super::{Headers, Method, Request, message::reason, typed::Via};

/// A body and what describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Content-Type.
    pub content_type: String,
    /// Content-Disposition, when it is not the default.
    pub disposition: Option<String>,
    /// Octets.
    pub content: Vec<u8>,
}

impl Body {
    /// A session description.
    pub fn sdp(content: Vec<u8>) -> Self {
        Self { content_type: "application/sdp".into(), disposition: None, content }
    }
}

/// What is said in answer to a request; the headers that RFC 3261 8.2.6.2 copies are added by [`response`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Instead of the standard reason phrase.
    pub phrase: Option<&'static str>,
    /// Further headers.
    pub headers: Headers,
    /// Body.
    pub body: Option<Body>,
}

impl Reply {
    /// A bare status.
    pub const fn new(status: u16) -> Self {
        Self { status, phrase: None, headers: Headers::new(), body: None }
    }

    /// With a further header.
    #[must_use]
    pub fn with(mut self, name: impl Into<std::borrow::Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }
}

/// Serialises a request.
pub fn request(method: &Method, uri: &str, headers: &Headers, body: Option<&Body>) -> Vec<u8> {
    let mut lines = Lines::begin(&[method.as_str(), " ", uri, " SIP/2.0"], body);
    headers.iter().for_each(|(name, value)| lines.line(name, &[value]));
    lines.end(body)
}

/// Serialises an answer to `request_headers`, which came from `source`. `to_tag` is added where To has none.
pub fn response(reply: &Reply, request_headers: &Headers, source: SocketAddr, to_tag: &str) -> Vec<u8> {
    let phrase = reply.phrase.unwrap_or_else(|| reason(reply.status));
    let mut lines = Lines::begin(&["SIP/2.0 ", &reply.status.to_string(), " ", phrase], reply.body.as_ref());
    copy(request_headers, (source, to_tag), reply.status, &mut lines);
    reply.headers.iter().for_each(|(name, value)| lines.line(name, &[value]));
    lines.end(reply.body.as_ref())
}

fn copy(request: &Headers, (source, to_tag): (SocketAddr, &str), status: u16, lines: &mut Lines) {
    for (at, via) in request.all("Via").enumerate() {
        if at == 0 {
            lines.line("Via", &[&stamped(via, source)]);
        } else {
            lines.line("Via", &[via]);
        }
    }
    if status > 100 && status < 300 {
        request.all("Record-Route").for_each(|route| lines.line("Record-Route", &[route]));
    }
    lines.line("From", &[request.get("From").unwrap_or_default()]);
    let to = request.get("To").unwrap_or_default();
    if status > 100 && !to_tag.is_empty() && !is_tagged(to) {
        lines.line("To", &[to, ";tag=", to_tag]);
    } else {
        lines.line("To", &[to]);
    }
    lines.line("Call-ID", &[request.get("Call-ID").unwrap_or_default()]);
    lines.line("CSeq", &[request.get("CSeq").unwrap_or_default()]);
    request.all("Timestamp").take(usize::from(status == 100)).for_each(|stamp| lines.line("Timestamp", &[stamp]));
}

fn is_tagged(to: &str) -> bool {
    // Most have none: no need to take them apart.
    let may_be = to.as_bytes().windows(3).any(|some| some.eq_ignore_ascii_case(b"tag"));
    may_be && super::NameAddr::parse(to).is_some_and(|to| to.tag().is_some())
}

/// The topmost Via with `received` (RFC 3261 18.2.1) and `rport` (RFC 3581) filled in.
fn stamped(via: &str, source: SocketAddr) -> String {
    let Some(read) = Via::parse(via) else { return via.to_owned() };
    let mut out = String::with_capacity(via.len() + 48);
    for (at, piece) in super::text::split(via, ';').into_iter().enumerate() {
        let name = piece.split('=').next().unwrap_or_default().trim();
        if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
            continue;
        }
        if at > 0 {
            out.push(';');
        }
        out.push_str(piece);
    }
    if read.has_rport || read.address() != Some(source.ip()) {
        out.push_str(&format!(";received={}", source.ip()));
    }
    if read.has_rport {
        out.push_str(&format!(";rport={}", source.port()));
    }
    out
}

/// A message as it is written, line by line, into the octets that will leave.
struct Lines(Vec<u8>);

impl Lines {
    fn begin(start: &[&str], body: Option<&Body>) -> Self {
        let mut octets = Vec::with_capacity(1_024 + body.map_or(0, |body| body.content.len()));
        start.iter().for_each(|piece| octets.extend_from_slice(piece.as_bytes()));
        octets.extend_from_slice(b"\r\n");
        Self(octets)
    }

    fn line(&mut self, name: &str, value: &[&str]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        let from = self.0.len();
        value.iter().for_each(|piece| self.0.extend_from_slice(piece.as_bytes()));
        // Nothing that we were told can begin a line of its own; what was space to the reader stays space.
        self.0[from..].iter_mut().filter(|octet| matches!(octet, b'\r' | b'\n')).for_each(|octet| *octet = b' ');
        self.0.extend_from_slice(b"\r\n");
    }

    fn end(mut self, body: Option<&Body>) -> Vec<u8> {
        let content: &[u8] = body.map_or(&[], |body| &body.content);
        if let Some(body) = body {
            self.line("Content-Type", &[&body.content_type]);
            body.disposition.iter().for_each(|disposition| self.line("Content-Disposition", &[disposition]));
        }
        self.line("Content-Length", &[&content.len().to_string()]);
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(content);
        self.0
    }
}

/// The ACK for a final answer other than 2xx, made of the INVITE and the answer's To (RFC 3261 17.1.1.3).
pub fn ack(invite: &Request, to: &str) -> Vec<u8> {
    let mut headers = Headers::new();
    headers.push("Via", invite.headers.get("Via").unwrap_or_default());
    headers.push("Max-Forwards", "70");
    headers.push("From", invite.headers.get("From").unwrap_or_default());
    headers.push("To", to);
    headers.push("Call-ID", &*invite.call_id);
    headers.push("CSeq", super::typed::cseq_text(invite.cseq, &Method::Ack));
    invite.headers.all("Route").for_each(|route| headers.push("Route", route));
    request(&Method::Ack, &invite.uri, &headers, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_copies_what_it_must_and_stamps_the_via() {
        let request = Headers::new()
            .with("Via", "SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bK1;rport")
            .with("Via", "SIP/2.0/TCP second")
            .with("From", "<sip:a@b>;tag=1")
            .with("To", "<sip:c@d>")
            .with("Call-ID", "x")
            .with("CSeq", "7 INVITE");
        let source = "192.0.2.7:40000".parse().unwrap();
        let octets = response(&Reply::new(404).with("X-Bad", "a\r\nInjected: 1"), &request, source, "tag9");
        let text = String::from_utf8(octets).unwrap();
        assert!(text.starts_with("SIP/2.0 404 Unspecified\r\nVia: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bK1;received=192.0.2.7;rport=40000\r\nVia: SIP/2.0/TCP second\r\n"), "{text}");
        assert!(text.contains("To: <sip:c@d>;tag=tag9\r\n"));
        assert!(text.contains("X-Bad: a  Injected: 1\r\n"));
        assert!(text.ends_with("Content-Length: 0\r\n\r\n"));
        let trying = String::from_utf8(response(&Reply::new(100), &request, source, "tag9")).unwrap();
        assert!(trying.contains("To: <sip:c@d>\r\n"), "100 carries no tag of ours");
    }
}
