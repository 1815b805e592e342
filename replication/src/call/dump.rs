//! `--dump-sent`: the G.711 octets of each side as they were sent, on the timeline of the call, raw and as WAV.

use std::path::Path;

use super::{legs::Side, report::Span, spec::Law};
use crate::{error::CallError, tape::Tape};

/// Writes `left.ulaw` and `left.wav` (or `right`, `.alaw`) into `folder`.
///
/// Sample 0 is the first packet of the call; where nothing was sent (pause, digits, a leg that joined later) stands silence.
///
/// # Errors
/// [`CallError::Usage`] naming the file that cannot be written.
pub(super) fn write(folder: &Path, side: Side, sound: &Tape, law: Law, sent: (&[Span], u64)) -> Result<(), CallError> {
    let (spans, duration_ms) = sent;
    let octets = sound.timeline(spans, duration_ms, law.silence());
    let suffix = if law == Law::Pcmu { "ulaw" } else { "alaw" };
    put(folder, &format!("{}.{suffix}", side.name()), &octets)?;
    put(folder, &format!("{}.wav", side.name()), &wav(law, &octets))
}

fn put(folder: &Path, name: &str, octets: &[u8]) -> Result<(), CallError> {
    let path = folder.join(name);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, octets))
        .map_err(|cause| CallError::Usage(format!("{}: {cause}", path.display())))
}

/// A mono WAV of format tag 7 (mu-law) or 6 (A-law) at 8 kHz.
fn wav(law: Law, octets: &[u8]) -> Vec<u8> {
    let tag: u16 = if law == Law::Pcmu { 7 } else { 6 };
    let length = octets.len() as u32;
    let padded = length + length % 2;
    let mut out = Vec::with_capacity(octets.len() + 64);
    out.extend_from_slice(b"RIFF");
    out.extend((4 + 26 + 12 + 8 + padded).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend(18u32.to_le_bytes());
    for word in [tag, 1] {
        out.extend(word.to_le_bytes());
    }
    out.extend(8000u32.to_le_bytes());
    out.extend(8000u32.to_le_bytes());
    for word in [1u16, 8, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend_from_slice(b"fact");
    out.extend(4u32.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend(length.to_le_bytes());
    out.extend_from_slice(octets);
    out.resize(out.len() + (length % 2) as usize, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::spec::Audio;

    #[test]
    fn what_was_sent_can_be_played_again() {
        let folder = tempfile::tempdir().unwrap();
        let sound = Tape::new((0..160).collect()).unwrap();
        let spans = [Span { from_ms: 0, to_ms: 20 }];
        write(folder.path(), Side::Right, &sound, Law::Pcma, (&spans, 30)).unwrap();
        let raw = std::fs::read(folder.path().join("right.alaw")).unwrap();
        assert_eq!((raw.len(), raw[159], raw[160]), (240, 159, 0xd5));
        let again = Tape::load(&Audio::Wav(folder.path().join("right.wav")), Law::Pcma, 0, 1).unwrap();
        let mut octets = Vec::new();
        again.copy(0, 240, &mut octets);
        assert_eq!((octets, again.length_ms()), (raw, 30));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let sound = Tape::new(vec![0]).unwrap();
        let failed = write(Path::new("/proc/nowhere"), Side::Left, &sound, Law::Pcmu, (&[], 1)).unwrap_err();
        assert!(failed.to_string().starts_with("/proc/nowhere/left.ulaw: "), "{failed}");
    }
}
