//! What SRTP reads of a packet in clear: where the header ends, SSRC and sequence number.
//!
//! ```text
//! SRTP   | header, CSRCs, extension | payload (encrypted) | MKI | tag |                    tag 10 or 4
//! SRTP   | header, CSRCs, extension | payload (encrypted) + tag 16 | MKI |                 AEAD
//! SRTCP  | header, SSRC | rest (encrypted) | E + index | MKI | tag 10 |
//! SRTCP  | header, SSRC | rest (encrypted) + tag 16 | E + index | MKI |                    AEAD
//! ```

use super::SrtpError;

/// Octets of an RTCP header with its first SSRC; they stay in clear.
pub(super) const RTCP_CLEAR: usize = 8;

/// The E flag of the SRTCP index word: the packet is encrypted.
pub(super) const ENCRYPTED: u32 = 1 << 31;

/// What SRTP needs of an RTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RtpClear {
    /// Octets up to the payload.
    pub(super) len: usize,
    /// SSRC.
    pub(super) ssrc: u32,
    /// Sequence number.
    pub(super) sequence: u16,
}

/// Reads the clear part of an RTP packet (RFC 3550 5.1, 5.3.1).
pub(super) fn rtp(packet: &[u8]) -> Result<RtpClear, SrtpError> {
    let fixed: &[u8; 12] = packet.first_chunk().ok_or(SrtpError::Malformed)?;
    if fixed[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    let mut len = 12 + 4 * usize::from(fixed[0] & 0x0f);
    if fixed[0] & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4).ok_or(SrtpError::Malformed)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    if len > packet.len() {
        return Err(SrtpError::Malformed);
    }
    let ssrc = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    Ok(RtpClear { len, ssrc, sequence: u16::from_be_bytes([fixed[2], fixed[3]]) })
}

/// The SSRC of an RTCP packet (RFC 3550 6.4.1).
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let clear: &[u8; RTCP_CLEAR] = packet.first_chunk().ok_or(SrtpError::Malformed)?;
    if clear[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    Ok(u32::from_be_bytes([clear[4], clear[5], clear[6], clear[7]]))
}
