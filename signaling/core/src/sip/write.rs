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
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }
}

/// Serialises a request.
pub fn request(method: &Method, uri: &str, headers: &Headers, body: Option<&Body>) -> Vec<u8> {
    message(&format!("{method} {uri} SIP/2.0"), headers, body)
}

/// Serialises an answer to `request_headers`, which came from `source`. `to_tag` is added where To has none.
pub fn response(reply: &Reply, request_headers: &Headers, source: SocketAddr, to_tag: &str) -> Vec<u8> {
    let mut headers = copied(request_headers, source, to_tag, reply.status);
    headers.extend(reply.headers.clone());
    let phrase = reply.phrase.unwrap_or_else(|| reason(reply.status));
    message(&format!("SIP/2.0 {} {phrase}", reply.status), &headers, reply.body.as_ref())
}

fn copied(request: &Headers, source: SocketAddr, to_tag: &str, status: u16) -> Headers {
    let mut headers = Headers::new();
    for (at, via) in request.all("Via").enumerate() {
        headers.push("Via", if at == 0 { stamped(via, source) } else { via.to_owned() });
    }
    if status > 100 && status < 300 {
        request.all("Record-Route").for_each(|route| headers.push("Record-Route", route));
    }
    headers.push("From", request.get("From").unwrap_or_default());
    let to = request.get("To").unwrap_or_default();
    let is_tagged = super::NameAddr::parse(to).is_some_and(|to| to.tag().is_some());
    let needs_tag = status > 100 && !is_tagged && !to_tag.is_empty();
    headers.push("To", if needs_tag { format!("{to};tag={to_tag}") } else { to.to_owned() });
    headers.push("Call-ID", request.get("Call-ID").unwrap_or_default());
    headers.push("CSeq", request.get("CSeq").unwrap_or_default());
    request.all("Timestamp").take(usize::from(status == 100)).for_each(|stamp| headers.push("Timestamp", stamp));
    headers
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

fn message(start: &str, headers: &Headers, body: Option<&Body>) -> Vec<u8> {
    let content: &[u8] = body.map_or(&[], |body| &body.content);
    let mut out = String::with_capacity(768);
    let mut line = |name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        // Nothing that we were told can begin a line of its own.
        value.split(['\r', '\n']).for_each(|piece| out.push_str(piece));
        out.push_str("\r\n");
    };
    headers.iter().for_each(|(name, value)| line(name, value));
    if let Some(body) = body {
        line("Content-Type", &body.content_type);
        if let Some(disposition) = &body.disposition {
            line("Content-Disposition", disposition);
        }
    }
    line("Content-Length", &content.len().to_string());
    let mut octets = Vec::with_capacity(start.len() + out.len() + content.len() + 4);
    octets.extend_from_slice(start.as_bytes());
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(out.as_bytes());
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(content);
    octets
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
        assert!(text.contains("X-Bad: aInjected: 1\r\n"));
        assert!(text.ends_with("Content-Length: 0\r\n\r\n"));
        let trying = String::from_utf8(response(&Reply::new(100), &request, source, "tag9")).unwrap();
        assert!(trying.contains("To: <sip:c@d>\r\n"), "100 carries no tag of ours");
    }
}
