//! Making and registering metrics.

use prometheus::{IntCounter, IntGauge, Registry};

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
