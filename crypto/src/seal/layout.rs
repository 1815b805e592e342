//! Where what stands in a sealed object: its fixed header and the arithmetic of its frames.
//!
//! ```text
//!  0      4    5    6    7    8           24           32
//!  +------+----+----+----+----+-----------+------------+---------+---------+--   --+---------+
//!  | ROBJ | 01 | 01 | 10 | 00 | recording | name check | frame 0 | frame 1 |  ...  | frame n |
//!  +------+----+----+----+----+-----------+------------+---------+---------+--   --+---------+
//!        version, AES-256-GCM, 2^16 octets a frame; name check: first 8 octets of SHA-256(name)
//!
//!  frame: | nonce 12 | ciphertext, 65,536 octets; in the last frame 1 to 65,536, 0 only if the object is empty | tag 16 |
//!  associated data of a frame: | header 32 | frame number 8, big-endian | 01 in the last frame, else 00 |
//! ```

use std::ops::Range;

use super::{
    ObjectKey, SealError,
    key::{NONCE, TAG},
};

/// Octets of the header of a sealed object.
pub const SEALED_HEADER_LEN: usize = 32;
/// Octets before sealing of every frame but the last.
pub const FRAME_PLAIN: usize = 1 << FRAME_LOG2;

/// Octets that sealing adds to a frame.
pub(super) const FRAME_EXTRA: usize = NONCE + TAG;
/// Octets of every sealed frame but the last.
pub(super) const FRAME_SEALED: usize = FRAME_PLAIN + FRAME_EXTRA;

const MAGIC: [u8; 4] = *b"ROBJ";
const VERSION: u8 = 1;
const AES_256_GCM: u8 = 1;
const FRAME_LOG2: u8 = 16;

/// The header of the object that this key seals.
pub(super) fn header(key: &ObjectKey) -> [u8; SEALED_HEADER_LEN] {
    let mut header = [0; SEALED_HEADER_LEN];
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&[VERSION, AES_256_GCM, FRAME_LOG2, 0]);
    header[8..24].copy_from_slice(&key.recording);
    header[24..].copy_from_slice(&key.name_check);
    header
}

/// Checks that a header is the one of the object that this key opens.
pub(super) fn check(found: &[u8; SEALED_HEADER_LEN], key: &ObjectKey) -> Result<(), SealError> {
    let expected = header(key);
    if found[..4] != MAGIC {
        return Err(SealError::Malformed("no sealed object begins here"));
    }
    if found[4] != VERSION {
        return Err(SealError::Version(found[4]));
    }
    if found[5..8] != expected[5..8] {
        return Err(SealError::Malformed("cipher or frame size of the object"));
    }
    if *found == expected { Ok(()) } else { Err(SealError::Foreign) }
}

/// Octets that are sealed in an object of `sealed_len` octets. `Truncated` or `Malformed` when no object has that length.
pub fn plain_len(sealed_len: u64) -> Result<u64, SealError> {
    let body = sealed_len.checked_sub(SEALED_HEADER_LEN as u64).ok_or(SealError::Truncated)?;
    let (full, last) = (body / FRAME_SEALED as u64, body % FRAME_SEALED as u64);
    match last {
        0 if full == 0 => Err(SealError::Truncated),
        0 => Ok(full * FRAME_PLAIN as u64),
        _ if last < FRAME_EXTRA as u64 => Err(SealError::Truncated),
        _ if last == FRAME_EXTRA as u64 && full > 0 => Err(SealError::Malformed("an empty last frame")),
        _ => Ok(full * FRAME_PLAIN as u64 + last - FRAME_EXTRA as u64),
    }
}

/// Octets of the sealed object that holds `plain_len` octets.
pub fn sealed_len(plain_len: u64) -> u64 {
    let frames = plain_len.div_ceil(FRAME_PLAIN as u64).max(1);
    SEALED_HEADER_LEN as u64 + plain_len + frames * FRAME_EXTRA as u64
}

/// The whole frames of a sealed object that hold the octets `plain`, as a range of the sealed object. Empty when `plain`
/// is empty or lies behind the end.
pub fn sealed_range(plain: Range<u64>, sealed_len: u64) -> Range<u64> {
    let frame = FRAME_PLAIN as u64;
    let from = sealed_at(plain.start / frame).min(sealed_len);
    if plain.is_empty() {
        return from..from;
    }
    from..sealed_at((plain.end - 1) / frame + 1).min(sealed_len)
}

/// Where the first octet of the frame at `sealed_from` belongs in the object before sealing.
pub fn plain_from(sealed_from: u64) -> u64 {
    sealed_from.saturating_sub(SEALED_HEADER_LEN as u64) / FRAME_SEALED as u64 * FRAME_PLAIN as u64
}

fn sealed_at(frame: u64) -> u64 {
    frame.saturating_mul(FRAME_SEALED as u64).saturating_add(SEALED_HEADER_LEN as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_go_both_ways() {
        for plain in [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 1 << 40] {
            assert_eq!(plain_len(sealed_len(plain)), Ok(plain), "{plain} octets");
        }
        assert_eq!(sealed_len(0), 32 + 28);
        assert_eq!(plain_len(0), Err(SealError::Truncated));
        assert_eq!(plain_len(32), Err(SealError::Truncated));
        assert_eq!(plain_len(32 + 27), Err(SealError::Truncated));
        assert_eq!(plain_len(32 + 65_564 + 28), Err(SealError::Malformed("an empty last frame")));
    }

    #[test]
    fn ranges_cover_whole_frames() {
        let sealed = sealed_len(150_000);
        assert_eq!(sealed_range(0..1, sealed), 32..32 + 65_564);
        assert_eq!(sealed_range(65_535..65_537, sealed), 32..32 + 2 * 65_564);
        assert_eq!(sealed_range(65_536..65_537, sealed), 32 + 65_564..32 + 2 * 65_564);
        assert_eq!(sealed_range(140_000..u64::MAX, sealed), 32 + 2 * 65_564..sealed);
        assert!(sealed_range(5..5, sealed).is_empty());
        assert!(sealed_range(900_000..900_001, sealed).is_empty());
        assert_eq!(plain_from(32 + 65_564), 65_536);
    }
}
