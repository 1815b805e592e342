//! Making and registering metrics.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

pub(crate) fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("the name is a constant of ours");
    registry.register(Box::new(gauge.clone())).expect("each metric is registered once in a registry");
    gauge
}

pub(crate) fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = IntCounter::new(name, help).expect("the name is a constant of ours");
    registry.register(Box::new(counter.clone())).expect("each metric is registered once in a registry");
    counter
}

pub(crate) fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let histogram = Histogram::with_opts(options).expect("the name and the buckets are constants of ours");
    registry.register(Box::new(histogram.clone())).expect("each metric is registered once in a registry");
    histogram
}
