//! What we ask of the server: DNs to watch, recording control. Every request has an end: an answer, a time-out, or the
//! loss of the link.

use std::time::Instant;

use super::{Asked, Client, Open, State, Watch};
use crate::tlib::{
    event::{CtiEvent, Outcome, RecordControl},
    limits,
    list::List,
    message::{Message, Name},
};

/// Recording control that we ask for (genesys.md, T-Library recording API).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// A DN that this link registered; it need not be on the call.
    pub this_dn: String,
    /// The call.
    pub conn_id: String,
    /// Why: actor and reason.
    pub reasons: List,
    /// `record`, `Id`, `Dest`, `Dest2`, `Audiosrc`, as the start needs them.
    pub extensions: List,
}

/// Why a request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The link is down.
    LinkDown,
    /// Too many wait for their answer.
    TooMany,
    /// The link does not watch the DN that is to ask.
    NotWatched,
}

impl Client {
    /// Asks for recording control; the answer is a [`CtiEvent::Answered`] with the number that is given back here.
    ///
    /// # Errors
    /// See [`NotSent`].
    pub fn request(&mut self, what: RecordControl, request: Request, now: Instant) -> Result<u64, NotSent> {
        if !self.is_up {
            return Err(NotSent::LinkDown);
        }
        if self.requests.len() >= limits::OPEN_REQUESTS {
            return Err(NotSent::TooMany);
        }
        if !self.is_watching(&request.this_dn) {
            return Err(NotSent::NotWatched);
        }
        let reference = self.ask(Asked::Private, now);
        let Request { this_dn, conn_id, reasons, extensions } = request;
        self.send(&Message::new(Name::RequestPrivateService).with(|attributes| {
            attributes.reference_id = Some(reference);
            attributes.private_msg_id = Some(what.number());
            attributes.this_dn = Some(this_dn);
            attributes.conn_id = Some(conn_id);
            attributes.reasons = Some(reasons).filter(|list| !list.is_empty());
            attributes.extensions = Some(extensions).filter(|list| !list.is_empty());
        }));
        Ok(reference)
    }

    /// Watches one more DN, from now on. False when there are too many.
    pub fn watch(&mut self, dn: &str, now: Instant) -> bool {
        if self.dns.contains_key(dn) {
            return true;
        }
        if self.dns.len() >= limits::DNS_PER_LINK {
            self.counts.dns_refused += 1;
            return false;
        }
        self.dns.insert(dn.to_owned(), Watch::Wanted);
        if matches!(self.state, State::Speaking { .. }) {
            self.unregistered.insert(dn.to_owned());
            self.register(now);
        }
        true
    }

    /// Watches it no longer.
    pub fn unwatch(&mut self, dn: &str, now: Instant) {
        self.unregistered.remove(dn);
        let before = self.dns.remove(dn);
        self.registered -= usize::from(before == Some(Watch::Registered));
        if before.is_some_and(|watch| matches!(watch, Watch::Asked | Watch::Registered))
            && matches!(self.state, State::Speaking { .. })
        {
            let reference = self.ask(Asked::Unregister, now);
            let dn = dn.to_owned();
            self.send(&Message::new(Name::RequestUnregisterAddress).with(|attributes| {
                attributes.reference_id = Some(reference);
                attributes.this_dn = Some(dn);
            }));
        }
    }

    /// Every DN has to be registered (again): the answers tell the calls that are there now.
    pub(super) fn register_all(&mut self, now: Instant) {
        self.unregistered.extend(self.dns.keys().cloned());
        self.register(now);
    }

    /// Asks for as many DNs as may be open at once.
    pub(super) fn register(&mut self, now: Instant) {
        let open = self.requests.values().filter(|open| matches!(open.what, Asked::Register(_))).count();
        for _ in open..limits::REGISTRATIONS_AT_ONCE {
            let Some(dn) = self.unregistered.pop_first() else { return };
            self.set_watch(&dn, Watch::Asked);
            let reference = self.ask(Asked::Register(dn.clone()), now);
            self.send(&Message::new(Name::RequestRegisterAddress).with(|attributes| {
                attributes.reference_id = Some(reference);
                attributes.this_dn = Some(dn);
            }));
        }
    }

    fn ask(&mut self, what: Asked, now: Instant) -> u64 {
        let reference = self.next_reference;
        self.next_reference += 1;
        self.requests.insert(reference, Open { what, until: now + limits::ANSWER });
        reference
    }

    /// An answer to one of ours: false when it answers none.
    pub(super) fn answered(&mut self, reference: Option<u64>, outcome: Outcome, now: Instant) -> bool {
        let Some((reference, open)) = reference.and_then(|no| Some((no, self.requests.remove(&no)?))) else {
            return false;
        };
        match open.what {
            Asked::Register(dn) => {
                let is_registered = outcome == Outcome::Accepted;
                self.set_watch(&dn, if is_registered { Watch::Registered } else { Watch::Refused });
                self.register(now);
            }
            Asked::Unregister => {}
            Asked::Private => self.tell(CtiEvent::Answered { link: self.config.link, reference, outcome }),
        }
        true
    }

    /// Requests whose answer is overdue end; a registration is tried again with the next read-out.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.requests.first_entry().filter(|oldest| oldest.get().until <= now) {
            let (reference, open) = oldest.remove_entry();
            self.unanswered(reference, &open.what);
        }
        if matches!(self.state, State::Speaking { .. }) {
            self.register(now);
        }
    }

    pub(super) fn unanswered(&mut self, reference: u64, what: &Asked) {
        match what {
            Asked::Register(dn) => self.set_watch(dn, Watch::Refused),
            Asked::Unregister => {}
            Asked::Private => {
                let outcome = Outcome::Unanswered;
                self.tell(CtiEvent::Answered { link: self.config.link, reference, outcome });
            }
        }
    }
}
