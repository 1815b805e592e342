//! Recording metadata (RFC 7865 and the drafts before it): any document becomes a [`Metadata`], none is an error.
//!
//! Bad metadata never costs audio: what cannot be read leaves a named warning, and the raw octets are always kept.

mod association;
mod extension;
mod reader;

use std::collections::BTreeSet;

use super::xml::{self, Element, Mode, NAMESPACES, XmlError};
use crate::{
    event::{Confidence, Metadata, Warning},
    profile::{Catalogue, Profile},
};

/// A document taken apart: its tree, or why there is none.
pub(crate) struct Document {
    tree: Result<Element, XmlError>,
    is_recovered: bool,
}

/// What a document shows of who wrote it.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Local name of the document element.
    pub(crate) root: String,
    /// Namespaces used, each once.
    pub(crate) namespaces: BTreeSet<String>,
    /// Local names of elements, each once.
    pub(crate) elements: BTreeSet<String>,
}

/// Reads a document of `media_type` by the rules of profile `rfc7866`. See [`Document::read`].
pub fn read(media_type: &str, raw: &[u8], warnings: &mut Vec<Warning>) -> Metadata {
    let profile = Catalogue::built_in().named("rfc7866").expect("a built-in profile");
    Document::parse(raw).read((media_type, raw), profile, warnings)
}

impl Document {
    /// Strict first; what is not well-formed gets a second, forgiving reading that counts only if it finds the root.
    pub(crate) fn parse(raw: &[u8]) -> Self {
        match xml::read(raw, Mode::Strict) {
            Err(XmlError::Malformed) => {
                let tree = xml::read(raw, Mode::Recover);
                let tree = tree.and_then(|root| if is_root(&root) { Ok(root) } else { Err(XmlError::Malformed) });
                Self { tree, is_recovered: true }
            }
            tree => Self { tree, is_recovered: false },
        }
    }

    /// It has a DTD, or is over a limit.
    pub(crate) const fn is_rejected(&self) -> bool {
        matches!(self.tree, Err(XmlError::Rejected(_)))
    }

    /// What it shows of who wrote it.
    pub(crate) fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        if let Ok(root) = &self.tree {
            marks.root.clone_from(&root.name);
            mark(root, &mut marks);
        }
        marks
    }

    /// Reads it by the rules of a profile. Warnings: `metadata_empty`, `metadata_recovered` (read although not
    /// well-formed), `metadata_malformed`, `metadata_unrecognised` (another vocabulary), `metadata_rejected` (DTD or over
    /// a limit), `metadata_legacy_namespace`, `metadata_legacy_ids`, `metadata_truncated`, `duplicate_id`,
    /// `datamode_unknown` (read as complete); of times `bad_time` (not kept), `time_unset` (1970: not kept) and
    /// `time_without_zone` (read in the zone of the profile); of roles `attribution_by_role` and `extension_conflict`.
    pub(crate) fn read(
        self,
        (media_type, raw): (&str, &[u8]),
        profile: &Profile,
        warnings: &mut Vec<Warning>,
    ) -> Metadata {
        let mut metadata =
            Metadata { content_type: media_type.to_owned(), raw: raw.to_vec(), complete: true, ..Metadata::default() };
        let warning = match self.tree {
            Ok(root) => {
                if self.is_recovered {
                    metadata.trust = Confidence::Medium;
                    warnings.push(Warning::new("metadata_recovered"));
                }
                interpret(&root, profile, &mut metadata, warnings);
                return metadata;
            }
            Err(XmlError::Empty) => Warning::new("metadata_empty"),
            Err(XmlError::Malformed) => Warning::new("metadata_malformed"),
            Err(XmlError::Rejected(cause)) => Warning { name: "metadata_rejected", detail: Some(cause.to_owned()) },
        };
        metadata.complete = false;
        warnings.push(warning);
        metadata
    }
}

fn mark(element: &Element, marks: &mut Marks) {
    if let Some(namespace) = element.namespace.as_ref().filter(|namespace| !marks.namespaces.contains(*namespace)) {
        marks.namespaces.insert(namespace.clone());
    }
    if !marks.elements.contains(&element.name) {
        marks.elements.insert(element.name.clone());
    }
    // The tree is no deeper than `limits::DEPTH`.
    element.children.iter().for_each(|child| mark(child, marks));
}

fn is_root(root: &Element) -> bool {
    let is_named = matches!(root.name.as_str(), "recording" | "recording_metadata");
    // A document without any namespace is taken for what its root is called.
    is_named && root.namespace.as_deref().is_none_or(|namespace| NAMESPACES.contains(&namespace))
}

fn interpret(root: &Element, profile: &Profile, metadata: &mut Metadata, warnings: &mut Vec<Warning>) {
    if !is_root(root) {
        metadata.complete = false;
        warnings.push(Warning::new("metadata_unrecognised"));
        return;
    }
    if root.namespace.as_deref() != Some(NAMESPACES[0]) {
        warnings.push(Warning { name: "metadata_legacy_namespace", detail: root.namespace.clone() });
    }
    reader::document(root, profile, metadata, warnings);
}

#[cfg(test)]
mod tests;
