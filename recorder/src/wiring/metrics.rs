//! The metrics of the session core: live recordings, results, what waits for the archive.

use model::Fact;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Registered once.
pub(crate) struct Metrics {
    live: IntGauge,
    archive_pending: IntGauge,
    free_ports: IntGauge,
    recordings: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let recordings = IntCounterVec::new(
            Opts::new("recorder_recordings_total", "Recordings by result: archived, failed, refused, interrupted."),
            &["result"],
        )?;
        registry.register(Box::new(recordings.clone()))?;
        for result in ["archived", "failed", "refused", "interrupted"] {
            recordings.with_label_values(&[result]);
        }
        Ok(Self {
            live: gauge("recorder_recordings_live", "Recordings that sessions feed now.")?,
            archive_pending: gauge("recorder_archive_pending", "Recordings ended and not yet in the archive.")?,
            free_ports: gauge("recorder_ports_free", "RTP ports left for new tracks.")?,
            recordings,
        })
    }

    pub(crate) fn observe(&self, stats: session::Stats, pending: i64, facts: &[Fact]) {
        self.live.set(stats.live as i64);
        // Between the end of its sessions and the last receipt of its tracks a recording is pending as well.
        self.archive_pending.set(pending.max(stats.pending as i64));
        self.free_ports.set(stats.free_ports as i64);
        for fact in facts {
            match fact {
                Fact::RecordingArchived { .. } => self.count("archived", 1),
                Fact::RecordingFailed { .. } => self.count("failed", 1),
                Fact::SessionRefused(_) => self.count("refused", 1),
                Fact::NodeStarted { interrupted, .. } => self.count("interrupted", interrupted.len() as u64),
                _ => {}
            }
        }
    }

    fn count(&self, result: &str, by: u64) {
        self.recordings.with_label_values(&[result]).inc_by(by);
    }
}
