//! The figures of assurance, by verdict and reason: never by call.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};
use storage_core::assurance::{Stats, Summary, Verdict};

/// What is shown.
#[derive(Clone)]
pub(crate) struct Metrics {
    calls: IntGaugeVec,
    unrecorded: IntCounter,
    sli: Gauge,
    rows: IntGaugeVec,
    turned_away: IntGaugeVec,
    lag: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labelled = |name: &str, help: &str, label: &str| -> Result<IntGaugeVec, prometheus::Error> {
            let gauges = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let help = "Calls that should have been recorded, were not, and were told.";
        let unrecorded = IntCounter::new("recorder_assurance_unrecorded_total", help)?;
        registry.register(Box::new(unrecorded.clone()))?;
        let help =
            "Calls of today and yesterday (UTC) recorded as expected, of those that should have been; 1 without any.";
        let sli = Gauge::new("recorder_assurance_sli_ratio", help)?;
        registry.register(Box::new(sli.clone()))?;
        sli.set(1.0);
        let lag = IntGauge::new("recorder_assurance_lag_facts", "Facts of the ledger that assurance has not read.")?;
        registry.register(Box::new(lag.clone()))?;
        let calls = labelled("recorder_assurance_calls", "Calls of today and yesterday (UTC) by verdict.", "verdict")?;
        Verdict::ALL.iter().for_each(|verdict| calls.with_label_values(&[verdict.name()]).set(0));
        Ok(Self {
            calls,
            unrecorded,
            sli,
            rows: labelled("recorder_assurance_rows", "Calls told and recordings held in memory.", "kind")?,
            turned_away: labelled(
                "recorder_assurance_turned_away",
                "What there was no room or no time for: too_old, unheard, names, days.",
                "reason",
            )?,
            lag,
        })
    }

    pub(crate) fn days<'a>(&self, days: impl Iterator<Item = &'a Summary> + Clone) {
        for verdict in Verdict::ALL {
            let calls: u64 = days.clone().map(|day| day.verdicts.of(verdict)).sum();
            self.calls.with_label_values(&[verdict.name()]).set(calls.cast_signed());
        }
        let expected: u64 = days.clone().map(|day| day.share.expected).sum();
        let recorded: u64 = days.map(|day| day.share.recorded).sum();
        self.sli.set(if expected == 0 { 1.0 } else { recorded as f64 / expected as f64 });
    }

    pub(crate) fn told(&self) {
        self.unrecorded.inc();
    }

    pub(crate) fn book(&self, stats: &Stats, lag: u64) {
        let set = |gauges: &IntGaugeVec, label: &str, value: u64| {
            gauges.with_label_values(&[label]).set(value.cast_signed());
        };
        set(&self.rows, "told", stats.told);
        set(&self.rows, "recordings", stats.recordings);
        set(&self.turned_away, "too_old", stats.too_old);
        set(&self.turned_away, "unheard", stats.unheard);
        set(&self.turned_away, "names", stats.names_refused);
        set(&self.turned_away, "days", stats.days_dropped);
        self.lag.set(lag.cast_signed());
    }
}
