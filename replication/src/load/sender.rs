//! The one thread that sends the sound of every call of a load: a wheel of milliseconds, a burst per stream and turn.
//!
//! Napkin: 1,000 calls are 2,000 streams and 100,000 packets a second. Bursts of five through segmentation offload make
//! 20,000 system calls of that, about 1.3 us a packet here (2.6 us without).

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use crypto::srtp::Outbound;
use media::rtcp::{self, SenderInfo};
use quinn_udp::{Transmit, UdpSocketState};

use super::tape::{Burst, PacketTape};
use crate::{error::CallError, limits, stream::ports::PortPair, world};

/// One stream to send. Holds keys: no `Debug`.
pub(super) struct Stream {
    /// The packets.
    pub(super) tape: Arc<PacketTape>,
    /// Its own SSRC and key; without, the packets of the tape go out as they are.
    pub(super) personal: Option<Personal>,
    /// Its SSRC: its own, or the one on the tape.
    pub(super) ssrc: u32,
    /// RTP address of the recorder.
    pub(super) remote: SocketAddr,
    /// RTCP address of the recorder.
    pub(super) remote_rtcp: SocketAddr,
    /// Which port pair it leaves from.
    pub(super) pair: usize,
    /// 0 left, 1 right.
    pub(super) side: usize,
    /// Cleared when the call is over before its sound is.
    pub(super) is_alive: Arc<AtomicBool>,
}

/// What makes a stream differ from the tape.
pub(super) struct Personal {
    /// On an SRTP line.
    pub(super) outbound: Option<Outbound>,
}

/// What was sent in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// RTP packets handed to the kernel.
    pub(super) packets: u64,
    /// RTP packets that the kernel did not take.
    pub(super) errors: u64,
    /// The furthest the wheel was behind its schedule, in milliseconds: above the burst time the load was too high.
    pub(super) behind_ms: u64,
}

/// How a load sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Milliseconds of sound in a packet.
    pub(super) ptime_ms: u32,
    /// Packets of a stream at once.
    pub(super) burst: u32,
}

struct Socket {
    pair: PortPair,
    offload: UdpSocketState,
}

struct Active {
    stream: Stream,
    position: u32,
    report_at: u64,
}

/// The sender. Build it, then [`Sender::run`] it on a thread of its own.
pub(super) struct Sender {
    sockets: Vec<Socket>,
    wheel: Vec<Vec<Active>>,
    pace: Pace,
    shared_rtcp: [Option<Outbound>; 2],
    burst: Burst,
    totals: Totals,
}

/// Milliseconds between the sender reports of one stream.
const REPORT_INTERVAL_MS: u64 = 5000;
/// Room for the bursts of one millisecond.
const SEND_BUFFER: usize = 4 * 1024 * 1024;
/// Samples a millisecond.
const SAMPLES_PER_MS: u64 = 8;

impl Sender {
    /// Takes the sockets; `shared_rtcp` protects the sender reports of shared streams, per side.
    pub(super) fn new(pairs: Vec<PortPair>, pace: Pace, shared_rtcp: [Option<Outbound>; 2]) -> Result<Self, CallError> {
        let sockets = pairs.into_iter().map(Socket::new).collect::<Result<_, _>>()?;
        let period = (pace.ptime_ms * pace.burst).max(1) as usize;
        Ok(Self {
            sockets,
            wheel: std::iter::repeat_with(Vec::new).take(period).collect(),
            pace,
            shared_rtcp,
            burst: Burst::default(),
            totals: Totals::default(),
        })
    }

    /// Sends until nobody can add a stream any more and every stream has come to its end.
    pub(super) fn run(mut self, streams: &Receiver<Stream>) -> Totals {
        let start = world::now();
        let mut tick = 0u64;
        let mut is_fed = true;
        loop {
            let due = start + Duration::from_millis(tick);
            is_fed = self.wait(due, tick, streams) && is_fed;
            self.turn(tick);
            self.totals.behind_ms =
                self.totals.behind_ms.max(world::now().saturating_duration_since(due).as_millis() as u64);
            if !is_fed && self.wheel.iter().all(Vec::is_empty) {
                return self.totals;
            }
            tick += 1;
        }
    }

    /// Takes new streams until `due`; each begins in the slot at hand. False when nobody can add one any more.
    fn wait(&mut self, due: Instant, tick: u64, streams: &Receiver<Stream>) -> bool {
        let slot = (tick % self.wheel.len() as u64) as usize;
        loop {
            let left = due.saturating_duration_since(world::now());
            match streams.recv_timeout(left) {
                Ok(stream) => {
                    self.wheel[slot].push(Active { stream, position: 0, report_at: tick + REPORT_INTERVAL_MS / 10 });
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::park_timeout(due.saturating_duration_since(world::now()));
                    return false;
                }
            }
        }
    }

    fn turn(&mut self, tick: u64) {
        let slot = (tick % self.wheel.len() as u64) as usize;
        let mut actives = std::mem::take(&mut self.wheel[slot]);
        actives.retain_mut(|active| self.serve(active, tick));
        self.wheel[slot] = actives;
    }

    /// Sends the next burst of a stream; false when it is at its end.
    fn serve(&mut self, active: &mut Active, tick: u64) -> bool {
        let stream = &mut active.stream;
        if !stream.is_alive.load(Ordering::Relaxed) || active.position >= stream.tape.packets() {
            return false;
        }
        let shared = stream.tape.burst(active.position, self.pace.burst);
        let count = (shared.len() / stream.tape.packet_octets()) as u32;
        let socket = &self.sockets[stream.pair];
        let sent = match &mut stream.personal {
            None => socket.send(shared, stream.tape.packet_octets(), stream.remote),
            Some(Personal { outbound }) => {
                self.burst.octets.clear();
                let octets = stream.tape.personal(shared, stream.ssrc, outbound.as_mut(), &mut self.burst);
                socket.send(&self.burst.octets, octets, stream.remote)
            }
        };
        self.totals.packets += u64::from(sent);
        self.totals.errors += u64::from(count.saturating_sub(sent));
        active.position += count;
        if tick >= active.report_at {
            active.report_at = tick + REPORT_INTERVAL_MS;
            self.report(active);
        }
        true
    }

    fn report(&mut self, active: &mut Active) {
        let stream = &mut active.stream;
        let Some(first) = stream.tape.burst(0, 1).get(4..8) else { return };
        let timestamp = u32::from_be_bytes([first[0], first[1], first[2], first[3]]);
        let samples = u64::from(active.position) * u64::from(self.pace.ptime_ms) * SAMPLES_PER_MS;
        let info = SenderInfo {
            ntp: rtcp::ntp_of(world::since_1970().as_nanos() as u64),
            rtp_timestamp: timestamp.wrapping_add(samples as u32),
            packets: active.position,
            octets: samples as u32,
        };
        let mut report = rtcp::sender_report(stream.ssrc, "replicator@load", &info);
        let outbound = match &mut stream.personal {
            Some(personal) => personal.outbound.as_mut(),
            None => self.shared_rtcp[stream.side].as_mut(),
        };
        if outbound.is_none_or(|outbound| outbound.protect_rtcp(&mut report).is_ok()) {
            // RFC 5761: one address for both means one socket for both.
            let pair = &self.sockets[stream.pair].pair;
            let socket = if stream.remote_rtcp == stream.remote { &pair.rtp } else { &pair.rtcp };
            // A lost report is replaced by the next one; only sound is counted.
            drop(socket.send_to(&report, stream.remote_rtcp));
        }
    }
}

impl Socket {
    fn new(pair: PortPair) -> Result<Self, CallError> {
        let failed = |cause: std::io::Error| CallError::Media(format!("port {}: {cause}", pair.port));
        // The kernel caps it at wmem_max: more room where it may be had, no error where not.
        drop(socket2::SockRef::from(&pair.rtp).set_send_buffer_size(SEND_BUFFER));
        let offload = UdpSocketState::new((&pair.rtp).into()).map_err(failed)?;
        Ok(Self { pair, offload })
    }

    /// Sends packets of equal length; returns how many the kernel took.
    fn send(&self, packets: &[u8], packet_octets: usize, remote: SocketAddr) -> u32 {
        let mut sent = 0;
        let at_once = self.offload.max_gso_segments().max(1) * packet_octets;
        for contents in packets.chunks(at_once.max(1)) {
            let segment_size = (contents.len() > packet_octets).then_some(packet_octets);
            let transmit = Transmit { destination: remote, ecn: None, contents, segment_size, src_ip: None };
            if send_patiently(&self.offload, &self.pair.rtp, &transmit) {
                sent += (contents.len() / packet_octets.max(1)) as u32;
            }
        }
        sent
    }
}

fn send_patiently(offload: &UdpSocketState, socket: &UdpSocket, transmit: &Transmit<'_>) -> bool {
    let deadline = world::now() + limits::LOAD_SEND_PATIENCE;
    loop {
        match offload.try_send(socket.into(), transmit) {
            Ok(()) => return true,
            Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock && world::now() < deadline => {
                std::thread::yield_now();
            }
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::mpsc::sync_channel};

    use media::rtp::RtpView;

    use super::*;
    use crate::{
        stream::packets::{Beginning, Packetiser},
        tape::Tape,
    };

    fn stream(tape: &Arc<PacketTape>, ear: &PortPair, ssrc: u32, personal: Option<Personal>) -> Stream {
        Stream {
            tape: Arc::clone(tape),
            personal,
            ssrc,
            remote: ear.rtp.local_addr().unwrap(),
            remote_rtcp: ear.rtcp.local_addr().unwrap(),
            pair: 0,
            side: 0,
            is_alive: Arc::new(AtomicBool::new(true)),
        }
    }

    #[test]
    fn every_packet_of_every_stream_arrives_and_a_dead_stream_sends_nothing() {
        let localhost = Ipv4Addr::LOCALHOST.into();
        let ear = PortPair::open(localhost).unwrap();
        let sound = Tape::new(vec![1; 800]).unwrap();
        let beginning = Beginning { ssrc: 1, sequence: 0, timestamp: 0 };
        let packetiser = Packetiser::new(beginning, 0, 160);
        let tape = Arc::new(PacketTape::new(&sound, packetiser, 12, None).unwrap());
        let pace = Pace { ptime_ms: 20, burst: 5 };
        let sender = Sender::new(vec![PortPair::open(localhost).unwrap()], pace, [None, None]).unwrap();
        let (add, streams) = sync_channel(4);
        add.send(stream(&tape, &ear, 1, None)).unwrap();
        add.send(stream(&tape, &ear, 2, Some(Personal { outbound: None }))).unwrap();
        let dead = stream(&tape, &ear, 3, None);
        dead.is_alive.store(false, Ordering::Relaxed);
        add.send(dead).unwrap();
        drop(add);
        let totals = sender.run(&streams);
        assert_eq!((totals.packets, totals.errors), (24, 0));
        let mut buffer = [0; 2048];
        let mut heard = [0; 3];
        while let Ok((length, _)) = ear.rtp.recv_from(&mut buffer) {
            let view = RtpView::parse(&buffer[..length]).unwrap();
            assert_eq!(view.payload().len(), 160);
            heard[view.ssrc() as usize - 1] += 1;
        }
        assert_eq!(heard, [12, 12, 0]);
    }
}
