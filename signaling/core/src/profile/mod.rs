//! Peer profiles: what is known of one kind of recording client, as data that a support engineer can read and write.
//!
//! The built-in ones are the files of `signaling/core/profiles`; a customer's own are read in the same format by
//! [`Catalogue::add`]. Nothing else in this crate knows a vendor's name.

mod catalogue;
mod control;
mod keys;
mod recognise;
mod role;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;

pub use catalogue::{Catalogue, ProfileError};
pub(crate) use control::action;
pub(crate) use keys::{Carrier, keep};
pub(crate) use recognise::{Traits, uri_parameters};
pub(crate) use role::{Hints, cast};
pub use rules::{
    Attribution, Check, Control, ControlDocument, Detect, Evidence, Fingerprint, KeyRule, LegRule, MetadataRule,
    OfferRule, ParticipantsRule, RoleRule, Security, SessionRule, Source, Times, Tolerate, Zone,
};

/// What is known of one kind of peer. Every field stands under the same name in its file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// What `[[peer]] profile` says, and what recordings show.
    pub name: String,
    /// For people.
    pub title: String,
    /// Other names that mean the same.
    pub also: Vec<String>,
    /// The profile whose rules hold where this one says nothing.
    pub extends: Option<String>,
    /// How it is recognised where no `[[peer]]` rule names it.
    pub detect: Detect,
    /// What makes an INVITE a recording session.
    pub session: SessionRule,
    /// Departures from the rules that are taken, each with its named warning.
    pub tolerate: Tolerate,
    /// Where the facts of the call come from.
    pub metadata: MetadataRule,
    /// `metadata.source = "headers"`: one header field per party.
    pub participants: ParticipantsRule,
    /// `metadata.source = "from-uri"`: one dialog per party.
    pub leg: LegRule,
    /// What we offer when an INVITE brings no offer.
    pub offer: OfferRule,
    /// How its times are to be read.
    pub times: Times,
    /// Who speaks where when the metadata does not say it.
    pub attribution: Attribution,
    /// Who is the caller, who the agent.
    pub role: Vec<RoleRule>,
    /// Numbers that should agree with a role.
    pub check: Vec<Check>,
    /// Which header, element, attribute or URI parameter becomes which correlation key.
    pub key: Vec<KeyRule>,
    /// Header fields that are kept as they came; a `*` stands for any rest.
    pub keep_headers: Vec<String>,
    /// Keys in the clear, best-effort SRTP.
    pub security: Security,
    /// Pause and resume by the peer.
    pub control: Control,
    /// The profiles of `detect.among`.
    #[serde(skip)]
    pub candidates: Vec<Arc<Profile>>,
}

impl Profile {
    /// Whether it goes by this name.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.also.iter().any(|other| other == name)
    }

    /// The same for a peer whose clock says no zone and stands in this one.
    #[must_use]
    pub fn in_zone(&self, zone: Zone) -> Self {
        let candidates = self.candidates.iter().map(|one| Arc::new(one.in_zone(zone))).collect();
        Self { times: Times { zone }, candidates, ..self.clone() }
    }

    /// Which profile reads this INVITE: itself, or the first of its candidates that recognises it. The text says why.
    pub(crate) fn choose<'a>(self: &'a Arc<Self>, traits: &Traits<'_>) -> (&'a Arc<Self>, Option<String>) {
        for candidate in &self.candidates {
            if let Some(why) = candidate.recognises(traits) {
                return (candidate, Some(why));
            }
        }
        (self, None)
    }

    /// Itself or the candidate of that name: what was chosen for a dialog stays chosen.
    pub(crate) fn again(self: &Arc<Self>, name: &str) -> Option<&Arc<Self>> {
        std::iter::once(self).chain(&self.candidates).find(|profile| profile.name == name)
    }
}
