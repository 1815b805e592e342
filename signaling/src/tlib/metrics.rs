//! Metrics of the T-Library link.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use signaling_core::tlib::client::{Client, Counts};

use crate::asked::{Asked, Requests};

/// Everything the links count.
#[derive(Clone)]
pub(super) struct Metrics {
    links: IntGaugeVec,
    messages: IntCounterVec,
    missed: IntCounter,
    pub(super) cuts: IntCounterVec,
    dns: IntGauge,
    dns_refused: IntCounter,
    requests: Requests,
}

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has come yet to whom it would belong: not counted.
    Unused,
    /// There is no connection.
    Down,
    /// There is one; the server has not said that its switch is reached.
    Connected,
    /// Events flow.
    Up,
}

impl State {
    const fn label(self) -> Option<&'static str> {
        match self {
            Self::Unused => None,
            Self::Down => Some("down"),
            Self::Connected => Some("connected"),
            Self::Up => Some("up"),
        }
    }
}

impl Metrics {
    /// Makes and registers them.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let links = IntGaugeVec::new(
            Opts::new("recorder_tlib_links", "T-Library links by state: up, connected, down"),
            &["state"],
        )?;
        registry.register(Box::new(links.clone()))?;
        for state in [State::Down, State::Connected, State::Up] {
            state.label().map(|label| links.with_label_values(&[label]));
        }
        let dns = IntGauge::new("recorder_tlib_dns_registered", "DNs that servers watch for us")?;
        registry.register(Box::new(dns.clone()))?;
        Ok(Self {
            links,
            dns,
            messages: counters(
                "recorder_tlib_messages_total",
                "Messages by link and result: received, refused (by name), unknown (of a later version)",
                &["link", "result"],
            )?,
            missed: counter("recorder_tlib_events_missed_total", "Events whose number never came")?,
            cuts: counters("recorder_tlib_cuts_total", "Connections that were cut by us, by reason", &["reason"])?,
            dns_refused: counter("recorder_tlib_dns_refused_total", "DNs not watched because there were too many")?,
            requests: Requests::new(registry, "recorder_tlib_requests_total")?,
        })
    }
}

/// What one link has told of itself so far.
pub(super) struct Told {
    metrics: Metrics,
    received: IntCounter,
    refused: IntCounter,
    unknown: IntCounter,
    counts: Counts,
    state: State,
    dns: usize,
    /// Requests, and what became of them.
    pub(super) requests: Asked,
}

impl Told {
    pub(super) fn new(metrics: &Metrics, link: u16, state: State) -> Self {
        let link = link.to_string();
        let messages = |result: &str| metrics.messages.with_label_values(&[link.as_str(), result]);
        let told = Self {
            received: messages("received"),
            refused: messages("refused"),
            unknown: messages("unknown"),
            metrics: metrics.clone(),
            counts: Counts::default(),
            state: State::Unused,
            dns: 0,
            requests: metrics.requests.of_link(),
        };
        let mut told = told;
        told.enter(state);
        told
    }

    fn enter(&mut self, state: State) {
        let gauge = |state: State| state.label().map(|label| self.metrics.links.with_label_values(&[label]));
        if let Some(before) = gauge(self.state) {
            before.dec();
        }
        if let Some(now) = gauge(state) {
            now.inc();
        }
        self.state = state;
    }

    /// Takes over what the client counted since the last time.
    pub(super) fn publish(&mut self, client: &Client, has_connection: bool) {
        let (counts, last) = (client.counts(), self.counts);
        self.received.inc_by(counts.received - last.received);
        self.refused.inc_by(counts.refused - last.refused);
        self.unknown.inc_by(counts.unknown - last.unknown);
        self.metrics.missed.inc_by(counts.missed - last.missed);
        self.metrics.dns_refused.inc_by(counts.dns_refused - last.dns_refused);
        self.counts = counts;
        let registered = client.registered();
        self.metrics.dns.add(registered as i64 - self.dns as i64);
        self.dns = registered;
        let state = match (client.is_up(), has_connection, self.state) {
            (true, _, _) => State::Up,
            (false, true, _) => State::Connected,
            (false, false, State::Unused) => State::Unused,
            (false, false, _) => State::Down,
        };
        if state != self.state {
            self.enter(state);
        }
    }

    /// We cut the connection.
    pub(super) fn cut(&self, reason: &str) {
        self.metrics.cuts.with_label_values(&[reason]).inc();
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.metrics.dns.sub(self.dns as i64);
        self.enter(State::Unused);
    }
}
