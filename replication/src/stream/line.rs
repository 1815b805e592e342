//! The task that streams one line: sound at its time, sender reports now and then, and an ear for the receiver reports.

use std::{net::SocketAddr, time::Duration};

use crypto::{dtls::is_dtls, srtp::Inbound};
use media::rtcp::{self, Packet};
use tokio::{net::UdpSocket, sync::watch};

use super::{
    dtls::Handshake,
    packets::Packetiser,
    ports::PortPair,
    protect::Protector,
    said::{Instead, Said},
    schedule::{Digits, EventStep, Schedule},
};
use crate::{
    call::report::Span,
    error::CallError,
    limits,
    tape::{OCTETS_PER_MS, Tape},
    world,
};

/// What the line is to do at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Send what is due.
    Open,
    /// The span is not replicated: the timeline goes on, nothing is sent.
    Paused,
    /// The session is over.
    Closed,
}

/// Everything one line needs to stream, its sockets apart. Holds keys: no `Debug`.
pub struct Line {
    /// Builds the packets.
    pub packetiser: Packetiser,
    /// The sound.
    pub tape: Tape,
    /// Digits that take the place of sound.
    pub digits: Option<Digits>,
    /// Digits that are pressed while the call goes on.
    pub said: watch::Receiver<Said>,
    /// RTP address of the recorder.
    pub remote: SocketAddr,
    /// Its RTCP address.
    pub remote_rtcp: SocketAddr,
    /// Our key, on an SRTP line.
    pub protector: Option<Protector>,
    /// Our key for RTCP where it is another: DTLS-SRTP agrees on keys for each transport (RFC 5764 3).
    pub rtcp_protector: Option<Protector>,
    /// The handshakes of RTP and RTCP, on a DTLS-SRTP line: the recorder may repeat its last flight.
    pub handshakes: [Option<Handshake>; 2],
    /// The recorder's key, for what it reports.
    pub inbound: Option<Inbound>,
    /// Canonical name of our side (RFC 3550 6.5.1).
    pub cname: String,
}

/// What was sent and what the recorder said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// RTP packets.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// Packets that the socket refused.
    pub send_errors: u64,
    /// Receiver reports about us.
    pub receiver_reports: u32,
    /// Cumulative loss of the last one.
    pub lost: Option<i32>,
    /// Where on the timeline sound was sent.
    pub spans: Vec<Span>,
}

/// A line being streamed.
struct Streaming {
    line: Line,
    schedule: Schedule,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    packet: Vec<u8>,
    sent: Sent,
}

/// The first sender report, so that the recorder can align even a short call.
const FIRST_REPORT: Duration = Duration::from_millis(500);
/// The shortest time between later ones; up to as much again is added at random (RFC 3550 6.3.1 spreads them likewise).
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Streams these packets of the schedule, each late rather than never, or until the gate closes; says BYE on RTCP at the
/// end.
///
/// # Errors
/// [`CallError::Media`] when the sockets or the SRTP context cannot be used at all; single lost sends are counted.
pub async fn stream(
    line: Line,
    ports: PortPair,
    schedule: Schedule,
    packets: std::ops::Range<u64>,
    mut gate: watch::Receiver<Gate>,
) -> Result<Sent, CallError> {
    let mut streaming = Streaming::new(line, ports, schedule)?;
    let mut index = packets.start;
    let mut report_at = schedule.due(index) + FIRST_REPORT;
    let (mut heard, mut shaken) = ([0; limits::RTCP_OCTETS], [0; limits::RTCP_OCTETS]);
    while index < packets.end {
        tokio::select! {
            () = tokio::time::sleep_until(schedule.due(index).into()) => {
                let state = *gate.borrow_and_update();
                match state {
                    Gate::Open => streaming.send(index).await?,
                    Gate::Paused => streaming.line.packetiser.silence(),
                    Gate::Closed => break,
                }
                index += 1;
                if world::now() >= report_at {
                    streaming.report().await?;
                    report_at += REPORT_INTERVAL + jitter()?;
                }
            }
            changed = gate.changed() => if changed.is_err() || *gate.borrow() == Gate::Closed { break },
            received = streaming.rtcp.recv_from(&mut heard) => if let Ok((length, _)) = received {
                if is_dtls(&heard[..length]) && let Some(handshake) = &mut streaming.line.handshakes[1] {
                    handshake.answer(&streaming.rtcp, &heard[..length]).await;
                } else {
                    streaming.hear(&mut heard[..length]).await?;
                }
            },
            received = streaming.rtp.recv_from(&mut shaken), if streaming.line.handshakes[0].is_some() => {
                if let (Ok((length, _)), Some(handshake)) = (received, &mut streaming.line.handshakes[0]) {
                    handshake.answer(&streaming.rtp, &shaken[..length]).await;
                }
            }
        }
    }
    streaming.finish().await
}

impl Streaming {
    fn new(line: Line, ports: PortPair, schedule: Schedule) -> Result<Self, CallError> {
        let failed = |cause: std::io::Error| CallError::Media(cause.to_string());
        Ok(Self {
            line,
            schedule,
            rtp: UdpSocket::from_std(ports.rtp).map_err(failed)?,
            rtcp: UdpSocket::from_std(ports.rtcp).map_err(failed)?,
            packet: Vec::with_capacity(2048),
            sent: Sent::default(),
        })
    }

    async fn send(&mut self, index: u64) -> Result<(), CallError> {
        if let Some(step) = self.line.digits.as_ref().and_then(|digits| digits.step(index)) {
            return self.send_event(step).await;
        }
        let instead = self.line.said.borrow().instead(index);
        match instead {
            Some(Instead::Event(step)) => return self.send_event(step).await,
            Some(Instead::Sound(octets)) => {
                self.packet.clear();
                self.line.packetiser.audio(index, &mut self.packet);
                self.packet.extend_from_slice(&octets);
                return self.send_packet().await;
            }
            None => {}
        }
        let samples = self.line.packetiser.samples_per_packet();
        self.packet.clear();
        self.line.packetiser.audio(index, &mut self.packet);
        self.line.tape.copy(index * u64::from(samples), samples as usize, &mut self.packet);
        self.note_span(index, u64::from(samples) / OCTETS_PER_MS);
        self.send_packet().await
    }

    /// The last packet of a digit goes out three times (RFC 4733 2.5.1.4), each with its own sequence number.
    async fn send_event(&mut self, step: EventStep) -> Result<(), CallError> {
        for _ in 0..if step.is_last { 3 } else { 1 } {
            self.packet.clear();
            self.line.packetiser.event(step, &mut self.packet);
            self.send_packet().await?;
        }
        Ok(())
    }

    async fn send_packet(&mut self) -> Result<(), CallError> {
        let sent = match &mut self.line.protector {
            Some(protector) => self.rtp.send_to(&protector.rtp(&self.packet)?, self.line.remote).await,
            None => self.rtp.send_to(&self.packet, self.line.remote).await,
        };
        self.sent.send_errors += u64::from(sent.is_err());
        Ok(())
    }

    fn note_span(&mut self, index: u64, ptime_ms: u64) {
        let from_ms = index * ptime_ms;
        let to_ms = from_ms + ptime_ms;
        match self.sent.spans.last_mut() {
            Some(span) if span.to_ms == from_ms => span.to_ms = to_ms,
            _ => self.sent.spans.push(Span { from_ms, to_ms }),
        }
    }

    async fn report(&mut self) -> Result<(), CallError> {
        let elapsed = world::now().saturating_duration_since(self.schedule.due(0));
        let ntp = rtcp::ntp_of(world::since_1970().as_nanos() as u64);
        let info = self.line.packetiser.info(ntp, elapsed.as_micros() as u64 * OCTETS_PER_MS / 1000);
        let report = rtcp::sender_report(self.line.packetiser.beginning().ssrc, &self.line.cname, &info);
        self.send_rtcp(&report).await
    }

    async fn send_rtcp(&mut self, packet: &[u8]) -> Result<(), CallError> {
        let sent = match self.line.rtcp_protector.as_mut().or(self.line.protector.as_mut()) {
            Some(protector) => self.rtcp.send_to(&protector.rtcp(packet)?, self.line.remote_rtcp).await,
            None => self.rtcp.send_to(packet, self.line.remote_rtcp).await,
        };
        self.sent.send_errors += u64::from(sent.is_err());
        Ok(())
    }

    async fn hear(&mut self, datagram: &mut [u8]) -> Result<(), CallError> {
        let length = match &mut self.line.inbound {
            Some(inbound) => inbound.unprotect_rtcp(datagram).ok(),
            None => Some(datagram.len()),
        };
        let Some(Ok(compound)) = length.map(|length| rtcp::parse(&datagram[..length])) else { return Ok(()) };
        let ours = self.line.packetiser.beginning().ssrc;
        let mut collides = false;
        for packet in compound {
            let Packet::ReceiverReport { ssrc, block } = packet else { continue };
            collides |= ssrc == ours;
            if let Some(block) = block.filter(|block| block.ssrc == ours) {
                self.sent.receiver_reports += 1;
                self.sent.lost = Some(block.cumulative_lost);
            }
        }
        if collides { self.step_aside(ours).await } else { Ok(()) }
    }

    /// The recorder has our SSRC: BYE, and another one (RFC 3550 8.2). Sequence, timeline and key go on.
    async fn step_aside(&mut self, ours: u32) -> Result<(), CallError> {
        self.send_rtcp(&rtcp::bye(ours, &self.line.cname)).await?;
        let drawn = u32::from_be_bytes(world::entropy()?);
        self.line.packetiser.set_ssrc(if drawn == ours { !drawn } else { drawn });
        tracing::warn!("the recorder uses the SSRC of a line: it has another one now");
        Ok(())
    }

    async fn finish(mut self) -> Result<Sent, CallError> {
        let bye = rtcp::bye(self.line.packetiser.beginning().ssrc, &self.line.cname);
        self.send_rtcp(&bye).await?;
        (self.sent.packets, self.sent.octets) = self.line.packetiser.sent();
        Ok(self.sent)
    }
}

fn jitter() -> Result<Duration, CallError> {
    let random = u16::from_be_bytes(world::entropy()?);
    Ok(REPORT_INTERVAL.mul_f64(f64::from(random) / f64::from(u16::MAX)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use crypto::srtp::{Outbound, Suite};
    use media::{
        rtcp::{ReportBlock, receiver_report},
        rtp::RtpView,
    };

    use super::*;
    use crate::stream::packets::Beginning;

    const SSRC: u32 = 0xabcd;
    const PTIME: Duration = Duration::from_millis(20);

    fn pair() -> PortPair {
        PortPair::open(Ipv4Addr::LOCALHOST.into()).unwrap()
    }

    fn line(ear: &PortPair) -> Line {
        let beginning = Beginning { ssrc: SSRC, sequence: 65_533, timestamp: 5 };
        Line {
            packetiser: Packetiser::new(beginning, 0, 160),
            tape: Tape::new((0..=255).collect()).unwrap(),
            digits: None,
            said: watch::channel(Said::default()).1,
            remote: ear.rtp.local_addr().unwrap(),
            remote_rtcp: ear.rtcp.local_addr().unwrap(),
            protector: None,
            rtcp_protector: None,
            handshakes: [None, None],
            inbound: None,
            cname: "side@test".to_owned(),
        }
    }

    fn loss(cumulative_lost: i32, ssrc: u32) -> Vec<u8> {
        receiver_report(1, "ear", Some(ReportBlock { ssrc, cumulative_lost, ..ReportBlock::default() }))
    }

    fn datagrams(socket: &std::net::UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())).collect()
    }

    async fn run(line: Line, ours: PortPair, packets: u64, gate: &watch::Sender<Gate>) -> Sent {
        let schedule = Schedule::new(world::now() + PTIME, PTIME);
        stream(line, ours, schedule, 0..packets, gate.subscribe()).await.unwrap()
    }

    #[tokio::test]
    async fn a_line_sends_its_tape_hears_reports_and_says_bye() {
        let (ear, ours, gate) = (pair(), pair(), watch::Sender::new(Gate::Open));
        let our_rtcp = ours.rtcp.local_addr().unwrap();
        ear.rtcp.send_to(&loss(3, SSRC), our_rtcp).unwrap();
        ear.rtcp.send_to(&loss(9, SSRC + 1), our_rtcp).unwrap();
        ear.rtcp.send_to(&[0x80], our_rtcp).unwrap();
        let sent = run(line(&ear), ours, 5, &gate).await;
        assert_eq!((sent.packets, sent.octets, sent.send_errors), (5, 800, 0));
        assert_eq!((sent.receiver_reports, sent.lost), (1, Some(3)));
        assert_eq!(sent.spans, [Span { from_ms: 0, to_ms: 100 }]);
        let heard: Vec<u8> =
            datagrams(&ear.rtp).iter().flat_map(|packet| RtpView::parse(packet).unwrap().payload().to_vec()).collect();
        let mut expected = Vec::new();
        line(&ear).tape.copy(0, 800, &mut expected);
        assert_eq!(heard, expected);
        let reports = datagrams(&ear.rtcp);
        let last = rtcp::parse(reports.last().unwrap()).unwrap().last();
        assert_eq!(last, Some(Packet::Bye { ssrc: SSRC }));
        for report in &reports {
            assert!(report.windows(9).any(|window| window == b"side@test"), "one CNAME in every report");
        }
    }

    #[tokio::test]
    async fn a_line_whose_ssrc_the_recorder_has_says_bye_and_goes_on_as_another_source() {
        let (ear, ours, gate) = (pair(), pair(), watch::Sender::new(Gate::Open));
        // Somebody else's report first: nothing to step aside for.
        for ssrc in [SSRC + 1, SSRC] {
            ear.rtcp.send_to(&receiver_report(ssrc, "ear", None), ours.rtcp.local_addr().unwrap()).unwrap();
        }
        assert_eq!(run(line(&ear), ours, 5, &gate).await.packets, 5);
        let heard = datagrams(&ear.rtp);
        let views: Vec<_> = heard.iter().map(|packet| RtpView::parse(packet).unwrap()).collect();
        let other = views[4].ssrc();
        assert_ne!(other, SSRC);
        assert!(views.iter().all(|view| [SSRC, other].contains(&view.ssrc())), "one other, not one each packet");
        for two in views.windows(2) {
            assert_eq!(two[1].sequence(), two[0].sequence().wrapping_add(1));
            assert_eq!(two[1].timestamp(), two[0].timestamp().wrapping_add(160));
        }
        let byes = |report: &Vec<u8>| rtcp::parse(report).unwrap().last();
        let said: Vec<_> = datagrams(&ear.rtcp).iter().filter_map(byes).collect();
        assert_eq!(said, [Packet::Bye { ssrc: SSRC }, Packet::Bye { ssrc: other }]);
    }

    #[tokio::test]
    async fn what_is_paused_never_leaves() {
        let (ear, gate) = (pair(), watch::Sender::new(Gate::Paused));
        let sent = run(line(&ear), pair(), 3, &gate).await;
        assert_eq!((sent.packets, sent.spans.len()), (0, 0));
        assert!(datagrams(&ear.rtp).is_empty());
        gate.send_replace(Gate::Closed);
        assert_eq!(run(line(&ear), pair(), 1000, &gate).await.packets, 0);
    }

    #[tokio::test]
    async fn digits_take_the_place_of_sound() {
        let (ear, gate) = (pair(), watch::Sender::new(Gate::Open));
        let digits = Digits::new("5", 1, PTIME);
        let sent = run(Line { digits, ..line(&ear) }, pair(), 7, &gate).await;
        assert_eq!(sent.packets, 2 + 5 + 2);
        assert_eq!(sent.spans, [Span { from_ms: 0, to_ms: 20 }, Span { from_ms: 120, to_ms: 140 }]);
        let types: Vec<u8> = datagrams(&ear.rtp).iter().map(|p| RtpView::parse(p).unwrap().payload_type()).collect();
        assert_eq!(types, [0, 101, 101, 101, 101, 101, 101, 101, 0]);
    }

    #[tokio::test]
    async fn on_an_srtp_line_only_authentic_reports_count() {
        let (ear, ours, gate) = (pair(), pair(), watch::Sender::new(Gate::Open));
        let (suite, our_key, their_key) = (Suite::AesCm128Sha1_80, [1; 30], [2; 30]);
        let our_rtcp = ours.rtcp.local_addr().unwrap();
        ear.rtcp.send_to(&loss(9, SSRC), our_rtcp).unwrap();
        let mut report = loss(2, SSRC);
        Outbound::new(suite, &their_key).unwrap().protect_rtcp(&mut report).unwrap();
        ear.rtcp.send_to(&report, our_rtcp).unwrap();
        let secure = Line {
            protector: Some(Protector::new(suite, &our_key).unwrap()),
            inbound: Some(Inbound::new(suite, &their_key, 0).unwrap()),
            ..line(&ear)
        };
        let sent = run(secure, ours, 4, &gate).await;
        assert_eq!((sent.receiver_reports, sent.lost), (1, Some(2)));
        let mut inbound = Inbound::new(suite, &our_key, 0).unwrap();
        let packets = datagrams(&ear.rtp);
        assert_eq!(packets.len(), 4);
        for mut packet in packets {
            assert_eq!(inbound.unprotect_rtp(&mut packet).unwrap(), 172);
        }
    }
}
