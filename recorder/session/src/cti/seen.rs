//! A call that has ended for its CTI source, recorded or not: what recording assurance holds the recordings against.

use std::collections::BTreeSet;

use model::{CallSeen, Expectation, Fact, Personal, Treatment};
use signaling_core::tlib::event::CallKind;

use super::{CallNo, calls::Call};
use crate::{
    core::{Core, Step},
    policy::Words,
};

impl Call {
    /// Nobody is on it any more. Where it goes on at another site it is seen again.
    pub(super) fn has_ended(&self, kind: CallKind) -> bool {
        matches!(kind, CallKind::Released | CallKind::Abandoned) && self.at.is_empty()
    }

    fn seen(&self, words: &Words) -> CallSeen {
        let time = |event: &str| self.history.iter().find(|line| line.event == event).map(|line| line.at);
        let all = |pick: fn(&model::HistoryLine) -> Option<&Personal<String>>| -> Vec<Personal<String>> {
            let found: BTreeSet<&str> =
                self.history.iter().filter_map(pick).map(|text| text.reveal().as_str()).collect();
            found.into_iter().map(|text| Personal::new(text.to_owned())).collect()
        };
        let about = |name: &str| self.about.get(name).cloned().map(Personal::new);
        CallSeen {
            call_uuid: self.call_uuid(),
            conn_id: self.conn_id(),
            dns: all(|line| line.dn.as_ref()),
            agents: all(|line| line.agent.as_ref()),
            ani: about("ani"),
            dnis: about("dnis"),
            direction: words.direction,
            started_at: self.history.first().map(|line| line.at).unwrap_or_default(),
            answered_at: time("established"),
            ended_at: self.history.last().map(|line| line.at),
            recordings: self.recordings.clone(),
            ..CallSeen::default()
        }
    }
}

impl Core {
    pub(super) fn note_seen(&self, no: CallNo, link: u16, step: &mut Step<'_>) {
        let Some(call) = self.calls.get(no) else { return };
        let words = call.words();
        let ruling = self.config.policy.rule(&words);
        let expectation = match ruling.treatment {
            Treatment::Never => Expectation::Never,
            Treatment::Provisional => Expectation::Provisional,
            Treatment::Record => Expectation::Record,
        };
        let seen = CallSeen { expectation, rule: ruling.rule, source: self.config.source(link), ..call.seen(&words) };
        step.out.facts.push(Fact::CallSeen(Box::new(seen)));
    }
}
