//! Names of objects in the archive: made of generated ids and dates only, never of anything a peer sent.
//!
//! ```text
//! 2026/11/21/0192f0c1-.../manifest.json.sealed      what the recording says of itself
//! 2026/11/21/0192f0c1-.../tracks.sealed             the packets as received
//! 2026/11/21/0192f0c1-.../audio.wav.sealed          as rendered
//! keys/0192f0c1-....json                            its wrapped key, apart from the media (invariant 4)
//! ```

use model::{RecordingId, Timestamp};

use crate::{limits::NAME_OCTETS, ports::ArchiveError};

/// Where the key objects live.
pub const KEYS: &str = "keys/";

/// The folder of one recording, ending in `/`: by UTC date, so that no folder grows without end.
pub fn folder(recording: RecordingId, started_at: Timestamp) -> String {
    let text = started_at.to_string();
    let (year, rest) = text.split_once('-').unwrap_or((&text, ""));
    format!("{year}/{}/{}/{recording}/", rest.get(..2).unwrap_or("00"), rest.get(3..5).unwrap_or("00"))
}

/// The object `part` of one recording.
pub fn object(recording: RecordingId, started_at: Timestamp, part: &str) -> String {
    folder(recording, started_at) + part
}

/// The key object of one recording.
pub fn key(recording: RecordingId) -> String {
    format!("{KEYS}{recording}.json")
}

/// The recording a name belongs to: an object in a recording's folder or a key object.
pub fn recording(name: &str) -> Option<RecordingId> {
    if let Some(key) = name.strip_prefix(KEYS) {
        return key.strip_suffix(".json")?.parse().ok();
    }
    name.rsplit('/').nth(1)?.parse().ok()
}

/// Refuses a name that could leave the archive's root or that some store would rewrite.
pub fn check(name: &str) -> Result<(), ArchiveError> {
    let is_plain = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    if name.len() <= NAME_OCTETS && name.split('/').all(is_plain) {
        return Ok(());
    }
    Err(ArchiveError::Refused(format!("{:?} is no object name", name.chars().take(NAME_OCTETS).collect::<String>())))
}

/// Refuses a prefix that is neither empty nor a folder path ending in `/`.
pub fn check_prefix(prefix: &str) -> Result<(), ArchiveError> {
    match prefix.strip_suffix('/') {
        Some(folder) => check(folder),
        None if prefix.is_empty() => Ok(()),
        None => Err(ArchiveError::Refused(format!("prefix {prefix:?} does not end in /"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RecordingId {
        RecordingId::from_bytes([7; 16])
    }

    #[test]
    fn objects_are_found_by_date_and_lead_back_to_their_recording() {
        let at = Timestamp::parse("2026-03-04T23:59:59.999Z").expect("a time");
        let name = object(id(), at, "audio.wav.sealed");
        assert_eq!(name, format!("2026/03/04/{}/audio.wav.sealed", id()));
        assert_eq!(recording(&name), Some(id()));
        assert_eq!(recording(&key(id())), Some(id()));
        assert_eq!(recording("keys/other.json"), None);
        check(&name).and(check(&key(id()))).and(check_prefix(&folder(id(), at))).expect("our own names are lawful");
    }

    #[test]
    fn names_that_could_leave_the_root_are_refused() {
        for name in ["", "/etc/passwd", "a/../b", "a//b", "a/.hidden", "a b", "a\0", "ü", "a/", &"a".repeat(201)] {
            assert!(check(name).is_err(), "{name:?}");
        }
        assert!(check_prefix("2026").is_err() && check_prefix("").is_ok());
    }
}
