//! What the recorder says: registrations, requests for recording control, heart-beats.

use signaling_core::tlib::{
    event::RecordControl,
    list::{Charset, List},
    message::{Attributes, Broken, Message, Name},
};

use super::{
    hub::{Due, Hub},
    report::RequestReport,
    scenario::Answer,
};
use crate::{call::Wish, world};

/// What an accepted request comes to.
pub(super) struct Carry {
    what: RecordControl,
    call: String,
    id: Option<String>,
    /// Who asked is told by its answer alone.
    asker: u64,
    leg: super::scenario::Leg,
}

/// `ErrorCode` of a DN that is not registered, or that there is not.
const UNKNOWN_DN: u32 = 59;
/// `ErrorCode` of a call that there is not.
const UNKNOWN_CALL: u32 = 71;

impl Hub {
    pub(super) fn line(&mut self, link: u64, line: &[u8]) {
        self.peers.heard(link, world::now());
        let Message { message, attributes } = match Message::parse(line) {
            Ok(message) => message,
            Err(Broken::Unknown) => return,
            Err(Broken::Rubbish) => return self.problem("the recorder sent rubbish"),
            Err(Broken::Refused { message, reason }) => {
                return self.problem(format!("the recorder sent a broken {}: {reason}", message.text()));
            }
        };
        *self.report.received.entry(message.text()).or_default() += 1;
        match message {
            Name::RequestRegisterAddress => self.register(link, &attributes),
            Name::RequestUnregisterAddress => {
                let dn = attributes.this_dn.clone().unwrap_or_default();
                self.peers.unregister(link, &dn);
                self.peers.send(link, answer(Name::EventUnregistered, &attributes));
            }
            Name::RequestPrivateService => self.request(link, &attributes),
            Name::Refused => self.report.refused.extend(attributes.reason),
            _ => {}
        }
    }

    fn register(&mut self, link: u64, attributes: &Attributes) {
        let dn = attributes.this_dn.clone().unwrap_or_default();
        let error = self.switch.dns.get(&dn).map_or(Some(UNKNOWN_DN), |known| known.error);
        if let Some(code) = error {
            return self.peers.send(link, refusal(attributes, code));
        }
        self.peers.register(link, &dn);
        let (agent, calls) = self.switch.registered(&dn);
        let registered = answer(Name::EventRegistered, attributes).with(|a| (a.agent_id, a.calls) = (agent, calls));
        self.peers.send(link, registered);
        if self.zero.is_none() {
            let watched = self.peers.registered();
            let mut wanted = self.switch.dns.iter().filter(|(_, known)| known.error.is_none());
            if wanted.all(|(dn, _)| watched.contains(dn.as_str())) {
                self.begin();
            }
        }
    }

    fn request(&mut self, link: u64, attributes: &Attributes) {
        let control = attributes.private_msg_id.and_then(RecordControl::by_number);
        let Some(what) = control else { return self.peers.send(link, refusal(attributes, UNKNOWN_CALL)) };
        let call = attributes.conn_id.as_deref().and_then(|id| self.switch.by_conn_id(id)).map(str::to_owned);
        let has_dn = attributes.this_dn.as_deref().is_some_and(|dn| self.peers.has_registered(link, dn));
        let rule = self.scenario.answer.iter().find(|rule| rule.what.control() == what).cloned();
        let Answer { error, never, after, leg, idle, .. } = rule.unwrap_or_else(|| kind(what));
        let error = match (&call, has_dn) {
            (_, false) => Some(UNKNOWN_DN),
            (None, _) => Some(UNKNOWN_CALL),
            _ => error,
        };
        let said = if never { "none" } else { error.map_or("ack", |_| "error") };
        self.note(what, attributes, call.clone(), said);
        if never {
            return;
        }
        let (message, carry) = match (error, call) {
            (None, Some(call)) => {
                let id = attributes.extensions.as_ref().and_then(|list| list.text("Id", Charset::UTF_8));
                let carry = Carry { what, call, id, asker: link, leg };
                (answer(Name::EventACK, attributes), Some(carry).filter(|_| !idle))
            }
            (code, _) => (refusal(attributes, code.unwrap_or(UNKNOWN_CALL)), None),
        };
        self.after(after.0, Due::Answer { link, message, carry });
    }

    fn note(&mut self, what: RecordControl, attributes: &Attributes, call: Option<String>, said: &'static str) {
        let text = |list: &Option<List>, key| list.as_ref().and_then(|list| list.text(key, Charset::UTF_8));
        self.report.requests.push(RequestReport {
            at_ms: self.elapsed().as_millis() as u64,
            what: word(what),
            this_dn: attributes.this_dn.clone(),
            conn_id: attributes.conn_id.clone(),
            call,
            record_id: text(&attributes.extensions, "Id"),
            reasons: attributes.reasons.as_ref().map(|list| list.flat(Charset::UTF_8)).unwrap_or_default(),
            answer: said,
        });
    }

    /// Does what was asked, and tells everybody else.
    pub(super) fn carry(&mut self, carry: Carry) {
        let Carry { what, call, id, asker, leg } = carry;
        let done = match what {
            RecordControl::Start => {
                if self.scenario.recorder.to.is_some() {
                    self.start_recording(&call, None, id.clone());
                }
                Ok(true)
            }
            RecordControl::Stop => self.recordings.wish(&call, Wish::End),
            RecordControl::Pause => self.recordings.pause(&call, Some(leg)),
            RecordControl::Resume => self.recordings.pause(&call, None),
        };
        if let Err(cause) = done {
            self.problem(format!("{} of {call}: {cause}", word(what)));
        }
        match what {
            RecordControl::Pause => self.attach(&call, &List::default().with("GSIP_RECORD", "PAUSED")),
            RecordControl::Resume => self.attach(&call, &List::default().with("GSIP_RECORD", "ON")),
            RecordControl::Start | RecordControl::Stop => {}
        }
        let at = self.wall(self.elapsed());
        for dn in self.switch.parties(&call, None) {
            let Some(mut told) = self.switch.event(&call, &dn, Name::EventPrivateInfo) else { continue };
            let attributes = &mut told.message.attributes;
            (attributes.time, attributes.private_msg_id) = (Some(at), Some(what.number()));
            attributes.extensions = id.as_ref().map(|id| List::default().with("Id", id));
            self.peers.tell(told, Some(asker));
        }
    }
}

fn answer(name: Name, to: &Attributes) -> Message {
    let (reference, dn) = (to.reference_id, to.this_dn.clone());
    Message::new(name).with(|a| (a.reference_id, a.this_dn) = (reference, dn))
}

fn refusal(to: &Attributes, code: u32) -> Message {
    answer(Name::EventError, to).with(|a| a.error_code = Some(code))
}

const fn word(what: RecordControl) -> &'static str {
    match what {
        RecordControl::Start => "start",
        RecordControl::Stop => "stop",
        RecordControl::Pause => "pause",
        RecordControl::Resume => "resume",
    }
}

/// Accepts at once, and does it.
fn kind(what: RecordControl) -> Answer {
    use super::scenario::{Leg, Time, What};
    let what = match what {
        RecordControl::Start => What::Start,
        RecordControl::Stop => What::Stop,
        RecordControl::Pause => What::Pause,
        RecordControl::Resume => What::Resume,
    };
    Answer { what, error: None, never: false, after: Time::default(), leg: Leg::default(), idle: false }
}
