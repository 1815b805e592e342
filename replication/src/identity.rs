//! The names of one call: CallUUID, ConnID, recording id and RFC 7865 ids, made from entropy and time given as arguments.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Who talks to whom, and under which names the systems around them know the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The customer side: first m-line, left channel.
    pub caller: String,
    /// The agent side: second m-line, right channel; `recordDN` of a Genesys call.
    pub agent: String,
    /// 32 characters 0-9 A-V.
    pub call_uuid: String,
    /// 16 hexadecimal digits.
    pub conn_id: String,
    /// The Genesys recording id, `<CallUUID>_<YYYY-MM-DD>_<HH-MM-SS>` unless chosen.
    pub record_id: String,
}

/// What the caller of the library chose; the rest is made up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// See [`Identity::caller`]; 7001 when absent.
    pub caller: Option<String>,
    /// See [`Identity::agent`]; 7002 when absent.
    pub agent: Option<String>,
    /// See [`Identity::call_uuid`].
    pub call_uuid: Option<String>,
    /// See [`Identity::conn_id`].
    pub conn_id: Option<String>,
    /// See [`Identity::record_id`].
    pub record_id: Option<String>,
}

impl Chosen {
    /// Every name that was chosen, by its option.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("caller", &self.caller),
            ("agent", &self.agent),
            ("call-uuid", &self.call_uuid),
            ("conn-id", &self.conn_id),
            ("record-id", &self.record_id),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

impl Identity {
    /// Fills what was not chosen from 32 octets of entropy and the time of the call.
    pub fn new(chosen: &Chosen, entropy: [u8; 32], now: OffsetDateTime) -> Self {
        let (for_uuid, for_conn) = entropy.split_at(20);
        let call_uuid = chosen.call_uuid.clone().unwrap_or_else(|| base32_hex(for_uuid));
        let conn_id = chosen
            .conn_id
            .clone()
            .unwrap_or_else(|| for_conn.iter().take(8).map(|octet| format!("{octet:02x}")).collect());
        let record_id = chosen.record_id.clone().unwrap_or_else(|| format!("{call_uuid}_{}", stamp(now)));
        Self {
            caller: chosen.caller.clone().unwrap_or_else(|| "7001".to_owned()),
            agent: chosen.agent.clone().unwrap_or_else(|| "7002".to_owned()),
            call_uuid,
            conn_id,
            record_id,
        }
    }
}

/// An id of RFC 7865 6.10: base64 of a (random, version 4) UUID, without personal data.
pub fn metadata_id(mut entropy: [u8; 16]) -> String {
    entropy[6] = (entropy[6] & 0x0f) | 0x40;
    entropy[8] = (entropy[8] & 0x3f) | 0x80;
    STANDARD.encode(entropy)
}

/// RFC 3339 with capital T and Z (RFC 7865 6.9).
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).expect("the years of our clocks have four digits")
}

fn stamp(at: OffsetDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}_{:02}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// RFC 4648 base32hex without padding: the alphabet of a Genesys CallUUID. 20 octets give 32 characters.
fn base32_hex(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let mut out = String::new();
    for group in octets.chunks_exact(5) {
        let word = group.iter().fold(0u64, |word, octet| (word << 8) | u64::from(*octet));
        out.extend((0..8).rev().map(|place| char::from(ALPHABET[(word >> (place * 5)) as usize & 31])));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_chosen_is_made_in_the_shape_genesys_uses() {
        let now = OffsetDateTime::from_unix_timestamp(1_769_850_900).unwrap();
        let identity = Identity::new(&Chosen::default(), [0xa5; 32], now);
        assert_eq!(identity.call_uuid.len(), 32);
        assert!(identity.call_uuid.bytes().all(|octet| octet.is_ascii_digit() || (b'A'..=b'V').contains(&octet)));
        assert_eq!(identity.conn_id, "a5a5a5a5a5a5a5a5");
        assert_eq!(identity.record_id, format!("{}_2026-01-31_09-15-00", identity.call_uuid));
        assert_eq!((identity.caller.as_str(), identity.agent.as_str()), ("7001", "7002"));
    }

    #[test]
    fn what_was_chosen_stays() {
        let chosen = Chosen { record_id: Some("R1".to_owned()), agent: Some("8000".to_owned()), ..Chosen::default() };
        let identity = Identity::new(&chosen, [1; 32], OffsetDateTime::UNIX_EPOCH);
        assert_eq!((identity.record_id.as_str(), identity.agent.as_str()), ("R1", "8000"));
    }

    #[test]
    fn base32_hex_knows_the_vectors_of_rfc_4648() {
        assert_eq!(base32_hex(b"fooba"), "CPNMUOJ1");
    }

    #[test]
    fn metadata_ids_are_base64_of_a_version_4_uuid() {
        let octets = STANDARD.decode(metadata_id([0xff; 16])).unwrap();
        assert_eq!((octets.len(), octets[6] >> 4, octets[8] >> 6), (16, 4, 2));
    }
}
