//! Whether an INVITE is a recording session, by RFC 7866 6.2 and what vendors make of it (quirks Q-DET), or a Genesys one.

use super::peers::Profile;
use crate::{
    event::{GenesysCall, Warning},
    genesys,
    sip::{NameAddr, Request, text, typed},
};

/// An INVITE that we take.
#[derive(Debug, PartialEq)]
pub(super) struct Detection {
    /// Name of the profile that took it.
    pub(super) profile: &'static str,
    pub(super) genesys: Option<GenesysCall>,
    pub(super) warnings: Vec<Warning>,
}

/// Why an INVITE is not a recording session: status and stable cause.
pub(super) type NotOurs = (u16, &'static str);

/// Looks at Contact, Require, Request-URI and whether there is metadata.
pub(super) fn detect(request: &Request, profile: &Profile, has_metadata: bool) -> Result<Detection, NotOurs> {
    let contacts: Vec<NameAddr> = contacts(request).collect();
    if contacts.iter().any(|contact| contact.params.has("+sip.srs")) {
        return Err((403, "role_clash"));
    }
    if profile.is_strict() && contacts.iter().any(|contact| contact.is_repaired) {
        return Err((400, "contact_malformed"));
    }
    let genesys = match profile {
        Profile::Auto | Profile::GenesysMsr => genesys::parse_request_uri(&request.uri),
        Profile::Rfc7866 | Profile::Rfc7866Strict => None,
    };
    if let Some(call) = genesys {
        return Ok(Detection { profile: "genesys-msr", genesys: Some(call), warnings: Vec::new() });
    }
    let requires_siprec = request.headers.lists("Require", "siprec");
    let mut warnings = Vec::new();
    if contacts.iter().any(|contact| contact.is_repaired) {
        warnings.push(Warning::new("contact_repaired"));
    }
    match profile {
        Profile::GenesysMsr => Err((403, "not_a_recording_session")),
        Profile::Rfc7866Strict if !requires_siprec => Err((403, "no_require_siprec")),
        Profile::Rfc7866Strict if !contacts.iter().any(|contact| contact.params.has("+sip.src")) => {
            Err((403, "no_sip_src"))
        }
        Profile::Rfc7866Strict => Ok(Detection { profile: "rfc7866-strict", genesys: None, warnings }),
        Profile::Auto | Profile::Rfc7866 => {
            let tag = feature_tag(&contacts);
            if !requires_siprec {
                warnings.push(Warning::new("no_require_siprec"));
            }
            match tag {
                Tag::Proper => {}
                Tag::Odd(name) => warnings.push(Warning::new(name)),
                Tag::Missing if requires_siprec || has_metadata => warnings.push(Warning::new("no_sip_src")),
                Tag::Missing => return Err((403, "not_a_recording_session")),
            }
            Ok(Detection { profile: "rfc7866", genesys: None, warnings })
        }
    }
}

enum Tag {
    Proper,
    /// Found in an odd place or spelling, with the warning that says so.
    Odd(&'static str),
    Missing,
}

fn feature_tag(contacts: &[NameAddr]) -> Tag {
    if contacts.iter().any(|contact| contact.params.has("+sip.src")) {
        return Tag::Proper;
    }
    // Avaya SBCE puts it inside the brackets.
    if contacts.iter().any(|contact| uri_has_tag(&contact.uri, "+sip.src")) {
        return Tag::Odd("feature_tag_in_uri");
    }
    // BroadWorks, AudioCodes 7.2.
    if contacts.iter().any(|contact| contact.params.has("src")) {
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
