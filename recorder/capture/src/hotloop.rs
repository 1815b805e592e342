//! The path of a packet by itself, for those who count its instructions, nanoseconds and allocations: what a worker runs
//! for each datagram and each turn, without its thread and without the kernel.

use std::{net::SocketAddr, sync::Arc};

use crypto::seal::ChunkKey;
use model::{OpenTrack, Report};
use prometheus::Registry;
use storage_core::ports::SpoolSink;

use crate::{
    clock,
    config::Config,
    envelope::Envelope,
    keeping::Gate,
    metrics::Metrics,
    opening,
    receive::Strategy,
    track::Track,
    worker::{Shared, Sweep},
};

/// One track and nothing else.
pub struct HotLoop {
    shared: Shared,
    track: Box<Track>,
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
        let shared = Shared { config: config.clone(), spool, reports, metrics, strategy: Strategy::Sweep };
        let track = opening::open(order, key, Arc::new(Gate::open()), config)?;
        Ok(Self { shared, track: Box::new(track), counts: HotCounts::default() })
    }

    /// One turn: takes the datagrams, each with its arrival (wall time, nanoseconds), and seals if `seals`. SRTP decrypts
    /// them where they stand.
    pub fn turn<'d>(
        &mut self,
        from: SocketAddr,
        datagrams: impl IntoIterator<Item = (u64, &'d mut [u8])>,
        seals: bool,
    ) {
        let mut sweep = Sweep::new(&self.shared, clock::instant());
        for (arrival, octets) in datagrams {
            let envelope = Envelope { from, arrival: Some(arrival), drops: None, truncated: false };
            self.track.datagram(envelope, octets, &mut sweep);
        }
        self.track.tend(seals, &mut sweep);
        self.counts.packets += sweep.tally.packets;
        self.counts.refused += sweep.tally.refusals();
        self.counts.chunks += sweep.tally.chunks;
        self.shared.metrics.add(&sweep.tally);
    }

    /// So far.
    pub fn counts(&self) -> HotCounts {
        self.counts
    }
}
