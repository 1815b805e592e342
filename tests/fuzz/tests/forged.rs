//! Strangers on a protected line: a million packets with invented SSRCs cost no memory, and forged reports change nothing.

use crypto::srtp::{Inbound, Outbound, SrtpError, Suite};
use fuzz_targets::mutate::Dice;
use media::{rtcp, rtp::RtpHeader};

const FORGED: u32 = 1_000_000;

fn key(suite: Suite) -> Vec<u8> {
    vec![0x11; suite.key_salt_len()]
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    RtpHeader { payload_type: 0, marker: false, sequence, timestamp: u32::from(sequence) * 160, ssrc }
        .write(&mut packet);
    packet.extend([0xd5; 160]);
    packet
}

/// Octets of resident memory of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("VmRSS") * 1024
}

/// A line under way, `FORGED` packets of strangers on it, and a genuine one after every ten thousand of them.
fn flooded(suite: Suite, join: fn(Suite, &[u8], usize) -> Result<Inbound, SrtpError>) {
    let mut outbound = Outbound::new(suite, &key(suite)).expect("a key");
    let mut line = join(suite, &key(suite), 0).expect("a key");
    let mut dice = Dice::new(3);
    let (mut forged, mut copy) = (packet(0, 0), Vec::new());
    let tag = if suite.name().starts_with("AEAD") { 16 } else { 10 };
    forged.extend(vec![0xaa; tag]);
    let (mut sequence, mut before) = (0_u16, 0);
    for number in 0..FORGED {
        if number % 10_000 == 0 {
            let mut genuine = packet(5, sequence);
            outbound.protect_rtp(&mut genuine).expect("in order");
            assert_eq!(line.unprotect_rtp(&mut genuine), Ok(172), "after {number} forged packets");
            assert_eq!(genuine[..172], packet(5, sequence));
            sequence += 1;
        }
        if number == 10_000 {
            before = resident();
        }
        forged[2..12].fill_with(|| dice.roll() as u8);
        copy.clone_from(&forged);
        assert_eq!(line.unprotect_rtp(&mut copy), Err(SrtpError::Unauthentic));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{FORGED} forged packets cost {grown} octets of memory");
}

#[test]
fn a_million_forged_packets_with_random_ssrcs_cost_no_memory() {
    flooded(Suite::AesCm128Sha1_80, Inbound::new);
}

#[test]
fn a_million_forged_packets_with_random_ssrcs_cost_no_memory_gcm() {
    flooded(Suite::AeadAes256Gcm, Inbound::new);
}

#[test]
fn a_million_forged_packets_with_random_ssrcs_cost_no_memory_on_a_line_joined_late() {
    flooded(Suite::AesCm128Sha1_80, Inbound::joining_late);
}

#[test]
fn forged_and_unauthenticated_srtcp_changes_nothing() {
    for suite in Suite::ALL {
        let mut outbound = Outbound::new(suite, &key(suite)).expect("a key");
        let mut line = Inbound::new(suite, &key(suite), 0).expect("a key");
        let report = |outbound: &mut Outbound| {
            let mut report = rtcp::receiver_report(5, "a@192.0.2.1", None);
            outbound.protect_rtcp(&mut report).expect("in order");
            report
        };
        let first = report(&mut outbound);
        assert!(line.unprotect_rtcp(&mut first.clone()).is_ok(), "{suite:?}: a genuine report is read");
        let genuine = report(&mut outbound);
        // Every bit of a genuine report turned over: the index of the future, the E bit, the SSRC, the tag.
        for bit in 0..genuine.len() * 8 {
            let mut forged = genuine.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(line.unprotect_rtcp(&mut forged).is_err(), "{suite:?}: bit {bit}");
        }
        // A report in the clear, as a stranger without keys would send it: a BYE, with and without room for a trailer.
        for octets in
            [rtcp::bye(5, "x"), [rtcp::bye(5, "x"), vec![0; 14]].concat(), [rtcp::bye(5, "x"), vec![0xff; 20]].concat()]
        {
            assert!(line.unprotect_rtcp(&mut octets.clone()).is_err(), "{suite:?}: in the clear");
        }
        assert_eq!(line.unprotect_rtcp(&mut first.clone()), Err(SrtpError::Replayed), "{suite:?}: heard before");
        assert!(line.unprotect_rtcp(&mut genuine.clone()).is_ok(), "{suite:?}: the genuine report is still the next");
        assert_eq!(line.unprotect_rtcp(&mut genuine.clone()), Err(SrtpError::Replayed));
    }
}
