//! What capture counts: plain numbers during a sweep, Prometheus once after it.

use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use crate::receive::Strategy;

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
    /// SRTP index seen before, in an authentic packet: a duplicate.
    Replayed,
    /// SRTP of a line whose DTLS handshake has not given keys, or never will.
    NoKey,
    /// DTLS beyond what a line may bring.
    Handshake,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::Source,
        Self::Malformed,
        Self::Oversize,
        Self::Unauthentic,
        Self::Replayed,
        Self::NoKey,
        Self::Handshake,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Malformed => "malformed",
            Self::Oversize => "oversize",
            Self::Unauthentic => "unauthentic",
            Self::Replayed => "replayed",
            Self::NoKey => "no_key",
            Self::Handshake => "handshake",
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
    /// Datagrams turned away for whatever reason.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.iter().sum()
    }

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
    /// DTLS handshakes.
    pub(crate) dtls: DtlsMetrics,
    workers: Workers,
    strategy: IntGaugeVec,
    fallbacks: IntCounter,
    capped_buffers: IntCounter,
    descriptors: IntGauge,
}

/// The series of the handshake thread.
pub(crate) struct DtlsMetrics {
    /// Handshakes that gave keys.
    pub(crate) keyed: IntCounter,
    /// Peers with another certificate than signaling named.
    pub(crate) mismatched: IntCounter,
    /// Handshakes that did not come about.
    pub(crate) failed: IntCounter,
    /// DTLS datagrams that no association takes.
    pub(crate) dropped: IntCounter,
    /// Lines with DTLS now.
    pub(crate) lines: IntGauge,
}

impl DtlsMetrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let results = IntCounterVec::new(
            Opts::new("recorder_dtls_handshakes_total", "DTLS handshakes of media lines, by how they ended."),
            &["result"],
        )?;
        registry.register(Box::new(results.clone()))?;
        let result = |name: &str| results.with_label_values(&[name]);
        Ok(Self {
            keyed: result("keyed"),
            mismatched: result("fingerprint_mismatch"),
            failed: result("failed"),
            dropped: keep(
                registry,
                IntCounter::new("recorder_dtls_dropped_datagrams_total", "DTLS datagrams that no handshake takes.")?,
            )?,
            lines: keep(registry, IntGauge::new("recorder_dtls_lines", "Media lines with DTLS-SRTP now.")?)?,
        })
    }
}

/// The series that every worker has of its own.
struct Workers {
    busy: CounterVec,
    ratio: GaugeVec,
    sweeps: IntCounterVec,
    overruns: IntCounterVec,
}

impl Workers {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let label = &["worker"];
        let counter = |name: &str, help: &str| keep(registry, IntCounterVec::new(Opts::new(name, help), label)?);
        let busy = Opts::new("recorder_capture_busy_seconds_total", "Time spent in turns; a rate of 1 is a full core.");
        let ratio =
            Opts::new("recorder_capture_busy_ratio", "Share of the last second spent in turns; 1 is a full core.");
        Ok(Self {
            busy: keep(registry, CounterVec::new(busy, label)?)?,
            ratio: keep(registry, GaugeVec::new(ratio, label)?)?,
            sweeps: counter("recorder_capture_sweeps_total", "Slices of the tracks served.")?,
            overruns: counter("recorder_capture_overruns_total", "Slices that took longer than their interval.")?,
        })
    }
}

/// The series of one worker.
pub(crate) struct WorkerMetrics {
    /// Seconds spent in sweeps; its rate is the load, 1 is a full core.
    pub(crate) busy: Counter,
    /// Share of the last second spent in turns, 0 to 1.
    pub(crate) ratio: Gauge,
    /// Turns made.
    pub(crate) sweeps: IntCounter,
    /// Turns that ended after the next was due.
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
            dtls: DtlsMetrics::register(registry)?,
            workers: Workers::register(registry)?,
            strategy: keep(
                registry,
                IntGaugeVec::new(
                    Opts::new("recorder_capture_receive_strategy", "1 for the way packets are received."),
                    &["strategy"],
                )?,
            )?,
            fallbacks: counter("recorder_capture_fallbacks_total", "Slices swept because the kernel refused better.")?,
            capped_buffers: counter(
                "recorder_capture_capped_buffers_total",
                "Sockets whose receive buffer net.core.rmem_max keeps too small.",
            )?,
            descriptors: keep(
                registry,
                IntGauge::new("recorder_capture_descriptor_limit", "Descriptors the process may have.")?,
            )?,
        })
    }

    /// Shows how packets are received.
    pub(crate) fn receives_by(&self, strategy: Strategy) {
        for each in Strategy::ALL {
            self.strategy.with_label_values(&[each.name()]).set(i64::from(each == strategy));
        }
    }

    /// A slice, or the whole shell, is swept although something else was asked for.
    pub(crate) fn fell_back(&self) {
        self.fallbacks.inc();
    }

    /// A receive buffer is smaller than asked for; how many have been before.
    pub(crate) fn capped_buffer(&self) -> u64 {
        let before = self.capped_buffers.get();
        self.capped_buffers.inc();
        before
    }

    /// How many descriptors the process may have.
    pub(crate) fn may_open(&self, descriptors: u64) {
        self.descriptors.set(i64::try_from(descriptors).unwrap_or(i64::MAX));
    }

    /// The series of worker `number`.
    pub(crate) fn worker(&self, number: usize) -> WorkerMetrics {
        let label = number.to_string();
        WorkerMetrics {
            busy: self.workers.busy.with_label_values(&[&label]),
            ratio: self.workers.ratio.with_label_values(&[&label]),
            sweeps: self.workers.sweeps.with_label_values(&[&label]),
            overruns: self.workers.overruns.with_label_values(&[&label]),
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
