//! The metrics of the session core: live recordings, results, what waits for the archive.

use std::cell::Cell;

use model::Fact;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::life;

/// Registered once.
pub(crate) struct Metrics {
    live: IntGauge,
    archive_pending: IntGauge,
    free_ports: IntGauge,
    recordings: IntCounterVec,
    provisional: IntCounterVec,
    long_pauses: IntCounter,
    clock_step: Gauge,
    /// The last step of the wall clock that was told, in nanoseconds.
    step_told: Cell<i64>,
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
        let help = "Provisional recordings by what became of them: kept (asked for), expired.";
        let provisional = IntCounterVec::new(Opts::new("recorder_provisional_total", help), &["result"])?;
        registry.register(Box::new(provisional.clone()))?;
        for result in ["kept", "expired"] {
            provisional.with_label_values(&[result]);
        }
        let long_pauses =
            IntCounter::new("recorder_long_pauses_total", "Pauses that lasted longer than session.long_pause_s.")?;
        registry.register(Box::new(long_pauses.clone()))?;
        let help = "How far the wall clock was set away from the clock of what is live.";
        let clock_step = Gauge::new("recorder_clock_step_seconds", help)?;
        registry.register(Box::new(clock_step.clone()))?;
        Ok(Self {
            clock_step,
            step_told: Cell::new(0),
            live: gauge("recorder_recordings_live", "Recordings that sessions feed now.")?,
            archive_pending: gauge("recorder_archive_pending", "Recordings ended and not yet in the archive.")?,
            free_ports: gauge("recorder_ports_free", "RTP ports left for new tracks.")?,
            recordings,
            provisional,
            long_pauses,
        })
    }

    pub(crate) fn observe(&self, stats: session::Stats, pending: i64, facts: &[Fact]) {
        self.step_told.set(life::watch_clock(stats.live == 0 && stats.pending == 0, self.step_told.get()));
        self.clock_step.set(self.step_told.get() as f64 / 1e9);
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
                Fact::RecordingKept { .. } => self.provisional.with_label_values(&["kept"]).inc(),
                Fact::RecordingDeleted { reason: Some(reason), .. } if reason == session::NOT_KEPT => {
                    self.provisional.with_label_values(&["expired"]).inc();
                }
                Fact::WarningRaised { name, .. } if name == "pause_too_long" => self.long_pauses.inc(),
                _ => {}
            }
        }
    }

    fn count(&self, result: &str, by: u64) {
        self.recordings.with_label_values(&[result]).inc_by(by);
    }
}
