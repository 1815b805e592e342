//! Sealed objects: what the archive keeps, sealed in one pass and opened at any place (layout in `layout.rs`).
//!
//! Sealing: `header()` first, then `push` as often as wanted, then `finish`. Opening: `new` with the header, then `open`
//! any run of whole frames, as `sealed_range` gives it. Each frame knows its number and whether it is the last: frames
//! that were cut off, swapped or taken from elsewhere fail.

use super::{
    ObjectKey, SealError,
    key::{NONCE, TAG},
    layout::{self, FRAME_EXTRA, FRAME_PLAIN, FRAME_SEALED, SEALED_HEADER_LEN, plain_len},
};

/// Seals one object; holds at most one frame of it.
pub struct ObjectSealer {
    key: ObjectKey,
    header: [u8; SEALED_HEADER_LEN],
    held: zeroize::Zeroizing<Vec<u8>>,
    frames: u64,
}

impl ObjectSealer {
    /// Begins the object of that key.
    pub fn new(key: ObjectKey) -> Self {
        let header = layout::header(&key);
        Self { key, header, held: Vec::with_capacity(FRAME_PLAIN).into(), frames: 0 }
    }

    /// The header, [`SEALED_HEADER_LEN`] octets: what the sealed object begins with.
    pub fn header(&self) -> Vec<u8> {
        self.header.to_vec()
    }

    /// Takes octets of the object; appends the frames that are full to `out`.
    pub fn push(&mut self, mut plain: &[u8], out: &mut Vec<u8>) {
        while !plain.is_empty() {
            if self.held.len() == FRAME_PLAIN {
                self.seal_held(Frame::Inner, out);
            }
            let (now, later) = plain.split_at(plain.len().min(FRAME_PLAIN - self.held.len()));
            self.held.extend_from_slice(now);
            plain = later;
        }
    }

    /// Appends the last frame to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.seal_held(Frame::Last, out);
    }

    fn seal_held(&mut self, frame: Frame, out: &mut Vec<u8>) {
        let place = place(self.frames, frame);
        let nonce = self.key.frame_nonce(&place, &self.held);
        let tag = self.key.gcm.seal(&nonce, &associated(&self.header, &place), &mut self.held);
        out.reserve(FRAME_EXTRA + self.held.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&self.held);
        out.extend_from_slice(&tag);
        self.held.clear();
        self.frames += 1;
    }
}

/// Opens one object at any place.
pub struct ObjectOpener {
    key: ObjectKey,
    header: [u8; SEALED_HEADER_LEN],
}

impl ObjectOpener {
    /// Begins with the header, the first [`SEALED_HEADER_LEN`] octets of `header`. `Foreign` when it belongs to another
    /// recording or name than the key.
    pub fn new(key: ObjectKey, header: &[u8]) -> Result<Self, SealError> {
        let header = header.first_chunk().ok_or(SealError::Truncated)?;
        layout::check(header, &key)?;
        Ok(Self { header: *header, key })
    }

    /// Opens whole frames. `sealed` begins at `sealed_from` in an object of `sealed_len` octets, and ends at the end of a
    /// frame, as [`super::sealed_range`] gives it; the first octet returned belongs at [`super::plain_from`].
    pub fn open(&self, sealed_from: u64, sealed: &[u8], sealed_len: u64) -> Result<Vec<u8>, SealError> {
        plain_len(sealed_len)?;
        let at = sealed_from.checked_sub(SEALED_HEADER_LEN as u64).ok_or(SealError::Malformed(NOT_A_FRAME))?;
        let first = at / FRAME_SEALED as u64;
        if at % FRAME_SEALED as u64 != 0 || sealed.len() as u64 > sealed_len.saturating_sub(sealed_from) {
            return Err(SealError::Malformed(NOT_A_FRAME));
        }
        let ends_object = sealed_from + sealed.len() as u64 == sealed_len;
        let frames = sealed.chunks(FRAME_SEALED);
        let count = frames.len();
        let mut plain = Vec::with_capacity(sealed.len());
        for (number, frame) in frames.enumerate() {
            let is_last = ends_object && number + 1 == count;
            if frame.len() < FRAME_SEALED && !is_last {
                return Err(SealError::Truncated);
            }
            let place = place(first + number as u64, if is_last { Frame::Last } else { Frame::Inner });
            self.open_frame(frame, &place, &mut plain)?;
        }
        Ok(plain)
    }

    fn open_frame(&self, frame: &[u8], place: &[u8; PLACE], plain: &mut Vec<u8>) -> Result<(), SealError> {
        let (nonce, rest) = frame.split_first_chunk::<NONCE>().ok_or(SealError::Truncated)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or(SealError::Truncated)?;
        let begin = plain.len();
        plain.extend_from_slice(ciphertext);
        self.key.gcm.open(nonce, &associated(&self.header, place), &mut plain[begin..], tag)
    }
}

const NOT_A_FRAME: &str = "not at the border of a frame";
const PLACE: usize = 9;

/// Whether a frame ends its object.
#[derive(Debug, Clone, Copy)]
enum Frame {
    Inner = 0,
    Last = 1,
}

/// Frame number and last flag.
fn place(number: u64, frame: Frame) -> [u8; PLACE] {
    let mut place = [frame as u8; PLACE];
    place[..8].copy_from_slice(&number.to_be_bytes());
    place
}

fn associated(header: &[u8; SEALED_HEADER_LEN], place: &[u8; PLACE]) -> [u8; SEALED_HEADER_LEN + PLACE] {
    let mut associated = [0; SEALED_HEADER_LEN + PLACE];
    associated[..SEALED_HEADER_LEN].copy_from_slice(header);
    associated[SEALED_HEADER_LEN..].copy_from_slice(place);
    associated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{DataKey, sealed_len, sealed_range};

    const RECORDING: [u8; 16] = *b"recording-sixtee";

    fn key() -> ObjectKey {
        DataKey::from_entropy([42; 32]).object_key(&RECORDING, "audio.wav")
    }

    fn sound(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    fn sealed(plain: &[u8], piece: usize) -> Vec<u8> {
        let mut sealer = ObjectSealer::new(key());
        let mut out = sealer.header();
        plain.chunks(piece).for_each(|piece| sealer.push(piece, &mut out));
        sealer.finish(&mut out);
        out
    }

    fn open_all(object: &[u8]) -> Result<Vec<u8>, SealError> {
        let from = SEALED_HEADER_LEN as u64;
        ObjectOpener::new(key(), object)?.open(from, &object[SEALED_HEADER_LEN..], object.len() as u64)
    }

    #[test]
    fn objects_of_every_size_open_again_however_they_were_pushed() {
        for len in [0, 1, FRAME_PLAIN - 1, FRAME_PLAIN, FRAME_PLAIN + 1, 3 * FRAME_PLAIN] {
            let object = sealed(&sound(len), 1000);
            assert_eq!(object.len() as u64, sealed_len(len as u64));
            assert_eq!(open_all(&object).unwrap(), sound(len));
            assert!(sealed(&sound(len), 70_000) == object, "sealing is deterministic");
        }
    }

    #[test]
    fn any_range_opens_alone() {
        let plain = sound(200_000);
        let object = sealed(&plain, 4096);
        let len = object.len() as u64;
        let opener = ObjectOpener::new(key(), &object).unwrap();
        for range in [0..1, 65_535..65_537, 70_000..70_010, 199_999..200_000, 0..200_000] {
            let frames = sealed_range(range.clone(), len);
            let opened = opener.open(frames.start, &object[frames.start as usize..frames.end as usize], len).unwrap();
            let skip = (range.start - super::super::plain_from(frames.start)) as usize;
            let wanted = (range.end - range.start) as usize;
            assert!(opened[skip..skip + wanted] == plain[range.start as usize..range.end as usize]);
        }
    }

    #[test]
    fn a_cut_object_fails_wherever_it_was_cut() {
        let object = sealed(&sound(150_000), 4096);
        for len in [40, 32 + FRAME_SEALED - 1, 32 + FRAME_SEALED, 32 + 2 * FRAME_SEALED, object.len() - 1] {
            assert!(open_all(&object[..len]).is_err(), "{len} octets");
        }
        assert_eq!(open_all(&object[..31]), Err(SealError::Truncated));
    }

    #[test]
    fn an_object_that_grew_or_whose_frames_were_swapped_fails() {
        let object = sealed(&sound(150_000), 4096);
        let longer = [&object[..], &object[object.len() - 100..]].concat();
        assert!(open_all(&longer).is_err());
        let (head, frames) = object.split_at(SEALED_HEADER_LEN);
        let swapped =
            [head, &frames[FRAME_SEALED..2 * FRAME_SEALED], &frames[..FRAME_SEALED], &frames[2 * FRAME_SEALED..]];
        assert_eq!(open_all(&swapped.concat()), Err(SealError::Unauthentic));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let object = sealed(b"not a single bit of this may change", 10);
        for bit in 0..object.len() * 8 {
            let mut altered = object.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open_all(&altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_name_recording_or_key_is_refused() {
        let object = sealed(b"mine", 10);
        let data = DataKey::from_entropy([42; 32]);
        let opened = |key| ObjectOpener::new(key, &object).err();
        assert_eq!(opened(data.object_key(&RECORDING, "audio.mp3")), Some(SealError::Foreign));
        assert_eq!(opened(data.object_key(&[0; 16], "audio.wav")), Some(SealError::Foreign));
        let stranger = DataKey::from_entropy([43; 32]).object_key(&RECORDING, "audio.wav");
        let opener = ObjectOpener::new(stranger, &object).unwrap();
        assert_eq!(opener.open(32, &object[32..], object.len() as u64), Err(SealError::Unauthentic));
    }

    #[test]
    fn another_content_under_the_same_name_takes_other_nonces() {
        let (one, other) = (sealed(b"rendered before", 99), sealed(b"rendered again!", 99));
        assert_ne!(one[32..44], other[32..44]);
    }

    #[test]
    fn a_range_off_the_frame_border_is_refused() {
        let object = sealed(&sound(150_000), 4096);
        let opener = ObjectOpener::new(key(), &object).unwrap();
        let len = object.len() as u64;
        assert_eq!(opener.open(33, &object[33..], len), Err(SealError::Malformed(NOT_A_FRAME)));
        assert_eq!(opener.open(0, &object, len), Err(SealError::Malformed(NOT_A_FRAME)));
        assert_eq!(opener.open(32, &object[32..100], len), Err(SealError::Truncated));
        assert_eq!(opener.open(32, &object[32..], len - 1), Err(SealError::Malformed(NOT_A_FRAME)));
    }
}
