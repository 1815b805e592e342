//! From positions on the timeline to RTP packets: sequence numbers count packets, timestamps count samples of the timeline.

use media::{rtcp::SenderInfo, rtp::RtpHeader};

use super::schedule::EventStep;

/// Payload type of telephone-event in every offer of ours.
pub const EVENT_PAYLOAD_TYPE: u8 = 101;
/// Payload octets of a telephone-event.
const EVENT_OCTETS: u32 = 4;
/// Volume of our digits: -10 dBm0 (RFC 4733 2.3.4).
const EVENT_VOLUME: u8 = 10;

/// Where a stream begins; random for an honest sender (RFC 3550 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Sequence number of the first packet.
    pub sequence: u16,
    /// Timestamp of sample 0 of the timeline.
    pub timestamp: u32,
}

impl Beginning {
    /// Out of ten random octets.
    pub fn new(entropy: [u8; 10]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j] = entropy;
        Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([e, f]),
            timestamp: u32::from_be_bytes([g, h, i, j]),
        }
    }

    /// The same with an SSRC that is none of those `taken` (RFC 3550 8.1): chance may draw one twice.
    #[must_use]
    pub fn unlike(mut self, taken: &[u32]) -> Self {
        while taken.contains(&self.ssrc) {
            self.ssrc = self.ssrc.wrapping_add(1);
        }
        self
    }
}

/// Builds the packets of one stream.
#[derive(Debug, Clone)]
pub struct Packetiser {
    beginning: Beginning,
    payload_type: u8,
    samples_per_packet: u32,
    sequence: u16,
    is_talking: bool,
    packets: u64,
    octets: u64,
    /// Of these, what an earlier source of the line has sent.
    before: (u64, u64),
}

impl Packetiser {
    /// A stream of G.711 under this payload type.
    pub const fn new(beginning: Beginning, payload_type: u8, samples_per_packet: u32) -> Self {
        Self {
            beginning,
            payload_type,
            samples_per_packet,
            sequence: beginning.sequence,
            is_talking: false,
            packets: 0,
            octets: 0,
            before: (0, 0),
        }
    }

    /// Where it began.
    pub const fn beginning(&self) -> Beginning {
        self.beginning
    }

    /// Another source from the next packet on; its sender reports count from here (RFC 3550 6.4.1).
    pub const fn set_ssrc(&mut self, ssrc: u32) {
        self.beginning.ssrc = ssrc;
        self.before = (self.packets, self.octets);
    }

    /// Packets and payload octets so far.
    pub const fn sent(&self) -> (u64, u64) {
        (self.packets, self.octets)
    }

    /// Samples, and octets of G.711, in one packet.
    pub const fn samples_per_packet(&self) -> u32 {
        self.samples_per_packet
    }

    /// Appends the header of audio packet `index`; `samples_per_packet` octets of payload follow.
    pub fn audio(&mut self, index: u64, out: &mut Vec<u8>) {
        let marker = !std::mem::replace(&mut self.is_talking, true);
        let header = self.header(self.payload_type, marker, index);
        self.count(self.samples_per_packet);
        header.write(out);
    }

    /// Appends a whole telephone-event packet.
    pub fn event(&mut self, step: EventStep, out: &mut Vec<u8>) {
        let header = self.header(EVENT_PAYLOAD_TYPE, step.packets == 1, step.began);
        self.count(EVENT_OCTETS);
        header.write(out);
        let duration = (step.packets as u32 * self.samples_per_packet).min(u32::from(u16::MAX)) as u16;
        out.extend([step.event, u8::from(step.is_last) << 7 | EVENT_VOLUME]);
        out.extend(duration.to_be_bytes());
    }

    /// Nothing was sent at this place: the next audio packet starts a talkspurt.
    pub const fn silence(&mut self) {
        self.is_talking = false;
    }

    /// What a sender report says `samples` after the start of the timeline.
    pub fn info(&self, ntp: u64, samples: u64) -> SenderInfo {
        SenderInfo {
            ntp,
            rtp_timestamp: self.beginning.timestamp.wrapping_add(samples as u32),
            packets: (self.packets - self.before.0) as u32,
            octets: (self.octets - self.before.1) as u32,
        }
    }

    fn header(&self, payload_type: u8, marker: bool, index: u64) -> RtpHeader {
        let samples = (index as u32).wrapping_mul(self.samples_per_packet);
        RtpHeader {
            payload_type,
            marker,
            sequence: self.sequence,
            timestamp: self.beginning.timestamp.wrapping_add(samples),
            ssrc: self.beginning.ssrc,
        }
    }

    const fn count(&mut self, octets: u32) {
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += octets as u64;
    }
}

#[cfg(test)]
mod tests {
    use media::rtp::RtpView;

    use super::*;

    fn packetiser() -> Packetiser {
        Packetiser::new(Beginning { ssrc: 7, sequence: 65_535, timestamp: u32::MAX - 159 }, 0, 160)
    }

    fn audio(packetiser: &mut Packetiser, index: u64) -> (u16, u32, bool) {
        let mut packet = Vec::new();
        packetiser.audio(index, &mut packet);
        let view = RtpView::parse(&packet).unwrap();
        assert_eq!((view.ssrc(), view.payload_type()), (7, 0));
        (view.sequence(), view.timestamp(), view.marker())
    }

    #[test]
    fn numbers_wrap_and_only_the_first_packet_is_marked() {
        let mut stream = packetiser();
        assert_eq!(audio(&mut stream, 0), (65_535, u32::MAX - 159, true));
        assert_eq!(audio(&mut stream, 1), (0, 0, false));
        assert_eq!(stream.sent(), (2, 320));
    }

    #[test]
    fn after_a_pause_the_timestamp_jumps_and_the_sequence_does_not() {
        let mut stream = packetiser();
        audio(&mut stream, 0);
        stream.silence();
        assert_eq!(audio(&mut stream, 51), (0, 8000, true));
    }

    #[test]
    fn all_packets_of_a_digit_carry_the_timestamp_of_its_beginning() {
        let mut stream = packetiser();
        let mut packet = Vec::new();
        stream.event(EventStep { number: 0, event: 5, began: 1, packets: 3, is_last: true }, &mut packet);
        let view = RtpView::parse(&packet).unwrap();
        assert_eq!((view.payload_type(), view.timestamp(), view.marker()), (101, 0, false));
        assert_eq!(view.payload(), [5, 0x8a, 1, 0xe0]);
    }

    #[test]
    fn a_sender_report_shows_the_timeline() {
        let mut stream = packetiser();
        audio(&mut stream, 0);
        let info = stream.info(9, 1600);
        assert_eq!((info.rtp_timestamp, info.packets, info.octets), (1440, 1, 160));
        stream.set_ssrc(8);
        let info = stream.info(9, 1600);
        assert_eq!(
            (info.rtp_timestamp, info.packets, info.octets),
            (1440, 0, 0),
            "another source has sent nothing yet"
        );
        assert_eq!(stream.sent(), (1, 160), "the line has");
    }

    #[test]
    fn no_source_is_drawn_twice() {
        let drawn = Beginning { ssrc: u32::MAX, sequence: 7, timestamp: 9 };
        assert_eq!(drawn.unlike(&[1, 2]), drawn);
        assert_eq!(drawn.unlike(&[u32::MAX, 0]), Beginning { ssrc: 1, ..drawn });
    }
}
