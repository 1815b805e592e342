//! How busy a worker is, for those who watch it.

use std::time::{Duration, Instant};

use crate::metrics::WorkerMetrics;

/// The load of one worker.
pub(crate) struct Load {
    metrics: WorkerMetrics,
    /// Work since the ratio was told last.
    busy: Duration,
    told: Instant,
}

impl Load {
    pub(crate) fn new(metrics: WorkerMetrics, now: Instant) -> Self {
        Self { metrics, busy: Duration::ZERO, told: now }
    }

    /// A turn is over, and took so long.
    pub(crate) fn turned(&mut self, took: Duration, now: Instant) {
        self.metrics.busy.inc_by(took.as_secs_f64());
        self.metrics.sweeps.inc();
        self.busy += took;
        let since = now.duration_since(self.told);
        if since >= TOLD_EVERY {
            self.metrics.ratio.set(self.busy.as_secs_f64() / since.as_secs_f64());
            (self.busy, self.told) = (Duration::ZERO, now);
        }
    }

    /// A turn ended after the next one was due.
    pub(crate) fn overran(&self) {
        self.metrics.overruns.inc();
    }
}

/// Long enough for a steady number, short enough to see a burst.
const TOLD_EVERY: Duration = Duration::from_secs(1);
