//! SRTP of the client side, by `webrtc-srtp`: it protects what we made ourselves and never sees what a stranger sent.
//!
//! Its readers panic on short input and take forged SRTCP for real, so what comes back from the recorder goes through
//! `crypto::srtp` instead.

use bytes::Bytes;
use crypto::srtp::Suite;
use webrtc_srtp::{context::Context, protection_profile::ProtectionProfile};

use crate::error::CallError;

/// The outgoing SRTP context of one line. Holds keys: no `Debug`.
pub struct Protector {
    context: Context,
}

/// The shortest input that can be ours: an RTP header without payload.
const RTP_HEADER: usize = 12;
/// An RTCP header with its SSRC.
const RTCP_HEADER: usize = 8;

impl Protector {
    /// `key_salt` is the master key followed by the salt, as in an SDES line.
    pub fn new(suite: Suite, key_salt: &[u8]) -> Result<Self, CallError> {
        let profile = profile(suite);
        let broken = || CallError::Media(format!("{} key of {} octets", suite.name(), key_salt.len()));
        let (key, salt) = key_salt.split_at_checked(profile.key_len()).ok_or_else(broken)?;
        let context = Context::new(key, salt, profile, None, None).map_err(|_| broken())?;
        Ok(Self { context })
    }

    /// The SRTP packet of an RTP packet that we built.
    pub fn rtp(&mut self, packet: &[u8]) -> Result<Bytes, CallError> {
        if packet.len() < RTP_HEADER || packet[0] >> 6 != 2 {
            return Err(CallError::Media("not an RTP packet".to_owned()));
        }
        self.context.encrypt_rtp(packet).map_err(|cause| CallError::Media(format!("SRTP: {cause}")))
    }

    /// The SRTCP packet of a compound RTCP packet that we built.
    pub fn rtcp(&mut self, packet: &[u8]) -> Result<Bytes, CallError> {
        if packet.len() < RTCP_HEADER || packet[0] >> 6 != 2 {
            return Err(CallError::Media("not an RTCP packet".to_owned()));
        }
        self.context.encrypt_rtcp(packet).map_err(|cause| CallError::Media(format!("SRTCP: {cause}")))
    }
}

const fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128Sha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256Sha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256Sha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

#[cfg(test)]
mod tests {
    use crypto::srtp::Inbound;

    use super::*;

    const SUITES: [Suite; 6] = [
        Suite::AesCm128Sha1_80,
        Suite::AesCm128Sha1_32,
        Suite::AesCm256Sha1_80,
        Suite::AesCm256Sha1_32,
        Suite::AeadAes128Gcm,
        Suite::AeadAes256Gcm,
    ];

    fn packet(sequence: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0; 8]);
        packet.extend([0x55; 160]);
        packet
    }

    #[test]
    fn the_recorders_srtp_reads_every_suite_across_a_sequence_wrap() {
        for suite in SUITES {
            let key_salt: Vec<u8> = (0..suite.key_salt_len() as u8).collect();
            let mut protector = Protector::new(suite, &key_salt).unwrap();
            let mut inbound = Inbound::new(suite, &key_salt, 0).unwrap();
            for step in 0..20 {
                let plain = packet(65_530u16.wrapping_add(step));
                let mut sealed = protector.rtp(&plain).unwrap().to_vec();
                assert_ne!(&sealed[12..172], &plain[12..]);
                let length = inbound.unprotect_rtp(&mut sealed).unwrap_or_else(|_| panic!("{}", suite.name()));
                assert_eq!(&sealed[..length], &plain);
            }
        }
    }

    #[test]
    fn srtcp_is_read_as_well() {
        for suite in SUITES {
            let key_salt = vec![7; suite.key_salt_len()];
            let report = [&[0x80, 200, 0, 6][..], &[0x11; 24]].concat();
            let mut sealed = Protector::new(suite, &key_salt).unwrap().rtcp(&report).unwrap().to_vec();
            let length = Inbound::new(suite, &key_salt, 0).unwrap().unprotect_rtcp(&mut sealed).unwrap();
            assert_eq!(&sealed[..length], &report);
        }
    }

    #[test]
    fn short_packets_and_wrong_keys_are_errors() {
        assert!(Protector::new(Suite::AesCm128Sha1_80, &[0; 29]).is_err());
        assert!(Protector::new(Suite::AesCm128Sha1_80, &[0; 3]).is_err());
        let mut protector = Protector::new(Suite::AesCm128Sha1_80, &[0; 30]).unwrap();
        assert!(protector.rtp(&[0x80; 11]).is_err());
        assert!(protector.rtcp(&[0x80; 7]).is_err());
    }
}
