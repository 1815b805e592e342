//! Extension data (foreign elements, and unknown ones of the vocabulary): known keys are indexed, plain leaves kept.

use crate::{
    event::Metadata,
    siprec::{correlation, limits, xml::Element},
};

/// Attributes that name a generic parameter element, such as `<Parameter name="campaign">spring</Parameter>`.
const NAMES: [&str; 4] = ["name", "key", "Name", "Key"];

/// Attributes that carry the value of an element without text.
const VALUES: [&str; 2] = ["value", "Value"];

/// Elements that point at a participant instead of carrying text (NetSapiens).
const POINTERS: [&str; 2] = ["callingParty", "calledParty"];

/// Takes the leaves of an extension subtree. An element that repeats a recording vocabulary under a foreign namespace
/// is not descended into: it is not ours to interpret.
pub(super) fn keep(element: &Element, metadata: &mut Metadata) {
    // The tree is no deeper than `limits::DEPTH`.
    for child in &element.children {
        keep(child, metadata);
    }
    if !element.children.is_empty() {
        return;
    }
    let name = element.attribute(&NAMES).unwrap_or(&element.name);
    let text = element.text();
    let value = match text.is_empty() {
        false => text,
        true if POINTERS.contains(&element.name.as_str()) => element.attribute(&["participant_id"]).unwrap_or(""),
        true => element.attribute(&VALUES).unwrap_or(""),
    };
    if value.is_empty() || name.is_empty() {
        return;
    }
    if let Some(key) = correlation::of_element(name) {
        correlation::keep(&mut metadata.correlation, key, value);
    }
    insert(metadata, name, value);
}

/// A repeated key gets a number behind it: Oracle says `callingParty` once per participant.
fn insert(metadata: &mut Metadata, name: &str, value: &str) {
    if metadata.user_data.len() >= limits::EXTENSION_KEYS {
        return;
    }
    let name: String = name.chars().take(limits::TEXT_CHARS).collect();
    let value = value.chars().take(limits::TEXT_CHARS).collect();
    let mut key = name.clone();
    let mut number = 1;
    while metadata.user_data.contains_key(&key) {
        number += 1;
        key = format!("{name}.{number}");
    }
    metadata.user_data.insert(key, value);
}
