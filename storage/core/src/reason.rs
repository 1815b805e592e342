//! The `Reason` header of RFC 3326 taken apart: who gives which cause, and in what words.

use serde::{Deserialize, Serialize};

use crate::limits::{CAUSES_PER_SESSION, REASON_CHARS};

/// One value of the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `SIP`, `Q.850` or another, as written.
    pub protocol: String,
    /// The number that the protocol gives it: a SIP status, a Q.850 cause.
    pub cause: Option<u16>,
    /// The words beside it.
    pub text: Option<String>,
}

/// Every value of the header, in order. What is no value is left out; unknown protocols are kept (RFC 3326 2).
pub fn read(header: &str) -> Vec<Reason> {
    let values = split(header, ',').into_iter().filter_map(value);
    values.take(CAUSES_PER_SESSION).collect()
}

fn value(text: &str) -> Option<Reason> {
    let mut parts = split(text, ';').into_iter().map(str::trim);
    let protocol = parts.next().filter(|protocol| !protocol.is_empty())?;
    let mut reason = Reason { protocol: cut(protocol), cause: None, text: None };
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim().to_ascii_lowercase().as_str() {
            "cause" => reason.cause = reason.cause.or(unquoted(value).parse().ok()),
            "text" => reason.text = reason.text.or(Some(cut(&unquoted(value)))),
            _ => {}
        }
    }
    Some(reason)
}

/// Splits outside quotes; a backslash inside them takes the next letter as it is (RFC 3261 25.1).
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (place, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if letter == at && !is_quoted => {
                parts.push(&text[start..place]);
                start = place + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut letters = inner.chars();
    let mut out = String::with_capacity(inner.len());
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

/// As much of a text as a view shows.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(protocol: &str, cause: Option<u16>, text: Option<&str>) -> Reason {
        Reason { protocol: protocol.into(), cause, text: text.map(str::to_owned) }
    }

    #[test]
    fn protocol_cause_and_text_are_found() {
        assert_eq!(
            read("SIP;cause=200;text=\"Call completed elsewhere\""),
            [reason("SIP", Some(200), Some("Call completed elsewhere"))]
        );
        assert_eq!(
            read(r#" Q.850 ; Cause = 16 ; text="a, \"b\"; c" , SIP ;cause=600;x=y"#),
            [reason("Q.850", Some(16), Some("a, \"b\"; c")), reason("SIP", Some(600), None)]
        );
    }

    #[test]
    fn what_is_bad_costs_its_own_value_only() {
        assert_eq!(read("Q.850;cause=sixteen;text"), [reason("Q.850", None, None)]);
        assert_eq!(read(",;cause=1, preemption"), [reason("preemption", None, None)]);
        assert_eq!(read("SIP;cause=99999"), [reason("SIP", None, None)]);
        assert_eq!(read("SIP;text=\"open"), [reason("SIP", None, Some("open"))]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn many_and_long_values_are_cut() {
        assert_eq!(read(&"SIP,".repeat(100)).len(), CAUSES_PER_SESSION);
        let long = read(&format!("SIP;text=\"{}\"", "ü".repeat(10_000)));
        assert_eq!(long[0].text.as_ref().map(|text| text.chars().count()), Some(REASON_CHARS));
    }
}
