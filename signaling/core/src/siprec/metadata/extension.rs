//! Extension data (foreign elements, and unknown ones of the vocabulary): keys and hints of the profile, plain leaves kept.

use super::reader::Reader;
use crate::{
    profile::Carrier,
    siprec::{limits, xml::Element},
};

/// Attributes that name a generic parameter element, such as `<Parameter name="campaign">spring</Parameter>`.
const NAMES: [&str; 4] = ["name", "key", "Name", "Key"];

/// Attributes that carry the value of an element without text.
const VALUES: [&str; 2] = ["value", "Value"];

/// The attribute by which an element points at a participant instead of carrying text (NetSapiens).
const POINTER: [&str; 1] = ["participant_id"];

impl Reader<'_> {
    /// Takes the leaves of an extension subtree; `inside` is the participant that it stands in. An element that repeats
    /// a recording vocabulary under a foreign namespace is not descended into: it is not ours to interpret.
    pub(super) fn extension(&mut self, element: &Element, inside: Option<&str>) {
        // The tree is no deeper than `limits::DEPTH`.
        for child in &element.children {
            self.extension(child, inside);
        }
        if !element.children.is_empty() {
            return;
        }
        let name = element.attribute(&NAMES).unwrap_or(&element.name);
        let (text, pointer) = (element.text(), element.attribute(&POINTER).unwrap_or(""));
        let value = [text, pointer, element.attribute(&VALUES).unwrap_or("")].into_iter().find(|one| !one.is_empty());
        let Some(value) = value.filter(|_| !name.is_empty()) else { return };
        self.hint(name, (text, pointer, value), inside);
        self.profile.correlate(Carrier::Element(name), value, &mut self.metadata.correlation);
        self.insert(name, value);
    }

    /// What roles are read from, within its bound.
    fn hint(&mut self, name: &str, (text, pointer, value): (&str, &str, &str), inside: Option<&str>) {
        let hints = &mut self.hints;
        if hints.leaves.len() + hints.inside.len() + hints.pointers.len() >= limits::HINTS {
            return;
        }
        match inside {
            Some(id) => hints.inside.push((id.to_owned(), name.to_owned(), value.to_owned())),
            None if text.is_empty() && !pointer.is_empty() => {
                hints.pointers.push((name.to_owned(), pointer.to_owned()));
            }
            None => hints.leaves.push((name.to_owned(), value.to_owned())),
        }
    }

    /// A repeated key gets a number behind it: Oracle says `callingParty` once per participant.
    fn insert(&mut self, name: &str, value: &str) {
        let kept = &mut self.metadata.user_data;
        if kept.len() >= limits::EXTENSION_KEYS {
            return;
        }
        let name: String = name.chars().take(limits::TEXT_CHARS).collect();
        let value = value.chars().take(limits::TEXT_CHARS).collect();
        let mut key = name.clone();
        let mut number = 1;
        while kept.contains_key(&key) {
            number += 1;
            key = format!("{name}.{number}");
        }
        kept.insert(key, value);
    }
}
