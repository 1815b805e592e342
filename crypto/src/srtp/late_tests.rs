//! A stream joined late: found whatever its roll-over counter, and what a flood of forged packets may cost meanwhile.

use super::{Inbound, Outbound, RtcpOutbound, SrtpError, Suite};
use crate::limits::{LATE_PROOF, LATE_ROLL_OVERS, LATE_SEARCHES};

fn key_salt(suite: Suite) -> Vec<u8> {
    (0..suite.key_salt_len() as u8).map(|octet| octet.wrapping_mul(41) ^ 0x3a).collect()
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 1, 64, 0, 0, 0, 7];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend((0..160).map(|at| at as u8 ^ sequence as u8));
    packet
}

/// A sender under way: its next packet has this index.
struct Sender(Outbound, u64);

impl Sender {
    fn at(suite: Suite, index: u64) -> Self {
        let mut outbound = Outbound::new(suite, &key_salt(suite)).unwrap();
        for before in (0..index).step_by(30_000) {
            outbound.protect_rtp(&mut rtp(before as u16)).unwrap();
        }
        Self(outbound, index)
    }

    fn packet(&mut self) -> Vec<u8> {
        let mut packet = rtp(self.1 as u16);
        self.0.protect_rtp(&mut packet).unwrap();
        self.1 += 1;
        packet
    }
}

fn late(suite: Suite) -> Inbound {
    Inbound::joining_late(suite, &key_salt(suite), 0).unwrap()
}

fn opens(inbound: &mut Inbound, packet: &[u8]) -> Result<(), SrtpError> {
    inbound.unprotect_rtp(&mut packet.to_vec()).map(drop)
}

fn forged(suite: Suite, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(sequence);
    Outbound::new(suite, &vec![9; suite.key_salt_len()]).unwrap().protect_rtp(&mut packet).unwrap();
    packet
}

#[test]
fn every_age_up_to_a_day_is_found_at_once_and_an_older_one_is_not() {
    for suite in Suite::ALL {
        for roc in [0, 1, 2, 40, u64::from(LATE_ROLL_OVERS)] {
            let (mut sender, mut inbound) = (Sender::at(suite, roc << 16 | 0x8000), late(suite));
            for _ in 0..u32::from(LATE_PROOF) + 10 {
                assert_eq!(opens(&mut inbound, &sender.packet()), Ok(()), "{} {roc}", suite.name());
            }
            assert_eq!(inbound.late, None, "found, and proven");
        }
        let mut sender = Sender::at(suite, (u64::from(LATE_ROLL_OVERS) + 1) << 16 | 0x8000);
        assert_eq!(opens(&mut late(suite), &sender.packet()), Err(SrtpError::Unauthentic));
    }
}

#[test]
fn a_stream_joined_just_before_a_roll_over_rolls_on() {
    for suite in Suite::ALL {
        let (mut sender, mut inbound) = (Sender::at(suite, 5 << 16 | 0xfffe), late(suite));
        assert!((0..200).all(|_| opens(&mut inbound, &sender.packet()).is_ok()), "{}", suite.name());
    }
}

#[test]
fn forged_packets_leave_nothing_behind_and_do_not_keep_the_true_sender_out() {
    for suite in [Suite::AesCm128Sha1_80, Suite::AeadAes128Gcm] {
        let (mut sender, mut inbound) = (Sender::at(suite, 40 << 16 | 7), late(suite));
        let before = inbound.memory();
        for sequence in 0..10_000 {
            assert_eq!(opens(&mut inbound, &forged(suite, sequence)), Err(SrtpError::Unauthentic));
        }
        assert!(inbound.memory() == before, "no state by unauthenticated packets");
        // The searches are spent: the sender is found one candidate a packet, forged ones in between or not.
        let found = (0..4 * LATE_ROLL_OVERS).find(|step| {
            if step % 3 == 0 {
                opens(&mut inbound, &forged(suite, 3)).unwrap_err();
            }
            opens(&mut inbound, &sender.packet()).is_ok()
        });
        assert!(found.is_some_and(|step| step > 0), "{} {found:?}", suite.name());
        assert_eq!(opens(&mut inbound, &sender.packet()), Ok(()));
    }
}

#[test]
fn whole_searches_are_rationed() {
    let suite = Suite::AesCm128Sha1_80;
    let (mut sender, mut inbound) = (Sender::at(suite, 9 << 16 | 7), late(suite));
    for _ in 0..LATE_SEARCHES - 1 {
        opens(&mut inbound, &forged(suite, 1)).unwrap_err();
    }
    assert_eq!(opens(&mut inbound, &sender.packet()), Ok(()), "the last search finds it");
    let mut spent = late(suite);
    for _ in 0..LATE_SEARCHES {
        opens(&mut spent, &forged(suite, 1)).unwrap_err();
    }
    assert_eq!(opens(&mut spent, &sender.packet()), Err(SrtpError::Unauthentic), "one candidate, and not this one");
}

#[test]
fn an_old_packet_played_again_does_not_lock_the_sender_out() {
    for suite in Suite::ALL {
        let old = Sender::at(suite, 2 << 16 | 100).packet();
        let (mut sender, mut inbound) = (Sender::at(suite, 30 << 16 | 0x9000), late(suite));
        assert_eq!(opens(&mut inbound, &old), Ok(()));
        assert_eq!(opens(&mut inbound, &old), Err(SrtpError::Replayed), "{}", suite.name());
        assert_eq!(opens(&mut inbound, &sender.packet()), Ok(()), "{}", suite.name());
        assert!(opens(&mut inbound, &old).is_err());
    }
}

#[test]
fn a_resumed_key_repeats_no_rtcp_index_and_the_peer_goes_on() {
    let report = || vec![0x80, 201, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8];
    for suite in Suite::ALL {
        let key = key_salt(suite);
        let mut peer = Inbound::new(suite, &key, 0).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let resuming = |seconds| RtcpOutbound::resuming(suite, &key, seconds);
        let lives = [RtcpOutbound::new(suite, &key), resuming(900), resuming(960)];
        for life in lives {
            let mut life = life.unwrap();
            for _ in 0..50 {
                let mut packet = report();
                life.protect(&mut packet).unwrap();
                assert!(seen.insert(packet.clone()));
                assert!(peer.unprotect_rtcp(&mut packet).is_ok(), "{}", suite.name());
            }
        }
    }
}
