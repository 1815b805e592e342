//! An INVITE without an offer: our own stands in the 200, the answer comes in the ACK (RFC 3261 13.2.1, 13.3.1.4).

use super::{Endpoint, Moment, dialog::Dialog, offer::Refused};
use crate::{
    event::{Offer, Transport, Warning},
    flow::Flow,
    negotiate::{self, Policy, Wish},
    profile::Profile,
    sdp::SessionDescription,
};

impl Endpoint {
    /// The media that we are going to offer, as if the peer had offered it.
    pub(super) fn offer_of_ours(
        &self,
        (flow, profile): (&Flow, &Profile),
        warnings: &mut Vec<Warning>,
        at: &mut Moment<'_>,
    ) -> Result<(SessionDescription, Offer), Refused> {
        let wish = Wish { lines: profile.offer.lines, codecs: &profile.offer.codecs };
        let is_secure = flow.transport == Transport::Tls;
        negotiate::ask(wish, &self.policy(profile), is_secure, at.entropy, warnings)
            .map_err(|refusal| self.turned_down(refusal))
    }

    /// The answer to the offer that this dialog has made last, with the keys that it has chosen; `None` when it is none
    /// to that offer.
    pub(super) fn answer_of_theirs(
        &self,
        sdp: &[u8],
        dialog: &Dialog,
        warnings: &mut Vec<Warning>,
    ) -> Option<(SessionDescription, Offer)> {
        let said = dialog.local_sdp.last().and_then(|said| SessionDescription::parse(said).ok())?;
        let sdp = SessionDescription::parse(sdp).ok()?;
        let base = self.policy(&dialog.profile);
        // What we offered is meant, and that it was wise to offer keys there has been decided.
        let policy = Policy { best_effort_srtp: base.best_effort_srtp || negotiate::is_opportunistic(&said), ..base };
        let is_secure = dialog.flow.transport == Transport::Tls;
        let previous = dialog.agreed.as_ref().map(|agreed| &agreed.offer);
        let mut offer = negotiate::offer(&sdp, &policy, is_secure, previous, warnings).ok()?;
        negotiate::with_own_keys(&said, &mut offer).then_some((sdp, offer))
    }
}
