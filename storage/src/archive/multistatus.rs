//! Reads the answer to PROPFIND (RFC 4918 13): which members a collection has.

use percent_encoding::percent_decode_str;
use quick_xml::{
    NsReader,
    events::Event,
    name::{Namespace, ResolveResult},
};
use storage_core::names;

/// What is asked.
pub(super) const QUESTION: &str =
    r#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>"#;

/// One member of a collection, named relative to the archive's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Member {
    Object(String),
    /// Ends in `/`.
    Collection(String),
}

/// The members of `collection` in a tree whose root is at `base` on the server. The collection itself and names that
/// are not ours (`.DAV`, what others put there) are passed over.
pub(super) fn members(body: &[u8], base: &str, collection: &str) -> Result<Vec<Member>, String> {
    let mut reader = NsReader::from_reader(body);
    let (mut found, mut href, mut is_collection) = (Vec::new(), None::<String>, false);
    let mut in_href = false;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let (namespace, event) = reader.read_resolved_event_into(&mut buffer).map_err(|error| error.to_string())?;
        let is_dav = namespace == ResolveResult::Bound(Namespace(b"DAV:"));
        match event {
            Event::Eof => return Ok(found),
            Event::DocType(_) => return Err("a document type is not read".to_owned()),
            Event::Start(tag) if is_dav => match tag.local_name().as_ref() {
                b"response" => (href, is_collection) = (None, false),
                b"href" => {
                    in_href = true;
                    href = Some(String::new());
                }
                b"collection" => is_collection = true,
                _ => {}
            },
            Event::Empty(tag) if is_dav && tag.local_name().as_ref() == b"collection" => is_collection = true,
            Event::End(tag) if is_dav => match tag.local_name().as_ref() {
                b"href" => in_href = false,
                b"response" => {
                    found.extend(href.take().and_then(|href| member(&href, is_collection, base, collection)))
                }
                _ => {}
            },
            Event::Text(text) if in_href => {
                if let (Some(href), Ok(text)) = (&mut href, text.decode()) {
                    href.push_str(text.trim());
                }
            }
            _ => {}
        }
    }
}

fn member(href: &str, is_collection: bool, base: &str, collection: &str) -> Option<Member> {
    // Absolute addresses and absolute paths are both lawful (RFC 4918 8.3).
    let path = match href.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => href,
    };
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let base = percent_decode_str(base).decode_utf8().ok()?;
    let name = path.strip_prefix(base.as_ref())?.trim_end_matches('/');
    let below = name.strip_prefix(collection)?;
    if below.is_empty() || below.contains('/') || names::check(name).is_err() {
        return None;
    }
    Some(if is_collection { Member::Collection(format!("{name}/")) } else { Member::Object(name.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Apache 2.4 mod_dav answers.
    const APACHE: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:"><D:href>/dav/2026/</D:href><D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/2026/11/</D:href><D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/2026/a%2Ewav</D:href><D:propstat><D:prop><lp1:resourcetype/></D:prop></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/dav/2026/.DAV/</D:href><D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop></D:propstat></D:response>
</D:multistatus>"#;

    #[test]
    fn members_are_told_apart_and_the_collection_itself_is_left_out() {
        let found = members(APACHE.as_bytes(), "/dav/", "2026/").expect("xml");
        assert_eq!(found, [Member::Collection("2026/11/".into()), Member::Object("2026/a.wav".into())]);
    }

    #[test]
    fn absolute_addresses_and_other_prefixes_are_read() {
        let body = r#"<multistatus xmlns="DAV:"><response><href>https://host:8443/x/y/</href></response>
            <response><href>https://host:8443/x/y/one</href><propstat><prop><resourcetype></resourcetype></prop></propstat></response>
            <response><href>/elsewhere/two</href></response><response><href>/x/y/a/../../b</href></response></multistatus>"#;
        assert_eq!(members(body.as_bytes(), "/x/y/", "").expect("xml"), [Member::Object("one".into())]);
    }

    #[test]
    fn what_is_no_answer_is_an_error_or_nothing() {
        assert!(members(b"<a><b></a>", "/", "").is_err());
        assert!(members(b"<!DOCTYPE x><a/>", "/", "").is_err());
        assert_eq!(members(b"<html><href>/x</href></html>", "/", ""), Ok(vec![]));
    }
}
