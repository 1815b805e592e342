//! What a SIP body holds: the SDP, the SIPREC metadata, and what else came along.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    limits,
    mime::{self, Part},
};
use crate::event::{Attachment, Warning};

/// The headers of a message (or part) that describe its body. Absent ones are `None` or empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyHeaders<'a> {
    /// `Content-Type` (`c`); empty when absent.
    pub content_type: &'a str,
    /// `Content-Disposition`.
    pub disposition: Option<&'a str>,
    /// `Content-Transfer-Encoding`.
    pub transfer_encoding: Option<&'a str>,
    /// `Content-Encoding` (`e`): only `identity` is understood.
    pub content_encoding: Option<&'a str>,
}

/// A body taken apart, transfer encodings undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The session description.
    pub sdp: Option<Vec<u8>>,
    /// Media type and octets of the recording metadata.
    pub metadata: Option<(String, Vec<u8>)>,
    /// Everything else, to be kept but not understood: at most [`limits::ATTACHMENTS`].
    pub others: Vec<Attachment>,
    /// Tolerances that were needed.
    pub warnings: Vec<Warning>,
}

/// Why a body is turned down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It breaks a rule, which is named: 400.
    BadRequest(&'static str),
    /// Lawful, but a part that is required is beyond us: 415 with Accept.
    Unsupported,
}

/// Takes a body apart. Known types are recognised by type alone, whatever their disposition says or lacks (Q-DISP);
/// any other part counts as required unless `handling=optional` (RFC 3261 20.11). `strict` refuses what lenient peers
/// are forgiven: a missing closing delimiter.
///
/// # Errors
/// [`BodyError`], by the answer it leads to.
pub fn split(headers: &BodyHeaders<'_>, body: &[u8], strict: bool) -> Result<Parts, BodyError> {
    let mut parts = Parts::default();
    if body.is_empty() && !mime::is_multipart(headers.content_type) {
        return Ok(parts);
    }
    take(&mut parts, headers, body, strict)?;
    Ok(parts)
}

fn take(parts: &mut Parts, headers: &BodyHeaders<'_>, body: &[u8], strict: bool) -> Result<(), BodyError> {
    if !mime::is_multipart(headers.content_type) {
        return sort(parts, headers, body);
    }
    let mut count = 0;
    for part in split_once(parts, headers, body, strict)? {
        count += 1;
        let inner = part.headers();
        if !mime::is_multipart(inner.content_type) {
            sort(parts, &inner, part.body)?;
            continue;
        }
        // One level of nesting (RFC 5621 4.1 asks for nested parts; nobody was seen to send more).
        let nested = split_once(parts, &inner, part.body, strict)?;
        count += nested.len();
        if count > limits::PARTS {
            return Err(BodyError::BadRequest("too many parts"));
        }
        for innermost in nested {
            match sort(parts, &innermost.headers(), innermost.body) {
                // What the sender can do without is for the whole of it to say.
                Err(BodyError::Unsupported) if !is_required(&inner) => {
                    attach(parts, mime::media_type(innermost.headers().content_type), &inner, innermost.body.to_vec());
                }
                sorted => sorted?,
            }
        }
    }
    Ok(())
}

fn split_once<'a>(
    parts: &mut Parts,
    headers: &BodyHeaders<'_>,
    body: &'a [u8],
    strict: bool,
) -> Result<Vec<Part<'a>>, BodyError> {
    if is_encoded(headers) {
        return Err(BodyError::Unsupported);
    }
    let boundary = mime::parameter(headers.content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let boundary = boundary.ok_or(BodyError::BadRequest("multipart without boundary"))?;
    let (found, is_terminated) = mime::split(body, &boundary).map_err(BodyError::BadRequest)?;
    if !is_terminated {
        if strict {
            return Err(BodyError::BadRequest("multipart without closing delimiter"));
        }
        parts.warnings.push(Warning::new("unterminated_multipart"));
    }
    if mime::media_type(headers.content_type) != "multipart/alternative" {
        return Ok(found);
    }
    // The same thing several times over, the best last: the last that is understood stands for all (RFC 2046 5.1.4).
    let best = found.iter().rposition(|part| is_understood(&part.headers())).unwrap_or(found.len().saturating_sub(1));
    Ok(found.into_iter().skip(best).take(1).collect())
}

fn is_understood(headers: &BodyHeaders<'_>) -> bool {
    let media_type = mime::media_type(headers.content_type);
    let is_known = media_type == "application/sdp" || is_metadata(&media_type) || mime::is_multipart(&media_type);
    is_known && !is_encoded(headers)
}

fn sort(parts: &mut Parts, headers: &BodyHeaders<'_>, body: &[u8]) -> Result<(), BodyError> {
    let media_type = mime::media_type(headers.content_type);
    if is_metadata(&media_type) && !is_by_reference(headers) {
        return metadata(parts, media_type, headers, body);
    }
    let decoded = decode(headers, body);
    if is_by_reference(headers) {
        attach(parts, media_type, headers, decoded.unwrap_or_else(|_| body.to_vec()));
        return Ok(());
    }
    if media_type == "application/sdp" {
        let sdp = decoded?;
        if parts.sdp.replace(sdp).is_some() {
            return Err(BodyError::BadRequest("two session descriptions"));
        }
        return Ok(());
    }
    if is_required(headers) && !(body.is_empty() && media_type.is_empty()) {
        return Err(BodyError::Unsupported);
    }
    attach(parts, media_type, headers, decoded.unwrap_or_else(|_| body.to_vec()));
    Ok(())
}

/// Keeps a part without understanding it, within the bounds.
fn attach(parts: &mut Parts, content_type: String, headers: &BodyHeaders<'_>, octets: Vec<u8>) {
    if parts.others.len() >= limits::ATTACHMENTS || octets.len() > limits::ATTACHMENT_OCTETS {
        let detail = Some(format!("{} octets", octets.len()));
        return parts.warnings.push(Warning { name: "attachment_dropped", detail });
    }
    let cut = |text: &str| text.chars().take(limits::TEXT_CHARS).collect();
    let disposition = headers.disposition.map(str::trim).filter(|text| !text.is_empty()).map(cut);
    parts.others.push(Attachment { content_type: cut(&content_type), disposition, octets });
}

/// Bad metadata never costs audio: what cannot be decoded is kept as it came.
fn metadata(parts: &mut Parts, media_type: String, headers: &BodyHeaders<'_>, body: &[u8]) -> Result<(), BodyError> {
    let octets = decode(headers, body).unwrap_or_else(|_| {
        parts.warnings.push(Warning::new("metadata_undecodable"));
        body.to_vec()
    });
    if parts.metadata.is_some() {
        parts.warnings.push(Warning::new("second_metadata_part"));
        attach(parts, media_type, headers, octets);
    } else {
        parts.metadata = Some((media_type, octets));
    }
    Ok(())
}

/// RFC 7866 registered the type without suffix, RFC 9806 made `+xml` the proper one; peers send both.
fn is_metadata(media_type: &str) -> bool {
    matches!(media_type, "application/rs-metadata" | "application/rs-metadata+xml")
}

/// Such a part counts only where a header names it (RFC 5621 9.4), and none that we understand does: kept aside.
fn is_by_reference(headers: &BodyHeaders<'_>) -> bool {
    let kind = |disposition: &str| mime::media_type(disposition) == "by-reference";
    headers.disposition.is_some_and(kind)
}

fn is_required(headers: &BodyHeaders<'_>) -> bool {
    let handling = headers.disposition.and_then(|disposition| mime::parameter(disposition, "handling"));
    !handling.is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
}

/// Compressed or otherwise changed: no such coding is understood (RFC 3261 20.12).
fn is_encoded(headers: &BodyHeaders<'_>) -> bool {
    headers.content_encoding.is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"))
}

fn decode(headers: &BodyHeaders<'_>, body: &[u8]) -> Result<Vec<u8>, BodyError> {
    if is_encoded(headers) {
        return Err(BodyError::Unsupported);
    }
    match headers.transfer_encoding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "binary" | "8bit" | "7bit" => Ok(body.to_vec()),
        "base64" => {
            let packed: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
            STANDARD.decode(packed).map_err(|_| BodyError::BadRequest("bad base64"))
        }
        "quoted-printable" => Ok(mime::quoted_printable(body)),
        _ => Err(BodyError::Unsupported),
    }
}

#[cfg(test)]
mod tests;
