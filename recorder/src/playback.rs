//! Playback: archive, key and unsealing behind one door. Nothing is given out before it is authenticated, and nothing
//! in clear touches a disk.

use std::{ops::Range, sync::Arc};

use crypto::seal::{ObjectOpener, SEALED_HEADER_LEN, plain_from, sealed_range};
use media::{mp3, wav};
use model::{MediaObject, RecordingId};
use storage_core::{
    names,
    ports::{Archive, ArchiveError, BoxFuture, Catalog, MediaFormat, MediaReader, Mp3Rate, Playback, PlaybackError},
    view::{RecordingView, State},
};

use crate::keyring::Keyring;

/// Longest WAV that is transcoded on request; longer ones are played as the archived MP3. An hour and a half of stereo
/// G.711: less than a second of work.
const TRANSCODE_OCTETS: u64 = 90 << 20;

/// Samples of each channel that are encoded at once.
const TRANSCODE_STEP: usize = 8_000;

/// The one implementation of the playback port.
pub(crate) struct ArchivePlayback {
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) keyring: Keyring,
}

impl Playback for ArchivePlayback {
    fn open(&self, id: RecordingId, format: MediaFormat) -> BoxFuture<'_, Result<Box<dyn MediaReader>, PlaybackError>> {
        Box::pin(async move {
            let view =
                self.catalog.recording(id).await.map_err(|error| PlaybackError::Unavailable(error.to_string()))?;
            let view = view.ok_or(PlaybackError::Missing)?;
            match view.state {
                State::Live => return Err(PlaybackError::NotReady("the recording is still running".into())),
                State::Finalizing if view.is_provisional => {
                    return Err(PlaybackError::NotReady("the recording is provisional: keep it first".into()));
                }
                State::Finalizing => return Err(PlaybackError::NotReady("the recording is being archived".into())),
                State::Failed => return Err(PlaybackError::NotReady("the recording could not be finished".into())),
                State::Deleted => return Err(PlaybackError::Missing),
                State::Archived => {}
            }
            match format {
                MediaFormat::Wav => Ok(Box::new(self.object(&view, "wav").await?) as Box<dyn MediaReader>),
                MediaFormat::Peaks => Ok(Box::new(self.object(&view, "peaks").await?)),
                MediaFormat::Mp3(Mp3Rate::Stereo32) => Ok(Box::new(self.object(&view, "mp3").await?)),
                MediaFormat::Mp3(Mp3Rate::Stereo16) => self.transcode(&view, mp3::Kind::Stereo16).await,
                MediaFormat::Mp3(Mp3Rate::Mono8) => self.transcode(&view, mp3::Kind::Mono8).await,
            }
        })
    }
}

impl ArchivePlayback {
    /// Opens one object of a recording.
    pub(crate) async fn object(&self, view: &RecordingView, format: &str) -> Result<SealedReader, PlaybackError> {
        let object = view.media.iter().find(|object| object.format == format).ok_or(PlaybackError::Missing)?;
        open(Arc::clone(&self.archive), &self.keyring, view.id, object).await
    }

    async fn transcode(&self, view: &RecordingView, kind: mp3::Kind) -> Result<Box<dyn MediaReader>, PlaybackError> {
        let source = self.object(view, "wav").await?;
        if source.len() > TRANSCODE_OCTETS {
            return Err(PlaybackError::NotReady("too long to transcode on request; ask for rate=32".into()));
        }
        let octets = source.read(0..source.len()).await?;
        let encoded = tokio::task::spawn_blocking(move || encode(&octets, kind)).await;
        let encoded = encoded.map_err(|error| PlaybackError::Unavailable(error.to_string()))??;
        Ok(Box::new(Octets(encoded)))
    }
}

fn encode(octets: &[u8], kind: mp3::Kind) -> Result<Vec<u8>, PlaybackError> {
    let failed = |error: String| PlaybackError::Unavailable(error);
    let wav = wav::read(octets).map_err(|error| failed(error.to_string()))?;
    let left = wav.pcm(0);
    let right = match (wav.channels.len(), kind) {
        // A mixed line: in both ears, and not twice as loud where both sides become one.
        (1, mp3::Kind::Mono8) => vec![0; left.len()],
        (1, _) => left.clone(),
        _ => wav.pcm(1),
    };
    let mut encoder = mp3::Encoder::new(kind, wav.sample_rate).map_err(|error| failed(error.to_string()))?;
    let mut out = Vec::new();
    for (left, right) in left.chunks(TRANSCODE_STEP).zip(right.chunks(TRANSCODE_STEP)) {
        encoder.block(left, right, &mut out).map_err(|error| failed(error.to_string()))?;
    }
    encoder.finish(&mut out).map_err(|error| failed(error.to_string()))?;
    Ok(out)
}

/// Opens a sealed object of the archive. The wrap comes from the key store, else from the archive's key object.
pub(crate) async fn open(
    archive: Arc<dyn Archive>,
    keyring: &Keyring,
    recording: RecordingId,
    object: &MediaObject,
) -> Result<SealedReader, PlaybackError> {
    let key = match keyring.open(recording) {
        Ok(key) => key,
        Err(_) => {
            let octets = archive.read(&names::key(recording), 0..64 << 10).await.map_err(unavailable)?;
            let wrapped = serde_json::from_slice(&octets).map_err(|error| PlaybackError::Damaged(error.to_string()))?;
            keyring.unwrap(recording, &wrapped).map_err(PlaybackError::Damaged)?
        }
    };
    let part = object.name.rsplit('/').next().unwrap_or(&object.name);
    let sealed_len = archive.size(&object.name).await.map_err(unavailable)?;
    let header = archive.read(&object.name, 0..SEALED_HEADER_LEN as u64).await.map_err(unavailable)?;
    let opener = ObjectOpener::new(key.object_key(recording.as_bytes(), part), &header).map_err(damaged)?;
    let len = crypto::seal::plain_len(sealed_len).map_err(damaged)?;
    Ok(SealedReader { archive, name: object.name.clone(), opener, sealed_len, len })
}

fn unavailable(error: ArchiveError) -> PlaybackError {
    match error {
        ArchiveError::Missing(name) => PlaybackError::Damaged(format!("{name} is not in the archive")),
        error => PlaybackError::Unavailable(error.to_string()),
    }
}

fn damaged(error: crypto::seal::SealError) -> PlaybackError {
    PlaybackError::Damaged(error.to_string())
}

/// A sealed object, read at any place.
pub(crate) struct SealedReader {
    archive: Arc<dyn Archive>,
    name: String,
    opener: ObjectOpener,
    sealed_len: u64,
    len: u64,
}

impl MediaReader for SealedReader {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Vec<u8>, PlaybackError>> {
        Box::pin(async move {
            let range = range.start.min(self.len)..range.end.min(self.len);
            if range.is_empty() {
                return Ok(Vec::new());
            }
            let sealed = sealed_range(range.clone(), self.sealed_len);
            let from = sealed.start;
            let octets = self.archive.read(&self.name, sealed).await.map_err(unavailable)?;
            let plain = self.opener.open(from, &octets, self.sealed_len).map_err(damaged)?;
            let skip = (range.start - plain_from(from)) as usize;
            let take = (range.end - range.start) as usize;
            plain
                .get(skip..skip + take)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| PlaybackError::Damaged(format!("{} is short", self.name)))
        })
    }
}

struct Octets(Vec<u8>);

impl MediaReader for Octets {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Vec<u8>, PlaybackError>> {
        let end = (range.end as usize).min(self.0.len());
        let octets = self.0[(range.start as usize).min(end)..end].to_vec();
        Box::pin(async move { Ok(octets) })
    }
}
