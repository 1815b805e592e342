//! WAV files: the header of a rendering (G.711 kept as it is, RF64 beyond 4 GiB), and a reader for the companion.

use std::fmt;

use crate::{codec::Law, limits::MAX_WAV_OCTETS, render::Plan};

/// How samples stand in a WAV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavFormat {
    /// Format tag 7: mu-law octets.
    MuLaw,
    /// Format tag 6: A-law octets.
    ALaw,
    /// Format tag 1: 16-bit linear, little-endian.
    Linear16,
}

impl WavFormat {
    /// The format tag.
    pub const fn tag(self) -> u16 {
        match self {
            Self::Linear16 => 1,
            Self::ALaw => 6,
            Self::MuLaw => 7,
        }
    }

    /// Octets of one sample.
    pub const fn sample_octets(self) -> u64 {
        match self {
            Self::Linear16 => 2,
            Self::ALaw | Self::MuLaw => 1,
        }
    }

    /// The law, when the samples are companded.
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::MuLaw => Some(Law::Mu),
            Self::ALaw => Some(Law::A),
            Self::Linear16 => None,
        }
    }
}

/// Octets before the samples of a rendering. The samples follow as the renderer hands them out.
pub fn header(plan: &Plan) -> Vec<u8> {
    let frame = plan.format.sample_octets() * u64::from(plan.channels);
    let data = plan.total_samples * frame;
    let mut out = Vec::with_capacity(128);
    let fact = plan.format.law().is_some();
    let after_riff = 4 + 26 + if fact { 12 } else { 0 } + 8 + data + data % 2;
    if after_riff > u64::from(u32::MAX) {
        out.extend_from_slice(b"RF64\xff\xff\xff\xffWAVE");
        out.extend_from_slice(b"ds64");
        put32(&mut out, 28);
        for size in [after_riff + 36, data, plan.total_samples] {
            out.extend_from_slice(&size.to_le_bytes());
        }
        put32(&mut out, 0);
    } else {
        out.extend_from_slice(b"RIFF");
        put32(&mut out, after_riff as u32);
        out.extend_from_slice(b"WAVE");
    }
    write_format(&mut out, plan, frame as u32);
    if fact {
        out.extend_from_slice(b"fact");
        put32(&mut out, 4);
        put32(&mut out, u32::try_from(plan.total_samples).unwrap_or(u32::MAX));
    }
    out.extend_from_slice(b"data");
    put32(&mut out, u32::try_from(data).unwrap_or(u32::MAX));
    out
}

fn write_format(out: &mut Vec<u8>, plan: &Plan, frame: u32) {
    out.extend_from_slice(b"fmt ");
    put32(out, 18);
    out.extend_from_slice(&plan.format.tag().to_le_bytes());
    out.extend_from_slice(&plan.channels.to_le_bytes());
    put32(out, plan.sample_rate);
    put32(out, plan.sample_rate * frame);
    out.extend_from_slice(&(frame as u16).to_le_bytes());
    out.extend_from_slice(&(plan.format.sample_octets() as u16 * 8).to_le_bytes());
    out.extend_from_slice(&[0, 0]);
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Why a file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavError {
    /// Not RIFF/WAVE, or a chunk is cut short.
    NotWav,
    /// A format tag, sample size or channel count that is not read here.
    Unsupported {
        /// Format tag: 1, 6 and 7 are read.
        tag: u16,
        /// Bits of a sample.
        bits: u16,
        /// Channels: 1 and 2 are read.
        channels: u16,
    },
    /// Larger than [`MAX_WAV_OCTETS`].
    TooLarge,
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => f.write_str("not a WAV file, or cut short"),
            Self::Unsupported { tag, bits, channels } => write!(
                f,
                "WAV with format tag {tag}, {bits} bits and {channels} channels is not supported: \
                 use mu-law, A-law or 16-bit linear, mono or stereo"
            ),
            Self::TooLarge => write!(f, "WAV file is larger than {MAX_WAV_OCTETS} octets"),
        }
    }
}

impl std::error::Error for WavError {}

/// A WAV file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// How its samples stand.
    pub format: WavFormat,
    /// Samples a second.
    pub sample_rate: u32,
    /// Per channel, the octets of its samples.
    pub channels: Vec<Vec<u8>>,
}

impl Wav {
    /// The linear samples of a channel; empty when there is no such channel.
    pub fn pcm(&self, channel: usize) -> Vec<i16> {
        let octets = self.channels.get(channel).map_or(&[][..], Vec::as_slice);
        match self.format.law() {
            Some(law) => octets.iter().map(|&octet| law.decode(octet)).collect(),
            None => octets.as_chunks().0.iter().map(|&sample| i16::from_le_bytes(sample)).collect(),
        }
    }

    /// A channel as G.711: the very octets of the file where it is in that law already.
    pub fn g711(&self, channel: usize, law: Law) -> Vec<u8> {
        match self.channels.get(channel) {
            Some(octets) if self.format.law() == Some(law) => octets.clone(),
            _ => self.pcm(channel).into_iter().map(|sample| law.encode(sample)).collect(),
        }
    }
}

/// Reads a mono or stereo file with format tag 1 (16 bits), 6 or 7, also inside WAVE_FORMAT_EXTENSIBLE. A `data` chunk
/// that says more than there is (a writer that was interrupted) is read to the end of the file.
///
/// # Errors
/// [`WavError`] says what the file is instead.
pub fn read(octets: &[u8]) -> Result<Wav, WavError> {
    if octets.len() > MAX_WAV_OCTETS {
        return Err(WavError::TooLarge);
    }
    if octets.len() < 12 || &octets[8..12] != b"WAVE" || !matches!(&octets[..4], b"RIFF" | b"RF64") {
        return Err(WavError::NotWav);
    }
    let (mut format, mut rest) = (None, &octets[12..]);
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if &head[..4] == b"data" {
            let (format, channels, sample_rate) = format.ok_or(WavError::NotWav)?;
            let channels = deinterleave(&body[..len.min(body.len())], format, channels);
            return Ok(Wav { format, sample_rate, channels });
        }
        let chunk = body.get(..len).ok_or(WavError::NotWav)?;
        if &head[..4] == b"fmt " {
            format = Some(read_format(chunk)?);
        }
        rest = body.get(len + len % 2..).unwrap_or_default();
    }
    Err(WavError::NotWav)
}

fn read_format(chunk: &[u8]) -> Result<(WavFormat, usize, u32), WavError> {
    if chunk.len() < 16 {
        return Err(WavError::NotWav);
    }
    let word = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
    let (tag, channels, bits) = (word(0), word(2), word(14));
    let tag = if tag == EXTENSIBLE && chunk.len() >= 26 { word(24) } else { tag };
    let format = match (tag, bits, channels) {
        (1, 16, 1 | 2) => WavFormat::Linear16,
        (6, 8, 1 | 2) => WavFormat::ALaw,
        (7, 8, 1 | 2) => WavFormat::MuLaw,
        _ => return Err(WavError::Unsupported { tag, bits, channels }),
    };
    Ok((format, usize::from(channels), u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]])))
}

fn deinterleave(data: &[u8], format: WavFormat, channels: usize) -> Vec<Vec<u8>> {
    let sample = format.sample_octets() as usize;
    let mut split = vec![Vec::with_capacity(data.len() / channels); channels];
    for frame in data.chunks_exact(sample * channels) {
        for (channel, octets) in split.iter_mut().zip(frame.chunks_exact(sample)) {
            channel.extend_from_slice(octets);
        }
    }
    split
}

const EXTENSIBLE: u16 = 0xfffe;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(format: WavFormat, total_samples: u64) -> Plan {
        let mut plan = Plan::empty();
        (plan.format, plan.total_samples) = (format, total_samples);
        plan
    }

    #[test]
    fn a_header_reads_back_in_every_format() {
        for format in [WavFormat::MuLaw, WavFormat::ALaw, WavFormat::Linear16] {
            let mut file = header(&plan(format, 3));
            let data: Vec<u8> = (0..3 * 2 * format.sample_octets() as u8).collect();
            file.extend_from_slice(&data);
            let riff = u32::from_le_bytes([file[4], file[5], file[6], file[7]]);
            assert_eq!(riff as usize, file.len() - 8);
            let wav = read(&file).unwrap();
            assert_eq!((wav.format, wav.sample_rate, wav.channels.len()), (format, 8_000, 2));
            let sample = format.sample_octets() as usize;
            assert_eq!(wav.channels[1][..sample], data[sample..2 * sample]);
            assert_eq!(wav.pcm(0).len(), 3);
        }
    }

    #[test]
    fn beyond_four_gigabytes_the_sizes_move_to_ds64() {
        let head = header(&plan(WavFormat::MuLaw, 3_000_000_000));
        assert_eq!((&head[..4], &head[12..16]), (&b"RF64"[..], &b"ds64"[..]));
        assert_eq!(u64::from_le_bytes(head[20..28].try_into().unwrap()), head.len() as u64 - 8 + 6_000_000_000);
        assert_eq!(u64::from_le_bytes(head[28..36].try_into().unwrap()), 6_000_000_000);
        assert_eq!(u64::from_le_bytes(head[36..44].try_into().unwrap()), 3_000_000_000);
        assert_eq!(&header(&plan(WavFormat::MuLaw, 1))[..4], b"RIFF");
    }

    #[test]
    fn octets_of_the_same_law_are_untouched_and_others_are_transcoded() {
        let mut file = header(&plan(WavFormat::MuLaw, 2));
        file.extend_from_slice(&[0x7f, 0x11, 0xff, 0x22]);
        let wav = read(&file).unwrap();
        assert_eq!(wav.g711(0, Law::Mu), [0x7f, 0xff]);
        assert_eq!(wav.g711(1, Law::A), [0x11, 0x22].map(|octet| Law::A.encode(Law::Mu.decode(octet))));
        assert_eq!(wav.g711(2, Law::Mu), []);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let mut file = header(&plan(WavFormat::Linear16, 0));
        file[34] = 24;
        assert_eq!(read(&file).unwrap_err(), WavError::Unsupported { tag: 1, bits: 24, channels: 2 });
        assert_eq!(read(b"RIFF....AVI ").unwrap_err(), WavError::NotWav);
        assert_eq!(read(&header(&plan(WavFormat::ALaw, 0))[..30]).unwrap_err(), WavError::NotWav);
    }

    proptest! {
        #[test]
        fn no_octets_panic(mut octets in proptest::collection::vec(any::<u8>(), 12..120), cut in 0..120_usize) {
            let head = header(&plan(WavFormat::ALaw, 9));
            let cut = cut.min(head.len());
            octets.splice(..0, head[..cut].iter().copied());
            let _ = read(&octets);
        }
    }
}
