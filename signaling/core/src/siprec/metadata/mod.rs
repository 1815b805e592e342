//! Recording metadata (RFC 7865 and the drafts before it): any document becomes a [`Metadata`], none is an error.
//!
//! Bad metadata never costs audio: what cannot be read leaves a named warning, and the raw octets are always kept.

mod association;
mod extension;
mod reader;

use super::xml::{self, Element, Mode, NAMESPACES, XmlError};
use crate::event::{Metadata, Warning};

/// Reads a document of `media_type`. Warnings: `metadata_empty`, `metadata_recovered` (read although not well-formed),
/// `metadata_malformed`, `metadata_unrecognised` (another vocabulary), `metadata_rejected` (DTD or over a limit),
/// `metadata_legacy_namespace`, `metadata_legacy_ids`, `metadata_truncated`, `duplicate_id`; of times `bad_time` (not
/// kept), `time_unset` (1970: not kept) and `time_without_zone` (read as UTC).
pub fn read(media_type: &str, raw: &[u8], warnings: &mut Vec<Warning>) -> Metadata {
    let mut metadata =
        Metadata { content_type: media_type.to_owned(), raw: raw.to_vec(), complete: true, ..Metadata::default() };
    match tree(raw, warnings) {
        Ok(root) => interpret(&root, &mut metadata, warnings),
        Err(XmlError::Empty) => {
            metadata.complete = false;
            warnings.push(Warning::new("metadata_empty"));
        }
        Err(XmlError::Malformed) => {
            metadata.complete = false;
            warnings.push(Warning::new("metadata_malformed"));
        }
        Err(XmlError::Rejected(cause)) => {
            metadata.complete = false;
            warnings.push(Warning { name: "metadata_rejected", detail: Some(cause.to_owned()) });
        }
    }
    metadata
}

/// Strict first; what is not well-formed gets a second, forgiving reading that counts only if it finds the root.
fn tree(raw: &[u8], warnings: &mut Vec<Warning>) -> Result<Element, XmlError> {
    match xml::read(raw, Mode::Strict) {
        Err(XmlError::Malformed) => {
            let root = xml::read(raw, Mode::Recover)?;
            if !is_root(&root) {
                return Err(XmlError::Malformed);
            }
            warnings.push(Warning::new("metadata_recovered"));
            Ok(root)
        }
        read => read,
    }
}

fn is_root(root: &Element) -> bool {
    let is_named = matches!(root.name.as_str(), "recording" | "recording_metadata");
    // A document without any namespace is taken for what its root is called.
    is_named && root.namespace.as_deref().is_none_or(|namespace| NAMESPACES.contains(&namespace))
}

fn interpret(root: &Element, metadata: &mut Metadata, warnings: &mut Vec<Warning>) {
    if !is_root(root) {
        metadata.complete = false;
        warnings.push(Warning::new("metadata_unrecognised"));
        return;
    }
    if root.namespace.as_deref() != Some(NAMESPACES[0]) {
        warnings.push(Warning { name: "metadata_legacy_namespace", detail: root.namespace.clone() });
    }
    reader::document(root, metadata, warnings);
}

#[cfg(test)]
mod tests;
