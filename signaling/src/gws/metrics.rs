//! Metrics of the links to GWS.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use signaling_core::gws::client::{Client, Counts};

use crate::asked::{Asked, Requests};

/// Everything the links count.
#[derive(Clone)]
pub(super) struct Metrics {
    links: IntGaugeVec,
    messages: IntCounterVec,
    losses: IntCounterVec,
    requests: Requests,
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
            requests: Requests::new(registry, "recorder_gws_requests_total")?,
        })
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
    /// Requests, and what became of them.
    pub(super) requests: Asked,
}

impl Told {
    pub(super) fn new(metrics: &Metrics, link: &str) -> Self {
        let messages = |result: &str| metrics.messages.with_label_values(&[link, result]);
        metrics.state(false).inc();
        Self {
            received: messages("received"),
            refused: messages("refused"),
            unknown: messages("unknown"),
            metrics: metrics.clone(),
            counts: Counts::default(),
            is_up: false,
            requests: metrics.requests.of_link(),
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
}
