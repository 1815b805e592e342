//! Whether a new call would be kept: free space against what the live ones still need, and whether the disk works.
//!
//! The low-water mark is `reserve_mib` and, above it, what the live tracks write in `reserve_minutes`: at the configured
//! rate of a track or at the measured one, whichever is more. Below it new sessions get 503 and go to another node, and
//! those that are live have the reserve to themselves. As they end, the mark falls and room may come back.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use prometheus::{IntGauge, Registry};

use crate::{
    config::SpoolConfig,
    disk::{Disk, Mode},
    metrics::gauge,
};

pub(super) struct Room {
    free: AtomicU64,
    low_water: AtomicU64,
    /// Octets written since the last measurement.
    written: AtomicU64,
    /// Octets a second, smoothed.
    rate: AtomicU64,
    is_broken: AtomicBool,
    reserve: u64,
    seconds: u64,
    per_track: u64,
    metrics: Metrics,
}

struct Metrics {
    free: IntGauge,
    low_water: IntGauge,
    seconds: IntGauge,
    rate: IntGauge,
    broken: IntGauge,
}

impl Room {
    pub(super) fn new(config: &SpoolConfig, registry: &Registry) -> Self {
        let metrics = Metrics {
            free: gauge(registry, "recorder_spool_free_bytes", "Free octets on the volume of the spool."),
            low_water: gauge(
                registry,
                "recorder_spool_low_water_bytes",
                "Below so much free space new calls are refused.",
            ),
            seconds: gauge(
                registry,
                "recorder_spool_reserve_seconds",
                "How long the free space lasts at the present rate; a year when nothing is written.",
            ),
            rate: gauge(
                registry,
                "recorder_spool_write_bytes_per_second",
                "Octets a second written to the spool, smoothed.",
            ),
            broken: gauge(
                registry,
                "recorder_spool_broken",
                "1 while the disk of the spool does not take what it must.",
            ),
        };
        Self {
            free: AtomicU64::new(0),
            low_water: AtomicU64::new(config.reserve_mib << 20),
            written: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
            reserve: config.reserve_mib << 20,
            seconds: config.reserve_minutes * 60,
            per_track: config.track_kbps * 125,
            metrics,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_broken.load(Ordering::Relaxed) && self.free_octets() > self.low_water()
    }

    pub(super) fn free_octets(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    pub(super) fn low_water(&self) -> u64 {
        self.low_water.load(Ordering::Relaxed)
    }

    /// A write or sync failed: until the disk has shown that it is well no new call is taken.
    pub(super) fn failed(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
        self.metrics.broken.set(1);
    }

    pub(super) fn wrote(&self, octets: u64) {
        self.written.fetch_add(octets, Ordering::Relaxed);
    }

    /// Asks for free space and works out the low-water mark for so many live tracks; `since` the last time. After a
    /// failure also tries a write: only what was synced shows that the disk is well again.
    pub(super) fn measure(&self, disk: &Disk, dir: &Path, live: u64, since: Duration) {
        // A disk that cannot even say how much is free is not one to promise a call to.
        let free = disk.space(dir).map_or(0, |space| space.free);
        let written = self.written.swap(0, Ordering::Relaxed);
        let now = written * 1_000 / (since.as_millis() as u64).max(1);
        let before = self.rate.load(Ordering::Relaxed);
        // Up at once, down by an eighth: a pause in the load does not free the reserve.
        let rate = if now >= before { now } else { before - (before - now).div_ceil(8) };
        let low_water = self.reserve + (live * self.per_track).max(if live > 0 { rate } else { 0 }) * self.seconds;
        self.free.store(free, Ordering::Relaxed);
        self.rate.store(rate, Ordering::Relaxed);
        self.low_water.store(low_water, Ordering::Relaxed);
        if self.is_broken.load(Ordering::Relaxed) && probe(disk, dir).is_ok() {
            self.is_broken.store(false, Ordering::Relaxed);
            self.metrics.broken.set(0);
        }
        self.metrics.free.set(free.cast_signed());
        self.metrics.low_water.set(low_water.cast_signed());
        self.metrics.rate.set(rate.cast_signed());
        let lasts = free.checked_div(rate.max(live * self.per_track)).unwrap_or(YEAR).min(YEAR);
        self.metrics.seconds.set(lasts.cast_signed());
    }
}

fn probe(disk: &Disk, dir: &Path) -> std::io::Result<()> {
    let path = dir.join("probe").with_extension(super::scan::TEMPORARY);
    let result = disk.open(&path, Mode::New).and_then(|file| {
        file.write_at(&[0; 4096], 0)?;
        file.sync()
    });
    let removed = disk.remove(&path);
    result.and(removed)
}

const YEAR: u64 = 365 * 86_400;
