//! The rig: a running capture, a spool in memory, and a peer with sockets.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use crypto::{
    dtls::Engine,
    seal::{ChunkKey, DataKey},
};
use media::{chunk, rtp::RtpHeader};
use model::{
    Codec, CodecKind, MediaSource, OpenTrack, RecordingId, Report, Secret, SrtpKeys, TrackId, TrackNo, TrackTotals,
};
use prometheus::Registry;
use storage_core::ports::{SealedChunk, SpoolSink};

use super::RECEIVE;
use crate::{Capture, Config, Reception, clock};

const PATIENCE: Duration = Duration::from_secs(20);

/// A spool without a disk.
#[derive(Default)]
pub(super) struct MemorySpool {
    pub(super) is_full: AtomicBool,
    chunks: Mutex<HashMap<TrackId, Vec<SealedChunk>>>,
    closed: Mutex<HashMap<TrackId, u32>>,
}

impl SpoolSink for MemorySpool {
    fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(chunk);
        }
        self.chunks.lock().unwrap().entry(chunk.track).or_default().push(chunk);
        Ok(())
    }

    fn close(&self, track: TrackId, chunks: u32) {
        assert_eq!(self.closed.lock().unwrap().insert(track, chunks), None, "closed once");
    }
}

/// A running capture and everything round it.
pub(super) struct Rig {
    pub(super) capture: Capture,
    pub(super) spool: Arc<MemorySpool>,
    pub(super) registry: Registry,
    reports: Receiver<Report>,
    key: Arc<ChunkKey>,
}

/// A config for tests: one worker, short intervals.
pub(super) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config { workers: 1, sweep: Duration::from_millis(5), ..Config::default() };
    config.chunk = Duration::from_millis(30);
    config.receive = RECEIVE;
    change(&mut config);
    config
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(&config(|_| {}))
    }

    pub(super) fn with(config: &Config) -> Self {
        Self::begin(config, None)
    }

    /// With DTLS-SRTP.
    pub(super) fn shaking_hands(engine: Engine) -> Self {
        Self::begin(&config(|_| {}), Some(engine))
    }

    fn begin(config: &Config, dtls: Option<Engine>) -> Self {
        let (spool, registry) = (Arc::new(MemorySpool::default()), Registry::new());
        let (sender, reports) = sync_channel(1_024);
        let tell = Arc::new(move |report| sender.send(report).unwrap_or(()));
        let capture = Capture::start_with(config, Reception::prepare(config), Arc::clone(&spool) as _, tell, &registry, dtls);
        let capture = capture.unwrap();
        let key = Arc::new(DataKey::from_entropy([9; 32]).chunk_key(track(0).recording.as_bytes()));
        Self { capture, spool, registry, reports, key }
    }

    /// The key of the recording.
    pub(super) fn key(&self) -> Arc<ChunkKey> {
        Arc::clone(&self.key)
    }

    /// The next report.
    pub(super) fn report(&self) -> Report {
        self.reports.recv_timeout(PATIENCE).expect("a report in time")
    }

    /// Opens a track on free ports; they are ours once bound, so a lost race is simply run again.
    pub(super) fn open(&self, mut order: OpenTrack, ip: &str) -> SocketAddr {
        let ip: IpAddr = ip.parse().unwrap();
        loop {
            let port = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap().port() & !1;
            order.port = port;
            self.capture.open(order.clone(), Arc::clone(&self.key));
            match self.report() {
                Report::TrackOpened { track } => {
                    assert_eq!(track, order.track);
                    return SocketAddr::new(ip, port);
                }
                Report::TrackRefused { cause, .. } if cause.contains("in use") => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Opens a track that will not open; the cause.
    pub(super) fn refused(&self, order: OpenTrack) -> String {
        self.capture.open(order, Arc::clone(&self.key));
        match self.report() {
            Report::TrackRefused { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    /// Closes a track; its totals and its packets, decrypted again, with their arrival times.
    pub(super) fn close(&self, track: TrackId) -> (TrackTotals, Vec<(u64, Vec<u8>)>) {
        self.capture.close(track);
        self.closed(track)
    }

    pub(super) fn closed(&self, track: TrackId) -> (TrackTotals, Vec<(u64, Vec<u8>)>) {
        let totals = loop {
            match self.report() {
                Report::TrackClosed(totals) if totals.track == track => break *totals,
                Report::TrackClosed(other) => panic!("{other:?}"),
                _ => {}
            }
        };
        assert_eq!(self.spool.closed.lock().unwrap().get(&track), Some(&totals.chunks));
        let chunks = self.spool.chunks.lock().unwrap().remove(&track).unwrap_or_default();
        assert_eq!(chunks.len(), totals.chunks as usize);
        let mut packets = Vec::new();
        for (number, sealed) in chunks.iter().enumerate() {
            let opened = self.key.open(&sealed.octets).expect("sealed with the recording's key");
            assert_eq!((sealed.number, opened.header.number), (number as u32, number as u32));
            assert_eq!(opened.header.track, track.no.0);
            let before = packets.len();
            for packet in chunk::packets(&opened.plain) {
                let (arrival, octets) = packet.unwrap();
                packets.push((arrival, octets.to_vec()));
            }
            assert_eq!(packets.len() - before, opened.header.packets as usize);
        }
        (totals, packets)
    }

    /// The sum of a metric over its labels.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap_or_else(|| panic!("no {name}"));
        family.get_metric().iter().map(|metric| metric.get_counter().get_value() as u64).sum()
    }

    /// Waits until a metric has reached `number`.
    pub(super) fn until(&self, name: &str, number: u64) {
        let deadline = clock::instant() + PATIENCE;
        while self.metric(name) < number {
            assert!(clock::instant() < deadline, "{name} is {}, not {number}", self.metric(name));
            thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// How many chunks of a track the spool holds.
    pub(super) fn chunks(&self, track: TrackId) -> usize {
        self.spool.chunks.lock().unwrap().get(&track).map_or(0, Vec::len)
    }
}

/// Track `no` of the recording of the rig.
pub(super) fn track(no: u16) -> TrackId {
    TrackId { recording: RecordingId::from_bytes([7; 16]), no: TrackNo(no) }
}

/// A plain PCMA line with telephone events from the local host, source port unknown.
pub(super) fn order(no: u16) -> OpenTrack {
    let codec = |payload_type, kind| Codec { payload_type, kind, clock_hz: 8_000 };
    OpenTrack {
        track: track(no),
        port: 0,
        source: MediaSource { address: Some([127, 0, 0, 1].into()), port: 6000, rtcp: None },
        rtcp_mux: false,
        srtp_remote: None,
        srtp_local: None,
        dtls: None,
        codecs: vec![codec(8, CodecKind::Pcma), codec(101, CodecKind::TelephoneEvent)],
        paused: None,
        joins_late: false,
    }
}

/// Keys of a suite, made of one octet.
pub(super) fn keys(suite: &str, octet: u8) -> SrtpKeys {
    let length = crypto::srtp::Suite::from_name(suite).unwrap().key_salt_len();
    SrtpKeys { suite: suite.into(), key_salt: Secret::new(vec![octet; length]), mki: None }
}

/// A socket of the peer.
pub(super) fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// RTP packet `sequence` of a stream.
pub(super) fn rtp(ssrc: u32, payload_type: u8, sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let mut packet = Vec::new();
    RtpHeader { payload_type, marker: sequence == 0, sequence, timestamp, ssrc }.write(&mut packet);
    packet.extend((0..160_u16).map(|index| (index ^ sequence) as u8));
    packet
}

/// Packets without their arrival times.
pub(super) fn octets(packets: Vec<(u64, Vec<u8>)>) -> Vec<Vec<u8>> {
    packets.into_iter().map(|(_, octets)| octets).collect()
}
