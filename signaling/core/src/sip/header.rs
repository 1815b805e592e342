//! Header fields in the order they came, names case-insensitive, compact forms expanded.

use std::borrow::Cow;

/// Header fields of one message. List headers that routing depends on (Via, Route, Record-Route) hold one element each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// No headers, and room for so many.
    pub fn with_capacity(headers: usize) -> Self {
        Self(Vec::with_capacity(headers))
    }

    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Appends a field and returns the whole, for building.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// Value of the first field with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Values of every field with this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Elements of a comma-separated list header, over all its fields.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| super::text::split(value, ',')).filter(|item| !item.is_empty())
    }

    /// Whether a list header holds this token, in any case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends every field of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// The long name of a header: compact forms of RFC 3261, 3515, 3892, 4028, 6665, 8224 and 3841 expanded.
pub fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}

/// Names that nearly every message has, as they are written: a copy of each in every message was a tenth of the
/// allocations of a set-up.
const COMMON: [&str; 24] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Content-Type",
    "Content-Length",
    "Route",
    "Record-Route",
    "User-Agent",
    "Server",
    "Supported",
    "Require",
    "Allow",
    "Accept",
    "Session-Expires",
    "Min-SE",
    "Expires",
    "Date",
    "Reason",
    "Content-Disposition",
    "Timestamp",
];

/// A header name to keep, byte for byte.
pub(super) fn kept_name(name: &str) -> Cow<'static, str> {
    let common = COMMON.iter().find(|common| **common == name);
    common.map_or_else(|| Cow::Owned(name.to_owned()), |common| Cow::Borrowed(*common))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_span_fields_and_ignore_case() {
        let headers = Headers::new().with("Supported", "timer, replaces").with("supported", "SIPREC");
        assert_eq!(headers.list("Supported").collect::<Vec<_>>(), ["timer", "replaces", "SIPREC"]);
        assert!(headers.lists("SUPPORTED", "siprec"));
        assert!(!headers.lists("Require", "siprec"));
    }

    #[test]
    fn compact_names_expand() {
        assert_eq!(long_name("V"), "Via");
        assert_eq!(long_name("x"), "Session-Expires");
        assert_eq!(long_name("Vi"), "Vi");
    }
}
