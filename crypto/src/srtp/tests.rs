//! Whole directions against each other, against another implementation, and against garbage.

use proptest::prelude::*;
use webrtc_srtp::{context::Context, protection_profile::ProtectionProfile};

use super::*;

fn key_salt(suite: Suite) -> Vec<u8> {
    (0..suite.key_salt_len() as u8).map(|octet| octet.wrapping_mul(73) ^ 0x5c).collect()
}

fn pair(suite: Suite) -> (Outbound, Inbound) {
    let key_salt = key_salt(suite);
    (Outbound::new(suite, &key_salt).unwrap(), Inbound::new(suite, &key_salt, 0).unwrap())
}

/// Another implementation: only for packets of ours and for packets of its own, because it panics on others.
fn oracle(suite: Suite) -> Context {
    let profile = match suite {
        Suite::AesCm128Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128Sha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256Sha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256Sha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let key_salt = key_salt(suite);
    let (key, salt) = key_salt.split_at(suite.key_len());
    Context::new(key, salt, profile, None, None).unwrap()
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 1, 64];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend((0..160).map(|at| at as u8 ^ sequence as u8));
    packet
}

/// A header with two CSRCs and an extension.
fn rtp_with_everything(sequence: u16) -> Vec<u8> {
    let mut packet = rtp(0xcafe, sequence);
    packet[0] = 0x92;
    let more = [[1, 2, 3, 4], [5, 6, 7, 8], [0xbe, 0xde, 0, 1], [0x10, 0xff, 0, 0]];
    packet.splice(12..12, more.into_iter().flatten());
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend(0..20);
    packet
}

fn protected(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    outbound.protect_rtp(&mut packet).unwrap();
    packet
}

fn opened(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let len = inbound.unprotect_rtp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

#[test]
fn names_and_lengths_are_those_of_sdes() {
    let lengths = Suite::ALL.map(|suite| (Suite::from_name(suite.name()), suite.key_salt_len()));
    assert_eq!(lengths.map(|(suite, _)| suite.unwrap()), Suite::ALL);
    assert_eq!(lengths.map(|(_, len)| len), [30, 30, 46, 46, 28, 44]);
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
    assert_eq!(Inbound::new(Suite::AesCm128Sha1_80, &[0; 30], 129).err(), Some(SrtpError::MkiLength(129)));
}

#[test]
fn the_other_implementation_opens_ours_over_a_roll_over() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (pair(suite).0, oracle(suite));
        for sequence in (65_500..=65_535).chain(0..40) {
            for plain in [rtp(7, sequence), rtp_with_everything(sequence)] {
                let sealed = protected(&mut ours, &plain);
                assert_eq!(theirs.decrypt_rtp(&sealed).unwrap(), plain, "{} {sequence}", suite.name());
            }
            let mut sealed = rtcp(7);
            ours.protect_rtcp(&mut sealed).unwrap();
            assert_eq!(theirs.decrypt_rtcp(&sealed).unwrap(), rtcp(7));
        }
    }
}

#[test]
fn ours_opens_the_other_implementation_over_a_roll_over() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (pair(suite).1, oracle(suite));
        for sequence in (65_500..=65_535).chain(0..40) {
            for plain in [rtp(7, sequence), rtp_with_everything(sequence)] {
                let sealed = theirs.encrypt_rtp(&plain).unwrap();
                assert_eq!(opened(&mut ours, &sealed).unwrap(), plain, "{} {sequence}", suite.name());
            }
            let mut sealed = theirs.encrypt_rtcp(&rtcp(7)).unwrap().to_vec();
            let len = ours.unprotect_rtcp(&mut sealed).unwrap();
            assert_eq!(sealed[..len], rtcp(7));
        }
    }
}

#[test]
fn an_mki_is_stepped_over() {
    for suite in Suite::ALL {
        let mut outbound = pair(suite).0;
        let mut inbound = Inbound::new(suite, &key_salt(suite), 4).unwrap();
        // Before the tag in counter mode, behind it with AEAD.
        let behind = |tag: usize| if suite.is_aead() { 0 } else { tag };
        let mut packet = protected(&mut outbound, &rtp(7, 1));
        let at = packet.len() - behind(suite.rtp_tag_len());
        packet.splice(at..at, *b"mki!");
        assert_eq!(opened(&mut inbound, &packet).unwrap(), rtp(7, 1));
        let mut packet = rtcp(7);
        outbound.protect_rtcp(&mut packet).unwrap();
        let at = packet.len() - behind(10);
        packet.splice(at..at, *b"mki!");
        assert_eq!(inbound.unprotect_rtcp(&mut packet), Ok(rtcp(7).len()));
    }
}

#[test]
fn duplicates_are_replays_and_old_packets_too_old() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        let sealed: Vec<_> = (0..200).map(|sequence| protected(&mut outbound, &rtp(7, sequence))).collect();
        let order = [100, 99, 101, 199];
        assert!(order.iter().all(|&at| opened(&mut inbound, &sealed[at]).is_ok()));
        assert!(order.iter().skip(2).all(|&at| opened(&mut inbound, &sealed[at]) == Err(SrtpError::Replayed)));
        assert_eq!(opened(&mut inbound, &sealed[71]), Err(SrtpError::TooOld));
        assert!(opened(&mut inbound, &sealed[72]).is_ok());
        let mut report = rtcp(7);
        outbound.protect_rtcp(&mut report).unwrap();
        assert!(inbound.unprotect_rtcp(&mut report.clone()).is_ok());
        assert_eq!(inbound.unprotect_rtcp(&mut report), Err(SrtpError::Replayed));
    }
}

#[test]
fn nothing_forged_leaves_a_trace() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        let mut report = rtcp(9);
        outbound.protect_rtcp(&mut report).unwrap();
        let packets = [protected(&mut outbound, &rtp(7, 5)), protected(&mut outbound, &rtp(7, 6))];
        opened(&mut inbound, &packets[0]).unwrap();
        let before = inbound.memory();
        for bit in 0..packets[1].len() * 8 {
            let mut forged = packets[1].clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.unprotect_rtp(&mut forged).is_err(), "{} bit {bit}", suite.name());
        }
        for bit in 0..report.len() * 8 {
            let mut forged = report.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(inbound.unprotect_rtcp(&mut forged).is_err(), "{} RTCP bit {bit}", suite.name());
        }
        assert!(inbound.memory() == before);
        assert_eq!(opened(&mut inbound, &packets[1]).unwrap(), rtp(7, 6));
    }
}

#[test]
fn rtcp_that_claims_to_be_in_clear_needs_a_tag_as_well() {
    for suite in Suite::ALL {
        let mut inbound = pair(suite).1;
        let tag = if suite.is_aead() { 16 } else { 10 };
        let mut forged = rtcp(7);
        forged.extend(std::iter::repeat_n(0, 4 + tag));
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(SrtpError::Unauthentic));
    }
}

#[test]
fn a_stream_whose_first_packets_before_a_roll_over_were_lost_is_found() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        protected(&mut outbound, &rtp(7, 65_530));
        let late = protected(&mut outbound, &rtp(7, 65_535));
        let first = protected(&mut outbound, &rtp(7, 3));
        assert_eq!(opened(&mut inbound, &first).unwrap(), rtp(7, 3), "{}", suite.name());
        assert_eq!(opened(&mut inbound, &late).unwrap(), rtp(7, 65_535));
    }
}

#[test]
fn a_stream_joined_late_needs_its_roll_over_counter() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        let sequence = |step: u32| (step * 30_000) as u16;
        (0..12).for_each(|step| drop(protected(&mut outbound, &rtp(7, sequence(step)))));
        let now = protected(&mut outbound, &rtp(7, sequence(12)));
        assert_eq!(opened(&mut inbound, &now), Err(SrtpError::Unauthentic));
        let roc = (0..16).find(|&roc| {
            inbound.set_roc(roc);
            opened(&mut inbound, &now).is_ok()
        });
        assert!(roc.is_some_and(|roc| roc > 1), "{}", suite.name());
    }
}

#[test]
fn a_long_outage_over_a_roll_over_heals() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        opened(&mut inbound, &protected(&mut outbound, &rtp(7, 100))).unwrap();
        // 66,000 packets at 20 ms are 22 minutes; the sender knows its counter, the recorder heard nothing.
        (1..3).for_each(|step| drop(protected(&mut outbound, &rtp(7, 100 + step * 22_000))));
        let healed = (0..400_u16).find(|step| {
            let packet = protected(&mut outbound, &rtp(7, 600_u16.wrapping_add(step * 100)));
            opened(&mut inbound, &packet).is_ok()
        });
        assert!(healed.is_some_and(|step| u64::from(step) * 100 <= crate::limits::DOUBTFUL_JUMP + 100));
    }
}

#[test]
fn sources_change_and_only_the_latest_four_are_remembered() {
    let (mut outbound, mut inbound) = pair(Suite::AeadAes256Gcm);
    for ssrc in 1..=4 {
        let packet = protected(&mut outbound, &rtp(ssrc, 1));
        assert_eq!(opened(&mut inbound, &packet).unwrap(), rtp(ssrc, 1));
        assert_eq!(opened(&mut inbound, &packet), Err(SrtpError::Replayed));
    }
    assert_eq!(outbound.protect_rtp(&mut rtp(5, 1)), Err(SrtpError::TooManySources));
    let fifth = protected(&mut pair(Suite::AeadAes256Gcm).0, &rtp(5, 1));
    assert_eq!(opened(&mut inbound, &fifth).unwrap(), rtp(5, 1));
}

#[test]
fn a_sequence_number_is_never_sent_twice() {
    let mut outbound = pair(Suite::AesCm128Sha1_80).0;
    outbound.protect_rtp(&mut rtp(7, 1)).unwrap();
    assert_eq!(outbound.protect_rtp(&mut rtp(7, 1)), Err(SrtpError::Replayed));
}

#[test]
fn another_key_opens_nothing() {
    for suite in Suite::ALL {
        let (mut outbound, _) = pair(suite);
        let mut stranger = Inbound::new(suite, &vec![1; suite.key_salt_len()], 0).unwrap();
        let packet = protected(&mut outbound, &rtp(7, 1));
        assert_eq!(opened(&mut stranger, &packet), Err(SrtpError::Unauthentic));
    }
}

#[test]
fn short_packets_are_malformed() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        let packet = protected(&mut outbound, &rtp(7, 1)[..12]);
        assert_eq!(opened(&mut inbound, &packet[..packet.len() - 1]), Err(SrtpError::Malformed));
        assert_eq!(opened(&mut inbound, &packet).unwrap().len(), 12);
        assert_eq!(inbound.unprotect_rtcp(&mut [0x80, 200, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0]), Err(SrtpError::Malformed));
        assert_eq!(outbound.protect_rtp(&mut vec![0x80; 11]), Err(SrtpError::Malformed));
        assert_eq!(outbound.protect_rtcp(&mut vec![0x80; 7]), Err(SrtpError::Malformed));
    }
}

#[test]
fn a_line_at_rest_stays_small() {
    // 704 of them are the AES schedule; the rest counts ten thousand times.
    assert!(size_of::<Inbound>() <= 1_136, "{}", size_of::<Inbound>());
    assert!(size_of::<RtcpOutbound>() <= 72, "{}", size_of::<RtcpOutbound>());
}

proptest! {
    #[test]
    fn garbage_never_panics_nor_passes(
        suite in prop::sample::select(&Suite::ALL[..]),
        mki_len in 0..8_usize,
        mut octets in prop::collection::vec(any::<u8>(), 0..300),
        looks_like_rtp in any::<bool>(),
    ) {
        if let (true, Some(first)) = (looks_like_rtp, octets.first_mut()) {
            *first = *first & 0x3f | 0x80;
        }
        let mut inbound = Inbound::new(suite, &key_salt(suite), mki_len).unwrap();
        let before = inbound.memory();
        // A 32-bit tag passes one time in 2^31: not in this many cases.
        prop_assert!(inbound.unprotect_rtp(&mut octets.clone()).is_err());
        prop_assert!(inbound.unprotect_rtcp(&mut octets.clone()).is_err());
        prop_assert!(inbound.memory() == before);
    }
}
