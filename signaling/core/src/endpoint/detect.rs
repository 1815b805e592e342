//! Whether an INVITE is a recording session: by RFC 7866 6.2 and what a profile forgives (quirks Q-DET), or by the evidence
//! that its profile names.

use std::{collections::BTreeSet, sync::Arc};

use super::peers::Peers;
use crate::{
    event::Warning,
    flow::Flow,
    profile::{Evidence, Profile, Tolerate, Traits},
    sip::{NameAddr, Request, text, typed},
    siprec::{body::Parts, metadata::Document},
};

/// Why an INVITE is read as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// How it is read.
    pub profile: Arc<Profile>,
    /// Number of the `[[peer]]` rule that was about it, from 0; none: no rule was.
    pub rule: Option<usize>,
    /// What it was recognised by, where the rule (or the default) left that open.
    pub recognised: Option<String>,
}

/// Why an INVITE is not a recording session: status and stable cause.
pub(super) type NotOurs = (u16, &'static str);

/// Says how an INVITE is to be read.
pub(super) fn choose(
    peers: &Peers,
    (request, flow): (&Request, &Flow),
    parts: &Parts,
    document: Option<&Document>,
) -> Choice {
    let (profile, rule) = peers.profile_of(flow, &request.uri);
    if profile.candidates.is_empty() {
        return Choice { profile: Arc::clone(profile), rule, recognised: None };
    }
    let contacts: Vec<NameAddr> = contacts(request).collect();
    let marks = document.map(Document::marks).unwrap_or_default();
    let types: BTreeSet<&str> = parts.others.iter().map(|part| part.content_type.as_str()).collect();
    let traits = Traits {
        request,
        contacts: &contacts,
        root: &marks.root,
        namespaces: &marks.namespaces,
        elements: &marks.elements,
        parts: &types,
    };
    let (chosen, recognised) = profile.choose(&traits);
    Choice { profile: Arc::clone(chosen), rule, recognised }
}

/// Looks at Contact, Require and the evidence of the profile; the tolerances that were needed.
pub(super) fn detect(request: &Request, profile: &Profile, has_metadata: bool) -> Result<Vec<Warning>, NotOurs> {
    let contacts: Vec<NameAddr> = contacts(request).collect();
    let (tolerate, refusal) = (&profile.tolerate, profile.session.refusal);
    if contacts.iter().any(|contact| contact.params.has("+sip.srs")) {
        return Err((403, "role_clash"));
    }
    let mut warnings = Vec::new();
    if contacts.iter().any(|contact| contact.is_repaired) {
        tolerated(tolerate.contact_repaired, (400, "contact_malformed"))?;
        warnings.push(Warning::new("contact_repaired"));
    }
    if profile.session.evidence != Evidence::Siprec {
        return if profile.has_evidence(request) { Ok(warnings) } else { Err((refusal, "not_a_recording_session")) };
    }
    let requires_siprec = request.headers.lists("Require", "siprec");
    if !requires_siprec {
        tolerated(tolerate.no_require_siprec, (refusal, "no_require_siprec"))?;
        warnings.push(Warning::new("no_require_siprec"));
    }
    match feature_tag(&contacts, tolerate) {
        Tag::Proper => {}
        Tag::Odd(name) => warnings.push(Warning::new(name)),
        Tag::Missing => {
            tolerated(tolerate.no_sip_src, (refusal, "no_sip_src"))?;
            // Something must speak for it.
            tolerated(requires_siprec || has_metadata, (refusal, "not_a_recording_session"))?;
            warnings.push(Warning::new("no_sip_src"));
        }
    }
    Ok(warnings)
}

fn tolerated(is_so: bool, otherwise: NotOurs) -> Result<(), NotOurs> {
    if is_so { Ok(()) } else { Err(otherwise) }
}

enum Tag {
    Proper,
    /// Found in an odd place or spelling, with the warning that says so.
    Odd(&'static str),
    Missing,
}

fn feature_tag(contacts: &[NameAddr], tolerate: &Tolerate) -> Tag {
    if contacts.iter().any(|contact| contact.params.has("+sip.src")) {
        return Tag::Proper;
    }
    // Avaya SBCE puts it inside the brackets.
    if tolerate.feature_tag_in_uri && contacts.iter().any(|contact| uri_has_tag(&contact.uri, "+sip.src")) {
        return Tag::Odd("feature_tag_in_uri");
    }
    // BroadWorks, AudioCodes 7.2.
    if tolerate.contact_param_src_short && contacts.iter().any(|contact| contact.params.has("src")) {
        return Tag::Odd("contact_param_src_short");
    }
    Tag::Missing
}

fn uri_has_tag(uri: &str, tag: &str) -> bool {
    uri.split(';').skip(1).any(|param| param.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(tag)))
}

/// Every Contact element that can be read.
pub(super) fn contacts(request: &Request) -> impl Iterator<Item = NameAddr> {
    request.headers.all("Contact").flat_map(|value| text::split(value, ',')).filter_map(NameAddr::parse)
}

/// The remote target that a request names, if any of its Contacts can be written into a request of ours.
pub(super) fn remote_target(request: &Request) -> Option<String> {
    contacts(request).map(|contact| target(&contact)).find(|uri| typed::is_request_uri(uri))
}

/// The remote target of a Contact: the URI without feature tags that strayed into it.
fn target(contact: &NameAddr) -> String {
    let mut pieces = contact.uri.split(';');
    let base = pieces.next().unwrap_or_default().to_owned();
    pieces.filter(|param| !param.starts_with('+')).fold(base, |uri, param| uri + ";" + param)
}
