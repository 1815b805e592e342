//! Identities as newtypes: a recording, a recording session of this process, a track of a recording.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Entropy, Timestamp};

/// One recording. UUID version 7 (RFC 9562 5.7): sortable by the time it was opened, never derived from anything a
/// peer sent, so it is safe as a file name and an object key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId([u8; 16]);

impl RecordingId {
    /// A new id for a recording opened at `now`.
    pub fn new(now: Timestamp, entropy: &mut dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes[6..]);
        bytes[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// The sixteen octets, as they stand in sealed headers.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id whose octets these are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every fact is written with it: one piece of text instead of twenty.
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 32 hexadecimal digits in the grouping 8-4-4-4-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARecordingId;

impl fmt::Display for NotARecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a recording id")
    }
}

impl std::error::Error for NotARecordingId {}

impl FromStr for RecordingId {
    type Err = NotARecordingId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.as_bytes();
        if text.len() != 36 || [8, 13, 18, 23].iter().any(|&at| text[at] != b'-') {
            return Err(NotARecordingId);
        }
        let mut digits = text.iter().filter(|&&byte| byte != b'-').map(|&byte| (byte as char).to_digit(16));
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            let mut nibble = || digits.next().flatten().ok_or(NotARecordingId);
            *byte = (nibble()? << 4 | nibble()?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for RecordingId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordingId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One recording session (SIP dialog); never reused while the process lives, nor in the life after a crash that the
/// session survives. Meaningless after an orderly stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RsId(pub u64);

/// The number of a track within its recording, from 0 in the order of opening. Never reused within a recording, also
/// not after a crash: chunk nonces depend on it (invariant 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackNo(pub u16);

/// One track of one recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrackId {
    /// The recording the track belongs to.
    pub recording: RecordingId,
    /// Its number there.
    pub no: TrackNo,
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.recording, self.no.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&mut self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn an_id_reads_back_what_it_prints_and_sorts_by_time() {
        let early = RecordingId::new(Timestamp::from_millis(1_000), &mut Fixed(0xff));
        let late = RecordingId::new(Timestamp::from_millis(2_000), &mut Fixed(0));
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn hostile_ids_are_refused() {
        for text in ["", "..", "../../../../../../../etc/passwd-abcdef", "g0000000-0000-7000-8000-000000000000"] {
            assert_eq!(text.parse::<RecordingId>(), Err(NotARecordingId), "{text}");
        }
    }
}
