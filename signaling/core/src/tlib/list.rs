//! Key-value lists as T-Library carries them: ordered, a key may come twice, and a value is text in the charset of the
//! link, a number, octets, or a list again.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

use super::limits;

/// A list of pairs, in the order of the wire.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct List(pub Vec<Pair>);

/// One key with its value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The key, as it came.
    pub key: String,
    /// What it names.
    pub value: Value,
}

/// What a key names. On the wire a text that is UTF-8 is a string, else `{"text": BASE64}` with the octets as the switch
/// has them; octets are `{"binary": BASE64}`; a number is a number, a list an array.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Value {
    /// Text in the charset of the link, as octets: what cannot be decoded is not lost.
    Text(Vec<u8>),
    /// A number.
    Integer(i64),
    /// Octets that are no text.
    Binary(Vec<u8>),
    /// A list in the list.
    List(List),
}

/// A value in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    String(String),
    Integer(i64),
    List(List),
    Text(WrittenText),
    Binary(WrittenBinary),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenText {
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBinary {
    binary: String,
}

impl TryFrom<Written> for Value {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let octets = |base64: String| STANDARD.decode(base64).map_err(|_| "octets are not base64".to_owned());
        Ok(match written {
            Written::String(text) => Self::Text(text.into_bytes()),
            Written::Integer(number) => Self::Integer(number),
            Written::List(list) => Self::List(list),
            Written::Text(WrittenText { text }) => Self::Text(octets(text)?),
            Written::Binary(WrittenBinary { binary }) => Self::Binary(octets(binary)?),
        })
    }
}

impl From<Value> for Written {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(octets) => match String::from_utf8(octets) {
                Ok(text) => Self::String(text),
                Err(other) => Self::Text(WrittenText { text: STANDARD.encode(other.as_bytes()) }),
            },
            Value::Integer(number) => Self::Integer(number),
            Value::Binary(octets) => Self::Binary(WrittenBinary { binary: STANDARD.encode(octets) }),
            Value::List(list) => Self::List(list),
        }
    }
}

/// Values are none of the log's business, and neither are keys that somebody chose.
impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({} pairs)", self.0.len())
    }
}

impl List {
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a text.
    #[must_use]
    pub fn with(mut self, key: &str, text: &str) -> Self {
        self.0.push(Pair { key: key.to_owned(), value: Value::Text(text.as_bytes().to_vec()) });
        self
    }

    /// The first value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|pair| pair.key == key).map(|pair| &pair.value)
    }

    /// The first value under a key, where it is a text.
    pub fn text(&self, key: &str, charset: Charset) -> Option<String> {
        match self.get(key)? {
            Value::Text(octets) => Some(charset.decode(octets)),
            _ => None,
        }
    }

    /// For people and searches: keys of inner lists are joined by `/`, a key that comes again gets `#2`, numbers and
    /// octets (base64) become text. The list itself keeps what it has.
    pub fn flat(&self, charset: Charset) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        self.flatten("", charset, &mut flat);
        flat
    }

    fn flatten(&self, above: &str, charset: Charset, flat: &mut BTreeMap<String, String>) {
        for Pair { key, value } in &self.0 {
            let name = format!("{above}{key}");
            let text = match value {
                Value::Text(octets) => charset.decode(octets),
                Value::Integer(number) => number.to_string(),
                Value::Binary(octets) => STANDARD.encode(octets),
                Value::List(list) => {
                    list.flatten(&format!("{name}/"), charset, flat);
                    continue;
                }
            };
            let taken = |name: &String| flat.contains_key(name);
            let free = if taken(&name) {
                (2..).map(|again| format!("{name}#{again}")).find(|name| !taken(name)).unwrap_or(name)
            } else {
                name
            };
            flat.insert(free, text);
        }
    }

    /// What is too much of it, by name.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let mut pairs = 0;
        self.measure(1, &mut pairs)
    }

    fn measure(&self, depth: usize, pairs: &mut usize) -> Option<&'static str> {
        *pairs += self.0.len();
        if depth > limits::LIST_DEPTH {
            return Some("lists_too_deep");
        }
        if *pairs > limits::LIST_PAIRS {
            return Some("too_many_pairs");
        }
        self.0.iter().find_map(|pair| match &pair.value {
            Value::List(inner) => inner.measure(depth + 1, pairs),
            _ => None,
        })
    }
}

/// How the texts of a link are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// What a link has that does not say.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);

    /// By a name of the WHATWG encoding standard (`utf-8`, `windows-1252`, `iso-8859-2`, `shift_jis`, ...), without case.
    pub fn by_name(name: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(name.trim().as_bytes()).map(Self)
    }

    /// The name of the standard.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Text that is UTF-8 as it is, whatever the link says: JSON strings are. Everything else by the charset; what it
    /// does not know becomes U+FFFD.
    pub fn decode(self, octets: &[u8]) -> String {
        match std::str::from_utf8(octets) {
            Ok(text) => text.to_owned(),
            Err(_) => self.0.decode_without_bom_handling(octets).0.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> List {
        serde_json::from_str(json).expect("a list")
    }

    #[test]
    fn every_kind_of_value_comes_back_as_it_was() {
        let json = r#"[{"key":"a","value":"x"},{"key":"a","value":"ä"},{"key":"n","value":-7},{"key":"b","value":{"binary":"AAEC"}},{"key":"t","value":{"text":"5A=="}},{"key":"l","value":[{"key":"i","value":""}]}]"#;
        let list = read(json);
        assert!(list.get("t") == Some(&Value::Text(vec![0xE4])), "octets of a charset that is not UTF-8 are kept");
        assert_eq!(serde_json::to_string(&list).expect("writes"), json);
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for value in ["true", "null", "1.5", r#"{"binary":"%"}"#, r#"{"other":"x"}"#, r#"{"text":"","binary":""}"#] {
            let json = format!(r#"[{{"key":"a","value":{value}}}]"#);
            assert!(serde_json::from_str::<List>(&json).is_err(), "{value}");
        }
    }

    #[test]
    fn a_flat_list_names_inner_keys_and_loses_no_repetition() {
        let list = read(
            r#"[{"key":"a","value":"1"},{"key":"a","value":"2"},{"key":"l","value":[{"key":"a","value":3}]},{"key":"t","value":{"text":"5A=="}}]"#,
        );
        let flat = list.flat(Charset::by_name("windows-1252").expect("a charset"));
        let expected = [("a", "1"), ("a#2", "2"), ("l/a", "3"), ("t", "ä")];
        assert_eq!(flat, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_list_too_deep_or_too_long_is_named() {
        let deep = (0..limits::LIST_DEPTH).fold(List::default().with("a", "b"), |inner, _| {
            List(vec![Pair { key: "l".into(), value: Value::List(inner) }])
        });
        assert_eq!(deep.fault(), Some("lists_too_deep"));
        let long = List(vec![Pair { key: "k".into(), value: Value::Integer(1) }; limits::LIST_PAIRS + 1]);
        assert_eq!(long.fault(), Some("too_many_pairs"));
        assert_eq!(List::default().with("a", "b").fault(), None);
    }

    #[test]
    fn a_charset_that_nobody_knows_is_none() {
        assert_eq!(Charset::by_name("klingon"), None);
        assert_eq!(Charset::by_name(" ISO-8859-1 ").map(Charset::name), Some("windows-1252"));
    }
}
