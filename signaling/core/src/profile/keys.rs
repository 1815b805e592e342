//! Correlation keys: which header, element, attribute or URI parameter becomes which key (quirks section 3).

use std::collections::BTreeMap;

use super::{KeyRule, Profile, recognise::fits};
use crate::{sip::text, siprec::limits};

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Carrier<'a> {
    /// A header field of that name, or `Request-URI`.
    Header(&'a str),
    /// An element, or a generic parameter of that name.
    Element(&'a str),
    /// An attribute of an element.
    Attribute(&'a str, &'a str),
}

impl Profile {
    /// Keeps what the value of a carrier says.
    pub(crate) fn correlate(&self, carrier: Carrier<'_>, value: &str, found: &mut BTreeMap<String, String>) {
        for rule in self.key.iter().filter(|rule| rule.is_about(carrier)) {
            match carrier {
                Carrier::Header(_) => rule.of_field(value, found),
                Carrier::Element(_) | Carrier::Attribute(..) => keep(found, &rule.name, value),
            }
        }
    }

    /// Whether any rule looks at attributes: few do.
    pub(crate) fn has_attribute_keys(&self) -> bool {
        self.key.iter().any(|rule| rule.attribute.is_some())
    }

    /// The header fields to keep as they came, repeated ones joined by a comma.
    pub(crate) fn kept_headers<'a>(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> BTreeMap<String, String> {
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in headers.filter(|(name, _)| self.keep_headers.iter().any(|glob| fits(glob, name))) {
            if kept.len() >= limits::KEPT_HEADERS && !kept.contains_key(name) {
                break;
            }
            let text = kept.entry(name.to_owned()).or_default();
            let room = limits::TEXT_CHARS.saturating_sub(text.chars().count());
            let comma = if text.is_empty() { "" } else { ", " };
            text.extend(comma.chars().chain(value.chars()).take(room));
        }
        kept
    }
}

impl KeyRule {
    fn is_about(&self, carrier: Carrier<'_>) -> bool {
        let same = |known: Option<&str>, name: &str| known.is_some_and(|known| known.eq_ignore_ascii_case(name));
        match carrier {
            Carrier::Header(name) => same(self.header.as_deref(), name),
            Carrier::Element(name) => self.element.iter().any(|known| known.eq_ignore_ascii_case(name)),
            Carrier::Attribute(element, name) => {
                let wanted = self.attribute.as_deref().and_then(|path| path.split_once('/'));
                wanted.is_some_and(|(of, attribute)| of == element && attribute == name)
            }
        }
    }

    fn of_field(&self, value: &str, found: &mut BTreeMap<String, String>) {
        // Only a list of URIs is taken apart: other fields hold commas of their own.
        let entries = if self.uri { text::split(value, ',') } else { vec![value] };
        for entry in entries {
            let says = |condition: &str| match condition.split_once('=') {
                Some((name, wanted)) => parameter(entry, name).is_some_and(|said| said.eq_ignore_ascii_case(wanted)),
                None => parameter(entry, condition).is_some(),
            };
            if self.with.as_deref().is_some_and(|with| !says(with)) || self.without.as_deref().is_some_and(says) {
                continue;
            }
            let value = match (&self.parameter, self.uri) {
                (Some(name), _) => parameter(entry, name),
                (None, true) => entry.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(uri, _)| uri),
                (None, false) => Some(entry),
            };
            keep(found, &self.name, value.unwrap_or_default());
        }
    }
}

/// Keeps a key once, without parameters behind the value, cut to a sane length.
pub(crate) fn keep(found: &mut BTreeMap<String, String>, key: &str, value: &str) {
    let value = value.split(';').next().unwrap_or(value).trim().trim_matches('"');
    if !value.is_empty() && !found.contains_key(key) {
        found.insert(key.to_owned(), value.chars().take(limits::CORRELATION_CHARS).collect());
    }
}

/// A `;name=value` parameter anywhere in the field, also inside its URI.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').find_map(|field| {
        let (key, value) = field.split_once('=')?;
        let value = value.split(['>', ',']).next().unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Catalogue;

    fn found(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
        let catalogue = Catalogue::built_in();
        let profile = catalogue.named("rfc7866").expect("built in");
        let mut found = BTreeMap::new();
        fields.iter().for_each(|(name, value)| profile.correlate(Carrier::Header(name), value, &mut found));
        found
    }

    #[test]
    fn every_carrier_gives_its_key() {
        let found = found(&[
            ("X-Genesys-CallUUID", "UUID1"),
            ("user-to-user", "00AB;encoding=hex"),
            ("Cisco-Guid", "1-2-3-4"),
            ("Session-ID", "aa11;remote=bb22"),
            ("X-AUDC-CALL-ID", "77"),
            ("P-Charging-Vector", "icid-value=\"ic1\";orig-ioi=x"),
            ("Call-Info", "<https://g/c1>;purpose=icon, <https://g/c2>;purpose=Goog-ContactCenter-Conversation"),
            ("From", "\"R\" <sip:5000@cucm;x-nearend;x-refci=27001;x-farend>;tag=t"),
            ("Subject", "nothing"),
        ]);
        let expected = [
            ("audc_call_id", "77"),
            ("cisco_guid", "1-2-3-4"),
            ("conversation", "https://g/c2"),
            ("genesys_uuid", "UUID1"),
            ("icid", "ic1"),
            ("refci", "27001"),
            ("session_id", "aa11"),
            ("session_id_remote", "bb22"),
            ("ucid", "00AB"),
        ];
        assert_eq!(found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn empty_values_and_repetitions_do_not_count() {
        let found = found(&[("X-Genesys-CallUUID", ""), ("X-GENESYS-CALLUUID", "A"), ("x-genesys-calluuid", "B")]);
        assert_eq!(found.get("genesys_uuid").map(String::as_str), Some("A"));
    }

    #[test]
    fn kept_headers_are_bounded_and_chosen_by_name() {
        let profile = Profile { keep_headers: vec!["X-*".into(), "Diversion".into()], ..Profile::default() };
        let long = "ü".repeat(2 * limits::TEXT_CHARS);
        let fields =
            [("X-One", "a"), ("x-one", "c"), ("X-One", "b"), ("Diversion", long.as_str()), ("From", "<sip:x>")];
        let kept = profile.kept_headers(fields.into_iter());
        assert_eq!(kept.get("X-One").map(String::as_str), Some("a, b"));
        assert_eq!(kept["Diversion"].chars().count(), limits::TEXT_CHARS);
        assert!(!kept.contains_key("From"));
        let many: Vec<String> = (0..limits::KEPT_HEADERS + 9).map(|n| format!("X-{n}")).collect();
        assert_eq!(profile.kept_headers(many.iter().map(|name| (name.as_str(), "v"))).len(), limits::KEPT_HEADERS);
    }
}
