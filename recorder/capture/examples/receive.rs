//! What a way to receive costs: thread CPU per packet of the whole capture path, from a loopback generator to a spool
//! that takes everything. `receive STRATEGY [tracks=2000] [seconds=8] [suite=NAME] [sweep=150] [chunk=150] [burst=5]
//! [workers=1] [gso=1]`. `lost` is what has not come half a second after the end: on a busy machine some is only late.
#![expect(unsafe_code, reason = "sendmmsg with UDP_SEGMENT and sched_setaffinity have no safe binding")]

use std::{
    collections::HashMap,
    error::Error,
    fs,
    mem::{self, MaybeUninit},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use capture::{Capture, Config};
use crypto::{
    seal::DataKey,
    srtp::{Outbound, Suite},
};
use media::rtp::RtpHeader;
use model::{Codec, CodecKind, MediaSource, OpenTrack, RecordingId, Report, Secret, SrtpKeys, TrackId, TrackNo};
use prometheus::Registry;
use storage_core::ports::{SealedChunk, SpoolSink};

/// Takes everything and keeps nothing but the memory.
#[derive(Default)]
struct Null(Mutex<(u64, u64, Vec<Vec<u8>>)>);

impl SpoolSink for Null {
    fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (all.0, all.1) = (all.0 + 1, all.1 + chunk.octets.len() as u64);
        if all.2.len() < 4_096 {
            all.2.push(chunk.octets);
        }
        Ok(())
    }

    fn recycle(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).2.pop()
    }

    fn close(&self, _track: TrackId, _chunks: u32) {}
}

/// What was asked for on the command line.
struct Run {
    strategy: String,
    tracks: u64,
    seconds: u64,
    burst: u64,
    gso: bool,
    suite: Option<Suite>,
    sweep: u64,
    chunk: u64,
    workers: u64,
}

impl Run {
    fn read() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let strategy = words.next().unwrap_or_else(|| "auto".into());
        let options: HashMap<String, String> =
            words.filter_map(|word| word.split_once('=').map(|(key, value)| (key.into(), value.into()))).collect();
        let number = |key: &str, default: u64| options.get(key).map_or(Ok(default), |value| value.parse());
        Ok(Self {
            strategy,
            tracks: number("tracks", 2_000)?,
            seconds: number("seconds", 8)?.max(4),
            burst: number("burst", 5)?,
            gso: number("gso", 1)? == 1,
            suite: options.get("suite").map(|name| Suite::from_name(name).ok_or("no such suite")).transpose()?,
            sweep: number("sweep", 150)?,
            chunk: number("chunk", 150)?,
            workers: number("workers", 1)?,
        })
    }

    fn config(&self) -> Result<Config, Failure> {
        let last = 20_000 + 2 * self.tracks;
        Ok(toml::from_str(&format!(
            "receive = \"{}\"\nsweep_ms = {}\nchunk_ms = {}\nworkers = {}\nports = \"20000-{last}\"",
            self.strategy, self.sweep, self.chunk, self.workers,
        ))?)
    }
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let run = Run::read()?;
    let (spool, registry) = (Arc::new(Null::default()), Registry::new());
    let reports = Arc::new(|report| {
        if let Report::TrackRefused { cause, .. } = report {
            eprintln!("refused: {cause}");
        }
    });
    let capture = Capture::start(&run.config()?, Arc::clone(&spool) as _, reports, &registry)?;
    let before = resident();
    // A key for each two tracks, as a call has: a schedule that all share would always be in the cache.
    let data = DataKey::from_entropy([9; 32]);
    let keys: Vec<_> =
        (0..run.tracks.div_ceil(2)).map(|no| Arc::new(data.chunk_key(recording(no).as_bytes()))).collect();
    for no in 0..run.tracks {
        capture.open(order(no, run.suite), Arc::clone(&keys[no as usize / 2]));
    }
    let (tracks, seconds, suite, burst, gso) = (run.tracks, run.seconds, run.suite, run.burst, run.gso);
    let generator = thread::spawn(move || generate(tracks, seconds, suite, burst, gso));
    thread::park_timeout(Duration::from_secs(2));
    let packets = || metric(&registry, "recorder_rtp_packets_total");
    let (cpu, seen, at) = (busy(), packets(), now());
    thread::park_timeout(Duration::from_secs(seconds - 3));
    let (cpu, seen, took) = ((busy() - cpu) as f64, packets() - seen, at.elapsed().as_secs_f64());
    let memory = resident().saturating_sub(before) as f64 / tracks as f64;
    let (sent, sender) = generator.join().map_err(|_| "the generator")??;
    thread::park_timeout(Duration::from_millis(500));
    let (total, dropped) = (packets(), metric(&registry, "recorder_capture_dropped_packets_total"));
    capture.shutdown();
    let chunks = spool.0.lock().unwrap_or_else(PoisonError::into_inner).0;
    println!(
        "{:9} {} tracks={tracks} sweep={} chunk={} rate={:.0}/s us/packet={:.3} core%={:.1} per100calls={:.2}% \
         lost={} kernel={dropped} packets/chunk={:.1} KiB/track={memory:.1} sender={sender:.2}us",
        run.strategy,
        suite.map_or("plain", Suite::name),
        run.sweep,
        run.chunk,
        seen / took,
        cpu / 1e3 / seen,
        cpu / 1e7 / took,
        cpu / 1e7 / took / tracks as f64 * 200.0,
        sent as f64 - total,
        total / chunks as f64,
    );
    Ok(())
}

fn order(no: u64, suite: Option<Suite>) -> OpenTrack {
    let keys = suite.map(|suite| SrtpKeys {
        suite: suite.name().into(),
        key_salt: Secret::new(vec![0x11; suite.key_salt_len()]),
        mki: None,
    });
    OpenTrack {
        track: TrackId { recording: recording(no / 2), no: TrackNo((no % 2) as u16) },
        port: 20_000 + 2 * no as u16,
        source: MediaSource { address: Some(Ipv4Addr::LOCALHOST.into()), port: 6000, rtcp: None },
        rtcp_mux: false,
        srtp_local: keys.as_ref().map(|keys| SrtpKeys { mki: None, ..keys.clone() }),
        dtls: None,
        srtp_remote: keys,
        codecs: vec![Codec { payload_type: 8, kind: CodecKind::Pcma, clock_hz: 8_000 }],
        paused: None,
        joins_late: false,
    }
}

fn recording(no: u64) -> RecordingId {
    RecordingId::from_bytes(u128::from(no).to_be_bytes())
}

/// Sends 50 packets a second to every track, in bursts, spread over the time of a burst; how many, and what one cost.
fn generate(tracks: u64, seconds: u64, suite: Option<Suite>, burst: u64, gso: bool) -> Result<(u64, f64), Failure> {
    pin_last();
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut sender = suite.map(|suite| Outbound::new(suite, &vec![0x11; suite.key_salt_len()])).transpose()?;
    let (mut sequence, mut sent, began, cpu) = (0_u64, 0, now(), own_cpu());
    let period = Duration::from_millis(20 * burst);
    while began.elapsed() < Duration::from_secs(seconds) {
        let mut packets = Vec::new();
        for _ in 0..burst {
            let mut packet = Vec::new();
            let header = RtpHeader {
                payload_type: 8,
                marker: false,
                sequence: sequence as u16,
                timestamp: (sequence * 160) as u32,
                ssrc: 5,
            };
            header.write(&mut packet);
            packet.extend([0xd5; 160]);
            if let Some(sender) = &mut sender {
                sender.protect_rtp(&mut packet)?;
            }
            packets.push(packet);
            sequence += 1;
        }
        let due = period * (sequence / burst - 1) as u32;
        for first in (0..tracks).step_by(50) {
            let slot = due + period.mul_f64(first as f64 / tracks as f64);
            while let Some(wait) = slot.checked_sub(began.elapsed()).filter(|wait| !wait.is_zero()) {
                thread::park_timeout(wait.max(Duration::from_micros(60)));
            }
            let to: Vec<_> = (first..tracks.min(first + 50)).map(|no| 20_000 + 2 * no as u16).collect();
            sent += send(&socket, &to, &packets, gso)?;
        }
    }
    Ok((sent, (own_cpu() - cpu) as f64 / 1e3 / sent as f64))
}

/// One burst to each port.
fn send(socket: &UdpSocket, ports: &[u16], packets: &[Vec<u8>], gso: bool) -> std::io::Result<u64> {
    if !gso {
        for port in ports {
            for packet in packets {
                socket.send_to(packet, SocketAddr::from((Ipv4Addr::LOCALHOST, *port)))?;
            }
        }
        return Ok((ports.len() * packets.len()) as u64);
    }
    let octets = packets.concat();
    let mut slice = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    let mut names = ports
        .iter()
        .map(|port| libc::sockaddr_in {
            sin_family: libc::AF_INET as _,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
            sin_zero: [0; 8],
        })
        .collect::<Vec<_>>();
    let mut control = [0_u64; 4];
    // SAFETY: all pointers are to live, large enough memory of this function for the time of the calls.
    unsafe {
        let mut heads: Vec<libc::mmsghdr> = Vec::new();
        for name in &mut names {
            let mut head: libc::mmsghdr = MaybeUninit::zeroed().assume_init();
            head.msg_hdr.msg_name = (&raw mut *name).cast();
            head.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_in>() as _;
            head.msg_hdr.msg_iov = &raw mut slice;
            head.msg_hdr.msg_iovlen = 1;
            head.msg_hdr.msg_control = control.as_mut_ptr().cast();
            head.msg_hdr.msg_controllen = libc::CMSG_SPACE(2) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const head.msg_hdr);
            (*message).cmsg_level = libc::SOL_UDP;
            (*message).cmsg_type = libc::UDP_SEGMENT;
            (*message).cmsg_len = libc::CMSG_LEN(2) as _;
            libc::CMSG_DATA(message).cast::<u16>().write_unaligned(packets[0].len() as u16);
            heads.push(head);
        }
        let mut done = 0;
        while done < heads.len() {
            let rest = &mut heads[done..];
            let count = libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as _, 0);
            if count < 0 {
                return Err(std::io::Error::last_os_error());
            }
            done += count as usize;
        }
    }
    Ok((ports.len() * packets.len()) as u64)
}

/// Nanoseconds of processor time of the capture workers so far.
fn busy() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("capture-")))
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next().and_then(|number| number.parse::<u64>().ok()))
        .sum()
}

fn own_cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(0.0, |family| family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum())
}

/// The generator keeps off the first core, where the first worker is.
fn pin_last() {
    // SAFETY: the set is plain integers; 0 names the calling thread.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(thread::available_parallelism().map_or(1, usize::from) - 1, &mut set);
        libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set);
    }
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}
