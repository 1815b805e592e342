//! Marks in the sound: octets that say which packet they began, and where they were heard.

use media::render::Sink;

/// Octets of a mark: 1.25 ms.
pub(super) const MARK_OCTETS: usize = 10;
/// No voice swings from end to end of the scale twice within half a millisecond.
const BEGIN: [u8; 4] = [0x00, 0x80, 0x00, 0x80];
/// How far from its true place a mark is looked for, in samples: 250 ms.
const REACH: u64 = 2_000;
/// A sample at 8 kHz, in nanoseconds.
pub(super) const SAMPLE_NANOS: u64 = 125_000;

/// The mark of packet `index` of a side: four octets to find it by, six that say the number.
pub(super) fn mark(index: u64) -> [u8; MARK_OCTETS] {
    std::array::from_fn(|at| match BEGIN.get(at) {
        Some(octet) => *octet,
        None => 0x10 | (index >> (4 * (at - BEGIN.len())) & 0xf) as u8,
    })
}

/// A mark that reached the recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) index: u64,
    /// When it sounded at the sender, in ns of our clock.
    pub(super) truth: u64,
}

/// Listens for the marks of every channel. The sound is not kept.
pub(super) struct Listener {
    channels: Vec<Channel>,
    done: u64,
}

struct Channel {
    awaited: Vec<Awaited>,
    /// The first one whose sound has not passed.
    next: usize,
}

struct Awaited {
    mark: Arrived,
    /// Sample of the rendering where it should be.
    place: u64,
    sound: Vec<u8>,
}

impl Listener {
    /// Listens for these marks of each channel, in a rendering that begins at `origin` (ns).
    pub(super) fn new(origin: u64, mut marks: [Vec<Arrived>; 2]) -> Self {
        marks.iter_mut().for_each(|marks| marks.sort_by_key(|mark| mark.truth));
        let place = |mark: Arrived| mark.truth.saturating_sub(origin) / SAMPLE_NANOS;
        let awaited = |mark: &Arrived| Awaited { mark: *mark, place: place(*mark), sound: Vec::new() };
        let channel = |marks: Vec<Arrived>| Channel { awaited: marks.iter().map(awaited).collect(), next: 0 };
        Self { channels: marks.map(channel).into(), done: 0 }
    }

    /// For each channel and mark: its true time, and how far from it the mark was heard, in ns; `None` when not at all.
    pub(super) fn heard(&self, origin: u64) -> Vec<Vec<(u64, Option<i64>)>> {
        let all = |channel: &Channel| channel.awaited.iter().map(|awaited| awaited.heard(origin)).collect();
        self.channels.iter().map(all).collect()
    }
}

impl Sink for Listener {
    fn block(&mut self, native: &[u8], pcm: &[&[i16]]) {
        let (from, to) = (self.done, self.done + pcm[0].len() as u64);
        let stride = self.channels.len();
        for (number, channel) in self.channels.iter_mut().enumerate() {
            for awaited in &mut channel.awaited[channel.next..] {
                let (begin, end) = (awaited.place.saturating_sub(REACH), awaited.place + REACH);
                if begin >= to {
                    break;
                }
                if end <= from {
                    channel.next += 1;
                    continue;
                }
                let (begin, end) = (begin.max(from) - from, end.min(to) - from);
                awaited.sound.extend((begin..end).map(|at| native[at as usize * stride + number]));
            }
        }
        self.done = to;
    }
}

impl Awaited {
    fn heard(&self, origin: u64) -> (u64, Option<i64>) {
        let mark = mark(self.mark.index);
        let found = self.sound.windows(MARK_OCTETS).position(|window| window == mark);
        let heard_at = |at: usize| origin + (self.place.saturating_sub(REACH) + at as u64) * SAMPLE_NANOS;
        (self.mark.truth, found.map(|at| heard_at(at) as i64 - self.mark.truth as i64))
    }
}
