//! What the session core decided, said on the wire.

use super::{
    ACCEPT, Endpoint, Moment,
    asking::Purpose,
    dialog::{Agreed, OpenKind, OpenOffer, Phase, Unacked},
};
use crate::{
    event::{Command, DialogId, Ended, Grant},
    negotiate,
    sip::{
        Headers,
        layer::ServerId,
        write::{Body, Reply},
    },
};

/// RFC 7866 9.2, RFC 7865 7.
const SNAPSHOT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\"/>\r\n";

impl Endpoint {
    pub(super) fn obey(&mut self, command: Command, at: &mut Moment<'_>) {
        let (Command::Accept { dialog: id, .. }
        | Command::Refuse { dialog: id, .. }
        | Command::HangUp { dialog: id }
        | Command::RequestSnapshot { dialog: id }
        | Command::CheckPeer { dialog: id }) = command;
        if !self.dialogs.contains_key(&id) {
            self.stats.late_commands += 1;
            return;
        }
        match command {
            Command::Accept { lines, .. } => self.accept(id, lines, at),
            Command::Refuse { status, retry_after_s, warning, .. } => {
                let mut reply = self.reply(status);
                retry_after_s.into_iter().for_each(|seconds| reply.headers.push("Retry-After", seconds.to_string()));
                warning.into_iter().for_each(|warning| reply.headers.push("Warning", warning_value(&warning)));
                self.refuse(id, &reply, at);
            }
            Command::HangUp { .. } => self.hang_up(id, Ended::HungUp, at),
            Command::RequestSnapshot { .. } => self.request_snapshot(id, at),
            Command::CheckPeer { .. } => self.check_peer(id, at),
        }
        self.reschedule(id);
    }

    fn accept(&mut self, id: DialogId, mut lines: Vec<Grant>, at: &mut Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(OpenOffer { kind, sdp, offer, timer, .. }) = dialog.open.take().map(|open| *open) else {
            self.stats.late_commands += 1;
            return;
        };
        self.undecided.decided(id, at.now);
        lines.resize(offer.lines.len(), Grant::Reject);
        if kind == OpenKind::AckAnswer {
            dialog.agreed = dialog.agreed.take().map(|agreed| agreed.moved(offer, lines));
            return;
        }
        let describe = if matches!(kind, OpenKind::Delayed(_)) { negotiate::first_offer } else { negotiate::answer };
        let answer = describe(&sdp, &offer, &lines, &mut dialog.local_sdp);
        dialog.agreed = Some(Agreed::new(&sdp, offer, lines));
        dialog.timer = timer.map(|timer| timer.again(at.now));
        self.note_changed(id);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let (contact, timer, replaces) = (dialog.contact.clone(), dialog.timer, dialog.replaces.take());
        let mut reply = self.success(&contact);
        timer.iter().for_each(|timer| timer.answer(&mut reply.headers));
        reply.body = Some(Body::sdp(answer));
        match kind {
            OpenKind::Invite(tx) | OpenKind::Delayed(tx) => {
                let is_own_offer = matches!(kind, OpenKind::Delayed(_));
                self.accept_invite(id, (tx, is_own_offer), &reply.with("Accept", ACCEPT), at);
            }
            OpenKind::Update(tx) => drop(self.layer.respond(tx, &reply, at.now)),
            OpenKind::AckAnswer => {}
        }
        if let Some(old) = replaces {
            self.hang_up(old, Ended::HungUp, at);
        }
    }

    fn accept_invite(&mut self, id: DialogId, (tx, is_own_offer): (ServerId, bool), reply: &Reply, at: &Moment<'_>) {
        let cseq = self.layer.request_of(tx).map_or(0, |request| request.cseq);
        let sent = self.layer.respond(tx, reply, at.now);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.phase == Phase::Offered {
            dialog.phase = Phase::Accepted;
        }
        dialog.awaits_answer = is_own_offer;
        dialog.unacked = sent.map(|transmit| Unacked::new(cseq, transmit, is_own_offer, at.now));
    }

    /// Turns the open offer down. A session that stands goes on as it was (RFC 3261 14.2).
    pub(super) fn refuse(&mut self, id: DialogId, reply: &Reply, at: &Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(open) = dialog.open.take() else {
            self.stats.late_commands += 1;
            return;
        };
        let is_new = dialog.phase == Phase::Offered;
        if let Some(tx) = open.kind.transaction() {
            self.layer.respond(tx, reply, at.now);
        }
        if is_new {
            self.bury(id);
        }
    }

    /// Ends a session from our side and tells so.
    pub(super) fn hang_up(&mut self, id: DialogId, cause: Ended, at: &mut Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match dialog.phase {
            Phase::Offered => {
                let reply = self.reply(480);
                self.refuse(id, &reply, at);
                self.ended(id, Ended::NotEstablished);
                return;
            }
            // RFC 3261 15: no BYE before the ACK, or before the wait for it is over.
            Phase::Accepted if dialog.unacked.is_some() => {
                dialog.wants_hangup = true;
                return;
            }
            Phase::Accepted | Phase::Established => {}
        }
        if let Some(tx) = dialog.open.take().and_then(|open| open.kind.transaction()) {
            let reply = self.reply(487);
            self.layer.respond(tx, &reply, at.now);
        }
        self.ask(id, Purpose::Bye, (Headers::new(), None), at);
        self.bury(id);
        self.ended(id, cause);
    }

    /// RFC 7866 9.2: an UPDATE of its own, once a session.
    fn request_snapshot(&mut self, id: DialogId, at: &mut Moment<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.phase == Phase::Offered || std::mem::replace(&mut dialog.has_asked_snapshot, true) {
            return;
        }
        let body = Body {
            content_type: "application/rs-metadata+xml".into(),
            disposition: Some("recording-session".into()),
            content: SNAPSHOT.into(),
        };
        self.ask(id, Purpose::Snapshot, (Headers::new(), Some(body)), at);
    }
}

/// A whole Warning value as it is; anything else becomes the text of a 399.
fn warning_value(warning: &str) -> String {
    let is_whole = warning.len() > 4 && warning.as_bytes()[..3].iter().all(u8::is_ascii_digit) && warning.contains('"');
    if is_whole { warning.to_owned() } else { format!("399 recorder \"{}\"", warning.replace(['"', '\\'], "'")) }
}
