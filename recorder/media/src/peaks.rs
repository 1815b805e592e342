//! The waveform of a rendering: the lowest and highest sample of every channel, for each short span.
//!
//! ```json
//! {"version":1,"channels":2,"sample_rate":8000,"ms_per_point":100,"points":[[[-3,4],[0,0]],...]}
//! ```
//! `points[n][channel]` is `[lowest, highest]`, each -128 to 127, of the span that begins `n * ms_per_point` in.

use serde::{Deserialize, Serialize};

use crate::limits::MAX_PEAKS;

/// A finished waveform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// Version of this format: 1.
    pub version: u8,
    /// Channels.
    pub channels: u16,
    /// Samples a second of the sound it was drawn from.
    pub sample_rate: u32,
    /// Milliseconds of one point.
    pub ms_per_point: u64,
    /// Points, in each of them one `[lowest, highest]` per channel.
    pub points: Vec<Vec<[i8; 2]>>,
}

impl Peaks {
    /// The waveform as JSON.
    pub fn to_json(&self) -> String {
        let points: Vec<String> = self
            .points
            .iter()
            .map(|point| {
                let sides: Vec<String> = point.iter().map(|[low, high]| format!("[{low},{high}]")).collect();
                format!("[{}]", sides.join(","))
            })
            .collect();
        format!(
            r#"{{"version":{},"channels":{},"sample_rate":{},"ms_per_point":{},"points":[{}]}}"#,
            self.version,
            self.channels,
            self.sample_rate,
            self.ms_per_point,
            points.join(",")
        )
    }
}

/// Draws a waveform while sound is rendered.
#[derive(Debug, Clone)]
pub struct PeaksWriter {
    peaks: Peaks,
    samples_per_point: u64,
    in_point: u64,
    low: Vec<i16>,
    high: Vec<i16>,
}

impl PeaksWriter {
    /// A waveform of a rendering of that length: 100 ms to a point, more where that would be more than 4,000 points.
    pub fn new(channels: u16, sample_rate: u32, total_samples: u64) -> Self {
        let total_ms = total_samples * 1_000 / u64::from(sample_rate.max(1)) + 1;
        let ms_per_point = total_ms.div_ceil(MAX_PEAKS).div_ceil(SHORTEST_MS) * SHORTEST_MS;
        Self {
            peaks: Peaks { version: 1, channels, sample_rate, ms_per_point, points: Vec::new() },
            samples_per_point: (u64::from(sample_rate) * ms_per_point / 1_000).max(1),
            in_point: 0,
            low: vec![0; channels.into()],
            high: vec![0; channels.into()],
        }
    }

    /// The next samples, one slice per channel, all of the same length.
    pub fn block(&mut self, pcm: &[&[i16]]) {
        let count = pcm.iter().map(|side| side.len()).min().unwrap_or(0);
        let mut from = 0;
        while from < count {
            let room = (self.samples_per_point - self.in_point) as usize;
            let to = count.min(from + room);
            for (channel, side) in pcm.iter().enumerate().take(self.low.len()) {
                let span = &side[from..to];
                self.low[channel] = span.iter().copied().fold(self.low[channel], i16::min);
                self.high[channel] = span.iter().copied().fold(self.high[channel], i16::max);
            }
            self.in_point += (to - from) as u64;
            if self.in_point == self.samples_per_point {
                self.end_point();
            }
            from = to;
        }
    }

    /// The waveform.
    pub fn finish(mut self) -> Peaks {
        if self.in_point > 0 {
            self.end_point();
        }
        self.peaks
    }

    fn end_point(&mut self) {
        let sides = self.low.iter().zip(&self.high).map(|(low, high)| [(low >> 8) as i8, (high >> 8) as i8]);
        self.peaks.points.push(sides.collect());
        self.low.fill(0);
        self.high.fill(0);
        self.in_point = 0;
    }
}

const SHORTEST_MS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_holds_the_extremes_of_its_span() {
        let mut writer = PeaksWriter::new(2, 8_000, 1_600);
        let mut left = vec![0_i16; 1_600];
        (left[799], left[800]) = (0x7fff, -0x8000);
        let right = vec![0x0100; 1_600];
        for block in 0..4 {
            writer.block(&[&left[block * 400..][..400], &right[block * 400..][..400]]);
        }
        let peaks = writer.finish();
        assert_eq!(peaks.points, [[[0, 127], [0, 1]], [[-128, 0], [0, 1]]]);
        assert_eq!(
            peaks.to_json(),
            r#"{"version":1,"channels":2,"sample_rate":8000,"ms_per_point":100,"points":[[[0,127],[0,1]],[[-128,0],[0,1]]]}"#
        );
    }

    #[test]
    fn a_day_is_merged_into_the_bound_and_a_blink_is_one_point() {
        let total = 86_400 * 8_000;
        let mut writer = PeaksWriter::new(1, 8_000, total);
        let block = vec![5_000; 80_000];
        for _ in 0..total / 80_000 {
            writer.block(&[&block]);
        }
        let peaks = writer.finish();
        assert!(peaks.points.len() as u64 <= MAX_PEAKS && peaks.ms_per_point.is_multiple_of(100));
        assert!(peaks.points.len() > 3_900);
        let mut writer = PeaksWriter::new(2, 8_000, 10);
        writer.block(&[&[1; 10], &[1; 10]]);
        assert_eq!(writer.finish().points.len(), 1);
    }
}
