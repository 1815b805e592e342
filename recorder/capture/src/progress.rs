//! Where a track stands, and what is told about it while it lives: RTCP, drops, silence, losses.

use std::time::{Duration, Instant};

use media::rtcp::{self, Packet};
use model::{GapCause, Report, Timestamp};

use crate::{envelope::Envelope, handshake::Leg, metrics::Refusal, srtp::Kind, sweep::Sweep, track::Track};

/// Where a track stands.
pub(crate) struct Progress {
    /// Chunks the spool has taken: the number of the next one.
    pub(crate) chunks: u32,
    pub(crate) ssrc: Option<u32>,
    /// Wall time before which nothing is missing: opening, then the last arrival.
    pub(crate) last_arrival: u64,
    pub(crate) kernel_drops: u32,
    pub(crate) refused: u64,
    /// Authentic packets that came again: duplicates, told apart by SRTP before anything counts them.
    pub(crate) replayed: u64,
    /// Losses already in the metric, and those seen a report interval ago.
    pub(crate) lost_told: u64,
    pub(crate) lost_before: u64,
    pub(crate) has_started: bool,
    pub(crate) heard: Instant,
    pub(crate) silent_told: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(opened: u64, now: Instant) -> Self {
        Self {
            chunks: 0,
            ssrc: None,
            last_arrival: opened,
            kernel_drops: 0,
            refused: 0,
            replayed: 0,
            lost_told: 0,
            lost_before: 0,
            has_started: false,
            heard: now,
            silent_told: None,
        }
    }
}

impl Track {
    /// Takes a datagram of the RTCP socket.
    pub(crate) fn control_datagram(&mut self, envelope: Envelope, octets: &mut [u8], sweep: &mut Sweep<'_>) {
        if self.dtls.is_none() || self.passes_handshake(Leg::Control, &envelope, octets, sweep) {
            self.control_packet(envelope, octets, sweep);
        }
    }

    /// Takes an RTCP datagram: sender reports feed the next receiver report.
    pub(crate) fn control_packet(&mut self, envelope: Envelope, octets: &mut [u8], sweep: &mut Sweep<'_>) {
        let arrival = sweep.arrival(envelope.arrival);
        let has_own_keys = self.control.is_some() && self.dtls.is_some();
        let own_keys = self.dtls.as_mut().and_then(|dtls| dtls.control.as_mut());
        let opened = match if has_own_keys { own_keys } else { self.srtp.as_mut() } {
            Some(srtp) => srtp.open(Kind::Rtcp, octets, sweep.now),
            None if has_own_keys => Err(Refusal::NoKey),
            None if self.source.is_host(envelope.from.ip()) => Ok(octets.len()),
            None => Err(Refusal::Source),
        };
        let packets = opened.and_then(|length| rtcp::parse(&octets[..length]).map_err(|_| Refusal::Malformed));
        let packets = match packets {
            Ok(packets) if !envelope.truncated => packets,
            refused => {
                sweep.tally.rtcp_refused += 1;
                sweep.tally.srtp_failures += u64::from(matches!(refused, Err(Refusal::Unauthentic)));
                return;
            }
        };
        sweep.tally.rtcp_received += 1;
        self.reporter.heard(envelope.from);
        for packet in packets {
            if let Packet::SenderReport { ssrc, ntp, .. } = packet
                && self.progress.ssrc == Some(ssrc)
            {
                self.counter.sender_report(rtcp::ntp_middle(ntp), arrival);
            }
        }
    }

    /// The kernel says how many datagrams it dropped so far; the span without them is a gap.
    pub(crate) fn note_kernel_drops(&mut self, drops: u32, arrival: u64, sweep: &mut Sweep<'_>) {
        let new = drops.wrapping_sub(self.progress.kernel_drops);
        // What came past the socket is subtracted, and may be known before the kernel has counted it.
        if new.cast_signed() <= 0 {
            return;
        }
        self.progress.kernel_drops = drops;
        sweep.tally.kernel_drops += u64::from(new);
        if self.keeping.is_on() {
            self.gaps.note(GapCause::Overload, self.progress.last_arrival, arrival);
        }
    }

    /// A packet was accepted: the first one is reported, and the first one after a silence.
    pub(crate) fn note_heard(&mut self, arrival: u64, sweep: &Sweep<'_>) {
        self.progress.heard = sweep.now;
        if self.progress.silent_told.take().is_some() || !self.progress.has_started {
            self.progress.has_started = true;
            let at = Timestamp::from_nanos(arrival);
            (sweep.shared.reports)(Report::MediaStarted { track: self.id, at });
        }
    }

    /// Silence is measured on the monotonic clock: a step of the wall clock must not end every call.
    pub(crate) fn watch_silence(&mut self, sweep: &Sweep<'_>) {
        let Some(limit) = sweep.shared.config.silence else { return };
        let silent_for = sweep.now.duration_since(self.progress.heard);
        let is_told = self.progress.silent_told.is_some_and(|told| sweep.now.duration_since(told) < limit);
        if is_told || silent_for < limit || !self.keeping.is_on() {
            return;
        }
        self.progress.silent_told = Some(sweep.now);
        let since = Timestamp::from_nanos(sweep.wall.saturating_sub(nanos(silent_for)));
        (sweep.shared.reports)(Report::MediaSilent { track: self.id, since });
    }

    /// A loss counts once it has lasted a report interval: a reordered packet is not lost, and the metric cannot fall.
    pub(crate) fn tell_losses(&mut self, sweep: &mut Sweep<'_>) {
        let lost = self.counter.counters().lost;
        let lasting = lost.min(self.progress.lost_before).max(self.progress.lost_told);
        sweep.tally.lost += lasting - self.progress.lost_told;
        self.progress.lost_told = lasting;
        self.progress.lost_before = lost;
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
