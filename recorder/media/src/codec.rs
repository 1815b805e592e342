//! What a payload says: which codec a payload type stands for, and how many samples it holds.

pub mod g711;
pub mod g722;

use model::CodecKind;

pub use g711::Law;

/// What a payload type stands for: as negotiated, else the static assignment (RFC 3551 6), else unknown. G.711 and
/// G.722 whose RTP clock is not 8 kHz are not what their name says and count as unknown.
pub fn kind_of(payloads: &[(u8, CodecKind, u32)], payload_type: u8) -> CodecKind {
    let negotiated = payloads.iter().find(|(number, ..)| *number == payload_type);
    match (negotiated, payload_type) {
        (Some((_, CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722, clock)), _) if *clock != TICK_HZ => {
            CodecKind::Other
        }
        (Some((_, kind, _)), _) => *kind,
        (None, 0) => CodecKind::Pcmu,
        (None, 8) => CodecKind::Pcma,
        (None, 9) => CodecKind::G722,
        (None, 13) => CodecKind::ComfortNoise,
        (None, _) => CodecKind::Other,
    }
}

/// Length of a payload on the RTP clock of 8 kHz. Comfort noise has none of its own: it lasts until the next packet.
pub(crate) fn ticks(kind: CodecKind, payload: &[u8]) -> i64 {
    match kind {
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722 => payload.len() as i64,
        CodecKind::TelephoneEvent => event_ticks(payload),
        CodecKind::ComfortNoise | CodecKind::Other => 0,
    }
}

/// Duration field of a telephone event (RFC 4733 2.3).
fn event_ticks(payload: &[u8]) -> i64 {
    match payload {
        [_, _, high, low, ..] => i64::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    }
}

/// The clock every codec rendered here is timed by; G.722 too, by an old mistake that stands (RFC 3551 4.5.2).
pub(crate) const TICK_HZ: u32 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiated_types_win_over_static_ones_and_odd_clocks_are_unknown() {
        let payloads =
            [(0, CodecKind::Other, 8_000), (101, CodecKind::TelephoneEvent, 8_000), (8, CodecKind::Pcma, 16_000)];
        assert_eq!(kind_of(&payloads, 0), CodecKind::Other);
        assert_eq!(kind_of(&payloads, 8), CodecKind::Other);
        assert_eq!(kind_of(&payloads, 9), CodecKind::G722);
        assert_eq!(kind_of(&payloads, 96), CodecKind::Other);
        assert_eq!(ticks(kind_of(&payloads, 101), &[5, 0x8a, 3, 0x20]), 800);
        assert_eq!(ticks(CodecKind::TelephoneEvent, &[5]), 0);
    }
}
