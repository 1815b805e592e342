//! XML into a small bounded tree with real namespaces: no DTD, no entities but the five and characters.

use std::borrow::Cow;

use quick_xml::{
    NsReader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event, attributes::AttrError},
    name::{Namespace, ResolveResult},
};

use super::limits;

/// Declarations on one element; a recording document needs one or two.
const NAMESPACES_PER_ELEMENT: usize = 16;

/// An element. What belongs to a recording vocabulary and what is foreign is decided by namespace, not by prefix.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    /// Local name.
    pub(super) name: String,
    /// Namespace, when it has one.
    pub(super) namespace: Option<String>,
    /// Local names and values of attributes without a namespace, or with that of a recording vocabulary.
    pub(super) attributes: Vec<(String, String)>,
    /// Child elements, in order.
    pub(super) children: Vec<Element>,
    /// Its own text, trimmed when read by [`Element::text`].
    pub(super) text: String,
}

/// Why there is no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum XmlError {
    /// Not well-formed.
    Malformed,
    /// A DTD, or over a limit: which one.
    Rejected(&'static str),
    /// Nothing but blanks.
    Empty,
}

/// How to take what is not well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As XML 1.0 says.
    Strict,
    /// Bare `&`, unquoted attributes, unknown entities and crossed tags are taken as they look; the tree ends where
    /// reading does (Q-XML).
    Recover,
}

/// The namespaces of RFC 7865 and of its drafts that are still sent (Q-NS, Q-ROOT).
pub(super) const NAMESPACES: [&str; 3] =
    ["urn:ietf:params:xml:ns:recording:1", "urn:ietf:params:xml:ns:recording", "urn:ietf:params:xml:ns:siprec"];

impl Element {
    /// The first of several spellings of an attribute.
    pub(super) fn attribute(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let found = self.attributes.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.trim())
        })
    }

    /// Children of that name in the same vocabulary as this element.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name && child.is_kin(self))
    }

    /// The first such child.
    pub(super) fn first(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name && child.is_kin(self))
    }

    /// Trimmed text.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    fn is_kin(&self, parent: &Self) -> bool {
        self.namespace == parent.namespace
    }
}

/// Reads the document element.
pub(super) fn read(octets: &[u8], mode: Mode) -> Result<Element, XmlError> {
    if octets.len() > limits::METADATA_OCTETS {
        return Err(XmlError::Rejected("octets"));
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if octets.trim_ascii().is_empty() {
        return Err(XmlError::Empty);
    }
    let text: Cow<'_, str> = match (std::str::from_utf8(octets), mode) {
        (Ok(text), _) => Cow::Borrowed(text),
        // RFC 7865 5.1 asks for UTF-8; a document that says otherwise is believed.
        (Err(_), _) if says_latin_1(octets) => octets.iter().map(|octet| char::from(*octet)).collect(),
        (Err(_), Mode::Strict) => return Err(XmlError::Malformed),
        (Err(_), Mode::Recover) => String::from_utf8_lossy(octets),
    };
    Tree::default().read(text.trim_start(), mode)
}

fn says_latin_1(octets: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&octets[..octets.len().min(80)]).to_ascii_lowercase();
    head.contains("iso-8859-1\"") || head.contains("iso-8859-1'")
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn read(mut self, text: &str, mode: Mode) -> Result<Element, XmlError> {
        let mut reader = NsReader::from_str(text);
        reader.resolver_mut().set_max_declarations_per_element(NAMESPACES_PER_ELEMENT);
        if mode == Mode::Recover {
            let config = reader.config_mut();
            config.allow_dangling_amp = true;
            config.allow_unmatched_ends = true;
            config.check_end_names = false;
        }
        loop {
            let event = match (reader.read_event(), mode) {
                (Ok(event), _) => event,
                (Err(_), Mode::Strict) => return Err(XmlError::Malformed),
                (Err(_), Mode::Recover) => break,
            };
            match event {
                Event::Eof => break,
                Event::DocType(_) => return Err(XmlError::Rejected("DTD")),
                Event::Start(start) => {
                    let element = element(&reader, &start, mode)?;
                    self.start(element)?;
                }
                Event::Empty(start) => {
                    let element = element(&reader, &start, mode)?;
                    self.start(element)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text.xml10_content().map_err(|_| XmlError::Malformed)?),
                Event::CData(text) => self.text(&text.xml10_content().map_err(|_| XmlError::Malformed)?),
                Event::GeneralRef(reference) => {
                    let name = reference.decode().map_err(|_| XmlError::Malformed)?;
                    match (reference.resolve_char_ref(), resolve_predefined_entity(&name), mode) {
                        (Ok(Some(letter)), _, _) => self.text(letter.encode_utf8(&mut [0; 4])),
                        (_, Some(known), _) => self.text(known),
                        (_, None, Mode::Strict) => return Err(XmlError::Malformed),
                        (_, None, Mode::Recover) => self.text(&format!("&{name};")),
                    }
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        self.finish(mode)
    }

    fn start(&mut self, element: Element) -> Result<(), XmlError> {
        self.elements += 1;
        if self.open.len() >= limits::DEPTH {
            return Err(XmlError::Rejected("depth"));
        }
        if self.elements > limits::ELEMENTS {
            return Err(XmlError::Rejected("elements"));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            // A second document element is dropped: the first is the document.
            None => self.root = self.root.take().or(Some(done)),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn finish(mut self, mode: Mode) -> Result<Element, XmlError> {
        if mode == Mode::Strict && !self.open.is_empty() {
            return Err(XmlError::Malformed);
        }
        while !self.open.is_empty() {
            self.end();
        }
        self.root.ok_or(XmlError::Malformed)
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>, mode: Mode) -> Result<Element, XmlError> {
    let (resolved, local) = reader.resolver().resolve_element(start.name());
    let mut element = Element {
        name: String::from_utf8_lossy(local.as_ref()).into_owned(),
        namespace: namespace(resolved),
        ..Element::default()
    };
    let mut attributes = match mode {
        Mode::Strict => start.attributes(),
        Mode::Recover => start.html_attributes(),
    };
    for (count, attribute) in attributes.with_checks(mode == Mode::Strict).enumerate() {
        if count >= limits::ATTRIBUTES {
            return Err(XmlError::Rejected("attributes"));
        }
        let attribute = match (attribute, mode) {
            (Ok(attribute), _) => attribute,
            (Err(AttrError::Duplicated(..)), Mode::Recover) => continue,
            (Err(_), Mode::Recover) => break,
            (Err(_), Mode::Strict) => return Err(XmlError::Malformed),
        };
        let (resolved, local) = reader.resolver().resolve_attribute(attribute.key);
        if namespace(resolved).is_some_and(|namespace| !NAMESPACES.contains(&namespace.as_str())) {
            continue;
        }
        let value = match (attribute.normalized_value(XmlVersion::Implicit1_0), mode) {
            (Ok(value), _) => value.into_owned(),
            (Err(_), Mode::Recover) => String::from_utf8_lossy(&attribute.value).into_owned(),
            (Err(_), Mode::Strict) => return Err(XmlError::Malformed),
        };
        element.attributes.push((String::from_utf8_lossy(local.as_ref()).into_owned(), value));
    }
    Ok(element)
}

/// An undeclared prefix is a foreign namespace: it never counts as the recording vocabulary.
fn namespace(resolved: ResolveResult<'_>) -> Option<String> {
    match resolved {
        ResolveResult::Unbound => None,
        ResolveResult::Bound(Namespace(name)) => Some(String::from_utf8_lossy(name).trim().to_owned()),
        ResolveResult::Unknown(prefix) => Some(format!("undeclared:{}", String::from_utf8_lossy(&prefix))),
    }
}
