//! Packets made before the load begins: every call sends the same ones, so that sending costs next to nothing.

use crypto::srtp::Outbound;

use crate::{error::CallError, limits, stream::packets::Packetiser, tape::Tape};

/// All packets of one side of a call, one behind the other, each as long as the next: ready for segmentation offload.
#[derive(Clone)]
pub(super) struct PacketTape {
    octets: Vec<u8>,
    packet_octets: usize,
}

/// Where the SSRC stands in an RTP header.
const SSRC: std::ops::Range<usize> = 8..12;

impl PacketTape {
    /// Makes `packets` packets from the beginning of `tape`; encrypted once and for all when there is an `outbound`.
    pub(super) fn new(
        tape: &Tape,
        mut packetiser: Packetiser,
        packets: u32,
        mut outbound: Option<Outbound>,
    ) -> Result<Self, CallError> {
        let samples = packetiser.samples_per_packet() as usize;
        let mut made = Self { octets: Vec::new(), packet_octets: 0 };
        let mut packet = Vec::new();
        for index in 0..u64::from(packets) {
            packet.clear();
            packetiser.audio(index, &mut packet);
            tape.copy(index * samples as u64, samples, &mut packet);
            if let Some(outbound) = &mut outbound {
                outbound.protect_rtp(&mut packet).map_err(|cause| CallError::Media(format!("SRTP: {cause}")))?;
            }
            made.packet_octets = packet.len();
            made.octets.extend_from_slice(&packet);
            if made.octets.len() > limits::LOAD_TAPE_OCTETS {
                return Err(CallError::Usage("duration: a load is limited to 64 MiB of packets a side".to_owned()));
            }
        }
        Ok(made)
    }

    /// How many packets there are.
    pub(super) fn packets(&self) -> u32 {
        self.octets.len().checked_div(self.packet_octets).unwrap_or(0) as u32
    }

    /// Octets of each packet.
    pub(super) const fn packet_octets(&self) -> usize {
        self.packet_octets
    }

    /// At most `count` packets from packet `from` on.
    pub(super) fn burst(&self, from: u32, count: u32) -> &[u8] {
        let from = (from as usize * self.packet_octets).min(self.octets.len());
        let to = (from + count as usize * self.packet_octets).min(self.octets.len());
        &self.octets[from..to]
    }

    /// Appends such a burst under another SSRC, encrypted when there is an `outbound`; returns the octets of a packet.
    pub(super) fn personal(&self, burst: &[u8], ssrc: u32, outbound: Option<&mut Outbound>, out: &mut Burst) -> usize {
        let Some(outbound) = outbound else {
            for packet in burst.chunks_exact(self.packet_octets.max(1)) {
                let start = out.octets.len();
                out.octets.extend_from_slice(packet);
                out.octets[start..][SSRC].copy_from_slice(&ssrc.to_be_bytes());
            }
            return self.packet_octets;
        };
        for packet in burst.chunks_exact(self.packet_octets.max(1)) {
            out.packet.clear();
            out.packet.extend_from_slice(packet);
            out.packet[SSRC].copy_from_slice(&ssrc.to_be_bytes());
            if outbound.protect_rtp(&mut out.packet).is_ok() {
                out.octets.extend_from_slice(&out.packet);
            }
        }
        out.packet.len()
    }
}

/// Buffers of the sender that live as long as it does.
#[derive(Default)]
pub(super) struct Burst {
    /// Packets, one behind the other.
    pub(super) octets: Vec<u8>,
    packet: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use crypto::srtp::{Inbound, Suite};
    use media::rtp::RtpView;

    use super::*;
    use crate::stream::packets::Beginning;

    fn packetiser() -> Packetiser {
        Packetiser::new(Beginning { ssrc: 1, sequence: 65_534, timestamp: 0 }, 0, 160)
    }

    fn sound() -> Tape {
        Tape::new((0..=255).collect()).unwrap()
    }

    #[test]
    fn bursts_are_whole_packets_in_order() {
        let tape = PacketTape::new(&sound(), packetiser(), 7, None).unwrap();
        assert_eq!((tape.packets(), tape.packet_octets()), (7, 172));
        let burst = tape.burst(5, 5);
        let sequences: Vec<u16> = burst.chunks(172).map(|packet| RtpView::parse(packet).unwrap().sequence()).collect();
        assert_eq!(sequences, [3, 4]);
        assert!(tape.burst(7, 5).is_empty());
    }

    #[test]
    fn a_shared_key_tape_decrypts_from_its_beginning() {
        let (suite, key) = (Suite::AesCm128Sha1_80, [9; 30]);
        let tape = PacketTape::new(&sound(), packetiser(), 4, Outbound::new(suite, &key).ok()).unwrap();
        let mut inbound = Inbound::new(suite, &key, 0).unwrap();
        for packet in tape.burst(0, 4).chunks(tape.packet_octets()) {
            assert_eq!(inbound.unprotect_rtp(&mut packet.to_vec()).unwrap(), 172);
        }
    }

    #[test]
    fn each_call_has_its_own_ssrc_and_key() {
        let (suite, key) = (Suite::AeadAes256Gcm, [3; 44]);
        let tape = PacketTape::new(&sound(), packetiser(), 3, None).unwrap();
        let mut out = Burst::default();
        let mut outbound = Outbound::new(suite, &key).unwrap();
        let octets = tape.personal(tape.burst(0, 3), 0xfeed, Some(&mut outbound), &mut out);
        assert_eq!((octets, out.octets.len()), (188, 3 * 188));
        let mut inbound = Inbound::new(suite, &key, 0).unwrap();
        for packet in out.octets.chunks_mut(octets) {
            let length = inbound.unprotect_rtp(packet).unwrap();
            assert_eq!(RtpView::parse(&packet[..length]).unwrap().ssrc(), 0xfeed);
        }
    }
}
