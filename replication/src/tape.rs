//! The sound of one side as G.711 octets at 8 kHz, and what of it was sent.

use std::{io::Read, path::Path, sync::Arc};

use crate::{
    call::{
        report::Span,
        spec::{Audio, Law},
    },
    error::CallError,
    limits,
};

/// Octets (and samples) of G.711 a millisecond.
pub const OCTETS_PER_MS: u64 = 8;

/// The sound of one side; it begins again when a call is longer.
#[derive(Clone)]
pub struct Tape {
    octets: Arc<[u8]>,
}

impl Tape {
    /// Reads or makes the sound of a side; `channel` 0 is left. Of a stereo file each side takes its own channel.
    pub fn load(audio: &Audio, law: Law, channel: usize, seconds: u32) -> Result<Self, CallError> {
        match audio {
            Audio::Speech { seed } => Ok(Self::speech(*seed, seconds.clamp(1, limits::SPEECH_SECONDS), law)),
            Audio::Wav(path) => {
                let file = read_bounded(path)?;
                Self::from_wav(&file, law, channel)
                    .map_err(|cause| CallError::Usage(format!("{}: {cause}", path.display())))
            }
        }
    }

    /// Two voices with different seeds differ everywhere.
    fn speech(seed: u64, seconds: u32, law: Law) -> Self {
        Self { octets: media::speech::synth(seed, seconds, law.codec()).into() }
    }

    fn from_wav(file: &[u8], law: Law, channel: usize) -> Result<Self, String> {
        let wav = media::wav::read(file).map_err(|cause| cause.to_string())?;
        if wav.sample_rate != 8000 {
            return Err(format!("{} Hz; G.711 needs 8000 Hz", wav.sample_rate));
        }
        let channel = channel.min(wav.channels.len().saturating_sub(1));
        Self::new(wav.g711(channel, law.codec())).ok_or_else(|| "no sound in it".to_owned())
    }

    /// A tape of these octets; at least one.
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        (!octets.is_empty()).then(|| Self { octets: octets.into() })
    }

    /// Its length in milliseconds, before it begins again.
    pub fn length_ms(&self) -> u64 {
        self.octets.len() as u64 / OCTETS_PER_MS
    }

    /// Appends `count` octets from position `from` on.
    pub fn copy(&self, from: u64, count: usize, out: &mut Vec<u8>) {
        let mut position = (from % self.octets.len() as u64) as usize;
        let mut missing = count;
        while missing > 0 {
            let piece = missing.min(self.octets.len() - position);
            out.extend_from_slice(&self.octets[position..position + piece]);
            missing -= piece;
            position = 0;
        }
    }

    /// The timeline of a call as it was sent: silence where nothing was.
    pub fn timeline(&self, spans: &[Span], duration_ms: u64, silence: u8) -> Vec<u8> {
        let mut out = Vec::with_capacity((duration_ms * OCTETS_PER_MS) as usize);
        for span in spans {
            out.resize((span.from_ms * OCTETS_PER_MS) as usize, silence);
            let from = out.len() as u64;
            self.copy(from, ((span.to_ms * OCTETS_PER_MS).saturating_sub(from)) as usize, &mut out);
        }
        out.resize(out.len().max((duration_ms * OCTETS_PER_MS) as usize), silence);
        out
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, CallError> {
    let failed = |cause: &dyn std::fmt::Display| CallError::Usage(format!("{}: {cause}", path.display()));
    #[expect(clippy::disallowed_methods, reason = "the companion is a shell: it reads the files it is told to play")]
    let file = std::fs::File::open(path).map_err(|cause| failed(&cause))?;
    let mut octets = Vec::new();
    file.take(limits::WAV_FILE_OCTETS + 1).read_to_end(&mut octets).map_err(|cause| failed(&cause))?;
    if octets.len() as u64 > limits::WAV_FILE_OCTETS {
        return Err(failed(&"longer than 256 MiB"));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape() -> Tape {
        Tape::new((0..24).collect()).unwrap()
    }

    #[test]
    fn a_short_tape_begins_again() {
        let mut out = Vec::new();
        tape().copy(20, 10, &mut out);
        assert_eq!(out, [20, 21, 22, 23, 0, 1, 2, 3, 4, 5]);
        assert!(Tape::new(Vec::new()).is_none());
    }

    #[test]
    fn what_was_not_sent_is_silence_of_true_length() {
        let spans = [Span { from_ms: 1, to_ms: 2 }, Span { from_ms: 3, to_ms: 4 }];
        let timeline = tape().timeline(&spans, 5, 0xff);
        assert_eq!(timeline.len(), 40);
        assert_eq!(timeline[..8], [0xff; 8]);
        assert_eq!(timeline[8..16], [8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(timeline[16..24], [0xff; 8]);
        assert_eq!(timeline[24..32], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(timeline[32..], [0xff; 8]);
    }

    #[test]
    fn test_speech_differs_by_side_and_not_by_day() {
        let speech = |seed| Tape::load(&Audio::Speech { seed }, Law::Pcmu, 0, 2).unwrap().octets;
        assert_eq!(speech(1), speech(1));
        assert_ne!(speech(1), speech(2));
        assert_eq!(speech(1).len(), 16_000);
    }

    #[test]
    fn a_file_that_cannot_be_played_is_named() {
        let wrong = Tape::load(&Audio::Wav("/nonexistent/side.wav".into()), Law::Pcmu, 0, 1).err();
        assert!(matches!(wrong, Some(CallError::Usage(said)) if said.starts_with("/nonexistent/side.wav: ")));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.wav");
        std::fs::write(&path, "not sound").unwrap();
        let wrong = Tape::load(&Audio::Wav(path), Law::Pcmu, 0, 1).err();
        assert!(matches!(wrong, Some(CallError::Usage(said)) if said.contains("text.wav: ")));
    }
}
