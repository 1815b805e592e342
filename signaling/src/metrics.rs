//! Metrics of SIP.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use signaling_core::endpoint::{Endpoint, Stats};

/// Everything SIP counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    malformed: IntCounter,
    truncated: IntCounter,
    large_udp: IntCounter,
    dropped_events: IntCounter,
    overload_refusals: IntCounter,
    undecided: IntGauge,
    dialogs: IntGauge,
    transactions: IntGauge,
    pub(crate) connections: IntGauge,
    pub(crate) refused_connections: IntCounter,
    pub(crate) overflows: IntCounter,
    pub(crate) broken_streams: IntCounter,
    pub(crate) failed_handshakes: IntCounter,
    pub(crate) undeliverable: IntCounter,
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let opts = Opts::new("recorder_sip_requests_total", "SIP requests by method and final status given");
        let requests = IntCounterVec::new(opts, &["method", "code"])?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self {
            requests,
            malformed: counter("recorder_sip_malformed_total", "Messages that could not be read")?,
            truncated: counter(
                "recorder_sip_truncated_datagrams_total",
                "UDP messages with a body shorter than Content-Length: use TCP or TLS",
            )?,
            large_udp: counter("recorder_sip_large_udp_requests_total", "UDP requests above 1300 octets")?,
            dropped_events: counter(
                "recorder_sip_dropped_events_total",
                "INVITEs turned away under overload without a trace in the ledger",
            )?,
            overload_refusals: counter(
                "recorder_sip_overload_refusals_total",
                "New sessions answered 503 at once because too many waited for their decision",
            )?,
            undecided: gauge("recorder_sip_undecided", "New sessions that wait for their decision")?,
            dialogs: gauge("recorder_sip_dialogs", "Live SIP dialogs")?,
            transactions: gauge("recorder_sip_transactions", "Live SIP transactions")?,
            connections: gauge("recorder_sip_connections", "Open TCP and TLS connections")?,
            refused_connections: counter(
                "recorder_sip_refused_connections_total",
                "Connections closed at once because there were too many",
            )?,
            overflows: counter(
                "recorder_sip_write_overflows_total",
                "Connections closed because the peer did not read",
            )?,
            broken_streams: counter("recorder_sip_broken_streams_total", "Connections closed for lost framing")?,
            failed_handshakes: counter("recorder_sip_failed_handshakes_total", "TLS handshakes that failed")?,
            undeliverable: counter("recorder_sip_undeliverable_total", "Messages whose connection was gone")?,
        })
    }

    /// Takes over what the endpoint counted since the last time.
    pub(crate) fn publish(&self, endpoint: &mut Endpoint, last: &mut Stats) {
        for (method, status) in endpoint.take_answered() {
            self.requests.with_label_values(&[method, &status.to_string()]).inc();
        }
        let stats = endpoint.stats();
        if stats == *last {
            return;
        }
        self.malformed.inc_by(stats.malformed - last.malformed);
        self.truncated.inc_by(stats.truncated_datagrams - last.truncated_datagrams);
        self.large_udp.inc_by(stats.large_udp_requests - last.large_udp_requests);
        self.dropped_events.inc_by(stats.dropped_events - last.dropped_events);
        self.overload_refusals.inc_by(stats.overload_refusals - last.overload_refusals);
        self.undecided.set(stats.undecided.try_into().unwrap_or(i64::MAX));
        self.dialogs.set(stats.dialogs.try_into().unwrap_or(i64::MAX));
        self.transactions.set(stats.transactions.try_into().unwrap_or(i64::MAX));
        *last = stats;
    }
}
