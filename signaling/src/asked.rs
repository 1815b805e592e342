//! What became of recording control that was asked for over links to CTI servers, of whatever kind: counted by what was
//! asked and by its outcome.

use std::collections::BTreeMap;

use prometheus::{IntCounterVec, Opts, Registry};
use signaling_core::tlib::event::{CtiEvent, Outcome, RecordControl};

/// The counter that all links of a kind share.
#[derive(Clone)]
pub(crate) struct Requests(IntCounterVec);

impl Requests {
    /// Makes and registers it under this name.
    pub(crate) fn new(registry: &Registry, name: &str) -> Result<Self, prometheus::Error> {
        let help = "Recording control asked for, by what and outcome: accepted, refused, unanswered, not_sent";
        let counter = IntCounterVec::new(Opts::new(name, help), &["what", "outcome"])?;
        registry.register(Box::new(counter.clone()))?;
        Ok(Self(counter))
    }

    /// The requests of one link.
    pub(crate) fn of_link(&self) -> Asked {
        Asked { requests: self.clone(), open: BTreeMap::new() }
    }

    fn count(&self, what: RecordControl, outcome: &str) {
        let what = match what {
            RecordControl::Start => "start",
            RecordControl::Stop => "stop",
            RecordControl::Pause => "pause",
            RecordControl::Resume => "resume",
        };
        self.0.with_label_values(&[what, outcome]).inc();
    }
}

/// The requests of one link that have no answer yet; as many as its client lets be open.
pub(crate) struct Asked {
    requests: Requests,
    open: BTreeMap<u64, RecordControl>,
}

impl Asked {
    /// A request was sent, or not.
    pub(crate) fn asked(&mut self, what: RecordControl, sent: Option<u64>) {
        match sent {
            Some(reference) => drop(self.open.insert(reference, what)),
            None => self.requests.count(what, "not_sent"),
        }
    }

    /// An event is on its way: the answer to a request counts.
    pub(crate) fn event(&mut self, event: &CtiEvent) {
        let CtiEvent::Answered { reference, outcome, .. } = event else { return };
        let outcome = match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Refused { .. } => "refused",
            Outcome::Unanswered => "unanswered",
        };
        if let Some(what) = self.open.remove(reference) {
            self.requests.count(what, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_counts_once_under_its_outcome() {
        let registry = Registry::new();
        let requests = Requests::new(&registry, "requests").unwrap();
        let (mut one, mut other) = (requests.of_link(), requests.of_link());
        one.asked(RecordControl::Pause, Some(7));
        other.asked(RecordControl::Resume, Some(7));
        other.asked(RecordControl::Stop, None);
        let answered = |outcome| CtiEvent::Answered { link: 0, reference: 7, outcome };
        for _ in 0..2 {
            one.event(&answered(Outcome::Accepted));
        }
        other.event(&CtiEvent::LinkUp { link: 0 });
        other.event(&answered(Outcome::Unanswered));
        let counted = |what: &str, outcome: &str| requests.0.with_label_values(&[what, outcome]).get();
        assert_eq!(
            (counted("pause", "accepted"), counted("resume", "unanswered")),
            (1, 1),
            "numbers are of their link"
        );
        assert_eq!((counted("stop", "not_sent"), counted("pause", "unanswered")), (1, 0));
        assert!(Requests::new(&registry, "requests").is_err(), "once");
    }
}
