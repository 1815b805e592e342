//! The sound of a load without its signaling: for measuring something else than the recorder with the same packets.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::AtomicBool, mpsc},
    time::Duration,
};

use crypto::srtp::{Outbound, Suite};

use super::{
    LoadReport,
    run::open_pairs,
    sender::{Pace, Sender, Stream},
    tape::PacketTape,
};
use crate::{
    call::spec::{Audio, Law},
    error::CallError,
    limits,
    stream::{
        packets::{Beginning, Packetiser},
        ports::PortPair,
        schedule::Schedule,
    },
    tape::{OCTETS_PER_MS, Tape},
    world,
};

/// What is fed: PCMU test speech, one SSRC and key a side for all calls.
#[derive(Clone)]
pub struct FeedSpec {
    /// How long.
    pub duration: Duration,
    /// Milliseconds a packet.
    pub ptime_ms: u32,
    /// Packets of a stream sent at once.
    pub burst: u32,
    /// SRTP, with the key and salt of each side.
    pub srtp: Option<(Suite, [Vec<u8>; 2])>,
}

/// RTP and RTCP address of one stream.
pub type Destination = (SocketAddr, SocketAddr);

/// Open sockets, ready to feed.
pub struct Feed {
    pairs: Vec<PortPair>,
    spec: FeedSpec,
}

impl Feed {
    /// Takes free ports on `address`.
    ///
    /// # Errors
    /// [`CallError::Media`].
    pub fn open(address: IpAddr, spec: FeedSpec) -> Result<Self, CallError> {
        Ok(Self { pairs: open_pairs(address)?, spec })
    }

    /// The port from which side 0 or 1 of a call leaves.
    pub fn port(&self, call: usize, side: usize) -> u16 {
        self.pairs[self.pair(call, side)].port
    }

    fn pair(&self, call: usize, side: usize) -> usize {
        (2 * call + side) % self.pairs.len()
    }

    /// Sends both sides of every call, from the first packet to the last; blocks until then.
    ///
    /// # Errors
    /// [`CallError::Media`] when a socket cannot be used; what the kernel did not take is counted.
    pub fn run(self, calls: &[[Destination; 2]]) -> Result<LoadReport, CallError> {
        let secure = |side: usize| {
            let made = self.spec.srtp.as_ref().map(|(suite, keys)| Outbound::new(*suite, &keys[side])).transpose();
            made.map_err(|cause| CallError::Media(cause.to_string()))
        };
        let tapes = [self.tape(0, secure(0)?)?, self.tape(1, secure(1)?)?];
        let pace = Pace { ptime_ms: self.spec.ptime_ms, burst: self.spec.burst };
        let rtcp = [secure(0)?, secure(1)?];
        let mut streams = Vec::new();
        for (call, sides) in calls.iter().enumerate() {
            for (side, (remote, remote_rtcp)) in sides.iter().enumerate() {
                let (ssrc, tape) = &tapes[side];
                streams.push(Stream {
                    tape: Arc::clone(tape),
                    personal: None,
                    ssrc: *ssrc,
                    remote: *remote,
                    remote_rtcp: *remote_rtcp,
                    pair: self.pair(call, side),
                    side,
                    is_alive: Arc::new(AtomicBool::new(true)),
                });
            }
        }
        let turn = Duration::from_millis(u64::from(pace.ptime_ms * pace.burst));
        let sender = Sender::new(self.pairs, pace, rtcp)?;
        let (add, inbox) = mpsc::sync_channel(limits::LOAD_SENDER_QUEUE);
        let running = std::thread::Builder::new().name("sender".to_owned()).spawn(move || sender.run(&inbox));
        let running = running.map_err(|cause| CallError::Media(format!("sender thread: {cause}")))?;
        // Spread over one turn of the wheel, so that the packets of a millisecond are always the same number.
        let pause = turn.div_f64(streams.len().max(1) as f64);
        let start = world::now();
        for (number, stream) in streams.into_iter().enumerate() {
            std::thread::park_timeout((start + pause * number as u32).saturating_duration_since(world::now()));
            add.send(stream).map_err(|cause| CallError::Media(format!("sender thread: {cause}")))?;
        }
        drop(add);
        let totals = running.join().map_err(|_| CallError::Media("the sender thread panicked".to_owned()))?;
        let mut report = LoadReport { ok: calls.len() as u32, ..LoadReport::default() };
        super::run::add(&mut report, totals);
        Ok(report)
    }

    fn tape(&self, side: usize, outbound: Option<Outbound>) -> Result<(u32, Arc<PacketTape>), CallError> {
        let FeedSpec { duration, ptime_ms, .. } = self.spec;
        let beginning = Beginning::new(world::entropy()?);
        let seconds = (duration.as_secs() + 1).min(u64::from(limits::SPEECH_SECONDS)) as u32;
        let sound = Tape::load(&Audio::Speech { seed: side as u64 + 1 }, Law::Pcmu, side, seconds)?;
        let samples = ptime_ms * OCTETS_PER_MS as u32;
        let packets = Schedule::new(world::now(), Duration::from_millis(ptime_ms.into())).packets(duration) as u32;
        let packetiser = Packetiser::new(beginning, Law::Pcmu.payload_type(), samples);
        Ok((beginning.ssrc, Arc::new(PacketTape::new(&sound, packetiser, packets, outbound)?)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use media::rtp::RtpView;

    use super::*;

    #[test]
    fn both_sides_of_every_call_arrive_whole() {
        let localhost = Ipv4Addr::LOCALHOST.into();
        let ears: Vec<PortPair> = (0..4).map(|_| PortPair::open(localhost).unwrap()).collect();
        let place = |ear: &PortPair| (ear.rtp.local_addr().unwrap(), ear.rtcp.local_addr().unwrap());
        let calls = [[place(&ears[0]), place(&ears[1])], [place(&ears[2]), place(&ears[3])]];
        let spec = FeedSpec { duration: Duration::from_millis(240), ptime_ms: 20, burst: 5, srtp: None };
        let feed = Feed::open(localhost, spec).unwrap();
        let from = feed.port(1, 1);
        let report = feed.run(&calls).unwrap();
        assert_eq!((report.packets, report.send_errors), (4 * 12, 0));
        let mut buffer = [0; 2048];
        for ear in &ears {
            let mut heard = Vec::new();
            while let Ok((length, source)) = ear.rtp.recv_from(&mut buffer) {
                let view = RtpView::parse(&buffer[..length]).unwrap();
                heard.push((view.ssrc(), view.sequence(), source.port()));
            }
            assert_eq!(heard.len(), 12);
            assert!(heard.windows(2).all(|two| two[0].0 == two[1].0 && two[0].1.wrapping_add(1) == two[1].1));
            assert!(!std::ptr::eq(ear, &ears[3]) || heard[0].2 == from);
        }
    }
}
