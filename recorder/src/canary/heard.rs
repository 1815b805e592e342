//! What came out of the archive, against what went in.

use std::path::Path;

use model::RecordingId;
use storage_core::ports::{MediaFormat, Playback};

/// Octets read at once.
const PIECE: u64 = 256 * 1024;
/// Two seconds of two channels are 32 kB; whatever is larger by far is none of ours.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Fetches and decrypts the WAV; both sides must be in it, octet for octet.
pub(super) async fn compare(playback: &dyn Playback, id: RecordingId, folder: &Path) -> Result<(), String> {
    let reader = playback.open(id, MediaFormat::Wav).await.map_err(|error| error.to_string())?;
    let length = reader.len();
    if length > LONGEST {
        return Err(format!("the rendering has {length} octets"));
    }
    let mut wav = Vec::with_capacity(length as usize);
    while (wav.len() as u64) < length {
        let from = wav.len() as u64;
        let piece = reader.read(from..length.min(from + PIECE)).await.map_err(|error| error.to_string())?;
        if piece.is_empty() {
            return Err(format!("the rendering ends after {from} of {length} octets"));
        }
        wav.extend(piece);
    }
    for side in ["left", "right"] {
        let path = ["ulaw", "alaw"].map(|law| folder.join(format!("{side}.{law}")));
        let mut sent = None;
        for path in path {
            sent = sent.or(tokio::fs::read(path).await.ok());
        }
        let sent = sent.filter(|sent| !sent.is_empty()).ok_or_else(|| format!("the replicator left no {side} side"))?;
        if !is_in(&wav, &sent) {
            return Err(format!("the {side} side is not in the recording as it was sent"));
        }
    }
    Ok(())
}

/// Whether one of two interleaved channels of octets has `sent` in it, whole.
fn is_in(wav: &[u8], sent: &[u8]) -> bool {
    (0..2).any(|first| {
        let channel: Vec<u8> = wav.iter().skip(first).step_by(2).copied().collect();
        // Comparing from every place costs little: test speech differs in its first octets.
        channel.windows(sent.len()).any(|window| window == sent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_found_in_either_channel_and_only_whole() {
        let sent: Vec<u8> = (1..=200).collect();
        let mut wav = vec![0_u8; 47];
        for (at, octet) in sent.iter().enumerate() {
            wav.extend([*octet, 0xff - (at % 7) as u8]);
        }
        assert!(is_in(&wav, &sent));
        wav.insert(40, 0);
        assert!(is_in(&wav, &sent), "the other channel");
        wav[150] ^= 1;
        assert!(!is_in(&wav, &sent), "one octet differs");
        assert!(!is_in(&wav[..100], &sent), "cut off");
    }
}
