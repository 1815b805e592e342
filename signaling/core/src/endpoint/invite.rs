//! An INVITE outside dialogs: taken as a new recording session, or turned away by rule.

use std::sync::Arc;

use super::{
    ALLOW, Arrived, Endpoint, Moment, SUPPORTED,
    detect::{self, Choice},
    dialog::{Birth, Dialog, OpenKind, OpenOffer, Phase},
    offer::{Refused, tidy},
    told::{self, Part, Told},
};
use crate::{
    event::{Attachment, DialogId, Event, Offered, Warning},
    flow::Flow,
    limits,
    negotiate::LocalSession,
    session_timer as timer,
    sip::{Method, Request, message::Message, parse, text, write::Reply},
    siprec::metadata::Document,
};

/// Everything that was read of an INVITE that we take.
struct Taken {
    choice: Choice,
    replaces: Option<DialogId>,
    open: OpenOffer,
    told: Told,
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

    /// How a message would be read, and why: for people who ask without a network. `None` when it is no request that a
    /// profile is chosen for.
    pub fn explain(&self, flow: &Flow, octets: &[u8]) -> Option<Choice> {
        let Ok(Message::Request(request)) = parse::parse(octets) else { return None };
        let (base, rule) = self.config.peers.profile_of(flow, &request.uri);
        let dialog = request.to.tag().and_then(|tag| self.tags.get(tag)).and_then(|id| self.dialogs.get(id));
        if let Some(dialog) = dialog {
            let recognised = Some("the session that it belongs to".to_owned());
            return Some(Choice { profile: Arc::clone(&dialog.profile), rule, recognised });
        }
        if request.method != Method::Invite {
            return None;
        }
        let mut parts = self.parts(&request, base).unwrap_or_default();
        let part = Part::of(&mut parts, &mut Vec::new());
        Some(detect::choose(&self.config.peers, (&request, flow), &parts, part.as_ref().map(|part| &part.document)))
    }

    fn take(&self, arrived: Arrived<'_>, at: &mut Moment<'_>) -> Result<Taken, Refused> {
        let Arrived { tx, flow, request, .. } = arrived;
        self.room()?;
        self.known_extensions(request)?;
        let replaces = self.replaced(request, flow)?;
        let (base, _) = self.config.peers.profile_of(flow, &request.uri);
        let mut parts = self.parts(request, base)?;
        let mut noted = Vec::new();
        let part = Part::of(&mut parts, &mut noted);
        let document = part.as_ref().map(|part| &part.document);
        let choice = detect::choose(&self.config.peers, (request, flow), &parts, document);
        let profile = &choice.profile;
        let mut warnings = detect::detect(request, profile, part.is_some())
            .map_err(|(status, cause)| Refused::new(self.reply(status), cause))?;
        if document.is_some_and(Document::is_rejected) && !profile.tolerate.metadata_rejected {
            let reply = self.reply(400).with("Warning", "399 recorder \"metadata with a DTD or over a limit\"");
            return Err(Refused::new(reply, "metadata_rejected"));
        }
        let timer = timer::agree(&request.headers, None, self.config.session_expires_s, at.now)
            .map_err(|reply| Refused::new(reply.with("Server", &*self.config.product), "session_interval"))?;
        warnings.append(&mut noted);
        let told = Told::first(request, part, profile, &mut warnings);
        let (kind, (sdp, offer)) = match parts.sdp.as_deref() {
            Some(sdp) => (OpenKind::Invite(tx), self.negotiate(sdp, (flow, profile), None, &mut warnings)?),
            None => (OpenKind::Delayed(tx), self.offer_of_ours((flow, profile), &mut warnings, at)?),
        };
        let open = OpenOffer { kind, sdp, offer, timer, decide_by: at.now + limits::DECISION };
        Ok(Taken { choice, replaces, open, told, attachments: parts.others, warnings })
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
        let Taken { choice, replaces, open, told, attachments, warnings } = taken;
        let profile = choice.profile;
        let offered = Offered {
            dialog: id,
            call_id: request.call_id.clone(),
            peer: flow.peer(),
            profile: profile.name.clone(),
            offer: open.offer.clone(),
            join: told.join,
            replaces,
            wants_snapshot: profile.metadata.ask_snapshot,
            genesys: told.genesys,
            metadata: told.metadata,
            attachments,
            correlation: told::keys_of(request, &profile),
            headers: profile.kept_headers(request.headers.iter()),
            warnings: tidy(warnings),
        };
        let mut dialog = Dialog::new(Birth { id, request, flow, local_tag, local_sdp, host: &host, profile });
        dialog.replaces = replaces;
        dialog.open = Some(Box::new(open));
        self.tags.insert(dialog.local_tag.clone(), id);
        self.dialogs.insert(id, Box::new(dialog));
        self.undecided.begin(id, at.now);
        self.reschedule(id);
        self.events.push_back(Event::Offered(Box::new(offered)));
    }

    /// Headers of every 2xx to INVITE and UPDATE in a dialog.
    pub(super) fn success(&self, contact: &str) -> Reply {
        self.reply(200).with("Contact", contact).with("Allow", ALLOW).with("Supported", SUPPORTED)
    }
}
