//! From sealed chunks to sealed objects: two passes over the spool, the first to survey, the second to render WAV, MP3
//! and peaks side by side. Memory does not grow with the length of the call.

use std::{cell::RefCell, collections::HashMap, io, path::PathBuf};

use crypto::seal::{ChunkHeader, ChunkKey, DataKey};
use media::{
    chunk, mp3,
    peaks::PeaksWriter,
    render::{Plan, Renderer, Sink, Survey, TrackSpec},
    wav,
};
use model::{CodecKind, Gap, GapCause, RecordingId, TrackNo};
use session::{Finished, SurveyedTrack};
use storage::{Spool, SpoolError, SpoolReader};
use storage_core::{manifest::Manifest, names, view::RecordingView};

use super::sealed_file::{SealedWriter, StagedObject};

/// Everything of one recording that goes to the archive.
pub(crate) struct Staged {
    pub(crate) recording: RecordingId,
    /// Media first, the manifest last.
    pub(crate) objects: Vec<StagedObject>,
    folder: PathBuf,
    finished: Finished,
}

impl Staged {
    pub(crate) fn finished(self) -> Finished {
        self.finished
    }

    pub(crate) fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(recording = %self.recording, %error, "the staging folder is left behind");
        }
    }
}

/// Renders and seals a recording into `folder`.
pub(crate) fn stage(view: RecordingView, spool: &Spool, key: &DataKey, folder: PathBuf) -> io::Result<Staged> {
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let source = Source::new(&view, spool, key);
    let specs = specs(&view);
    // One line with everybody has no sides: the file is mono, and the flag says why (vector 322).
    let survey = if view.is_mixed() { Survey::mixed(&specs) } else { Survey::new(&specs) };
    let survey = RefCell::new(survey);
    let mut tracks = SealedWriter::copying(&folder, TRACKS)?;
    let mut missing = Missing::default();
    source.packets(
        |header, track, octets| {
            if let Some((from, to)) = missing.before(header) {
                survey.borrow_mut().dropped(track, from, to);
            }
            tracks.write(octets)
        },
        |track, at, packet| survey.borrow_mut().packet(track, at, packet),
    )?;
    let plan = survey.into_inner().finish();
    let name = |part: &str| names::object(view.id, view.started_at, part);
    let mut objects = vec![tracks.finish("tracks", name(TRACKS))?];
    objects.extend(render(&view, &source, &plan, key, &folder)?);

    let finished = summary(&view, &plan, &objects);
    let mut manifest = SealedWriter::sealing(&folder, MANIFEST, key, view.id)?;
    manifest.write(&Manifest::new(&said(&view, &finished), finished.objects.clone()).encode())?;
    objects.push(manifest.finish("manifest", name(MANIFEST))?);
    let finished = Finished { objects: objects.iter().map(|staged| staged.object.clone()).collect(), ..finished };
    Ok(Staged { recording: view.id, objects, folder, finished })
}

/// The view with what the survey found: what the facts that follow will say.
fn said(view: &RecordingView, finished: &Finished) -> RecordingView {
    let mut folded = Some(view.clone());
    for track in finished.tracks.clone() {
        storage_core::fold::apply(&mut folded, &track.fact(view.id));
    }
    let fact = model::Fact::RecordingArchived {
        recording: view.id,
        objects: Vec::new(),
        duration_ms: finished.duration_ms,
        flags: finished.flags.clone(),
        audio_from: finished.audio_from,
    };
    storage_core::fold::apply(&mut folded, &fact);
    folded.unwrap_or_else(|| view.clone())
}

fn render(
    view: &RecordingView,
    source: &Source<'_>,
    plan: &Plan,
    key: &DataKey,
    folder: &std::path::Path,
) -> io::Result<Vec<StagedObject>> {
    let name = |part: &str| names::object(view.id, view.started_at, part);
    let mut wav = SealedWriter::sealing(folder, WAV, key, view.id)?;
    wav.write(&wav::header(plan))?;
    let mut sink = Outputs {
        wav,
        mp3: SealedWriter::sealing(folder, MP3, key, view.id)?,
        encoder: mp3::Encoder::new(mp3::Kind::Stereo32, plan.sample_rate).map_err(io::Error::other)?,
        peaks: PeaksWriter::new(plan.channels, plan.sample_rate, plan.total_samples),
        encoded: Vec::new(),
        fault: None,
    };
    let mut renderer = Renderer::new(plan);
    source.packets(|_, _, _| Ok(()), |track, at, packet| renderer.packet(track, at, packet, &mut sink))?;
    renderer.finish(&mut sink);
    let Outputs { wav, mut mp3, encoder, peaks, mut encoded, fault } = sink;
    if let Some(fault) = fault {
        return Err(fault);
    }
    encoded.clear();
    encoder.finish(&mut encoded).map_err(io::Error::other)?;
    mp3.write(&encoded)?;
    let mut lanes = SealedWriter::sealing(folder, PEAKS, key, view.id)?;
    lanes.write(peaks.finish().to_json().as_bytes())?;
    Ok(vec![wav.finish("wav", name(WAV))?, mp3.finish("mp3", name(MP3))?, lanes.finish("peaks", name(PEAKS))?])
}

fn summary(view: &RecordingView, plan: &Plan, objects: &[StagedObject]) -> Finished {
    // What the view knows already stays as it is; losses are told anew each time.
    let is_known = |no: u16, gap: &Gap| {
        let track = view.tracks.iter().find(|track| track.no.0 == no);
        gap.cause != GapCause::Loss && track.is_some_and(|track| track.gaps.contains(gap))
    };
    let found = |no: u16, gaps: &[Gap]| gaps.iter().filter(|gap| !is_known(no, gap)).copied().collect();
    Finished {
        objects: objects.iter().map(|staged| staged.object.clone()).collect(),
        duration_ms: plan.duration_ms(),
        audio_from: (plan.total_samples > 0).then_some(plan.origin),
        flags: plan.flags.iter().map(|flag| (*flag).to_owned()).collect(),
        tracks: plan
            .tracks
            .iter()
            .map(|track| SurveyedTrack {
                track: TrackNo(track.no),
                packets: track.counters.received,
                lost: track.counters.lost,
                gaps: found(track.no, &track.gaps),
                contributors: track.contributors.clone(),
            })
            .collect(),
    }
}

fn specs(view: &RecordingView) -> Vec<TrackSpec> {
    let payload =
        |(payload_type, name, clock, _): &(u8, String, u32, u8)| (*payload_type, CodecKind::by_name(name), *clock);
    view.tracks
        .iter()
        .map(|track| TrackSpec {
            no: track.no.0,
            label: track.label.clone(),
            channel: track.channel,
            payloads: track.payloads.iter().map(payload).collect(),
            gaps: track.gaps.clone(),
        })
        .collect()
}

/// The packets of a recording in the order of the spool.
struct Source<'a> {
    spool: &'a Spool,
    key: ChunkKey,
    recording: RecordingId,
    /// Track number to its place in the list of specs.
    index: HashMap<u16, usize>,
    /// The ledger says that chunks were kept.
    has_chunks: bool,
}

fn fault(error: SpoolError) -> io::Error {
    match error {
        SpoolError::Io { path, cause } => io::Error::new(cause.kind(), format!("{}: {cause}", path.display())),
        error => io::Error::other(error),
    }
}

impl<'a> Source<'a> {
    fn new(view: &RecordingView, spool: &'a Spool, key: &DataKey) -> Self {
        let index = view.tracks.iter().enumerate().map(|(index, track)| (track.no.0, index)).collect();
        let has_chunks = view.tracks.iter().any(|track| track.chunks.is_some_and(|chunks| chunks > 0));
        Self { spool, key: key.chunk_key(view.id.as_bytes()), recording: view.id, index, has_chunks }
    }

    /// `None` when no packet was ever kept: a call without media is a recording all the same.
    fn reader(&self) -> io::Result<Option<SpoolReader>> {
        match self.spool.read(self.recording).map_err(fault) {
            Ok(reader) => Ok(Some(reader)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.has_chunks => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("the spool is gone: {error}")))
            }
            Err(error) => Err(error),
        }
    }

    fn packets(
        &self,
        mut sealed: impl FnMut(&ChunkHeader, usize, &[u8]) -> io::Result<()>,
        mut each: impl FnMut(usize, u64, &[u8]),
    ) -> io::Result<()> {
        let Some(mut reader) = self.reader()? else { return Ok(()) };
        while let Some((_, octets)) = reader.next_chunk().map_err(fault)? {
            let opened = self.key.open(octets).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a chunk in the spool of {}: {error}", self.recording),
                )
            })?;
            if opened.header.recording != *self.recording.as_bytes() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk of another recording in the spool"));
            }
            let index = self.index.get(&opened.header.track).copied();
            sealed(&opened.header, index.unwrap_or(usize::MAX), octets)?;
            let Some(index) = index else { continue };
            for packet in chunk::packets(&opened.plain) {
                let (at, packet) = packet.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                each(index, at, packet);
            }
        }
        Ok(())
    }
}

/// Chunks are numbered: a number that is missing was sealed and then not taken by the disk.
#[derive(Default)]
struct Missing {
    /// The next number of each track, and the arrival of the last packet before it.
    next: HashMap<u16, (u32, u64)>,
}

impl Missing {
    /// The span of arrivals that is missing before this chunk, if any is.
    fn before(&mut self, header: &ChunkHeader) -> Option<(u64, u64)> {
        let before = self.next.insert(header.track, (header.number.saturating_add(1), header.last_nanos));
        let (expected, from) = before.unwrap_or((0, 0));
        (header.number > expected).then_some((from, header.first_nanos))
    }
}

/// WAV, MP3 and peaks of the second pass. The first fault stops the writing and is reported at the end.
struct Outputs {
    wav: SealedWriter,
    mp3: SealedWriter,
    encoder: mp3::Encoder,
    peaks: PeaksWriter,
    encoded: Vec<u8>,
    fault: Option<io::Error>,
}

impl Outputs {
    fn write(&mut self, native: &[u8], pcm: &[&[i16]]) -> io::Result<()> {
        self.wav.write(native)?;
        // The last block may be the pad octet of the RIFF chunk alone.
        let Some(&left) = pcm.first() else { return Ok(()) };
        self.peaks.block(pcm);
        self.encoded.clear();
        let right = pcm.get(1).copied().unwrap_or(left);
        self.encoder.block(left, right, &mut self.encoded).map_err(io::Error::other)?;
        self.mp3.write(&self.encoded)
    }
}

impl Sink for Outputs {
    fn block(&mut self, native: &[u8], pcm: &[&[i16]]) {
        if self.fault.is_none() {
            self.fault = self.write(native, pcm).err();
        }
    }
}

pub(crate) const TRACKS: &str = "tracks.sealed";
pub(crate) const WAV: &str = "audio.wav.sealed";
pub(crate) const MP3: &str = "audio.mp3.sealed";
pub(crate) const PEAKS: &str = "peaks.json.sealed";
pub(crate) const MANIFEST: &str = "manifest.json.sealed";
