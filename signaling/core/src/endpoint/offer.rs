//! What a request carries: body parts, an offer negotiated, metadata, each refusal with its answer.

use super::{ACCEPT, Endpoint, dialog::Agreed};
use crate::{
    event::{DialogId, Event, Offer, Transport, Warning},
    flow::Flow,
    limits,
    negotiate::{self, Policy, Refusal, SdesOverClear},
    profile::Profile,
    sdp::SessionDescription,
    sip::{Request, write::Reply},
    siprec::body::{self, BodyError, BodyHeaders, Parts},
};

/// A refusal and the stable cause that is told with it.
pub(super) struct Refused {
    pub(super) reply: Box<Reply>,
    pub(super) cause: String,
}

impl Refused {
    pub(super) fn new(reply: Reply, cause: &str) -> Self {
        Self { reply: Box::new(reply), cause: cause.to_owned() }
    }
}

impl Endpoint {
    /// The rules of negotiation for a peer.
    pub(super) fn policy(&self, profile: &Profile) -> Policy {
        let security = profile.security;
        let base = self.config.policy;
        let sdes_over_clear = if security.sdes_over_clear { SdesOverClear::Warn } else { base.sdes_over_clear };
        let best_effort_srtp = base.best_effort_srtp || security.best_effort_srtp;
        Policy { sdes_over_clear, best_effort_srtp, ..base }
    }

    /// Takes the body apart.
    pub(super) fn parts(&self, request: &Request, profile: &Profile) -> Result<Parts, Refused> {
        let is_strict = !profile.tolerate.unterminated_multipart;
        let headers = &request.headers;
        let of = BodyHeaders {
            content_type: headers.get("Content-Type").unwrap_or_default(),
            disposition: headers.get("Content-Disposition"),
            transfer_encoding: headers.get("Content-Transfer-Encoding"),
            content_encoding: headers.get("Content-Encoding"),
        };
        body::split(&of, &request.body, is_strict).map_err(|error| match error {
            BodyError::BadRequest(rule) => {
                Refused::new(self.reply(400).with("Warning", format!("399 recorder \"{rule}\"")), rule)
            }
            BodyError::Unsupported => {
                let reply = self.reply(415).with("Accept", ACCEPT).with("Accept-Encoding", "identity");
                Refused::new(reply, "unsupported_body")
            }
        })
    }

    /// Reads and negotiates an SDP offer.
    pub(super) fn negotiate(
        &self,
        sdp: &[u8],
        (flow, profile): (&Flow, &Profile),
        previous: Option<&Agreed>,
        warnings: &mut Vec<Warning>,
    ) -> Result<(SessionDescription, Offer), Refused> {
        let sdp = SessionDescription::parse(sdp).map_err(|_| {
            Refused::new(self.reply(400).with("Warning", "399 recorder \"malformed SDP\""), "malformed_sdp")
        })?;
        let is_secure = flow.transport == Transport::Tls;
        let previous = previous.map(|agreed| &agreed.offer);
        match negotiate::offer(&sdp, &self.policy(profile), is_secure, previous, warnings) {
            Ok(offer) => Ok((sdp, offer)),
            Err(refusal) => Err(self.turned_down(refusal)),
        }
    }

    /// What the rules of negotiation turn down, as it is answered.
    pub(super) fn turned_down(&self, refusal: Refusal) -> Refused {
        let cause = refusal.warning.clone().unwrap_or_else(|| "not_acceptable".to_owned());
        let mut reply = self.reply(refusal.status);
        refusal.warning.into_iter().for_each(|warning| reply.headers.push("Warning", warning));
        Refused::new(reply, &cause)
    }
}

/// What is left of a body when SDP and metadata were taken: to be kept, or worth a warning. None when nothing is.
pub(super) fn rest_of(dialog: DialogId, parts: Parts, warnings: Vec<Warning>) -> Option<Event> {
    let attachments = parts.others;
    let is_nothing = attachments.is_empty() && warnings.is_empty();
    (!is_nothing).then(|| Event::PartsReceived { dialog, attachments, warnings: tidy(warnings) })
}

/// Each warning once, and not too many.
pub(super) fn tidy(mut warnings: Vec<Warning>) -> Vec<Warning> {
    let mut seen = std::collections::BTreeSet::new();
    warnings.retain(|warning| seen.insert(warning.clone()));
    warnings.truncate(limits::WARNINGS);
    warnings
}
