//! What the disk seam tells: failed calls by call site, and how long syncs take.

use std::time::Instant;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, exponential_buckets};

/// Which part of storage asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The wrapped keys.
    Keys,
    /// The facts.
    Ledger,
    /// The sealed chunks.
    Spool,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Ledger => "ledger",
            Self::Spool => "spool",
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Open,
    MakeDir,
    Read,
    List,
    Write,
    Truncate,
    Sync,
    SyncDir,
    Rename,
    Remove,
    Space,
}

impl Call {
    const ALL: [Self; 11] = [
        Self::Open,
        Self::MakeDir,
        Self::Read,
        Self::List,
        Self::Write,
        Self::Truncate,
        Self::Sync,
        Self::SyncDir,
        Self::Rename,
        Self::Remove,
        Self::Space,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::MakeDir => "make_dir",
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Truncate => "truncate",
            Self::Sync => "sync",
            Self::SyncDir => "sync_dir",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Space => "space",
        }
    }
}

/// The counters, seen from one place.
#[derive(Clone)]
pub(super) struct Watch {
    failures: IntCounterVec,
    syncs: HistogramVec,
    place: Place,
    seconds: Histogram,
}

impl Watch {
    /// Counters that nobody reads.
    pub(super) fn unwatched() -> Self {
        let failures = IntCounterVec::new(
            Opts::new("recorder_disk_failures_total", "Disk calls that failed, by who asked and for what."),
            &["place", "call"],
        )
        .expect("the name is a constant of ours");
        let buckets = exponential_buckets(0.000_1, 2.0, 16).expect("constants of ours");
        let syncs = HistogramVec::new(
            HistogramOpts::new("recorder_disk_sync_seconds", "How long making written octets durable takes.")
                .buckets(buckets),
            &["place"],
        )
        .expect("the name is a constant of ours");
        let seconds = syncs.with_label_values(&[Place::Spool.name()]);
        Self { failures, syncs, place: Place::Spool, seconds }
    }

    pub(super) fn register(registry: &Registry) -> Self {
        let watch = Self::unwatched();
        registry.register(Box::new(watch.failures.clone())).expect("each metric is registered once in a registry");
        registry.register(Box::new(watch.syncs.clone())).expect("each metric is registered once in a registry");
        watch
    }

    pub(super) fn of(&self, place: Place) -> Self {
        // A series that never failed is there from the start, so that an alert on its rate sees the first failure.
        for call in Call::ALL {
            self.failures.with_label_values(&[place.name(), call.name()]);
        }
        let seconds = self.syncs.with_label_values(&[place.name()]);
        Self { failures: self.failures.clone(), syncs: self.syncs.clone(), place, seconds }
    }

    /// Counts what failed. That something is not there is an answer, not a failure.
    pub(super) fn count<T>(&self, call: Call, result: std::io::Result<T>) -> std::io::Result<T> {
        if let Err(error) = &result
            && error.kind() != std::io::ErrorKind::NotFound
        {
            self.failures.with_label_values(&[self.place.name(), call.name()]).inc();
        }
        result
    }

    /// Counts and times.
    pub(super) fn time(&self, call: Call, work: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<()> {
        let began = now();
        let result = self.count(call, work());
        self.seconds.observe(began.elapsed().as_secs_f64());
        result
    }

    #[cfg(test)]
    pub(super) fn failures(&self) -> u64 {
        Call::ALL.iter().map(|call| self.failures.with_label_values(&[self.place.name(), call.name()]).get()).sum()
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of the disk: how long a sync takes")]
fn now() -> Instant {
    Instant::now()
}
