//! RTCP (RFC 3550 6): reading compound packets, writing receiver reports, sender reports and BYE.
//!
//! [`parse`] walks the whole datagram first, so that iterating over a [`Compound`] cannot fail.

use std::fmt;

/// Why octets are no RTCP compound packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpError {
    /// A packet reaches past the datagram, or there is none.
    Short,
    /// A version that is not 2.
    Version,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "RTCP packet is shorter than it says",
            Self::Version => "RTCP version is not 2",
        })
    }
}

impl std::error::Error for RtcpError {}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// What a source sent, and which wall-clock time its RTP clock shows (RFC 3550 6.4.1).
    SenderReport {
        /// The source.
        ssrc: u32,
        /// NTP time: seconds since 1900 and their fraction, 32.32.
        ntp: u64,
        /// The same instant on the RTP clock.
        rtp_timestamp: u32,
        /// RTP packets sent so far.
        packets: u32,
        /// Payload octets sent so far.
        octets: u32,
    },
    /// How a receiver hears us.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// Its first report block, if it has one.
        block: Option<ReportBlock>,
    },
    /// A source leaves.
    Bye {
        /// The source, 0 when the packet names none.
        ssrc: u32,
    },
    /// Anything else: SDES, APP, feedback.
    Other {
        /// RTCP packet type.
        packet_type: u8,
    },
}

/// How one source is heard (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost so far; negative when duplicates outnumber losses. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Highest sequence number with its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in RTP ticks.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 for none.
    pub last_sr: u32,
    /// Time since then, in 1/65536 s.
    pub delay_since_sr: u32,
}

/// What a sender report says of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// NTP time, 32.32.
    pub ntp: u64,
    /// The same instant on the RTP clock.
    pub rtp_timestamp: u32,
    /// RTP packets sent so far.
    pub packets: u32,
    /// Payload octets sent so far.
    pub octets: u32,
}

/// A datagram whose every packet has a sound header and length.
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl Iterator for Compound<'_> {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        let (packet, rest) = self.rest.split_at_checked(packet_len(self.rest)?)?;
        self.rest = rest;
        Some(read(packet))
    }
}

/// Checks every packet's version and length (RFC 3550 A.2; reduced-size packets of RFC 5506 are accepted).
///
/// # Errors
/// [`RtcpError`] names the rule that is broken.
pub fn parse(octets: &[u8]) -> Result<Compound<'_>, RtcpError> {
    if octets.is_empty() {
        return Err(RtcpError::Short);
    }
    let mut rest = octets;
    while !rest.is_empty() {
        if rest[0] >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let len = packet_len(rest).ok_or(RtcpError::Short)?;
        rest = rest.get(len..).ok_or(RtcpError::Short)?;
    }
    Ok(Compound { rest: octets })
}

/// Whether a datagram on a multiplexed port is RTCP: packet types 192 to 223 (RFC 5761 4).
pub fn is_rtcp(octets: &[u8]) -> bool {
    octets.len() >= 8 && octets[0] >> 6 == 2 && (192..=223).contains(&octets[1])
}

/// A receiver report with our CNAME.
pub fn receiver_report(ssrc: u32, cname: &str, block: Option<ReportBlock>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    header(&mut out, u8::from(block.is_some()), RECEIVER_REPORT, if block.is_some() { 7 } else { 1 });
    put32(&mut out, ssrc);
    if let Some(block) = block {
        write_block(&mut out, &block);
    }
    write_cname(&mut out, ssrc, cname);
    out
}

/// A sender report with our CNAME.
pub fn sender_report(ssrc: u32, cname: &str, info: &SenderInfo) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    header(&mut out, 0, SENDER_REPORT, 6);
    put32(&mut out, ssrc);
    out.extend_from_slice(&info.ntp.to_be_bytes());
    put32(&mut out, info.rtp_timestamp);
    put32(&mut out, info.packets);
    put32(&mut out, info.octets);
    write_cname(&mut out, ssrc, cname);
    out
}

/// A leave-taking: an empty receiver report, our CNAME and BYE (RFC 3550 6.1 asks for the first two).
pub fn bye(ssrc: u32, cname: &str) -> Vec<u8> {
    let mut out = receiver_report(ssrc, cname, None);
    header(&mut out, 1, BYE, 1);
    put32(&mut out, ssrc);
    out
}

/// NTP time, 32.32, of an instant in nanoseconds since 1970.
pub fn ntp_of(unix_nanos: u64) -> u64 {
    let (seconds, nanos) = (unix_nanos / 1_000_000_000, unix_nanos % 1_000_000_000);
    ((seconds + NTP_TO_UNIX) << 32) | ((nanos << 32) / 1_000_000_000)
}

/// The middle 32 bits of an NTP time: what a report block calls LSR.
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

fn packet_len(octets: &[u8]) -> Option<usize> {
    let header = octets.get(..4)?;
    Some(4 + 4 * usize::from(u16::from_be_bytes([header[2], header[3]])))
}

fn read(packet: &[u8]) -> Packet {
    let known = match packet[1] {
        SENDER_REPORT => read_sender_report(packet),
        RECEIVER_REPORT => get32(packet, 4).map(|ssrc| {
            let block = if packet[0] & 0x1f > 0 { read_block(packet) } else { None };
            Packet::ReceiverReport { ssrc, block }
        }),
        BYE => Some(Packet::Bye { ssrc: get32(packet, 4).unwrap_or(0) }),
        _ => None,
    };
    known.unwrap_or(Packet::Other { packet_type: packet[1] })
}

fn read_sender_report(packet: &[u8]) -> Option<Packet> {
    let ntp = u64::from(get32(packet, 8)?) << 32 | u64::from(get32(packet, 12)?);
    Some(Packet::SenderReport {
        ssrc: get32(packet, 4)?,
        ntp,
        rtp_timestamp: get32(packet, 16)?,
        packets: get32(packet, 20)?,
        octets: get32(packet, 24)?,
    })
}

fn read_block(packet: &[u8]) -> Option<ReportBlock> {
    let lost = get32(packet, 12)?;
    Some(ReportBlock {
        ssrc: get32(packet, 8)?,
        fraction_lost: (lost >> 24) as u8,
        cumulative_lost: (lost << 8) as i32 >> 8,
        highest_sequence: get32(packet, 16)?,
        jitter: get32(packet, 20)?,
        last_sr: get32(packet, 24)?,
        delay_since_sr: get32(packet, 28)?,
    })
}

fn write_block(out: &mut Vec<u8>, block: &ReportBlock) {
    put32(out, block.ssrc);
    let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
    put32(out, u32::from(block.fraction_lost) << 24 | lost);
    put32(out, block.highest_sequence);
    put32(out, block.jitter);
    put32(out, block.last_sr);
    put32(out, block.delay_since_sr);
}

/// One SDES chunk with one CNAME item, ended by 1 to 4 zero octets (RFC 3550 6.5).
fn write_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    let words = 1 + (2 + cname.len()) / 4 + 1;
    header(out, 1, SOURCE_DESCRIPTION, words as u16);
    let end = out.len() + 4 * words;
    put32(out, ssrc);
    out.extend_from_slice(&[CNAME, cname.len() as u8]);
    out.extend_from_slice(cname);
    out.resize(end, 0);
}

fn header(out: &mut Vec<u8>, count: u8, packet_type: u8, words: u16) {
    out.extend_from_slice(&[0x80 | count, packet_type]);
    out.extend_from_slice(&words.to_be_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn get32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
/// Seconds from 1900 to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_receiver_report_reads_back_with_its_negative_loss() {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 12,
            cumulative_lost: -3,
            highest_sequence: 70_000,
            jitter: 5,
            last_sr: 6,
            delay_since_sr: 7,
        };
        let octets = receiver_report(1, "recorder", Some(block));
        let packets: Vec<_> = parse(&octets).unwrap().collect();
        assert_eq!(
            packets,
            [Packet::ReceiverReport { ssrc: 1, block: Some(block) }, Packet::Other { packet_type: 202 }]
        );
        assert!(is_rtcp(&octets) && octets.len().is_multiple_of(4));
    }

    #[test]
    fn a_sender_report_and_bye_read_back_for_every_name_length() {
        for length in 0..9 {
            let cname = "x".repeat(length);
            let info = SenderInfo { ntp: ntp_of(1_500_000_000), rtp_timestamp: 160, packets: 2, octets: 320 };
            let octets = sender_report(5, &cname, &info);
            let first = parse(&octets).unwrap().next();
            let expected = Packet::SenderReport { ssrc: 5, ntp: info.ntp, rtp_timestamp: 160, packets: 2, octets: 320 };
            assert_eq!(first, Some(expected));
            assert_eq!(parse(&bye(5, &cname)).unwrap().last(), Some(Packet::Bye { ssrc: 5 }));
        }
    }

    #[test]
    fn ntp_time_counts_from_1900_in_fractions() {
        assert_eq!(ntp_of(500_000_000), 2_208_988_800 << 32 | 1 << 31);
        assert_eq!(ntp_middle(0x1234_5678_9abc_def0), 0x5678_9abc);
    }

    #[test]
    fn rtp_is_not_rtcp_and_broken_compounds_are_refused() {
        assert!(!is_rtcp(&[0x80, 0, 0, 1, 0, 0, 0, 0]));
        assert!(!is_rtcp(&[0x80, 0x80 | 8, 0, 1, 0, 0, 0, 0]));
        assert_eq!(parse(&[]).unwrap_err(), RtcpError::Short);
        assert_eq!(parse(&[0x80, 201, 0, 9, 0, 0, 0, 0]).unwrap_err(), RtcpError::Short);
        assert_eq!(parse(&[0x40, 201, 0, 1, 0, 0, 0, 0]).unwrap_err(), RtcpError::Version);
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..96)) {
            if let Ok(compound) = parse(&octets) {
                prop_assert!(compound.count() <= octets.len() / 4);
            }
        }
    }
}
