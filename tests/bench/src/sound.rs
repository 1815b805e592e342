//! Whether an archived recording holds, sample for sample, the test speech that the generator sent.

use std::time::Duration;

use media::{codec::Law, speech, wav};

/// Test speech begins again after so many seconds (`replicator`).
const SPEECH_SECONDS: u64 = 60;
/// Samples a second.
const RATE: usize = 8_000;

/// What differs, in words; nothing when both channels hold everything that was sent.
pub(crate) fn differs(file: &[u8], sent: Duration) -> Vec<String> {
    let read = match wav::read(file) {
        Ok(read) => read,
        Err(cause) => return vec![format!("the archived WAV cannot be read: {cause}")],
    };
    if read.channels.len() != 2 {
        return vec![format!("the archived WAV has {} channels", read.channels.len())];
    }
    let heard = [0, 1].map(|channel| read.g711(channel, Law::Mu));
    let missing = (0..2).filter(|channel| !holds(&heard[*channel], &spoken(*channel as u64 + 1, sent)));
    missing.map(|channel| format!("channel {channel} of an archived WAV is not what was sent")).collect()
}

/// The generator's side with this seed.
fn spoken(seed: u64, sent: Duration) -> Vec<u8> {
    let seconds = (sent.as_secs() + 1).clamp(1, SPEECH_SECONDS) as u32;
    let once = speech::synth(seed, seconds, Law::Mu);
    once.iter().copied().cycle().take(sent.as_millis() as usize * RATE / 1000).collect()
}

/// The channel may begin with silence (the other side was first), nothing else.
fn holds(channel: &[u8], spoken: &[u8]) -> bool {
    let silence = Law::Mu.silence();
    (0..RATE.min(channel.len().saturating_sub(spoken.len()) + 1))
        .any(|start| channel[start..].starts_with(spoken) && channel[..start].iter().all(|sample| *sample == silence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leading_silence_is_tolerated() {
        let (spoken, silence) = ([1, 2, 3], Law::Mu.silence());
        assert!(holds(&[1, 2, 3], &spoken) && holds(&[silence, 1, 2, 3, silence], &spoken));
        assert!(!holds(&[1, 2], &spoken) && !holds(&[1, 2, 4], &spoken) && !holds(&[9, 1, 2, 3], &spoken));
    }

    #[test]
    fn a_call_longer_than_the_speech_hears_it_again() {
        let long = spoken(1, Duration::from_secs(61));
        assert_eq!(long.len(), 61 * RATE);
        assert_eq!(long[..RATE], long[60 * RATE..]);
        assert_ne!(long[..RATE], spoken(2, Duration::from_secs(1)));
    }
}
