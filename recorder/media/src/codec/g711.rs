//! ITU-T G.711: both companding laws between octets and 16-bit linear samples, bit for bit as in G.191.

/// A companding law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// Mu-law, payload type 0.
    Mu,
    /// A-law, payload type 8.
    A,
}

impl Law {
    /// The octet that sounds like nothing.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// The static RTP payload type (RFC 3551 6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    /// The linear sample of an octet.
    pub const fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Mu => MU[octet as usize],
            Self::A => A[octet as usize],
        }
    }

    /// The octet of a linear sample.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }
}

const fn encode_mu(sample: i16) -> u8 {
    let biased = (magnitude(sample) >> 2) + 33;
    let biased = if biased > 0x1fff { 0x1fff } else { biased };
    let segment = 16 - (biased >> 6).leading_zeros() + 1;
    let code = (8 - segment) << 4 | (0x0f - (biased as u32 >> segment & 0x0f));
    if sample < 0 { code as u8 } else { code as u8 | 0x80 }
}

const fn encode_a(sample: i16) -> u8 {
    let level = magnitude(sample) >> 4;
    let code = if level < 16 {
        level
    } else {
        let exponent = 16 - level.leading_zeros() - 4;
        (level >> (exponent - 1)) - 16 + ((exponent as u16) << 4)
    };
    let code = if sample < 0 { code as u8 } else { code as u8 | 0x80 };
    code ^ 0x55
}

/// One's complement, as the reference does: -1 is as small as 0.
const fn magnitude(sample: i16) -> u16 {
    if sample < 0 { !sample as u16 } else { sample as u16 }
}

const fn decode_mu(octet: u8) -> i16 {
    let code = !octet;
    let level = (((code & 0x0f) as i16) << 3) + 0x84;
    let level = (level << ((code & 0x70) >> 4)) - 0x84;
    if code & 0x80 == 0 { level } else { -level }
}

const fn decode_a(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let exponent = (code & 0x70) >> 4;
    let mantissa = (code & 0x0f) as i16;
    let level = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if code & 0x80 == 0 { -level } else { level }
}

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = match law {
            Law::Mu => decode_mu(octet as u8),
            Law::A => decode_a(octet as u8),
        };
        octet += 1;
    }
    table
}

static MU: [i16; 256] = table(Law::Mu);
static A: [i16; 256] = table(Law::A);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for octet in 0..=255 {
            assert_eq!(Law::A.encode(Law::A.decode(octet)), octet);
            // Mu-law has two zeros; the negative one cannot be told from a linear 0.
            let expected = if octet == 0x7f { 0xff } else { octet };
            assert_eq!(Law::Mu.encode(Law::Mu.decode(octet)), expected);
        }
    }

    #[test]
    fn known_values_of_the_recommendation() {
        assert_eq!([0x00, 0x80, 0x7f, 0xff].map(|octet| Law::Mu.decode(octet)), [-32_124, 32_124, 0, 0]);
        assert_eq!([0x2a, 0xaa, 0x55, 0xd5].map(|octet| Law::A.decode(octet)), [-32_256, 32_256, -8, 8]);
        assert_eq!([0, -1, 4, i16::MAX, i16::MIN].map(|sample| Law::Mu.encode(sample)), [0xff, 0x7f, 0xfe, 0x80, 0x00]);
        assert_eq!([0, -1, 16, i16::MAX, i16::MIN].map(|sample| Law::A.encode(sample)), [0xd5, 0x55, 0xd4, 0xaa, 0x2a]);
    }

    #[test]
    fn encoding_never_strays_further_than_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            for law in [Law::Mu, Law::A] {
                let error = (i32::from(law.decode(law.encode(sample))) - i32::from(sample)).abs();
                let step = (i32::from(sample).abs() / 16).max(16) + 8;
                let clipped = i32::from(sample).abs() > 32_000;
                assert!(error <= step / 2 + 8 || clipped && error <= 700, "{law:?} {sample}: {error}");
            }
        }
    }

    #[test]
    fn silence_is_silent() {
        assert_eq!((Law::Mu.encode(0), Law::A.encode(0)), (Law::Mu.silence(), Law::A.silence()));
    }
}
