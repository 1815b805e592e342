//! What a message tells of the call, from wherever its profile says that it stands.

use std::collections::BTreeMap;

use crate::{
    event::{GenesysCall, Join, Metadata, Warning},
    genesys,
    profile::{Carrier, Profile, Source},
    sip::Request,
    siprec::{body::Parts, dialect, metadata::Document},
};

/// The metadata part of a body, taken apart.
pub(super) struct Part {
    media_type: String,
    raw: Vec<u8>,
    pub(super) document: Document,
}

impl Part {
    /// Takes it out of a body; tolerances that the body needed go to `warnings`.
    pub(super) fn of(parts: &mut Parts, warnings: &mut Vec<Warning>) -> Option<Self> {
        warnings.append(&mut parts.warnings);
        let (media_type, raw) = parts.metadata.take()?;
        let document = Document::parse(&raw);
        Some(Self { media_type, raw, document })
    }

    /// What it says.
    pub(super) fn read(self, profile: &Profile, warnings: &mut Vec<Warning>) -> Metadata {
        self.document.read((&self.media_type, &self.raw), profile, warnings)
    }
}

/// The facts of a call that came with its first INVITE.
#[derive(Default)]
pub(super) struct Told {
    pub(super) genesys: Option<GenesysCall>,
    pub(super) metadata: Option<Metadata>,
    pub(super) join: Option<Join>,
}

impl Told {
    pub(super) fn first(request: &Request, part: Option<Part>, profile: &Profile, warnings: &mut Vec<Warning>) -> Self {
        match profile.metadata.source {
            Source::RequestUri => {
                let genesys = genesys::parse_request_uri(&request.uri);
                let join = genesys.as_ref().map(join_of);
                Self { genesys, join, metadata: None }
            }
            Source::FromUri => {
                let (metadata, join) = dialect::from_uri(profile, &request.headers).unzip();
                Self { metadata, join: join.flatten(), genesys: None }
            }
            Source::Body | Source::Headers => {
                Self { metadata: told_again(request, part, profile, warnings), ..Self::default() }
            }
        }
    }
}

/// What a later message of the session tells.
pub(super) fn told_again(
    request: &Request,
    part: Option<Part>,
    profile: &Profile,
    warnings: &mut Vec<Warning>,
) -> Option<Metadata> {
    let from_headers = match profile.metadata.source {
        Source::Headers => dialect::from_headers(&profile.participants, &request.headers),
        Source::Body | Source::FromUri | Source::RequestUri => None,
    };
    from_headers.or_else(|| part.map(|part| part.read(profile, warnings)))
}

/// Per party, two INVITEs carry one id; a single session names both parties.
fn join_of(call: &GenesysCall) -> Join {
    let legs = call.dn.iter().chain(&call.other_dn).cloned().collect();
    Join { key: (call.record_id.clone(), call.call_uuid.clone()), legs }
}

/// The correlation keys that headers carry.
pub(super) fn keys_of(request: &Request, profile: &Profile) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in request.headers.iter() {
        profile.correlate(Carrier::Header(name), value, &mut found);
    }
    profile.correlate(Carrier::Header("Request-URI"), &request.uri, &mut found);
    found
}
