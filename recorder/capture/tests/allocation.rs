//! The path of a packet allocates nothing, and strangers grow nothing: every allocation of the process is counted.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use capture::{Capture, Config, HotCounts, HotLoop};
use crypto::{
    seal::{ChunkKey, DataKey},
    srtp::{Outbound, Suite},
};
use media::rtp::RtpHeader;
use model::{Codec, CodecKind, MediaSource, OpenTrack, RecordingId, Report, Secret, SrtpKeys, TrackId, TrackNo};
use prometheus::Registry;
use storage_core::ports::{SealedChunk, SpoolSink};

/// The system's allocator, with counts.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Allocations of this thread, and octets it holds: the harness has threads of its own, which allocate when they like.
    static HERE: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

fn count(allocations: u64, octets: i64) {
    // A thread that ends allocates for nobody.
    let _ = HERE.try_with(|here| here.set((here.get().0 + allocations, here.get().1 + octets)));
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        count(1, layout.size() as i64);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test at a time: the counts are of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

const SUITES: [Option<Suite>; 3] = [None, Some(Suite::AesCm128Sha1_80), Some(Suite::AeadAes128Gcm)];

/// Gives the memory of every chunk back.
struct Pool {
    spent: Mutex<Vec<Vec<u8>>>,
    chunks: AtomicU64,
}

impl Pool {
    fn new() -> Arc<Self> {
        Arc::new(Self { spent: Mutex::new(Vec::with_capacity(64)), chunks: AtomicU64::new(0) })
    }
}

impl SpoolSink for Pool {
    fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        self.spent.lock().expect("nobody panics with it").push(chunk.octets);
        self.chunks.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn recycle(&self) -> Option<Vec<u8>> {
        self.spent.lock().expect("nobody panics with it").pop()
    }

    fn close(&self, _track: TrackId, _chunks: u32) {}
}

fn key() -> Arc<ChunkKey> {
    Arc::new(DataKey::from_entropy([9; 32]).chunk_key(&[7; 16]))
}

fn order(suite: Option<Suite>) -> OpenTrack {
    let srtp_remote = suite.map(|suite| SrtpKeys {
        suite: suite.name().into(),
        key_salt: Secret::new(vec![0x11; suite.key_salt_len()]),
        mki: None,
    });
    OpenTrack {
        track: TrackId { recording: RecordingId::from_bytes([7; 16]), no: TrackNo(0) },
        port: 0,
        source: MediaSource { address: Some(Ipv4Addr::LOCALHOST.into()), port: 6000, rtcp: None },
        rtcp_mux: true,
        srtp_remote,
        srtp_local: None,
        dtls: None,
        codecs: vec![Codec { payload_type: 8, kind: CodecKind::Pcma, clock_hz: 8_000 }],
        paused: None,
        joins_late: false,
    }
}

/// Packets of a stream, protected if the line is.
struct Stream(Option<Outbound>);

impl Stream {
    fn new(suite: Option<Suite>, octet: u8) -> Self {
        Self(suite.map(|suite| Outbound::new(suite, &vec![octet; suite.key_salt_len()]).expect("it works")))
    }

    fn packet(&mut self, sequence: u64) -> Vec<u8> {
        let (sequence, timestamp) = (sequence as u16, (sequence * 160) as u32);
        let mut packet = Vec::new();
        RtpHeader { payload_type: 8, marker: false, sequence, timestamp, ssrc: 5 }.write(&mut packet);
        packet.extend([0xd5; 160]);
        if let Some(outbound) = &mut self.0 {
            outbound.protect_rtp(&mut packet).expect("it works");
        }
        packet
    }

    fn packets(&mut self, sequences: std::ops::Range<u64>) -> Vec<(u64, Vec<u8>)> {
        sequences.map(|sequence| (1_700_000_000_000_000_000 + sequence * 20_000_000, self.packet(sequence))).collect()
    }
}

fn from() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 6000).into()
}

/// Four packets a turn, a seal every second one, as at the default intervals.
fn run(hot: &mut HotLoop, packets: &mut [(u64, Vec<u8>)]) {
    for (turn, packets) in packets.chunks_mut(4).enumerate() {
        hot.turn(from(), packets, turn % 2 == 1);
    }
}

#[test]
fn a_packet_costs_no_allocation_and_neither_does_a_chunk() {
    let _alone = ALONE.lock().expect("nobody panics with it");
    for suite in SUITES {
        let mut hot = HotLoop::new(&Config::default(), &order(suite), key(), Pool::new()).expect("it works");
        let mut stream = Stream::new(suite, 0x11);
        run(&mut hot, &mut stream.packets(0..400));
        let mut packets = stream.packets(400..8_400);
        let before = HERE.get().0;
        run(&mut hot, &mut packets);
        assert_eq!(HERE.get().0 - before, 0, "{:?}", suite.map(Suite::name));
        assert_eq!(hot.counts(), HotCounts { packets: 8_400, refused: 0, chunks: 1_050 });
    }
}

#[test]
fn a_million_forged_packets_grow_nothing_and_the_owner_is_heard_as_before() {
    let _alone = ALONE.lock().expect("nobody panics with it");
    for suite in [Suite::AesCm128Sha1_80, Suite::AeadAes128Gcm] {
        let mut hot = HotLoop::new(&Config::default(), &order(Some(suite)), key(), Pool::new()).expect("it works");
        let mut owner = Stream::new(Some(suite), 0x11);
        run(&mut hot, &mut owner.packets(0..16));
        let forged = Stream::new(Some(suite), 0x12).packet(16);
        let mut copy = forged.clone();
        let before = HERE.get();
        for number in 0..500_000_u32 {
            copy.copy_from_slice(&forged);
            // Ever new SSRCs and sequence numbers, from the address of the owner.
            copy[8..12].copy_from_slice(&number.to_be_bytes());
            copy[2..4].copy_from_slice(&(number as u16).to_be_bytes());
            hot.turn(from(), &mut [(1_800_000_000_000_000_000, &mut copy[..])], false);
        }
        assert_eq!(HERE.get(), before, "{}", suite.name());
        assert_eq!(hot.counts().refused, 500_000);
        run(&mut hot, &mut owner.packets(16..24));
        assert_eq!((hot.counts().packets, hot.counts().refused), (24, 500_000));
    }
}

#[test]
fn a_running_worker_allocates_nothing_whatever_way_it_receives() {
    let _alone = ALONE.lock().expect("nobody panics with it");
    for receive in ["sweep", "io_uring", "epoll", "bpf"] {
        let port = free_port();
        let config: Config = toml::from_str(&format!("receive = \"{receive}\"\nworkers = 1")).expect("it works");
        let pool = Pool::new();
        let reports = Arc::new(|report| assert!(!matches!(report, Report::TrackRefused { .. })));
        let capture = Capture::start(&config, Arc::clone(&pool) as _, reports, &Registry::new()).expect("it works");
        capture.open(OpenTrack { port, ..order(None) }, key());
        let (peer, mut stream) = (UdpSocket::bind("127.0.0.1:0").expect("it works"), Stream::new(None, 0));
        let packets: Vec<_> = (0..600).map(|sequence| stream.packet(sequence)).collect();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let send = |packets: &[Vec<u8>], chunks: u64| {
            let before = pool.chunks.load(Ordering::SeqCst);
            packets.iter().for_each(|packet| assert!(peer.send_to(packet, to).is_ok()));
            (0..2_000).find(|_| {
                thread::park_timeout(Duration::from_millis(10));
                pool.chunks.load(Ordering::SeqCst) >= before + chunks
            })
        };
        assert!(send(&packets[..100], 1).is_some(), "the first packets reach the spool");
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        for burst in packets[100..].chunks(100) {
            assert!(send(burst, 1).is_some(), "{receive}");
        }
        assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0, "{receive}");
    }
}

/// An even port that is free, and so is the next one.
fn free_port() -> u16 {
    loop {
        let port =
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port() & !1;
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() && port != 0 {
            return port;
        }
    }
}
