//! MP3 for listening: LAME (LGPL, linked as a library) at the bitrates Genesys Interaction Recording names.
//!
//! Stereo is two separate channels, never joint: a side that is silent stays silent. The stream is plain constant
//! bitrate without an information frame, because it is sealed and uploaded while it is made; a decoder therefore shows
//! LAME's delay of 1,105 samples (138 ms at 8 kHz) before the first sound.

use std::{fmt, num::NonZeroU32};

use mp3lame_encoder::{Bitrate, Builder, DualPcm, FlushGap, Mode, MonoPcm, Quality, max_required_buffer_size};

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 8 kbit/s, both sides mixed.
    Mono8,
    /// 16 kbit/s, left and right apart.
    Stereo16,
    /// 32 kbit/s, left and right apart.
    Stereo32,
}

impl Kind {
    /// Kilobits a second.
    pub const fn kbps(self) -> u16 {
        match self {
            Self::Mono8 => 8,
            Self::Stereo16 => 16,
            Self::Stereo32 => 32,
        }
    }

    /// The kind of that bitrate.
    pub const fn by_kbps(kbps: u16) -> Option<Self> {
        match kbps {
            8 => Some(Self::Mono8),
            16 => Some(Self::Stereo16),
            32 => Some(Self::Stereo32),
            _ => None,
        }
    }
}

/// LAME refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mp3Error(String);

impl fmt::Display for Mp3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MP3 encoder: {}", self.0)
    }
}

impl std::error::Error for Mp3Error {}

/// One MP3 file being made: [`Encoder::block`] for all sound, then [`Encoder::finish`].
pub struct Encoder {
    lame: mp3lame_encoder::Encoder,
    kind: Kind,
    mix: Vec<i16>,
}

impl Encoder {
    /// An encoder for sound of `sample_rate` (8,000 or 16,000).
    ///
    /// # Errors
    /// When LAME cannot start or does not know the sample rate.
    pub fn new(kind: Kind, sample_rate: u32) -> Result<Self, Mp3Error> {
        let (channels, mode, bitrate) = match kind {
            Kind::Mono8 => (1, Mode::Mono, Bitrate::Kbps8),
            Kind::Stereo16 => (2, Mode::Stereo, Bitrate::Kbps16),
            Kind::Stereo32 => (2, Mode::Stereo, Bitrate::Kbps32),
        };
        // 8 kbit/s a channel leave no room for the upper band.
        let output = if kind == Kind::Stereo32 { sample_rate } else { sample_rate.min(8_000) };
        let mut builder = Builder::new().ok_or_else(|| Mp3Error("no memory".into()))?;
        builder.set_num_channels(channels).map_err(refused)?;
        builder.set_sample_rate(sample_rate).map_err(refused)?;
        builder.set_output_sample_rate(NonZeroU32::new(output)).map_err(refused)?;
        builder.set_mode(mode).map_err(refused)?;
        builder.set_brate(bitrate).map_err(refused)?;
        builder.set_quality(Quality::Good).map_err(refused)?;
        builder.set_to_write_vbr_tag(false).map_err(refused)?;
        let lame = builder.build().map_err(refused)?;
        Ok(Self { lame, kind, mix: Vec::new() })
    }

    /// Encodes the next samples of both sides; what is ready is appended to `out`. The longer side is cut.
    ///
    /// # Errors
    /// When LAME fails; the file is of no use then.
    pub fn block(&mut self, left: &[i16], right: &[i16], out: &mut Vec<u8>) -> Result<(), Mp3Error> {
        let count = left.len().min(right.len());
        let (left, right) = (&left[..count], &right[..count]);
        out.reserve(max_required_buffer_size(count));
        if self.kind == Kind::Mono8 {
            self.mix.clear();
            let both = left.iter().zip(right);
            self.mix.extend(both.map(|(&left, &right)| left.saturating_add(right)));
            self.lame.encode_to_vec(MonoPcm(&self.mix), out).map_err(refused)?;
        } else {
            self.lame.encode_to_vec(DualPcm { left, right }, out).map_err(refused)?;
        }
        Ok(())
    }

    /// Appends the last frames.
    ///
    /// # Errors
    /// When LAME fails; the file is of no use then.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Mp3Error> {
        out.reserve(max_required_buffer_size(0));
        self.lame.flush_to_vec::<FlushGap>(out).map_err(refused)?;
        Ok(())
    }
}

fn refused(cause: impl fmt::Display) -> Mp3Error {
    Mp3Error(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sample rates and bitrates (kbit/s) of MPEG-2.5 and MPEG-2 layer III, by header index (ISO 13818-3).
    fn frames(file: &[u8]) -> Vec<(u32, u32, u8)> {
        const KBPS: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let (mut at, mut frames) = (0, Vec::new());
        while at + 4 <= file.len() {
            let head = &file[at..at + 4];
            assert!(head[0] == 0xff && head[1] & 0xe0 == 0xe0, "frame at {at}");
            let half = if head[1] & 0x08 == 0 && head[1] & 0x10 == 0 { 2 } else { 1 };
            let hertz = [22_050, 24_000, 16_000][usize::from(head[2] >> 2 & 3)] / half;
            let kbps = KBPS[usize::from(head[2] >> 4)];
            frames.push((hertz, kbps, head[3] >> 6));
            at += (72_000 * kbps / hertz) as usize + usize::from(head[2] >> 1 & 1);
        }
        frames
    }

    #[test]
    fn every_kind_keeps_its_bitrate_and_separate_channels() {
        let tone: Vec<i16> = (0..16_000).map(|n| ((f64::from(n) * 0.3).sin() * 9_000.0) as i16).collect();
        let silent = vec![0; tone.len()];
        for (rate, kind, output) in [
            (8_000, Kind::Mono8, 8_000),
            (8_000, Kind::Stereo16, 8_000),
            (8_000, Kind::Stereo32, 8_000),
            (16_000, Kind::Mono8, 8_000),
            (16_000, Kind::Stereo16, 8_000),
            (16_000, Kind::Stereo32, 16_000),
        ] {
            let mut encoder = Encoder::new(kind, rate).unwrap();
            let mut file = Vec::new();
            for (left, right) in tone.chunks(1_000).zip(silent.chunks(1_000)) {
                encoder.block(left, right, &mut file).unwrap();
            }
            encoder.finish(&mut file).unwrap();
            let frames = frames(&file);
            let mode = if kind == Kind::Mono8 { 3 } else { 0 };
            assert!(frames.iter().all(|&frame| frame == (output, kind.kbps().into(), mode)), "{kind:?} {rate}");
            let seconds = frames.len() as f64 * 576.0 / f64::from(output);
            let expected = 16_000.0 / f64::from(rate);
            assert!((expected..expected + 0.4).contains(&seconds), "{kind:?} {rate}: {seconds}");
        }
    }

    #[test]
    fn an_unknown_rate_is_refused_and_bitrates_name_kinds() {
        assert!(Encoder::new(Kind::Stereo16, 0).is_err() || Encoder::new(Kind::Stereo16, 1).is_err());
        assert_eq!(Kind::by_kbps(16), Some(Kind::Stereo16));
        assert_eq!(Kind::by_kbps(64), None);
    }
}
