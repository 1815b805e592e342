//! Whether an INVITE looks like one of a profile's peers.

use std::collections::BTreeSet;

use super::{Evidence, Fingerprint, Profile};
use crate::{
    genesys,
    sip::{NameAddr, Request, text::Params},
};

/// What an INVITE shows of its sender.
pub(crate) struct Traits<'a> {
    pub(crate) request: &'a Request,
    /// Every Contact that could be read.
    pub(crate) contacts: &'a [NameAddr],
    /// Document element of the metadata, empty without metadata.
    pub(crate) root: &'a str,
    /// Namespaces used in the metadata, each once.
    pub(crate) namespaces: &'a BTreeSet<String>,
    /// Local names of elements in the metadata, each once.
    pub(crate) elements: &'a BTreeSet<String>,
    /// Media types of the body parts.
    pub(crate) parts: &'a BTreeSet<&'a str>,
}

impl Profile {
    /// By what the INVITE was recognised as one of this profile's peers.
    pub(super) fn recognises(&self, traits: &Traits<'_>) -> Option<String> {
        if self.session.evidence != Evidence::Siprec && !self.has_evidence(traits.request) {
            return None;
        }
        match (&self.detect.fingerprint[..], self.session.evidence) {
            ([], Evidence::RequestUri) => Some("Request-URI record=".to_owned()),
            ([], Evidence::Siprec) => Some("nothing else fits".to_owned()),
            ([], Evidence::Header | Evidence::FromParameter) => self.session.name.clone(),
            (fingerprints, _) => fingerprints.iter().find_map(|one| matches(one, traits)),
        }
    }

    /// Whether the evidence is there, where it is not that of RFC 7866.
    pub(crate) fn has_evidence(&self, request: &Request) -> bool {
        let name = self.session.name.as_deref().unwrap_or_default();
        match self.session.evidence {
            Evidence::Siprec => true,
            Evidence::RequestUri => genesys::parse_request_uri(&request.uri).is_some(),
            Evidence::Header => request.headers.get(name).is_some(),
            Evidence::FromParameter => uri_parameters(&request.from.uri).has(name),
        }
    }
}

/// Parameters of a URI, behind the host or in the user part.
pub(crate) fn uri_parameters(uri: &str) -> Params {
    let uri = uri.split('?').next().unwrap_or(uri);
    // A parameter of the user part ends at the host.
    let (user, host) = uri.rsplit_once('@').unwrap_or(("", uri));
    let of = |part: &str| part.split_once(';').map(|(_, params)| params.to_owned()).unwrap_or_default();
    Params::parse(&format!("{};{}", of(host), of(user)))
}

/// The conditions of a fingerprint, in words, when all hold.
fn matches(fingerprint: &Fingerprint, traits: &Traits<'_>) -> Option<String> {
    let request = traits.request;
    let has_contact = |name: &str| {
        let has = |contact: &NameAddr| contact.params.has(name) || uri_parameters(&contact.uri).has(name);
        traits.contacts.iter().any(has)
    };
    let user_agent = |glob: &str| request.headers.get("User-Agent").is_some_and(|value| fits(glob, value));
    let part = |kind: &str| traits.parts.iter().any(|part| part.eq_ignore_ascii_case(kind));
    type Holds<'a> = &'a dyn Fn(&str) -> bool;
    let conditions: [(&str, &Option<String>, Holds<'_>); 9] = [
        ("User-Agent", &fingerprint.user_agent, &user_agent),
        ("header", &fingerprint.header, &|name| request.headers.iter().any(|(known, _)| fits(name, known))),
        ("namespace", &fingerprint.namespace, &|name| traits.namespaces.iter().any(|known| fits(name, known))),
        ("document element", &fingerprint.root, &|name| traits.root == name),
        ("element", &fingerprint.element, &|name| traits.elements.contains(name)),
        ("body part", &fingerprint.part, &part),
        ("Contact parameter", &fingerprint.contact_parameter, &has_contact),
        ("From parameter", &fingerprint.from_parameter, &|name| uri_parameters(&request.from.uri).has(name)),
        ("Request-URI parameter", &fingerprint.request_parameter, &|name| uri_parameters(&request.uri).has(name)),
    ];
    let mut words = Vec::new();
    for (what, wanted, holds) in conditions {
        let Some(wanted) = wanted else { continue };
        if !holds(wanted) {
            return None;
        }
        words.push(format!("{what} {wanted}"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// A text with a `*` at its end, in any case.
pub(super) fn fits(glob: &str, text: &str) -> bool {
    match glob.strip_suffix('*') {
        Some(head) => text.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head)),
        None => glob.eq_ignore_ascii_case(text),
    }
}
