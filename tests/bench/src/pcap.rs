//! Counts the RTP packets in pcap files by SSRC and sequence number: what a peer has really written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::failure::{Failure, Outcome};

/// What is in a folder of captures.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) files: u64,
    /// RTP streams.
    pub(crate) streams: u64,
    /// Distinct sequence numbers.
    pub(crate) packets: u64,
    /// Octets of the longest RTP packet: an authentication tag would show.
    pub(crate) longest: u64,
    pub(crate) octets: u64,
}

/// Link types of libpcap.
const ETHERNET: u32 = 1;
const RAW_IP: u32 = 101;
/// Ethernet header.
const ETHERNET_OCTETS: usize = 14;
/// IPv4 header without options, UDP header.
const IP_UDP_OCTETS: usize = 28;

impl Written {
    /// Every `.pcap` of the folder.
    pub(crate) fn read(folder: &Path) -> Outcome<Self> {
        let mut all = Self::default();
        let entries = fs::read_dir(folder).map_err(|cause| Failure::file(folder, &cause))?;
        for path in
            entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "pcap"))
        {
            let octets = fs::read(&path).map_err(|cause| Failure::file(&path, &cause))?;
            all.octets += octets.len() as u64;
            all.add(&octets).ok_or_else(|| Failure::new(format!("{}: not a pcap file", path.display())))?;
        }
        Ok(all)
    }

    /// One file; a record that was cut off at its end does not count.
    fn add(&mut self, file: &[u8]) -> Option<()> {
        let word = |octets: &[u8], at: usize| Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?));
        let skip = match word(file, 20)? {
            ETHERNET => ETHERNET_OCTETS,
            RAW_IP => 0,
            _ => return None,
        };
        let mut streams: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
        let mut at = 24;
        while let Some(length) = word(file, at + 8) {
            let Some(packet) = file.get(at + 16..at + 16 + length as usize) else { break };
            at += 16 + length as usize;
            let Some(rtp) = packet.get(skip + IP_UDP_OCTETS..).filter(|rtp| is_rtp(rtp)) else { continue };
            let ssrc = u32::from_be_bytes([rtp[8], rtp[9], rtp[10], rtp[11]]);
            streams.entry(ssrc).or_default().insert(u16::from_be_bytes([rtp[2], rtp[3]]));
            self.longest = self.longest.max(rtp.len() as u64);
        }
        self.files += 1;
        self.streams += streams.len() as u64;
        self.packets += streams.values().map(|sequences| sequences.len() as u64).sum::<u64>();
        Some(())
    }
}

/// Version 2, and no RTCP (RFC 5761 4).
fn is_rtp(octets: &[u8]) -> bool {
    octets.len() >= 12 && octets[0] >> 6 == 2 && !(64..96).contains(&(octets[1] & 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(packets: &[&[u8]]) -> Vec<u8> {
        let mut file = vec![0; 20];
        file.extend(RAW_IP.to_le_bytes());
        for packet in packets {
            let length = (packet.len() + IP_UDP_OCTETS) as u32;
            file.extend([0; 8]);
            file.extend(length.to_le_bytes());
            file.extend(length.to_le_bytes());
            file.extend([0; IP_UDP_OCTETS]);
            file.extend(*packet);
        }
        file
    }

    fn rtp(sequence: u8, ssrc: u8) -> Vec<u8> {
        vec![0x80, 0, 0, sequence, 0, 0, 0, 0, 0, 0, 0, ssrc, 1, 2]
    }

    #[test]
    fn sequence_numbers_are_counted_once_and_rtcp_not_at_all() {
        let (a, b, c, mut rtcp) = (rtp(1, 1), rtp(2, 1), rtp(1, 2), rtp(0, 1));
        rtcp[1] = 200;
        let mut file = file(&[&a, &b, &a, &c, &rtcp]);
        file.truncate(file.len() - 1);
        let mut written = Written::default();
        written.add(&file).unwrap();
        assert_eq!((written.files, written.streams, written.packets, written.longest), (1, 2, 3, 14));
        assert!(Written::default().add(b"no pcap").is_none());
    }
}
