//! Requests inside a dialog: re-INVITE, UPDATE, INFO, OPTIONS, BYE, and the ACK and CANCEL of an INVITE.

use std::sync::Arc;

use super::{
    Arrived, Endpoint, Moment,
    dialog::{Agreed, OpenKind, OpenOffer, Phase, Unacked},
    offer::{Refused, rest_of, tidy},
    told::{Part, told_again},
};
use crate::{
    event::{DialogId, Ended, Event, Grant, Offer, Warning},
    flow::Flow,
    limits, negotiate, profile, session_timer as timer,
    sip::{
        Method, Request,
        layer::ServerId,
        write::{Body, Reply},
    },
};

impl Endpoint {
    pub(super) fn on_inside(&mut self, id: DialogId, arrived: Arrived<'_>, at: &mut Moment<'_>) {
        let Arrived { tx, flow, request, .. } = arrived;
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        // RFC 3261 12.2.2: out of order; the session goes on.
        if request.cseq < dialog.remote_seq {
            let reply = self.reply(500);
            self.layer.respond(tx, &reply, at.now);
            return;
        }
        // A restored session lives: the peer speaks in it.
        if std::mem::take(&mut dialog.is_unheard) && request.method != Method::Bye {
            self.events.push_back(Event::Established { dialog: id });
        }
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match request.method {
            Method::Invite | Method::Update => {
                if request.method == Method::Invite {
                    self.layer.respond(tx, &Reply::new(100), at.now);
                }
                if let Err(refused) = self.renegotiate(id, arrived, at) {
                    self.layer.respond(tx, &refused.reply, at.now);
                }
                self.reschedule(id);
            }
            Method::Bye => self.on_bye(id, tx, request, at),
            Method::Info => {
                dialog.refresh(request, flow);
                // A package that we do not know may not act by another header of the same request.
                let action = profile::action(&dialog.profile, request);
                let action = action.filter(|_| request.headers.get("Info-Package").is_none());
                let reply = self.info(request);
                self.layer.respond(tx, &reply, at.now);
                self.events.extend(action.map(|action| Event::Controlled { dialog: id, action }));
            }
            Method::Options => {
                dialog.refresh(request, flow);
                // Some SBCs watch a live session with OPTIONS: it is well, drained or not.
                let reply = self.options(flow, false);
                self.layer.respond(tx, &reply, at.now);
            }
            // CANCEL and ACK never come here, other methods were answered 405.
            Method::Cancel | Method::Ack | Method::Other(_) => {}
        }
    }

    /// RFC 6086 4.2: packages are not for us, legacy INFO is harmless.
    fn info(&self, request: &Request) -> Reply {
        match request.headers.get("Info-Package") {
            Some(_) => self.reply(469).with("Recv-Info", ""),
            None => self.reply(200),
        }
    }

    fn renegotiate(&mut self, id: DialogId, arrived: Arrived<'_>, at: &mut Moment<'_>) -> Result<(), Refused> {
        let Arrived { tx, flow, request, .. } = arrived;
        let Some(dialog) = self.dialogs.get(&id) else { return Ok(()) };
        let is_invite = request.method == Method::Invite;
        self.known_extensions(request)?;
        let profile = Arc::clone(&dialog.profile);
        let mut parts = self.parts(request, &profile)?;
        let has_offer = parts.sdp.is_some();
        if dialog.open.is_some() && (is_invite || has_offer) {
            // RFC 3261 14.2, RFC 3311 5.2: the earlier offer has no answer yet.
            let mut wait = [0];
            (at.entropy)(&mut wait);
            return Err(Refused::new(self.reply(500).with("Retry-After", (wait[0] % 11).to_string()), "overlap"));
        }
        if dialog.unacked.as_ref().is_some_and(|unacked| unacked.is_own_offer) && (is_invite || has_offer) {
            return Err(Refused::new(self.reply(491), "own_offer_open"));
        }
        let timer = timer::agree(&request.headers, dialog.timer.as_ref(), None, at.now)
            .map_err(|reply| Refused::new(reply.with("Server", &*self.config.product), "session_interval"))?;
        let mut warnings = Vec::new();
        let part = Part::of(&mut parts, &mut warnings);
        let metadata = told_again(request, part, &profile, &mut warnings);
        let negotiated = match &parts.sdp {
            Some(sdp) => Some(self.negotiate(sdp, (flow, &profile), dialog.agreed.as_ref(), &mut warnings)?),
            None => None,
        };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return Ok(()) };
        dialog.refresh(request, flow);
        self.events.extend(rest_of(id, parts, Vec::new()));
        let warnings = tidy(warnings);
        if let Some((sdp, offer)) = negotiated {
            let kind = if is_invite { OpenKind::Invite(tx) } else { OpenKind::Update(tx) };
            let decide_by = at.now + limits::DECISION;
            dialog.open = Some(Box::new(OpenOffer { kind, sdp, offer: offer.clone(), timer, decide_by }));
            self.events.push_back(Event::Reoffered { dialog: id, offer, metadata, warnings });
            return Ok(());
        }
        dialog.timer = timer;
        if is_invite {
            self.offer_ours(id, tx, request.cseq, at);
        } else {
            self.answer_plain(id, tx, at);
        }
        if let Some(metadata) = metadata {
            self.events.push_back(Event::MetadataReceived { dialog: id, metadata, warnings });
        }
        Ok(())
    }

    /// UPDATE without an offer: 200 without body.
    fn answer_plain(&mut self, id: DialogId, tx: ServerId, at: &Moment<'_>) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let mut reply = self.success(&dialog.contact);
        dialog.timer.iter().for_each(|timer| timer.answer(&mut reply.headers));
        self.layer.respond(tx, &reply, at.now);
        self.note_changed(id);
    }

    /// re-INVITE without an offer: 200 with ours, which repeats what stands (RFC 3261 14.2); nothing is added.
    fn offer_ours(&mut self, id: DialogId, tx: ServerId, cseq: u32, at: &Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(agreed) = &dialog.agreed else { return };
        let sdp = negotiate::own_offer(&agreed.sdp.open(), &agreed.offer, &agreed.grants, &mut dialog.local_sdp);
        let (contact, timer) = (dialog.contact.clone(), dialog.timer);
        let mut reply = self.success(&contact);
        timer.iter().for_each(|timer| timer.answer(&mut reply.headers));
        reply.body = Some(Body::sdp(sdp));
        let sent = self.layer.respond(tx, &reply, at.now);
        if let (Some(transmit), Some(dialog)) = (sent, self.dialogs.get_mut(&id)) {
            dialog.unacked = Some(Unacked::new(cseq, transmit, true, at.now));
        }
    }

    fn on_bye(&mut self, id: DialogId, tx: ServerId, request: &Request, at: &Moment<'_>) {
        let reply = self.reply(200);
        self.layer.respond(tx, &reply, at.now);
        let Some(dialog) = self.bury(id) else { return };
        if let Some(open) = dialog.open.and_then(|open| open.kind.transaction()) {
            // RFC 3261 15.1.2.
            let reply = self.reply(487);
            self.layer.respond(open, &reply, at.now);
        }
        let reasons: Vec<&str> = request.headers.all("Reason").collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join(", "));
        let mut parts = self.parts(request, &dialog.profile).unwrap_or_default();
        let mut warnings = Vec::new();
        let part = Part::of(&mut parts, &mut warnings);
        let metadata = told_again(request, part, &dialog.profile, &mut warnings);
        self.events.extend(rest_of(id, parts, warnings));
        self.events.push_back(Event::Ended { dialog: id, cause: Ended::Bye, reason, metadata });
    }

    /// CANCEL came in time; 200 to it has left.
    pub(super) fn on_cancelled(&mut self, invite: ServerId, at: &Moment<'_>) {
        let tag = self.layer.request_of(invite).and_then(|request| request.to.tag()).or(self.layer.tag_of(invite));
        let id = tag.and_then(|tag| self.tags.get(tag)).copied();
        let reply = self.reply(487);
        self.layer.respond(invite, &reply, at.now);
        let Some(id) = id else { return };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let is_it = |open: &OpenOffer| open.kind.transaction() == Some(invite);
        if !dialog.open.as_deref().is_some_and(is_it) {
            return;
        }
        if dialog.phase == Phase::Offered {
            self.bury(id);
            self.ended(id, Ended::NotEstablished);
        } else {
            dialog.open = None;
            self.reschedule(id);
        }
    }

    pub(super) fn ended(&mut self, dialog: DialogId, cause: Ended) {
        self.events.push_back(Event::Ended { dialog, cause, reason: None, metadata: None });
    }

    /// ACK for a 2xx.
    pub(super) fn on_ack(&mut self, flow: &Flow, request: &Request, at: &mut Moment<'_>) {
        let id = request.to.tag().and_then(|tag| self.tags.get(tag)).copied();
        let Some(id) = id.filter(|id| self.belongs(*id, request)) else { return };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(unacked) = dialog.unacked.take_if(|unacked| unacked.cseq == request.cseq) else { return };
        dialog.flow = flow.clone();
        let is_first = std::mem::replace(&mut dialog.phase, Phase::Established) != Phase::Established;
        if is_first {
            self.events.push_back(Event::Established { dialog: id });
        }
        if unacked.is_own_offer {
            self.read_ack_answer(id, request, at);
        }
        if self.dialogs.get(&id).is_some_and(|dialog| dialog.wants_hangup) {
            self.hang_up(id, Ended::HungUp, at);
        }
        self.reschedule(id);
    }

    /// The answer to an offer of ours: news where it differs from what stands. A first one that is missing or cannot be
    /// used leaves the session without media until the peer offers some.
    fn read_ack_answer(&mut self, id: DialogId, request: &Request, at: &Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let is_first = std::mem::take(&mut dialog.awaits_answer);
        let profile = Arc::clone(&dialog.profile);
        let mut warnings = Vec::new();
        let answer = self.parts(request, &profile).ok().and_then(|parts| parts.sdp);
        let dialog = self.dialogs.get(&id);
        let negotiated =
            answer.zip(dialog).and_then(|(sdp, dialog)| self.answer_of_theirs(&sdp, dialog, &mut warnings));
        let Some((sdp, mut offer)) = negotiated else {
            if is_first {
                let warnings = vec![Warning::new("no_answer_in_ack")];
                self.events.push_back(Event::PartsReceived { dialog: id, attachments: Vec::new(), warnings });
            }
            return;
        };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(agreed) = &dialog.agreed else { return };
        // Lines that were not offered cannot be answered.
        offer.lines.truncate(agreed.offer.lines.len());
        if is_same_media(&agreed.offer, &offer) {
            return;
        }
        let timer = dialog.timer;
        let decide_by = at.now + limits::DECISION;
        dialog.open =
            Some(Box::new(OpenOffer { kind: OpenKind::AckAnswer, sdp, offer: offer.clone(), timer, decide_by }));
        let warnings = tidy(warnings);
        self.events.push_back(Event::Reoffered { dialog: id, offer, metadata: None, warnings });
    }
}

/// Whether media comes from the same places in the same state; an answer may name fewer codecs and no labels.
fn is_same_media(a: &Offer, b: &Offer) -> bool {
    a.lines.len() == b.lines.len()
        && a.lines.iter().zip(&b.lines).all(|(a, b)| {
            (&a.state, a.address, a.port, &a.sdes, &a.dtls) == (&b.state, b.address, b.port, &b.sdes, &b.dtls)
        })
}

impl Agreed {
    /// After the answer in an ACK: the description that labels and codecs come from stays, the media moves.
    pub(super) fn moved(self, offer: Offer, grants: Vec<Grant>) -> Self {
        Self { offer, grants, ..self }
    }
}
