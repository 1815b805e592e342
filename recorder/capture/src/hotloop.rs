//! The path of a packet by itself, for those who count its instructions, nanoseconds and allocations: what a worker runs
//! for each datagram and each turn, without its thread and without the kernel.

use std::{net::SocketAddr, sync::Arc};

use crypto::seal::ChunkKey;
use model::{OpenTrack, Report};
use prometheus::Registry;
use storage_core::ports::SpoolSink;

use crate::{
    ahead::Ahead,
    clock,
    config::Config,
    envelope::Envelope,
    keeping::Gate,
    metrics::Metrics,
    opening,
    receive::Strategy,
    sweep::{Lent, Sweep},
    track::Track,
    worker::Shared,
};

/// Some tracks and nothing else.
pub struct HotLoop {
    shared: Shared,
    tracks: Vec<Track>,
    ahead: Ahead,
    lent: Lent,
    counts: HotCounts,
}

/// What became of the datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HotCounts {
    /// Kept.
    pub packets: u64,
    /// Turned away, replays included.
    pub refused: u64,
    /// Sealed chunks that the spool took.
    pub chunks: u64,
}

impl HotLoop {
    /// Opens the track of `order` (port 0 with RTCP multiplexed for any free one). The error names what stands in the way.
    pub fn new(
        config: &Config,
        order: &OpenTrack,
        key: Arc<ChunkKey>,
        spool: Arc<dyn SpoolSink>,
    ) -> Result<Self, String> {
        let metrics = Metrics::register(&Registry::new()).map_err(|error| error.to_string())?;
        let reports = Arc::new(|_: Report| {});
        let shared =
            Shared { config: config.clone(), spool, reports, metrics, strategy: Strategy::Sweep, handshakes: None };
        let (ahead, lent, counts) = (Ahead::new(), Lent::default(), HotCounts::default());
        let mut hot = Self { shared, tracks: Vec::new(), ahead, lent, counts };
        hot.open(order, key)?;
        Ok(hot)
    }

    /// Opens one more track.
    pub fn open(&mut self, order: &OpenTrack, key: Arc<ChunkKey>) -> Result<(), String> {
        let track = opening::open(order, key, Arc::new(Gate::open()), &self.shared.config, Strategy::Sweep)?;
        self.tracks.push(track);
        Ok(())
    }

    /// One turn: takes the datagrams, each with its arrival (wall time, nanoseconds), and seals if `seals`. The tracks
    /// share them evenly: the first so many are for the first one. SRTP decrypts them where they stand.
    pub fn turn<D: AsMut<[u8]>>(&mut self, from: SocketAddr, datagrams: &mut [(u64, D)], seals: bool) {
        let mut sweep = Sweep::new(&self.shared, clock::instant(), std::mem::take(&mut self.lent));
        let each = datagrams.len().div_ceil(self.tracks.len()).max(1);
        let envelope = |arrival| Envelope { from, arrival: Some(arrival), drops: None, truncated: false };
        let is_ahead = self.tracks.iter().any(|track| self.ahead.is_for(track));
        if is_ahead {
            for (track, datagrams) in self.tracks.iter().zip(datagrams.chunks_mut(each)) {
                for (arrival, octets) in datagrams {
                    self.ahead.note(track, &envelope(*arrival), octets.as_mut());
                }
            }
            self.ahead.compute();
        }
        for (track, datagrams) in self.tracks.iter_mut().zip(datagrams.chunks_mut(each)) {
            for (arrival, octets) in datagrams {
                let foretold = if is_ahead { self.ahead.next() } else { None };
                track.datagram(envelope(*arrival), octets.as_mut(), foretold, &mut sweep);
            }
        }
        self.ahead.clear();
        self.tracks.iter_mut().for_each(|track| track.tend(seals, &mut sweep));
        self.counts.packets += sweep.tally.packets;
        self.counts.refused += sweep.tally.refusals();
        self.counts.chunks += sweep.tally.chunks;
        self.lent = sweep.end();
    }

    /// So far.
    pub fn counts(&self) -> HotCounts {
        self.counts
    }
}
