//! Tests only: the bodies of the vectors, and what our readers make of them.

use super::{
    body::{self, BodyError, BodyHeaders, Parts},
    metadata,
};
use crate::event::{Metadata, Warning};

/// The octets of a vector by its file name without `.sip`.
macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/", $name, ".sip")).as_slice()
    };
}
pub(crate) use vector;

/// Content-Type, Content-Disposition and body of a message.
pub(crate) fn take_apart(message: &[u8]) -> (String, Option<String>, &[u8]) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").expect("a header section");
    let head = String::from_utf8_lossy(&message[..end]).into_owned();
    let field = |names: [&str; 2]| {
        let of_name = |line: &str| {
            let (name, value) = line.split_once(':')?;
            names.iter().any(|known| name.trim().eq_ignore_ascii_case(known)).then(|| value.trim().to_owned())
        };
        head.lines().find_map(of_name)
    };
    let content_type = field(["Content-Type", "c"]).unwrap_or_default();
    (content_type, field(["Content-Disposition", "Content-Disposition"]), &message[end + 4..])
}

pub(crate) fn split(message: &[u8], strict: bool) -> Result<Parts, BodyError> {
    let (content_type, disposition, body) = take_apart(message);
    let headers =
        BodyHeaders { content_type: &content_type, disposition: disposition.as_deref(), ..BodyHeaders::default() };
    body::split(&headers, body, strict)
}

/// SDP octets, metadata and the names of the warnings.
pub(crate) fn read(message: &[u8]) -> (Vec<u8>, Metadata, Vec<&'static str>) {
    let parts = split(message, false).expect("a body");
    let mut warnings: Vec<Warning> = parts.warnings;
    let (media_type, raw) = parts.metadata.expect("metadata");
    let metadata = metadata::read(&media_type, &raw, &mut warnings);
    (parts.sdp.unwrap_or_default(), metadata, warnings.into_iter().map(|warning| warning.name).collect())
}
