//! An INVITE outside dialogs: taken as a new recording session, or turned away by rule.

use super::{
    ALLOW, Arrived, Endpoint, Moment, SUPPORTED,
    detect::{self, Detection},
    dialog::{Birth, Dialog, OpenKind, OpenOffer, Phase},
    offer::{Refused, metadata_of, tidy},
    peers,
};
use crate::{
    event::{Attachment, DialogId, Event, Metadata, Offered, Warning},
    flow::Flow,
    limits,
    negotiate::LocalSession,
    session_timer as timer,
    sip::{Request, text, write::Reply},
    siprec::correlation,
};

/// Everything that was read of an INVITE that we take.
struct Taken {
    detection: Detection,
    is_strict: bool,
    replaces: Option<DialogId>,
    open: OpenOffer,
    metadata: Option<Metadata>,
    attachments: Vec<Attachment>,
    warnings: Vec<Warning>,
}

impl Endpoint {
    /// RFC 3261 8.2 and 13.3, RFC 7866 6.2: 100 at once, then a new dialog or a refusal.
    pub(super) fn on_invite(&mut self, arrived: Arrived<'_>, at: &mut Moment<'_>) {
        let Arrived { tx, flow, request, is_large } = arrived;
        self.layer.respond(tx, &Reply::new(100), at.now);
        match self.take(arrived, at) {
            Ok(mut taken) => {
                if is_large {
                    taken.warnings.push(Warning::new("large_udp_request"));
                }
                self.begin(arrived, taken, at);
            }
            Err(refused) => {
                self.layer.respond(tx, &refused.reply, at.now);
                self.turned_away(request.call_id.clone(), flow, refused.reply.status, &refused.cause);
            }
        }
    }

    fn take(&self, arrived: Arrived<'_>, at: &Moment<'_>) -> Result<Taken, Refused> {
        let Arrived { tx, flow, request, .. } = arrived;
        self.room()?;
        self.known_extensions(request)?;
        let replaces = self.replaced(request, flow)?;
        let profile = peers::profile_of(&self.config.peers, flow.remote.ip());
        let is_strict = profile.is_strict();
        let mut parts = self.parts(request, is_strict)?;
        let detection = detect::detect(request, &profile, parts.metadata.is_some())
            .map_err(|(status, cause)| Refused::new(self.reply(status), cause))?;
        let timer = timer::agree(&request.headers, None, self.config.session_expires_s, at.now)
            .map_err(|reply| Refused::new(reply.with("Server", &*self.config.product), "session_interval"))?;
        let mut warnings = detection.warnings.clone();
        let metadata = metadata_of(&mut parts, &mut warnings);
        let sdp = parts.sdp.as_deref().ok_or_else(|| {
            Refused::new(self.reply(488).with("Warning", "399 recorder \"an offer is required\""), "no_offer")
        })?;
        let (sdp, offer) = self.negotiate(sdp, flow, None, &mut warnings)?;
        let decide_by = at.now + limits::DECISION;
        let open = OpenOffer { kind: OpenKind::Invite(tx), sdp, offer, timer, decide_by };
        let attachments = parts.others;
        Ok(Taken { detection, is_strict, replaces, open, metadata, attachments, warnings })
    }

    fn room(&self) -> Result<(), Refused> {
        let cause = if self.is_draining {
            "draining"
        } else if self.dialogs.len() >= limits::DIALOGS {
            "too_many_dialogs"
        } else if self.events.len() >= limits::EVENT_BACKLOG {
            "overload"
        } else {
            return Ok(());
        };
        Err(Refused::new(self.reply(503).with("Retry-After", self.config.retry_after_s.to_string()), cause))
    }

    /// RFC 3261 8.2.2.3: what is required and unknown is named in Unsupported.
    pub(super) fn known_extensions(&self, request: &Request) -> Result<(), Refused> {
        let is_known = |tag: &&str| SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(tag));
        let unknown: Vec<&str> = request.headers.list("Require").filter(|tag| !is_known(tag)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Refused::new(self.reply(420).with("Unsupported", unknown.join(", ")), "unsupported_extension"))
    }

    /// RFC 3891 3: at most one Replaces, of a confirmed dialog, from the peer that holds it.
    fn replaced(&self, request: &Request, flow: &Flow) -> Result<Option<DialogId>, Refused> {
        let refuse = |status, cause: &str| Err(Refused::new(self.reply(status), cause));
        let mut values = request.headers.list("Replaces");
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return refuse(400, "several_replaces");
        }
        let (call_id, params) = value.split_once(';').unwrap_or((value, ""));
        let params = text::Params::parse(params);
        let (Some(to_tag), Some(from_tag)) = (params.get("to-tag"), params.get("from-tag")) else {
            return refuse(400, "malformed_replaces");
        };
        let found = self.tags.get(to_tag).and_then(|id| self.dialogs.get(id));
        let Some(old) = found.filter(|old| old.call_id == call_id.trim() && old.remote_tag == from_tag) else {
            return refuse(481, "replaces_unknown_dialog");
        };
        if old.phase == Phase::Offered {
            return refuse(481, "replaces_early_dialog");
        }
        if params.has("early-only") {
            return refuse(486, "replaces_early_only");
        }
        // RFC 3891 8: nobody else may take a session over.
        let is_same_peer = old.flow.identity == flow.identity && old.flow.remote.ip() == flow.remote.ip();
        if is_same_peer { Ok(Some(old.id)) } else { refuse(403, "replaces_not_allowed") }
    }

    fn begin(&mut self, arrived: Arrived<'_>, taken: Taken, at: &mut Moment<'_>) {
        let Arrived { tx, flow, request, .. } = arrived;
        self.next_dialog += 1;
        let id = DialogId(self.next_dialog);
        let mut session = [0; 8];
        (at.entropy)(&mut session);
        let local_sdp = LocalSession::new(u64::from_be_bytes(session) >> 2, self.config.policy.media_address);
        let local_tag = self.layer.tag_of(tx).unwrap_or_default().to_owned();
        let host = self.host(flow);
        let mut dialog = Dialog::new(Birth { id, request, flow, local_tag, local_sdp, host: &host });
        let Taken { detection, is_strict, replaces, open, metadata, attachments, warnings } = taken;
        let offered = Offered {
            dialog: id,
            call_id: request.call_id.clone(),
            peer: flow.peer(),
            profile: detection.profile.to_owned(),
            offer: open.offer.clone(),
            genesys: detection.genesys,
            metadata,
            attachments,
            correlation: correlation::from_headers(request.headers.iter()),
            warnings: tidy(warnings),
        };
        dialog.is_strict = is_strict;
        dialog.replaces = replaces;
        dialog.open = Some(open);
        self.tags.insert(dialog.local_tag.clone(), id);
        self.dialogs.insert(id, dialog);
        self.undecided.begin(id, at.now);
        self.reschedule(id);
        self.events.push_back(Event::Offered(Box::new(offered)));
    }

    /// Headers of every 2xx to INVITE and UPDATE in a dialog.
    pub(super) fn success(&self, contact: &str) -> Reply {
        self.reply(200).with("Contact", contact).with("Allow", ALLOW).with("Supported", SUPPORTED)
    }
}
