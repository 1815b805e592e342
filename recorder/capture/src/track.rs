//! One track on its worker: from datagram to sealed chunk.
//!
//! The napkin: 10,000 tracks of 50 packets/s are 500,000 packets/s of 172 octets, 86 MB/s. Each packet is copied twice
//! (kernel to batch, batch to chunk) and decrypted in between in place; allocation, locks and the spool come once a
//! chunk, metrics once a sweep.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use crypto::{
    seal::{ChunkHeader, ChunkKey},
    srtp::Foretold,
};
use media::{chunk::ChunkWriter, count::StreamCounter, rtcp, rtp::RtpView};
use model::{Codec, GapCause, MediaSource, Report, TrackId, TrackTotals};
use storage_core::ports::SealedChunk;

use crate::{
    cadence::Cadence,
    dtls::Handshaking,
    envelope::Envelope,
    gaps::Gaps,
    handshake::Leg,
    keeping::Keeping,
    limits,
    metrics::Refusal,
    prefetch,
    progress::Progress,
    recvmmsg::Batch,
    rtcp::Reporter,
    socket::Socket,
    source::{Source, Verdict},
    srtp::{Kind, NewKeys, Unprotector},
    sweep::Sweep,
};

/// Everything one track is made of; owned by one worker.
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) key: Arc<ChunkKey>,
    pub(crate) media: Socket,
    /// `None` when RTCP shares the RTP port (RFC 5761).
    pub(crate) control: Option<Socket>,
    /// Its sockets are read every turn, because no kernel mechanism watches them.
    pub(crate) is_swept: bool,
    pub(crate) source: Source,
    pub(crate) srtp: Option<Unprotector>,
    /// Its keys come of a DTLS handshake: `None` of `srtp` means that they have not come, never that it is plain.
    pub(crate) dtls: Option<Box<Handshaking>>,
    pub(crate) payload_types: u128,
    pub(crate) counter: StreamCounter,
    pub(crate) keeping: Keeping,
    pub(crate) gaps: Gaps,
    pub(crate) reporter: Reporter,
    pub(crate) chunk: ChunkWriter,
    pub(crate) progress: Progress,
    pub(crate) cadence: Cadence,
}

// Ten thousand of them live: a few octets more, and the heap has 256 more for each.
const _: () = assert!(size_of::<Track>() <= 1_792);

/// The negotiated payload types as a set.
pub(crate) fn payload_types(codecs: &[Codec]) -> u128 {
    codecs.iter().fold(0, |set, codec| set | 1 << (codec.payload_type & 0x7f))
}

impl Track {
    /// Asks for what the next packet needs and what lies elsewhere.
    pub(crate) fn prefetch(&self) {
        let (streams, octets) = self.counter.memory();
        prefetch::octets(streams, octets);
        prefetch::value(&*self.key);
        self.keeping.prefetch();
    }

    /// Lets its datagrams come past the socket, where that is the way: not while nothing may be kept, so that nothing of it
    /// is anywhere longer than it takes to refuse it, and not while a handshake waits for every one.
    pub(crate) fn settle(&mut self, batch: &mut Batch, sweep: &mut Sweep<'_>) {
        let is_urgent = self.dtls.as_ref().is_some_and(|dtls| dtls.is_urgent(sweep.now));
        if sweep.lead_past(&mut self.media, self.keeping.is_on() && !is_urgent) {
            self.drain_media(batch, sweep);
        }
    }

    /// After a drain: seals if it is time, tells what is due.
    pub(crate) fn tend(&mut self, seals: bool, sweep: &mut Sweep<'_>) {
        if seals {
            self.flush(sweep);
        }
        self.watch_silence(sweep);
        if self.reporter.is_due(sweep.now) {
            self.tell_losses(sweep);
            let block = self.counter.report_block(sweep.wall);
            let sent = self.reporter.report(self.control.as_ref().unwrap_or(&self.media), block);
            sweep.tally.rtcp_sent += u64::from(sent);
        }
    }

    /// The session was renegotiated: what waits still belongs to the session before.
    pub(crate) fn retune(&mut self, source: MediaSource, keys: NewKeys, codecs: &[Codec], now: Instant) {
        let has_moved = self.source.retune(source);
        self.reporter.offer(source.rtcp, has_moved);
        self.payload_types = payload_types(codecs);
        if let Some(remote) = keys.remote {
            match &mut self.srtp {
                Some(srtp) => srtp.rekey(*remote, now),
                None => {
                    self.srtp = Some(Unprotector::new(*remote));
                    self.reporter.mute();
                }
            }
        }
        if let Some(local) = keys.local {
            self.reporter.protect(*local);
        }
    }

    /// Keeps what arrived before `at`, and nothing from then on.
    pub(crate) fn pause(&mut self, at: u64, cause: GapCause, batch: &mut Batch, sweep: &mut Sweep<'_>) {
        self.keeping.end_at(at);
        self.drain_media(batch, sweep);
        self.flush(sweep);
        self.keeping.pause(at, cause, &mut self.gaps);
    }

    /// Keeps again from `at` on.
    pub(crate) fn resume(&mut self, at: u64, now: Instant) {
        if self.keeping.resume(at, &mut self.gaps) {
            self.progress.heard = now;
        }
    }

    /// One last drain, then the sum.
    pub(crate) fn close(mut self: Box<Self>, batch: &mut Batch, sweep: &mut Sweep<'_>) {
        sweep.lead_past(&mut self.media, false);
        for _ in 0..limits::LAST_DRAINS {
            if self.drain_media(batch, sweep) {
                break;
            }
        }
        self.drain_control(batch, sweep);
        // In this order: what came past the socket is known before the kernel counts it.
        let dropped = self.media.dropped();
        if let Some((drops, taken)) = dropped.zip(sweep.forget(&mut self.media)) {
            self.note_kernel_drops(drops.wrapping_sub(taken), sweep.wall, sweep);
        }
        self.flush(sweep);
        self.keeping.resume(sweep.wall, &mut self.gaps);
        let sent = self.reporter.bye(self.control.as_ref().unwrap_or(&self.media));
        sweep.tally.rtcp_sent += u64::from(sent);
        let mut counters = self.counter.counters();
        counters.kernel_drops = u64::from(self.progress.kernel_drops);
        counters.refused = self.progress.refused;
        counters.duplicate += self.progress.replayed;
        sweep.tally.lost += counters.lost.saturating_sub(self.progress.lost_told);
        let (track, chunks, gaps) = (self.id, self.progress.chunks, self.gaps.take());
        // The ports are free again before anybody is told.
        drop(self);
        sweep.shared.spool.close(track, chunks);
        (sweep.shared.reports)(Report::TrackClosed(Box::new(TrackTotals { track, counters, gaps, chunks })));
    }

    /// Takes what waits, within a bound if that is in the socket; whether that was all.
    pub(crate) fn drain_media(&mut self, batch: &mut Batch, sweep: &mut Sweep<'_>) -> bool {
        let mut datagrams = 0;
        while datagrams < limits::DRAIN || sweep.waits_past(&self.media) {
            let count = sweep.receive(&self.media, batch);
            for index in 0..count {
                let Some(message) = batch.message(index) else { continue };
                for (envelope, octets) in message.datagrams() {
                    self.datagram(envelope, octets, None, sweep);
                    datagrams += 1;
                }
            }
            if count < limits::BATCH {
                self.drained();
                return true;
            }
        }
        false
    }

    /// Nothing waits for the track.
    pub(crate) fn drained(&mut self) {
        self.keeping.drained();
    }

    /// Takes a batch of what waits; whether that was all.
    pub(crate) fn drain_control(&mut self, batch: &mut Batch, sweep: &mut Sweep<'_>) -> bool {
        let count = self.control.as_ref().map_or(0, |control| sweep.receive(control, batch));
        for index in 0..count {
            let Some(message) = batch.message(index) else { continue };
            message.datagrams().for_each(|(envelope, octets)| self.control_datagram(envelope, octets, sweep));
        }
        count < limits::BATCH
    }

    /// Whether a datagram of the RTP socket will be authenticated as RTP of a source that is known by now.
    pub(crate) fn is_media_of_its_source(&self, envelope: &Envelope, octets: &[u8]) -> bool {
        let is_rtcp = self.control.is_none() && rtcp::is_rtcp(octets);
        !is_rtcp && !envelope.truncated && self.source.judge(envelope.from) == Verdict::Known
    }

    /// Takes a datagram of the RTP socket, with its tag if that was computed ahead.
    pub(crate) fn datagram(
        &mut self,
        envelope: Envelope,
        octets: &mut [u8],
        foretold: Option<Foretold>,
        sweep: &mut Sweep<'_>,
    ) {
        let arrival = sweep.arrival(envelope.arrival);
        if let Some(drops) = envelope.drops {
            self.note_kernel_drops(drops, arrival, sweep);
        }
        if self.dtls.is_some() && !self.passes_handshake(Leg::Media, &envelope, octets, sweep) {
            return;
        }
        if self.control.is_none() && rtcp::is_rtcp(octets) {
            return self.control_packet(envelope, octets, sweep);
        }
        let accepted = match envelope.truncated {
            true => Err(Refusal::Oversize),
            false => self.accept(envelope.from, octets, foretold, sweep),
        };
        let is_kept = match accepted {
            Ok((view, packet)) => self.keep(arrival, view, packet, sweep),
            Err(Refusal::Replayed) => {
                self.progress.replayed += 1;
                sweep.tally.refuse(Refusal::Replayed);
                true
            }
            Err(refusal) => {
                self.progress.refused += 1;
                sweep.tally.refuse(refusal);
                true
            }
        };
        // What was said in a pause is nowhere, the buffer of the socket included (invariant 5).
        if !is_kept {
            octets.fill(0);
        }
        self.progress.last_arrival = arrival;
    }

    /// Source, authentication, form: in the order of their price.
    fn accept<'p>(
        &mut self,
        from: SocketAddr,
        octets: &'p mut [u8],
        foretold: Option<Foretold>,
        sweep: &mut Sweep<'_>,
    ) -> Result<(RtpView<'p>, &'p [u8]), Refusal> {
        let verdict = self.source.judge(from);
        if verdict == Verdict::Stranger {
            return Err(Refusal::Source);
        }
        let length = match &mut self.srtp {
            Some(srtp) => srtp.open(Kind::Rtp(foretold), octets, sweep.now)?,
            None => octets.len(),
        };
        let packet: &'p [u8] = &octets[..length];
        let view = RtpView::parse(packet).map_err(|_| Refusal::Malformed)?;
        if verdict == Verdict::Candidate {
            self.admit(from, &view, sweep)?;
        }
        Ok((view, packet))
    }

    /// False when nothing may be kept now.
    fn keep(&mut self, arrival: u64, view: RtpView<'_>, packet: &[u8], sweep: &mut Sweep<'_>) -> bool {
        self.counter.packet(view.sequence(), view.timestamp(), view.ssrc(), arrival);
        self.progress.ssrc = Some(view.ssrc());
        sweep.tally.packets += 1;
        sweep.tally.octets += packet.len() as u64;
        self.note_heard(arrival, sweep);
        if !self.keeping.keeps(arrival) {
            sweep.tally.paused += 1;
            return false;
        }
        if self.chunk.is_empty() {
            sweep.lent.bodies.lend(&mut self.chunk);
        }
        if !self.chunk.push(arrival, packet) {
            self.flush(sweep);
            sweep.lent.bodies.lend(&mut self.chunk);
            self.chunk.push(arrival, packet);
        }
        true
    }

    /// Seals what is there and offers it to the spool.
    pub(crate) fn flush(&mut self, sweep: &mut Sweep<'_>) {
        let Some(mut body) = self.chunk.take() else { return };
        // The number is used up only when the spool takes the chunk, so that numbers stay contiguous. A refused one is
        // used again, which invariant 3 allows: the refused octets never left this function.
        let header = ChunkHeader {
            recording: *self.id.recording.as_bytes(),
            track: self.id.no.0,
            number: self.progress.chunks,
            first_nanos: body.first_nanos,
            last_nanos: body.last_nanos,
            packets: body.packets,
        };
        let mut octets = sweep.shared.spool.recycle().unwrap_or_default();
        octets.clear();
        // By what is in it, not by what could be: hundreds of them wait for the disk.
        octets.reserve_exact((body.plain.len() + SEALED_OVERHEAD).next_multiple_of(BUFFER_STEP));
        self.key.seal(&header, &mut body.plain, &mut octets);
        sweep.lent.bodies.give_back(body.plain);
        match sweep.shared.spool.offer(SealedChunk { track: self.id, number: header.number, octets }) {
            Ok(()) => {
                self.progress.chunks += 1;
                sweep.tally.chunks += 1;
            }
            Err(_refused) => {
                sweep.tally.chunks_refused += 1;
                sweep.tally.spool_drops += u64::from(body.packets);
                self.gaps.note(GapCause::Overload, body.first_nanos, body.last_nanos);
            }
        }
    }
}

/// Header and tag of a sealed chunk, so that a buffer never grows while it is filled.
const SEALED_OVERHEAD: usize = ChunkHeader::LEN + 16;
/// Buffers are made in steps of so many octets, so that chunks of nearly the same length can use each other's.
const BUFFER_STEP: usize = 128;
