//! Metrics of the links to GWS.

use std::collections::BTreeMap;

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use signaling_core::{
    gws::client::{Client, Counts},
    tlib::event::{CtiEvent, Outcome, RecordControl},
};

/// Everything the links count.
#[derive(Clone)]
pub(super) struct Metrics {
    links: IntGaugeVec,
    messages: IntCounterVec,
    losses: IntCounterVec,
    requests: IntCounterVec,
}

impl Metrics {
    /// Makes and registers them.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let links = IntGaugeVec::new(Opts::new("recorder_gws_links", "Links to GWS by state: up, down"), &["state"])?;
        registry.register(Box::new(links.clone()))?;
        for state in ["up", "down"] {
            links.with_label_values(&[state]);
        }
        Ok(Self {
            links,
            messages: counters(
                "recorder_gws_messages_total",
                "Notifications by link and result: received, refused; and words in them that are unknown",
                &["link", "result"],
            )?,
            losses: counters(
                "recorder_gws_losses_total",
                "Sessions that were lost or could not be made, by reason",
                &["reason"],
            )?,
            requests: counters(
                "recorder_gws_requests_total",
                "Recording control asked for, by what and outcome: accepted, refused, unanswered, not_sent",
                &["what", "outcome"],
            )?,
        })
    }

    fn request(&self, what: RecordControl, outcome: &str) {
        let what = match what {
            RecordControl::Start => "start",
            RecordControl::Stop => "stop",
            RecordControl::Pause => "pause",
            RecordControl::Resume => "resume",
        };
        self.requests.with_label_values(&[what, outcome]).inc();
    }

    fn state(&self, is_up: bool) -> prometheus::IntGauge {
        self.links.with_label_values(&[if is_up { "up" } else { "down" }])
    }
}

/// What one link has told of itself so far.
pub(super) struct Told {
    metrics: Metrics,
    received: IntCounter,
    refused: IntCounter,
    unknown: IntCounter,
    counts: Counts,
    is_up: bool,
    /// Requests without an answer; as many as the client lets be open.
    open: BTreeMap<u64, RecordControl>,
}

impl Told {
    pub(super) fn new(metrics: &Metrics, link: u16) -> Self {
        let link = link.to_string();
        let messages = |result: &str| metrics.messages.with_label_values(&[link.as_str(), result]);
        metrics.state(false).inc();
        Self {
            received: messages("received"),
            refused: messages("refused"),
            unknown: messages("unknown"),
            metrics: metrics.clone(),
            counts: Counts::default(),
            is_up: false,
            open: BTreeMap::new(),
        }
    }

    /// Takes over what the client counted since the last time.
    pub(super) fn publish(&mut self, client: &Client) {
        let (counts, last) = (client.counts(), self.counts);
        self.received.inc_by(counts.received - last.received);
        self.refused.inc_by(counts.refused - last.refused);
        self.unknown.inc_by(counts.unknown - last.unknown);
        self.counts = counts;
        if client.is_up() != self.is_up {
            self.metrics.state(self.is_up).dec();
            self.is_up = client.is_up();
            self.metrics.state(self.is_up).inc();
        }
    }

    /// A session is lost, or none could be made.
    pub(super) fn lost(&self, reason: &str) {
        self.metrics.losses.with_label_values(&[reason]).inc();
    }

    /// A request was sent, or not.
    pub(super) fn asked(&mut self, what: RecordControl, sent: Option<u64>) {
        match sent {
            Some(number) => drop(self.open.insert(number, what)),
            None => self.metrics.request(what, "not_sent"),
        }
    }

    /// An event is on its way: the answer to a request counts.
    pub(super) fn event(&mut self, event: &CtiEvent) {
        let CtiEvent::Answered { reference, outcome, .. } = event else { return };
        let outcome = match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Refused { .. } => "refused",
            Outcome::Unanswered => "unanswered",
        };
        if let Some(what) = self.open.remove(reference) {
            self.metrics.request(what, outcome);
        }
    }
}
