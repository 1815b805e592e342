//! What calls and recordings are joined by: digests, so that the index holds no number and no name.

use std::fmt;

use crypto::digest::Sha256;
use model::{Personal, RecordingId};
use serde::{Serialize, Serializer};

/// A key of a call, as 128 bits of a digest: two different keys never share one in practice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 16]);

/// A number, normalised and digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(u64);

impl Key {
    fn of(kind: &str, parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        digest.update(kind.as_bytes());
        for part in parts {
            digest.update(&[0]);
            digest.update(part.as_bytes());
        }
        let octets = digest.finish();
        Self(octets[..16].try_into().expect("32 octets have 16"))
    }

    pub(super) fn call_uuid(text: &str) -> Self {
        Self::of("uuid", &[&plain(text)])
    }

    pub(super) fn conn_id(text: &str) -> Self {
        Self::of("conn", &[&plain(text)])
    }

    /// SIP Call-ID, UCID and other keys of other systems: case counts.
    pub(super) fn call_id(text: &str) -> Self {
        Self::of("call", &[text.trim()])
    }

    pub(super) fn record_id(text: &str) -> Self {
        Self::of("record", &[text.trim()])
    }

    /// A recording that no source knows a call for.
    pub(super) fn recording(id: RecordingId) -> Self {
        Self(*id.as_bytes())
    }

    /// What one source said of one call.
    pub(super) fn line(source: &str, id: &str) -> Self {
        Self::of("line", &[source, id])
    }
}

/// CallUUIDs and ConnIDs come in both cases.
fn plain(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Key {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut octets = [0; 16];
        hex::decode_to_slice(text, &mut octets).map(|()| Self(octets))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Number {
    /// None for what says nothing.
    pub(super) fn of(address: &str) -> Option<Self> {
        let number = normal(address);
        if number.is_empty() {
            return None;
        }
        let key = Key::of("number", &[&number]);
        Some(Self(u64::from_be_bytes(key.0[..8].try_into().expect("16 octets have 8"))))
    }

    pub(super) fn of_personal(address: &Personal<String>) -> Option<Self> {
        Self::of(address.reveal())
    }
}

/// The user part of a URI, or the number without what people put between digits; `+` and `00` are the same.
pub(super) fn normal(address: &str) -> String {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>');
    let scheme = ["sip:", "sips:", "tel:"];
    let head = |scheme: &&str| address.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    let bare = scheme.iter().find(|scheme| head(scheme)).map_or(address, |scheme| &address[scheme.len()..]);
    let user = bare.split(['@', ';']).next().unwrap_or(bare);
    let is_number = user.chars().any(|c| c.is_ascii_digit()) && user.chars().all(|c| !c.is_alphabetic());
    if !is_number {
        return user.to_lowercase();
    }
    let digits: String = user.chars().filter(|c| c.is_ascii_digit() || matches!(c, '*' | '#')).collect();
    digits.strip_prefix("00").map_or(digits.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for text in ["+49 30 1234", "0049301234", "sip:+49301234@example.com;user=phone", "tel:+49-30-1234"] {
            assert_eq!(normal(text), "49301234", "{text}");
        }
        assert_eq!(normal("<sip:Anna@host>"), "anna");
        assert_ne!(Number::of("7001"), Number::of("7002"));
        assert_eq!(Number::of(" "), None);
    }

    #[test]
    fn keys_of_different_kinds_differ_and_read_back() {
        assert_eq!(Key::call_uuid("ABC"), Key::call_uuid("abc "));
        assert_ne!(Key::call_uuid("abc"), Key::conn_id("abc"));
        assert_ne!(Key::call_id("abc"), Key::call_id("ABC"));
        assert_ne!(Key::line("a", "bc"), Key::line("ab", "c"));
        let key = Key::call_uuid("abc");
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("zz".parse::<Key>().is_err());
    }
}
