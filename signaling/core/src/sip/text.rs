//! Splitting header text: quoted strings, angle brackets, parameters, name-addr, in any spacing the grammar allows.

/// Splits at `separator`, an ASCII character, outside quoted strings and angle brackets; every piece trimmed, empty
/// pieces kept.
pub fn split(text: &str, separator: char) -> Vec<&str> {
    // Most lists have one element.
    if !text.as_bytes().contains(&(separator as u8)) {
        return vec![trim(text)];
    }
    let mut pieces = Vec::new();
    let (mut quoted, mut escaped, mut angled, mut from) = (false, false, false, 0);
    debug_assert!(separator.is_ascii(), "octets are compared");
    let separator = separator as u8;
    // Octet by octet: what is looked for is ASCII, which no octet of a longer character can be.
    for (at, octet) in text.bytes().enumerate() {
        // Letters and digits, nearly all there is, pass with one comparison.
        if octet > b'@' && octet != b'\\' && octet != separator && !escaped {
            continue;
        }
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'<' => angled = true,
            b'>' => angled = false,
            octet if octet == separator && !angled => {
                pieces.push(trim(&text[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(trim(&text[from..]));
    pieces
}

/// As `str::trim`, which looks both ends up in the tables of Unicode: here nearly every text begins and ends with a
/// visible ASCII character, and there are a hundred in a message.
pub fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// Whether there is white space in `text`, that of Unicode included.
pub fn has_space(text: &str) -> bool {
    !text.bytes().all(|octet| octet.is_ascii_graphic()) && text.contains(char::is_whitespace)
}

/// Whether every quoted string in `text` ends.
pub fn is_balanced(text: &str) -> bool {
    if !text.as_bytes().contains(&b'"') {
        return true;
    }
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// Content of a quoted string, or the text itself.
pub fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

/// Parameters of a header or URI: names in any case, values unquoted on request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads `a=b;c;d="e"`. Empty parameters (`;;`) are skipped.
    pub fn parse(text: &str) -> Self {
        let one = |piece: &str| {
            let Some((before, value)) = piece.split_once('=') else { return (piece.to_owned(), None) };
            let is_plain = !before.as_bytes().iter().any(|octet| matches!(octet, b'"' | b'<'));
            if is_plain {
                return (trim(before).to_owned(), Some(unquote(trim(value))));
            }
            match split(piece, '=').as_slice() {
                [name] => ((*name).to_owned(), None),
                [name, ..] => ((*name).to_owned(), Some(unquote(trim(value)))),
                [] => (String::new(), None),
            }
        };
        if text.is_empty() {
            return Self::default();
        }
        Self(split(text, ';').into_iter().filter(|piece| !piece.is_empty()).map(one).collect())
    }

    /// Value of a parameter; an empty string for a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_deref().unwrap_or_default())
    }

    /// Whether the parameter is there, flag or with value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// `"Display" <uri>;params` or a bare addr-spec, whose parameters are the header's (RFC 3261 20.10).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameAddr {
    /// The URI as written.
    pub uri: String,
    /// Parameters of the header, not of the URI.
    pub params: Params,
    /// The closing bracket was missing and was put where the first `;` stands (quirk Q-DET).
    pub is_repaired: bool,
}

impl NameAddr {
    /// Reads one element. `None`: no URI, unbalanced quotes, or spaces inside the URI (RFC 4475 3.1.2.14, 3.1.2.15).
    pub fn parse(text: &str) -> Option<Self> {
        let text = trim(text);
        if !is_balanced(text) {
            return None;
        }
        let (uri, params, is_repaired) = match open_bracket(text) {
            Some(open) => {
                let rest = &text[open + 1..];
                match rest.split_once('>') {
                    Some((uri, params)) => (uri, params, false),
                    None => rest.split_once(';').map_or((rest, "", true), |(uri, params)| (uri, params, true)),
                }
            }
            None => {
                let (uri, params) = text.split_once(';').unwrap_or((text, ""));
                (uri.trim(), params, false)
            }
        };
        let params = params.trim_start();
        let is_well_formed = !uri.is_empty() && !has_space(uri) && !uri.contains('<');
        is_well_formed.then(|| Self { uri: uri.to_owned(), params: Params::parse(params), is_repaired })
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// Position of the `<` that opens the URI, quoted strings skipped.
fn open_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    // Octet by octet, as in `split`.
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_outside_quotes_and_brackets() {
        assert_eq!(split(r#""a, \" b" <sip:c,d@e> , f"#, ','), [r#""a, \" b" <sip:c,d@e>"#, "f"]);
        assert_eq!(split("", ','), [""]);
    }

    #[test]
    fn what_is_quick_for_plain_text_is_right_for_any() {
        for text in ["", " ", "a", " a ", "\u{a0}a\u{2003}", "\u{b}a b\t", "é", "é ", "a\u{85}", "x y"] {
            assert_eq!(trim(text), text.trim(), "{text:?}");
            assert_eq!(has_space(text), text.contains(char::is_whitespace), "{text:?}");
            assert_eq!(split(text, ','), [text.trim()], "{text:?}");
        }
        let params = Params::parse(r#" a = 1 ; "b=c" ;d="e;f=g"; h ; <i=j>=k;l="#);
        let found: Vec<_> = params.0.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let wanted = [("a", Some("1")), ("\"b=c\"", None), ("d", Some("e;f=g")), ("h", None)];
        assert_eq!(found[..4], wanted);
        assert_eq!((found[4].0, found[5]), ("<i=j>", ("l", Some(""))));
    }

    #[test]
    fn name_addr_in_all_its_forms() {
        let quoted = NameAddr::parse(r#""J; <Rosenberg>" <sip:j@example.com;lr> ; tag = "x\"y""#).unwrap();
        assert_eq!((quoted.uri.as_str(), quoted.tag()), ("sip:j@example.com;lr", Some("x\"y")));
        let bare = NameAddr::parse("sip:j@example.com;tag=7").unwrap();
        assert_eq!((bare.uri.as_str(), bare.tag()), ("sip:j@example.com", Some("7")));
        assert!(!bare.is_repaired);
    }

    #[test]
    fn unclosed_bracket_is_repaired_and_said() {
        let contact = NameAddr::parse("<sip:src@192.0.2.10:5060;+sip.src").unwrap();
        assert_eq!(contact.uri, "sip:src@192.0.2.10:5060");
        assert!(contact.is_repaired && contact.params.has("+sip.src"));
    }

    #[test]
    fn refuses_broken_quotes_and_spaces_in_uris() {
        assert_eq!(NameAddr::parse(r#""Mr <sip:a@b>"#), None);
        assert_eq!(NameAddr::parse("<sip:a b@c>"), None);
        assert_eq!(NameAddr::parse("<>"), None);
    }
}
