//! A WAV file as a test sees it: format tag and the octets of each channel. Reads RIFF and RF64.

/// What is in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Wav {
    /// 1 linear, 6 A-law, 7 mu-law.
    pub tag: u16,
    /// Channels.
    pub channels: u16,
    /// Hz.
    pub rate: u32,
    /// Octets per sample.
    pub width: u16,
    /// The octets of the data chunk, interleaved.
    pub data: Vec<u8>,
}

impl Wav {
    /// Reads a file.
    ///
    /// # Panics
    /// When it is no WAV.
    pub fn read(file: &[u8]) -> Self {
        assert!(file.starts_with(b"RIFF") || file.starts_with(b"RF64"), "no WAV: {:?}", &file[..file.len().min(16)]);
        let word = |at: usize| u16::from_le_bytes([file[at], file[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
        let (mut at, mut wav) = (12, Self { tag: 0, channels: 0, rate: 0, width: 0, data: Vec::new() });
        while at + 8 <= file.len() {
            let (name, size) = (&file[at..at + 4], long(at + 4) as usize);
            let body = at + 8;
            match name {
                b"fmt " => {
                    wav.tag = word(body);
                    wav.channels = word(body + 2);
                    wav.rate = long(body + 4);
                    wav.width = word(body + 14) / 8;
                }
                b"data" => wav.data = file[body..file.len().min(body + size)].to_vec(),
                _ => {}
            }
            at = body + size + size % 2;
        }
        wav
    }

    /// The octets of one channel.
    pub fn channel(&self, index: usize) -> Vec<u8> {
        let (width, channels) = (self.width as usize, self.channels as usize);
        let frames = self.data.chunks_exact(width * channels);
        frames.flat_map(|frame| frame[index * width..(index + 1) * width].to_vec()).collect()
    }

    /// Where `sent` stands in a channel, sample for sample; none when it is not there whole.
    pub fn find(&self, channel: usize, sent: &[u8]) -> Option<usize> {
        let channel = self.channel(channel);
        channel.windows(sent.len()).position(|window| window == sent)
    }
}

/// A mono G.711 file of that tag at 8 kHz.
pub fn mono(tag: u16, octets: &[u8]) -> Vec<u8> {
    let length = octets.len() as u32;
    let mut out = b"RIFF".to_vec();
    out.extend((4 + 26 + 8 + length + length % 2).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(18_u32.to_le_bytes());
    [tag, 1].iter().for_each(|word| out.extend(word.to_le_bytes()));
    [8000_u32, 8000].iter().for_each(|word| out.extend(word.to_le_bytes()));
    [1_u16, 8, 0].iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend(b"data");
    out.extend(length.to_le_bytes());
    out.extend(octets);
    out.resize(out.len() + (length % 2) as usize, 0);
    out
}
