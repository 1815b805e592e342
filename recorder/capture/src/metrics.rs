//! What capture counts: plain numbers during a sweep, Prometheus once after it.

use prometheus::{Counter, CounterVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

/// Why a datagram was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not from the source of the line.
    Source,
    /// Short, not RTP version 2, or (before latching) a payload type nobody negotiated.
    Malformed,
    /// Longer than any RTP packet of the field.
    Oversize,
    /// SRTP authentication failed.
    Unauthentic,
    /// SRTP index seen before.
    Replayed,
}

impl Refusal {
    const ALL: [Self; 5] = [Self::Source, Self::Malformed, Self::Oversize, Self::Unauthentic, Self::Replayed];

    const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Malformed => "malformed",
            Self::Oversize => "oversize",
            Self::Unauthentic => "unauthentic",
            Self::Replayed => "replayed",
        }
    }
}

/// The numbers of one sweep of one worker.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    pub(crate) lost: u64,
    pub(crate) paused: u64,
    pub(crate) kernel_drops: u64,
    pub(crate) spool_drops: u64,
    pub(crate) refused: [u64; Refusal::ALL.len()],
    pub(crate) chunks: u64,
    pub(crate) chunks_refused: u64,
    pub(crate) rtcp_received: u64,
    pub(crate) rtcp_refused: u64,
    pub(crate) rtcp_sent: u64,
    pub(crate) srtp_failures: u64,
    pub(crate) socket_errors: u64,
}

impl Tally {
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refused[refusal as usize] += 1;
        self.srtp_failures += u64::from(refusal == Refusal::Unauthentic);
    }
}

/// The Prometheus side.
pub(crate) struct Metrics {
    packets: IntCounter,
    octets: IntCounter,
    lost: IntCounter,
    paused: IntCounter,
    dropped: IntCounter,
    kernel_drops: IntCounter,
    refused: [IntCounter; Refusal::ALL.len()],
    srtp_failures: IntCounter,
    chunks: IntCounter,
    chunks_refused: IntCounter,
    rtcp_received: IntCounter,
    rtcp_refused: IntCounter,
    rtcp_sent: IntCounter,
    socket_errors: IntCounter,
    /// Tracks owned by a worker now.
    pub(crate) tracks: IntGauge,
    /// Tracks that could not be opened.
    pub(crate) tracks_refused: IntCounter,
    /// Orders that a full or leaving worker did not take.
    pub(crate) orders_dropped: IntCounter,
    busy: CounterVec,
    sweeps: IntCounterVec,
    overruns: IntCounterVec,
}

/// The series of one worker.
pub(crate) struct WorkerMetrics {
    /// Seconds spent in sweeps; its rate is the load, 1 is a full core.
    pub(crate) busy: Counter,
    /// Sweeps made.
    pub(crate) sweeps: IntCounter,
    /// Sweeps that took longer than the interval.
    pub(crate) overruns: IntCounter,
}

impl Metrics {
    /// Registers every series.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| keep(registry, IntCounter::new(name, help)?);
        let refused = IntCounterVec::new(
            Opts::new("recorder_rtp_refused_packets_total", "Datagrams on RTP ports that were turned away."),
            &["cause"],
        )?;
        registry.register(Box::new(refused.clone()))?;
        let workers = |name: &str, help: &str| keep(registry, IntCounterVec::new(Opts::new(name, help), &["worker"])?);
        Ok(Self {
            packets: counter("recorder_rtp_packets_total", "RTP packets accepted.")?,
            octets: counter("recorder_rtp_octets_total", "Octets of accepted RTP packets, decrypted.")?,
            lost: counter("recorder_rtp_lost_packets_total", "RTP packets that the network lost.")?,
            paused: counter("recorder_rtp_paused_packets_total", "RTP packets dropped because of a pause or hold.")?,
            dropped: counter(
                "recorder_capture_dropped_packets_total",
                "RTP packets this node dropped: kernel buffer or a spool without room.",
            )?,
            kernel_drops: counter("recorder_capture_kernel_dropped_packets_total", "Those dropped by the kernel.")?,
            refused: Refusal::ALL.map(|refusal| refused.with_label_values(&[refusal.name()])),
            srtp_failures: counter("recorder_srtp_failures_total", "SRTP and SRTCP packets that fail authentication.")?,
            chunks: counter("recorder_capture_chunks_total", "Sealed chunks that the spool took.")?,
            chunks_refused: counter(
                "recorder_capture_refused_chunks_total",
                "Sealed chunks the spool had no room for.",
            )?,
            rtcp_received: counter("recorder_rtcp_received_packets_total", "RTCP datagrams accepted.")?,
            rtcp_refused: counter("recorder_rtcp_refused_packets_total", "RTCP datagrams turned away.")?,
            rtcp_sent: counter("recorder_rtcp_sent_packets_total", "RTCP datagrams sent.")?,
            socket_errors: counter("recorder_capture_socket_errors_total", "Errors of RTP and RTCP sockets.")?,
            tracks: keep(registry, IntGauge::new("recorder_capture_tracks", "Tracks open now.")?)?,
            tracks_refused: counter("recorder_capture_refused_tracks_total", "Tracks that could not be opened.")?,
            orders_dropped: counter("recorder_capture_dropped_orders_total", "Orders that a worker did not take.")?,
            busy: keep(
                registry,
                CounterVec::new(
                    Opts::new(
                        "recorder_capture_busy_seconds_total",
                        "Time spent in sweeps; a rate of 1 is a full core.",
                    ),
                    &["worker"],
                )?,
            )?,
            sweeps: workers("recorder_capture_sweeps_total", "Sweeps made.")?,
            overruns: workers("recorder_capture_overruns_total", "Sweeps that took longer than their interval.")?,
        })
    }

    /// The series of worker `number`.
    pub(crate) fn worker(&self, number: usize) -> WorkerMetrics {
        let label = number.to_string();
        WorkerMetrics {
            busy: self.busy.with_label_values(&[&label]),
            sweeps: self.sweeps.with_label_values(&[&label]),
            overruns: self.overruns.with_label_values(&[&label]),
        }
    }

    /// Adds the numbers of one sweep.
    pub(crate) fn add(&self, tally: &Tally) {
        let dropped = tally.kernel_drops + tally.spool_drops;
        let pairs = [
            (&self.packets, tally.packets),
            (&self.octets, tally.octets),
            (&self.lost, tally.lost),
            (&self.paused, tally.paused),
            (&self.dropped, dropped),
            (&self.kernel_drops, tally.kernel_drops),
            (&self.srtp_failures, tally.srtp_failures),
            (&self.chunks, tally.chunks),
            (&self.chunks_refused, tally.chunks_refused),
            (&self.rtcp_received, tally.rtcp_received),
            (&self.rtcp_refused, tally.rtcp_refused),
            (&self.rtcp_sent, tally.rtcp_sent),
            (&self.socket_errors, tally.socket_errors),
        ];
        let refused = self.refused.iter().zip(tally.refused);
        // Idle series are left alone: their cache lines are shared by all workers.
        for (counter, number) in pairs.into_iter().chain(refused).filter(|(_, number)| *number > 0) {
            counter.inc_by(number);
        }
    }
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
