//! What an archived recording says of itself: everything the catalog needs, so that a bare node rebuilds it from the
//! bucket and the key custodian alone (invariant 7).

use model::MediaObject;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::view::{RecordingView, State};

/// The manifest: JSON, sealed like the media beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `recorder-manifest`.
    format: String,
    /// Version of this layout.
    version: u32,
    /// The recording with its parties, tracks, payload tables, gaps and keys of other systems; its `media` is empty.
    recording: RecordingView,
    /// The objects beside the manifest; the manifest cannot name its own digest.
    objects: Vec<MediaObject>,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// It is no manifest.
    #[error("not a manifest: {0}")]
    Foreign(String),
    /// It was written by a later version.
    #[error("manifest version {0} is newer than this recorder's {VERSION}")]
    Newer(u32),
}

impl Manifest {
    /// The manifest of a recording whose `objects` are in the archive.
    pub fn new(recording: &RecordingView, objects: Vec<MediaObject>) -> Self {
        let recording = RecordingView { media: Vec::new(), state: State::Archived, ..recording.clone() };
        Self { format: FORMAT.to_owned(), version: VERSION, recording, objects }
    }

    /// Its octets, before sealing.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a manifest is plain data with text keys")
    }

    /// Reads a manifest of this or an older version.
    pub fn decode(octets: &[u8]) -> Result<Self, ManifestError> {
        let tag: Tag = serde_json::from_slice(octets).map_err(|error| ManifestError::Foreign(error.to_string()))?;
        match tag {
            Tag { format, .. } if format != FORMAT => Err(ManifestError::Foreign(format!("format {format:?}"))),
            Tag { version, .. } if version > VERSION => Err(ManifestError::Newer(version)),
            _ => serde_json::from_slice(octets).map_err(|error| ManifestError::Foreign(error.to_string())),
        }
    }

    /// The objects beside the manifest.
    pub fn objects(&self) -> &[MediaObject] {
        &self.objects
    }

    /// The recording as the catalog shows it, its media included.
    pub fn into_view(self) -> RecordingView {
        RecordingView { media: self.objects, ..self.recording }
    }
}

#[derive(Deserialize)]
struct Tag {
    format: String,
    version: u32,
}

const FORMAT: &str = "recorder-manifest";
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use model::{Fact, RecordingId, RecordingOpened, Timestamp};

    use super::*;

    fn view() -> RecordingView {
        let mut view = None;
        let opened = RecordingOpened {
            recording: RecordingId::from_bytes([4; 16]),
            record_id: None,
            call_uuid: None,
            conn_id: None,
            profile: "rfc7866".into(),
            at: Timestamp::from_nanos(1_234_567),
        };
        crate::fold::apply(&mut view, &Fact::RecordingOpened(opened));
        view.expect("opened")
    }

    #[test]
    fn a_manifest_rebuilds_the_view_with_its_media() {
        let object = MediaObject {
            format: "wav".into(),
            name: "n".into(),
            bytes: 1,
            sha256: "a".into(),
            sealed_bytes: 2,
            sealed_sha256: "b".into(),
        };
        let octets = Manifest::new(&view(), vec![object.clone()]).encode();
        let rebuilt = Manifest::decode(&octets).expect("ours").into_view();
        assert_eq!(rebuilt, RecordingView { media: vec![object], state: State::Archived, ..view() });
    }

    /// The first manifests knew nothing of sessions, attachments and causes.
    #[test]
    fn an_older_manifest_is_read() {
        let mut older: serde_json::Value =
            serde_json::from_slice(&Manifest::new(&view(), Vec::new()).encode()).expect("JSON");
        let recording = older["recording"].as_object_mut().expect("a recording");
        for key in ["sessions", "attachments", "end_cause"] {
            assert!(recording.remove(key).is_some(), "{key}");
        }
        let rebuilt = Manifest::decode(older.to_string().as_bytes()).expect("ours").into_view();
        assert_eq!(rebuilt, RecordingView { state: State::Archived, ..view() });
    }

    #[test]
    fn foreign_and_newer_manifests_are_refused() {
        assert!(matches!(Manifest::decode(b"{}"), Err(ManifestError::Foreign(_))));
        let newer = Manifest { version: 2, ..Manifest::new(&view(), Vec::new()) };
        assert!(matches!(Manifest::decode(&newer.encode()), Err(ManifestError::Newer(2))));
    }
}
