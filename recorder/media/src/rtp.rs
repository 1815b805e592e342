//! The RTP header (RFC 3550 5.1): a borrowed view whose existence means the packet is well formed, and a writer.
//!
//! ```text
//!  0                   1                   2                   3
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |                    CSRC (CC words), extension                 |
//! ```

use std::fmt;

/// Why octets are no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtpError {
    /// Fewer octets than the fixed header, the CSRC list or the extension asks for.
    Short,
    /// The version is not 2.
    Version,
    /// The padding count is 0 or reaches into the header.
    Padding,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "RTP packet is shorter than its header",
            Self::Version => "RTP version is not 2",
            Self::Padding => "RTP padding count is impossible",
        })
    }
}

impl std::error::Error for RtpError {}

/// A well-formed RTP packet, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct RtpView<'a> {
    octets: &'a [u8],
    header_len: usize,
    payload_end: usize,
}

impl<'a> RtpView<'a> {
    /// Checks version, CSRC count, extension and padding.
    ///
    /// # Errors
    /// [`RtpError`] names the rule that is broken.
    pub fn parse(octets: &'a [u8]) -> Result<Self, RtpError> {
        if octets.len() < FIXED_HEADER {
            return Err(RtpError::Short);
        }
        if octets[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let header_len = header_len(octets)?;
        let payload_end = match octets[0] & 0x20 {
            0 => octets.len(),
            _ => padded_end(octets, header_len)?,
        };
        Ok(Self { octets, header_len, payload_end })
    }

    /// Payload type, 0 to 127.
    pub fn payload_type(&self) -> u8 {
        self.octets[1] & 0x7f
    }

    /// The marker bit.
    pub fn marker(&self) -> bool {
        self.octets[1] & 0x80 != 0
    }

    /// Sequence number.
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.octets[2], self.octets[3]])
    }

    /// Timestamp, in ticks of the payload's clock.
    pub fn timestamp(&self) -> u32 {
        be32(self.octets, 4)
    }

    /// Synchronisation source.
    pub fn ssrc(&self) -> u32 {
        be32(self.octets, 8)
    }

    /// The contributing sources that a mixer names, at most fifteen.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        let count = usize::from(self.octets[0] & 0x0f);
        self.octets[FIXED_HEADER..FIXED_HEADER + 4 * count].chunks_exact(4).map(|word| be32(word, 0))
    }

    /// The payload, padding stripped.
    pub fn payload(&self) -> &'a [u8] {
        &self.octets[self.header_len..self.payload_end]
    }

    /// Octets before the payload: fixed header, CSRC list, extension.
    pub fn header_len(&self) -> usize {
        self.header_len
    }
}

/// A header to send: no CSRC, no extension, no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtpHeader {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Set on the first packet of a talkspurt.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Appends the twelve octets of the header; the payload follows.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0x80, u8::from(self.marker) << 7 | self.payload_type & 0x7f]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
    }
}

fn header_len(octets: &[u8]) -> Result<usize, RtpError> {
    let mut len = FIXED_HEADER + 4 * usize::from(octets[0] & 0x0f);
    if octets[0] & 0x10 != 0 {
        let words = octets.get(len + 2..len + 4).ok_or(RtpError::Short)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if len <= octets.len() { Ok(len) } else { Err(RtpError::Short) }
}

fn padded_end(octets: &[u8], header_len: usize) -> Result<usize, RtpError> {
    let padding = usize::from(octets[octets.len() - 1]);
    if padding == 0 || padding > octets.len() - header_len {
        return Err(RtpError::Padding);
    }
    Ok(octets.len() - padding)
}

fn be32(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

const FIXED_HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        RtpHeader { payload_type: 8, marker: true, sequence: 65_535, timestamp: 0xdead_beef, ssrc: 7 }
            .write(&mut octets);
        octets.extend_from_slice(payload);
        octets
    }

    #[test]
    fn a_written_header_reads_back() {
        let octets = packet(b"sound");
        let view = RtpView::parse(&octets).unwrap();
        assert_eq!((view.payload_type(), view.marker(), view.sequence()), (8, true, 65_535));
        assert_eq!((view.timestamp(), view.ssrc()), (0xdead_beef, 7));
        assert_eq!((view.payload(), view.header_len()), (&b"sound"[..], 12));
    }

    #[test]
    fn csrc_extension_and_padding_are_stripped() {
        let mut octets = packet(&[]);
        octets[0] = 0x80 | 0x20 | 0x10 | 2;
        octets.extend_from_slice(&[1, 1, 1, 1, 0, 0, 0, 2]);
        octets.extend_from_slice(&[0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        octets.extend_from_slice(b"abc\0\0\x03");
        let view = RtpView::parse(&octets).unwrap();
        assert_eq!((view.payload(), view.header_len()), (&b"abc"[..], 28));
        assert_eq!(view.csrcs().collect::<Vec<_>>(), [0x0101_0101, 2]);
        assert_eq!(RtpView::parse(&packet(b"x")).unwrap().csrcs().count(), 0);
    }

    #[test]
    fn broken_packets_name_the_rule() {
        assert_eq!(RtpView::parse(&[0x80; 11]).unwrap_err(), RtpError::Short);
        let mut octets = packet(b"x");
        octets[0] = 0x40;
        assert_eq!(RtpView::parse(&octets).unwrap_err(), RtpError::Version);
        octets[0] = 0x81;
        assert_eq!(RtpView::parse(&octets).unwrap_err(), RtpError::Short);
        octets[0] = 0x90;
        assert_eq!(RtpView::parse(&octets).unwrap_err(), RtpError::Short);
        for padding in [0, 2] {
            let mut octets = packet(&[padding]);
            octets[0] = 0xa0;
            assert_eq!(RtpView::parse(&octets).unwrap_err(), RtpError::Padding);
        }
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(view) = RtpView::parse(&octets) {
                prop_assert!(view.header_len() + view.payload().len() <= octets.len());
                prop_assert!(view.csrcs().count() <= 15);
            }
        }
    }
}
