//! What each step does.

use std::time::Duration;

use signaling_core::tlib::{
    list::List,
    message::{Message, Name},
};

use super::{
    hub::{Due, Hub},
    recordings::Names,
    scenario::{By, Do, Step, What},
};
use crate::{call::Wish, world};

/// Between two portions of a flood.
const PORTION: Duration = Duration::from_millis(10);

impl Do {
    /// It is told by events, which can be late.
    pub(super) const fn is_of_calls(self) -> bool {
        matches!(
            self,
            Self::Ring
                | Self::Dial
                | Self::Answer
                | Self::Hold
                | Self::Retrieve
                | Self::Release
                | Self::Abandon
                | Self::Transfer
                | Self::Conference
                | Self::Leave
                | Self::Attach
                | Self::Login
                | Self::Logout
                | Self::Private
                | Self::Keep
        )
    }
}

impl Hub {
    pub(super) fn step(&mut self, step: &Step) {
        match step.act {
            Do::Private => {
                let dns =
                    step.call.as_deref().map_or_else(Vec::new, |call| self.switch.parties(call, step.dn.as_deref()));
                self.private(step, step.what, &dns);
            }
            // The call may be over: whoever was on it is told.
            Do::Keep => {
                let dns = step.call.as_deref().map_or_else(Vec::new, |call| self.switch.knew(call, step.dn.as_deref()));
                self.private(step, Some(What::Start), &dns);
            }
            Do::Record | Do::RecordStop | Do::RecordPause | Do::RecordResume | Do::Digits => self.record(step),
            Do::Flood => {
                let (count, time) = (step.count.unwrap_or(1), step.length.map_or(Duration::ZERO, |time| time.0));
                let portions = (time.as_millis() / PORTION.as_millis()).max(1) as u64;
                self.flood(step.call.clone().unwrap_or_default(), count, count.div_ceil(portions));
            }
            act if act.is_of_calls() => {
                for told in self.switch.step(step, self.wall(step.at.0)) {
                    self.peers.tell(told, None);
                }
                self.end_with_its_call(step);
            }
            _ => self.fault(step),
        }
    }

    /// What is wrong with the link.
    fn fault(&mut self, step: &Step) {
        let now = world::now();
        let time = step.length.map_or(Duration::ZERO, |time| time.0);
        match step.act {
            Do::Drop => self.peers.close_all(now),
            Do::Vanish => {
                self.vanish();
                self.after(time, Due::Return);
            }
            Do::Silence => self.peers.be_silent(now + time),
            Do::Gap => self.peers.skip(step.count.unwrap_or(1)),
            Do::Rubbish => {
                let line = step.line.as_deref().unwrap_or("HTTP/1.1 400 Bad Request");
                self.peers.shout("rubbish", &format!("{line}\n"));
            }
            Do::Oversize => {
                let message = Message::new(Name::EventHeld).with(|a| a.ani = Some("1".repeat(4_096)));
                self.peers.shout("oversize", &message.line());
            }
            Do::Endless => self.peers.shout("endless", &"a".repeat(512 * 1024)),
            Do::Switch => self.peers.switch(now),
            Do::SwitchLost => self.peers.reach(false),
            Do::SwitchBack => self.peers.reach(true),
            _ => {}
        }
    }

    /// Somebody else's request was carried out.
    fn private(&mut self, step: &Step, what: Option<What>, dns: &[String]) {
        let (Some(call), Some(what)) = (step.call.as_deref(), what) else { return };
        let (id, data) = (step.id.clone(), step.data.clone());
        for dn in dns {
            let Some(mut told) = self.switch.event(call, dn, Name::EventPrivateInfo) else { continue };
            let attributes = &mut told.message.attributes;
            attributes.time = Some(self.wall(step.at.0));
            attributes.private_msg_id = Some(what.control().number());
            attributes.extensions = id.as_ref().map(|id| List::default().with("Id", id));
            attributes.reasons = Some(data.clone()).filter(|list| !list.is_empty());
            self.peers.tell(told, None);
        }
    }

    fn record(&mut self, step: &Step) {
        let Some(call) = step.call.clone() else { return };
        let done = match step.act {
            Do::Record => return self.start_recording(&call, step.dn.clone(), step.id.clone()),
            Do::RecordStop => self.recordings.wish(&call, Wish::End),
            Do::RecordPause => self.recordings.pause(&call, Some(step.leg.unwrap_or_default())),
            Do::RecordResume => self.recordings.pause(&call, None),
            _ => {
                let (digits, side) = (step.digits.clone().unwrap_or_default(), step.side.unwrap_or_default().side());
                let wish = match step.by.unwrap_or_default() {
                    By::Event => Wish::Events(side, digits),
                    By::Tone => Wish::Tones(side, digits),
                    By::Info => Wish::Info(digits),
                };
                self.recordings.wish(&call, wish)
            }
        };
        match done {
            Ok(true) => {}
            Ok(false) => self.problem(format!("{:?}: call {call} is not recorded", step.act)),
            Err(cause) => self.problem(format!("{:?}: {cause}", step.act)),
        }
    }

    /// Places the recording of a call, and says so to whoever watches it.
    pub(super) fn start_recording(&mut self, call: &str, dn: Option<String>, id: Option<String>) {
        let agent = dn.or_else(|| self.switch.parties(call, None).into_iter().next());
        let Some(of) = self.switch.calls.get(call) else { return };
        let names = Names {
            call: call.to_owned(),
            caller: of.ani.clone(),
            agent: agent.unwrap_or_else(|| "7002".to_owned()),
            call_uuid: of.call_uuid.clone(),
            conn_id: of.conn_id.clone(),
            record_id: id,
        };
        match self.recordings.start(names) {
            Ok(Some(id)) => {
                let data = List::default().with("GSIP_RECORD", "ON").with("GSIP_REC_FN", &id);
                self.attach(call, &data);
            }
            Ok(None) => {}
            Err(cause) => self.problem(format!("recording of {call}: {cause}")),
        }
    }

    /// User data changes, and whoever watches is told.
    pub(super) fn attach(&mut self, call: &str, data: &List) {
        let (at, late) = (self.wall(self.elapsed()), self.scenario.server.late.0);
        for mut told in self.switch.attach(call, data) {
            told.message.attributes.time = Some(at);
            if late.is_zero() {
                self.peers.tell(told, None);
            } else {
                self.after(late, Due::Tell(told));
            }
        }
    }

    /// The recording of a call on which nobody is any more ends.
    fn end_with_its_call(&mut self, step: &Step) {
        let (Do::Release | Do::Abandon | Do::Leave, Some(call)) = (step.act, &step.call) else { return };
        if self.switch.parties(call, None).is_empty()
            && let Err(cause) = self.recordings.wish(call, Wish::End)
        {
            self.problem(format!("recording of {call}: {cause}"));
        }
    }

    /// Many events, a portion now and the rest later.
    pub(super) fn flood(&mut self, call: String, left: u64, each: u64) {
        for number in 0..each.min(left) {
            let data = List::default().with("flood", &(left - number).to_string());
            self.attach(&call, &data);
        }
        let left = left.saturating_sub(each);
        if left > 0 {
            self.after(PORTION, Due::Flood { call, left, each });
        }
    }
}
