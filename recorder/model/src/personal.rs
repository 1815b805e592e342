//! What must not be printed: numbers, names and URIs (`Personal`), and keys (`Secret`).

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A number, name or URI of a person. It prints as `•`; [`Personal::reveal`] is the only way out.
/// It serialises in the clear, because the ledger and the catalog are where it lives.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks `value` as personal.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for the catalog and for answers to authorised people, never for a log.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl Personal<String> {
    /// The text itself where somebody said one: for the same places as [`Personal::reveal`].
    pub fn said(text: &Option<Self>) -> Option<&str> {
        text.as_ref().map(|text| text.reveal().as_str())
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

/// Key material: wiped on drop, never printed, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of key octets.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets, for the cipher that needs them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(•)")
    }
}
