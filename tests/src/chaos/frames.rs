//! Which of the frames that were sent a recording still has. A packet is kept whole or not at all, so sound is compared
//! frame by frame (20 ms of G.711), wherever the recording places it.

use std::collections::HashMap;

/// Octets of a frame.
pub const FRAME: usize = 160;

/// What became of the frames of one side.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Frames sent that can be told apart from silence.
    pub loud: usize,
    /// Numbers of those that are not in the recording.
    pub missing: Vec<usize>,
    /// Octets of the recording that are neither silence nor of any frame: damage.
    pub foreign: usize,
}

impl Frames {
    /// Compares what was sent with a channel of a recording.
    pub fn compare(sent: &[u8], kept: &[u8], silence: u8) -> Self {
        let frames: Vec<&[u8]> = sent.chunks_exact(FRAME).collect();
        let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (number, frame) in frames.iter().enumerate().filter(|(_, frame)| is_loud(frame, silence)) {
            places.entry(frame).or_default().push(number);
        }
        let loud = places.values().map(Vec::len).sum();
        let (mut at, mut foreign, mut is_there) = (0, 0, vec![false; frames.len()]);
        while at < kept.len() {
            let found = kept.get(at..at + FRAME).and_then(|window| places.get(window));
            match found {
                Some(numbers) => {
                    numbers.iter().for_each(|number| is_there[*number] = true);
                    at += FRAME;
                }
                None => {
                    foreign += usize::from(kept[at] != silence);
                    at += 1;
                }
            }
        }
        let mut missing: Vec<usize> = places.into_values().flatten().filter(|number| !is_there[*number]).collect();
        missing.sort_unstable();
        Self { loud, missing, foreign }
    }

    /// Runs of frames that are missing, without the quiet ones between them.
    pub fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for number in &self.missing {
            match runs.last_mut() {
                // A quiet frame cannot be told from a lost one.
                Some(last) if number - last.1 <= 3 => last.1 = *number,
                _ => runs.push((*number, *number)),
            }
        }
        runs
    }
}

/// A frame of one value, or nearly, stands everywhere.
fn is_loud(frame: &[u8], silence: u8) -> bool {
    frame.iter().filter(|octet| **octet != silence).count() > FRAME / 4 && frame.iter().any(|octet| *octet != frame[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(frames: usize) -> Vec<u8> {
        media::speech::synth(3, 5, media::codec::Law::Mu)[..frames * FRAME].to_vec()
    }

    #[test]
    fn a_whole_copy_lacks_nothing_wherever_it_stands() {
        let sent = sound(100);
        let kept = [vec![0xff; 77], sent.clone(), vec![0xff; 13]].concat();
        let frames = Frames::compare(&sent, &kept, 0xff);
        assert!(frames.loud > 50, "{frames:?}");
        assert_eq!((frames.missing.len(), frames.foreign), (0, 0));
    }

    #[test]
    fn lost_frames_and_damage_are_told_apart() {
        let sent = sound(100);
        let mut kept = sent.clone();
        kept[40 * FRAME..50 * FRAME].fill(0xff);
        let frames = Frames::compare(&sent, &kept, 0xff);
        let runs = frames.runs();
        assert!(runs.len() == 1 && runs[0].0 >= 40 && runs[0].1 < 50 && frames.foreign == 0, "{frames:?}");
        let at = (0..).map(|number| number * FRAME).find(|at| is_loud(&sent[*at..*at + FRAME], 0xff)).expect("sound");
        kept[at + 80] ^= 0x55;
        let frames = Frames::compare(&sent, &kept, 0xff);
        assert!(frames.foreign > 0 && frames.missing.contains(&(at / FRAME)), "{frames:?}");
    }
}
