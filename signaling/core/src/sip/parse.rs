//! Octets to message: tolerant where RFC 4475 is, refusing where it refuses.

use std::borrow::Cow;

use super::{
    Headers, Method, NameAddr, Request, Response,
    header::{kept_name, long_name},
    message::{Malformed, Message},
    text, typed,
    typed::Via,
};
use crate::limits;

/// Where the head of a message ends: offset of the first octet after the blank line. Bare LF is accepted.
pub fn head_end(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = octets[from..].iter().position(|&octet| octet == b'\n') {
        let next = from + at + 1;
        match octets[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => from = next,
        }
    }
    None
}

/// Start line and unfolded header lines of a head.
fn lines(head: &str) -> Vec<Cow<'_, str>> {
    let mut lines: Vec<Cow<'_, str>> = Vec::with_capacity(24);
    for raw in head.split('\n') {
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        match lines.last_mut() {
            Some(last) if raw.starts_with([' ', '\t']) => {
                let last = last.to_mut();
                last.push(' ');
                last.push_str(raw.trim());
            }
            _ if raw.is_empty() => {}
            _ => lines.push(Cow::Borrowed(raw)),
        }
    }
    lines
}

/// Reads header lines, or the rule they break.
fn headers(lines: &[Cow<'_, str>]) -> (Headers, Option<&'static str>) {
    let mut headers = Headers::with_capacity(lines.len());
    let mut broken = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            broken = Some("header line without colon");
            continue;
        };
        let (name, value) = (long_name(text::trim(name)), text::trim(value));
        if name.is_empty() || text::has_space(name) {
            broken = Some("header name is not a token");
            continue;
        }
        let is_routing = ["Via", "Route", "Record-Route"].iter().any(|known| name.eq_ignore_ascii_case(known));
        let name = kept_name(name);
        if is_routing && value.contains(',') {
            text::split(value, ',').into_iter().for_each(|one| headers.push(name.clone(), one));
        } else {
            headers.push(name, value);
        }
        if headers.len() > limits::HEADERS {
            return (headers, Some("too many headers"));
        }
    }
    (headers, broken)
}

/// Content-Length of a head. `Err`: negative, not a number, or several that differ (RFC 4475 3.1.2.2, 3.1.2.4).
pub fn content_length(headers: &Headers) -> Result<Option<usize>, &'static str> {
    let mut found = None;
    for value in headers.all("Content-Length") {
        let length = value.parse::<usize>().map_err(|_| "Content-Length is not a number")?;
        if found.is_some_and(|earlier| earlier != length) {
            return Err("Content-Length given twice");
        }
        found = Some(length);
    }
    Ok(found)
}

/// Content-Length of a head, for framing: nothing else of it is read.
///
/// # Errors
/// As [`content_length`].
pub fn head_length(head: &[u8]) -> Result<Option<usize>, &'static str> {
    let text = String::from_utf8_lossy(head);
    let is_length = |line: &&Cow<'_, str>| {
        let name = line.split_once(':').map(|(name, _)| long_name(name.trim()));
        name.is_some_and(|name| name.eq_ignore_ascii_case("Content-Length"))
    };
    let lengths: Vec<_> = lines(&text).iter().skip(1).filter(is_length).cloned().collect();
    content_length(&headers(&lengths).0)
}

/// Reads one whole message: on a datagram the body is cut to Content-Length (RFC 3261 18.3).
///
/// # Errors
/// [`Malformed`] with the status to answer and, where that is possible, the headers to answer with.
pub fn parse(octets: &[u8]) -> Result<Message, Malformed> {
    let leading = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let octets = &octets[leading..];
    let nobody = |rule| Malformed { status: 400, rule, request: None };
    let end = head_end(octets).ok_or_else(|| nobody("no end of headers"))?;
    if end > limits::HEAD_OCTETS {
        return Err(nobody("headers too large"));
    }
    // Checking is quick; only what is no UTF-8 is looked at piece by piece.
    let head =
        std::str::from_utf8(&octets[..end]).map_or_else(|_| String::from_utf8_lossy(&octets[..end]), Cow::Borrowed);
    let lines = lines(&head);
    let (start, rest) = lines.split_first().ok_or_else(|| nobody("empty message"))?;
    let (headers, broken) = headers(rest);
    let body = &octets[end..];
    if start.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        let body = body_of(&headers, body).map_err(nobody)?;
        return response(start, headers, body, broken).map_err(nobody);
    }
    request(start, headers, body, broken)
}

/// The body by Content-Length.
fn body_of(headers: &Headers, body: &[u8]) -> Result<Vec<u8>, &'static str> {
    match content_length(headers)? {
        Some(length) => body.get(..length).map(<[u8]>::to_vec).ok_or("body shorter than Content-Length"),
        None => Ok(body.to_vec()),
    }
}

/// The rule that [`parse`] names for a datagram whose body is cut short.
pub const SHORT_BODY: &str = "body shorter than Content-Length";

fn request(start: &str, headers: Headers, body: &[u8], broken: Option<&'static str>) -> Result<Message, Malformed> {
    let method = start.split(' ').next().unwrap_or_default();
    let method = Method::from_token(method);
    let refuse = |status, rule| Malformed { status, rule, request: Some((method.clone(), headers.clone())) };
    let words: Vec<&str> = start.split(' ').collect();
    let [token, uri, version] = words[..] else {
        return Err(refuse(400, "request line is not method, URI, version"));
    };
    if !is_token(token) {
        // Not SIP at all: nobody to answer.
        return Err(Malformed { status: 400, rule: "method is not a token", request: None });
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let is_sip = version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
        return Err(refuse(if is_sip { 505 } else { 400 }, "version is not SIP/2.0"));
    }
    if !typed::is_request_uri(uri) {
        return Err(refuse(400, "Request-URI is not a URI"));
    }
    if let Some(rule) = broken {
        return Err(refuse(400, rule));
    }
    let core = core(&headers).map_err(|rule| refuse(400, rule))?;
    if core.method != method {
        return Err(refuse(400, "CSeq names another method"));
    }
    vet(&method, &core.to, &headers).map_err(|rule| refuse(400, rule))?;
    let body = body_of(&headers, body).map_err(|rule| refuse(400, rule))?;
    let Core { via, from, to, call_id, cseq, .. } = core;
    let uri = uri.to_owned();
    Ok(Message::Request(Box::new(Request { method, uri, headers, body, via, from, to, call_id, cseq })))
}

fn response(
    start: &str,
    headers: Headers,
    body: Vec<u8>,
    broken: Option<&'static str>,
) -> Result<Message, &'static str> {
    let mut words = start.splitn(3, ' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err("version is not SIP/2.0");
    }
    let status: u16 = status.parse().map_err(|_| "status is not a number")?;
    if !(100..700).contains(&status) {
        return Err("status out of range");
    }
    if let Some(rule) = broken {
        return Err(rule);
    }
    let Core { via, from, to, call_id, cseq, method } = core(&headers)?;
    let reason = words.next().unwrap_or_default().to_owned();
    let response = Response { status, reason, headers, body, via, from, to, call_id, cseq, method };
    Ok(Message::Response(Box::new(response)))
}

struct Core {
    via: Via,
    from: NameAddr,
    to: NameAddr,
    call_id: String,
    cseq: u32,
    method: Method,
}

/// The five headers without which nothing works, each exactly once but Via.
fn core(headers: &Headers) -> Result<Core, &'static str> {
    let via = headers.get("Via").ok_or("no Via")?;
    let via = Via::parse(via).ok_or("Via is malformed")?;
    if headers.all("Via").any(str::is_empty) {
        return Err("Via is malformed");
    }
    let from = NameAddr::parse(once(headers, "From", "no From", "From given twice")?).ok_or("From is malformed")?;
    let to = NameAddr::parse(once(headers, "To", "no To", "To given twice")?).ok_or("To is malformed")?;
    let call_id = once(headers, "Call-ID", "no Call-ID", "Call-ID given twice")?;
    if call_id.is_empty() || text::has_space(call_id) {
        return Err("Call-ID is malformed");
    }
    let cseq = once(headers, "CSeq", "no CSeq", "CSeq given twice")?;
    let (cseq, method) = typed::cseq(cseq).ok_or("CSeq is malformed")?;
    Ok(Core { via, from, to, call_id: call_id.to_owned(), cseq, method })
}

fn once<'a>(
    headers: &'a Headers,
    name: &'a str,
    none: &'static str,
    twice: &'static str,
) -> Result<&'a str, &'static str> {
    let mut values = headers.all(name);
    let value = values.next().ok_or(none)?;
    if values.next().is_some() { Err(twice) } else { Ok(value) }
}

/// What only requests must fulfil.
fn vet(method: &Method, to: &NameAddr, headers: &Headers) -> Result<(), &'static str> {
    if let Some(hops) = headers.get("Max-Forwards") {
        // RFC 4475 3.1.2.5: 0-255.
        hops.parse::<u8>().map_err(|_| "Max-Forwards is not 0-255")?;
    }
    if let Some(expires) = headers.get("Expires").filter(|_| *method == Method::Invite) {
        expires.parse::<u32>().map_err(|_| "Expires is malformed")?;
    }
    // Inside a dialog the target is known; some clients leave it out of a re-INVITE.
    if *method == Method::Invite && to.tag().is_none() && headers.get("Contact").is_none() {
        return Err("INVITE without Contact");
    }
    let is_malformed = |contact: &str| {
        !text::is_balanced(contact)
            || contact.ends_with(";;")
            || text::split(contact, ',').into_iter().any(|one| NameAddr::parse(one).is_none())
    };
    if headers.all("Contact").any(is_malformed) { Err("Contact is malformed") } else { Ok(()) }
}

fn is_token(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(is_allowed)
}

#[cfg(test)]
#[path = "tests/parse.rs"]
mod tests;
