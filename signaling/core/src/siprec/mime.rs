//! MIME as SIP peers write it (RFC 2046 5.1): delimiters, part headers, parameters, quoted-printable.

use super::{body::BodyHeaders, limits};

/// One part: its header fields and its octets.
pub(super) struct Part<'a> {
    fields: Vec<(String, String)>,
    /// Still transfer-encoded.
    pub(super) body: &'a [u8],
}

impl Part<'_> {
    pub(super) fn headers(&self) -> BodyHeaders<'_> {
        BodyHeaders {
            content_type: self.field("content-type").unwrap_or_default(),
            disposition: self.field("content-disposition"),
            transfer_encoding: self.field("content-transfer-encoding"),
            content_encoding: self.field("content-encoding"),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let short = if name == "content-type" { "c" } else { name };
        let field = self.fields.iter().find(|(known, _)| known == name || known == short);
        field.map(|(_, value)| value.as_str())
    }
}

/// The type without parameters, lower case.
pub(super) fn media_type(content_type: &str) -> String {
    let text = content_type.split(';').next().unwrap_or_default();
    text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

pub(super) fn is_multipart(content_type: &str) -> bool {
    media_type(content_type).starts_with("multipart/")
}

/// A parameter by name, without case; blanks round `;` and `=` do not count (Q-MIME), quotes are undone.
pub(super) fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (field, after) = cut_parameter(rest);
        if let Some((key, value)) = field.split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            return Some(unquoted(value.trim()));
        }
        rest = after?;
    }
}

/// Up to the next `;` outside quotes, and what follows it.
fn cut_parameter(text: &str) -> (&str, Option<&str>) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

/// Splits at the delimiter lines; preamble and epilogue are dropped. False when the closing delimiter is missing: the
/// last part then ends with the body.
pub(super) fn split<'a>(body: &'a [u8], boundary: &str) -> Result<(Vec<Part<'a>>, bool), &'static str> {
    if boundary.len() > limits::BOUNDARY_OCTETS {
        return Err("boundary too long");
    }
    let mut parts = Vec::new();
    let mut open = None;
    let mut at = 0;
    while at < body.len() {
        let end = line_end(body, at);
        if let Some(is_last) = delimiter(&body[at..end], boundary) {
            if let Some(start) = open {
                parts.push(part(without_line_break(body, start, at))?);
            }
            if parts.len() > limits::PARTS {
                return Err("too many parts");
            }
            if is_last {
                return Ok((parts, true));
            }
            open = Some(end);
        }
        at = end;
    }
    let start = open.ok_or("no delimiter of the boundary")?;
    parts.push(part(&body[start..])?);
    Ok((parts, false))
}

/// Where the line that begins at `at` ends, its line break included.
fn line_end(body: &[u8], at: usize) -> usize {
    body[at..].iter().position(|octet| *octet == b'\n').map_or(body.len(), |length| at + length + 1)
}

/// `Some(true)` for the closing delimiter. Blanks behind either are allowed (RFC 2046 5.1.1, transport padding).
fn delimiter(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    match rest.strip_prefix(b"--") {
        Some(padding) if padding.trim_ascii().is_empty() => Some(true),
        _ => rest.trim_ascii().is_empty().then_some(false),
    }
}

/// The line break before a delimiter belongs to the delimiter.
fn without_line_break(body: &[u8], start: usize, end: usize) -> &[u8] {
    let content = &body[start..end];
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}

/// Header fields, an empty line, the octets; a `Content-Length` among the fields is ignored (Q-MIME).
fn part(content: &[u8]) -> Result<Part<'_>, &'static str> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let end = line_end(content, at);
        let line = String::from_utf8_lossy(&content[at..end]);
        let is_folded = line.starts_with([' ', '\t']);
        let line = line.trim();
        at = end;
        if line.is_empty() {
            break;
        }
        if fields.len() >= limits::PART_HEADERS {
            return Err("too many part headers");
        }
        match (is_folded, fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push(' ');
                value.push_str(line);
            }
            (_, _, Some((name, value))) => fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
            _ => return Err("bad part header"),
        }
    }
    Ok(Part { fields, body: &content[at..] })
}

/// RFC 2045 6.7; what is no escape stays as it is.
pub(super) fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(octet) = body.get(at) {
        at += 1;
        if *octet != b'=' {
            out.push(*octet);
            continue;
        }
        let rest = &body[at..];
        if rest.starts_with(b"\r\n") {
            at += 2;
        } else if rest.starts_with(b"\n") {
            at += 1;
        } else if let Some(value) = rest.get(..2).and_then(hex_octet) {
            out.push(value);
            at += 2;
        } else {
            out.push(b'=');
        }
    }
    out
}

fn hex_octet(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u8::from_str_radix(text, 16).ok()
}
