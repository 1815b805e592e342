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
    let look = |channel: usize| {
        let at = parts(&heard[channel], &spoken(channel as u64 + 1, sent))?;
        let seconds = |samples: usize| samples as f64 / RATE as f64;
        let (silence, good, all) = (seconds(at.silence), seconds(at.good), sent.as_secs_f64());
        Some(format!(
            "channel {channel} of an archived WAV is not what was sent: {silence} s of silence, then {good} of {all} s as sent"
        ))
    };
    (0..2).filter_map(look).collect()
}

/// The generator's side with this seed.
fn spoken(seed: u64, sent: Duration) -> Vec<u8> {
    let seconds = (sent.as_secs() + 1).clamp(1, SPEECH_SECONDS) as u32;
    let once = speech::synth(seed, seconds, Law::Mu);
    once.iter().copied().cycle().take(sent.as_millis() as usize * RATE / 1000).collect()
}

/// Where a channel parts from what was spoken, in samples.
#[derive(Debug, PartialEq, Eq)]
struct Parting {
    /// Before the first sample that is not silent.
    silence: usize,
    /// The most that is as spoken, wherever within that silence the speech begins.
    good: usize,
}

/// Nothing, when all is there. The channel may begin with silence (the other side was first), nothing else.
fn parts(channel: &[u8], spoken: &[u8]) -> Option<Parting> {
    let quiet = Law::Mu.silence();
    let silence = channel.iter().take_while(|sample| **sample == quiet).count();
    let same = |start: usize| channel[start..].iter().zip(spoken).take_while(|(heard, said)| heard == said).count();
    let good = (0..=silence.min(RATE - 1).min(channel.len())).map(same).max().unwrap_or_default();
    (good < spoken.len()).then_some(Parting { silence, good })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leading_silence_is_tolerated() {
        let (spoken, silence) = ([1, 2, 3], Law::Mu.silence());
        assert_eq!([parts(&[1, 2, 3], &spoken), parts(&[silence, 1, 2, 3, silence], &spoken)], [None, None]);
        assert_eq!(parts(&[silence, 1, 2], &spoken), Some(Parting { silence: 1, good: 2 }));
        assert_eq!(parts(&[1, 2, 4], &spoken), Some(Parting { silence: 0, good: 2 }));
        assert_eq!(parts(&[9, 1, 2, 3], &spoken), Some(Parting { silence: 0, good: 0 }));
    }

    #[test]
    fn a_call_longer_than_the_speech_hears_it_again() {
        let long = spoken(1, Duration::from_secs(61));
        assert_eq!(long.len(), 61 * RATE);
        assert_eq!(long[..RATE], long[60 * RATE..]);
        assert_ne!(long[..RATE], spoken(2, Duration::from_secs(1)));
    }
}
