//! The ports: what the rest of the house needs from storage, as traits. Every implementation passes the same
//! conformance suite, the in-memory one included.

use std::{future::Future, ops::Range, pin::Pin};

use model::{Fact, Receipt, RecordingId, Timestamp, TrackId};
use thiserror::Error;

use crate::view::{RecordingView, State};

/// A future without a runtime.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One sealed chunk on its way to the spool: header, ciphertext and tag, exactly as it will stand on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedChunk {
    /// The track.
    pub track: TrackId,
    /// Its number within the track, from 0.
    pub number: u32,
    /// The octets for the disk.
    pub octets: Vec<u8>,
}

/// The write side of the spool, as the packet threads see it. Never blocks.
pub trait SpoolSink: Send + Sync {
    /// Takes the chunk, or gives it back when the memory budget is spent (the caller records an `overload` gap).
    fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk>;
    /// The memory of a chunk that was written, for the next one. `None` when there is none at hand: the caller makes some.
    fn recycle(&self) -> Option<Vec<u8>> {
        None
    }
    /// No more chunks of this track will come: `chunks` were taken. The spool answers with a [`Receipt`] once all are
    /// durable. Unlike chunks this is never refused.
    fn close(&self, track: TrackId, chunks: u32);
}

/// Where receipts go: the queue of the session thread, wired by the root.
pub trait ReceiptSink: Send + Sync {
    /// Hands a receipt on.
    fn receipt(&self, receipt: Receipt);
}

/// What the archive could not do; each variant is another reaction.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// No such object.
    #[error("{0}: no such object")]
    Missing(String),
    /// An object of that name is there with other content: the archive is write-once.
    #[error("{0}: exists with other content")]
    Exists(String),
    /// The store is away, slow or broken: try again later.
    #[error("archive unavailable: {0}")]
    Unavailable(String),
    /// The store refuses us: credentials, bucket, path. Somebody must act.
    #[error("archive refuses: {0}")]
    Refused(String),
}

/// Where the octets of a new object come from. Reading may block; it is called from a blocking context.
pub trait ObjectSource: Send + Sync {
    /// Total octets.
    fn len(&self) -> u64;
    /// Nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The octets of `range`.
    fn read(&self, range: Range<u64>) -> std::io::Result<Vec<u8>>;
}

/// Write-once objects under names like `2026/11/21/<id>/audio.wav.sealed`; names are made of generated ids only.
pub trait Archive: Send + Sync {
    /// Creates the object. Visible under its name only when whole. `Exists` when another one is there; the same
    /// content again is success.
    fn put<'a>(&'a self, name: &'a str, source: &'a dyn ObjectSource) -> BoxFuture<'a, Result<(), ArchiveError>>;
    /// The octets of `range`; short when the object ends before.
    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Vec<u8>, ArchiveError>>;
    /// Size of the object in octets.
    fn size<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<u64, ArchiveError>>;
    /// Names below a prefix (a folder path ending in `/`, or empty for all), in order.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, ArchiveError>>;
    /// Removes the object; success when it was not there.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ArchiveError>>;
    /// What it is, for a log line: scheme and place, never a credential.
    fn describe(&self) -> String;
}

/// A search of the catalog. Every filter that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Started at or after.
    pub from: Option<Timestamp>,
    /// Started before.
    pub to: Option<Timestamp>,
    /// Any party with this address, DN or number (exact, or `*` wildcard at either end).
    pub dn: Option<String>,
    /// Calling number.
    pub ani: Option<String>,
    /// Dialled number.
    pub dnis: Option<String>,
    /// CallUUID.
    pub call_uuid: Option<String>,
    /// ConnID.
    pub conn_id: Option<String>,
    /// Identity at the client.
    pub record_id: Option<String>,
    /// Agent id.
    pub agent: Option<String>,
    /// At least this long.
    pub min_duration_ms: Option<u64>,
    /// In this state.
    pub state: Option<State>,
    /// Carries this flag or warning name.
    pub flag: Option<String>,
    /// Carries this label.
    pub label: Option<String>,
    /// A session of it ended with a `Reason` of this cause: `16`, or `Q.850;cause=16`.
    pub cause: Option<String>,
    /// A key of another system: its value, or `KEY=VALUE`.
    pub correlation: Option<String>,
    /// Full text over ids, parties, correlation and user data.
    pub q: Option<String>,
    /// At most so many items, 1..=1000.
    pub limit: u32,
    /// Where the last page ended, as returned in `next`.
    pub cursor: Option<String>,
}

/// One page of an answer, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The recordings.
    pub items: Vec<RecordingView>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

/// What the catalog could not do.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// A filter or cursor makes no sense: tell the asker.
    #[error("{0}")]
    BadQuery(String),
    /// The database is away or broken: try again later.
    #[error("catalog unavailable: {0}")]
    Unavailable(String),
}

/// The searchable index. It follows the ledger from a cursor of its own.
pub trait Catalog: Send + Sync {
    /// A page of recordings, newest first.
    fn search<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, CatalogError>>;
    /// One recording.
    fn recording(&self, id: RecordingId) -> BoxFuture<'_, Result<Option<RecordingView>, CatalogError>>;
    /// Audit facts, newest first: `(ledger number, fact)`; before that number when `before` is set.
    fn audit(&self, before: Option<u64>, limit: u32) -> BoxFuture<'_, Result<Vec<(u64, Fact)>, CatalogError>>;
    /// The ledger number up to which it has followed, 0 at first.
    fn position(&self) -> BoxFuture<'_, Result<u64, CatalogError>>;
    /// Folds facts in, in ledger order, and moves the cursor, all or nothing. Facts at or before the position are
    /// skipped, so delivering twice is harmless.
    fn follow<'a>(&'a self, facts: &'a [(u64, Fact)]) -> BoxFuture<'a, Result<(), CatalogError>>;
    /// Puts a recording rebuilt from the archive in, unless the catalog knows it already.
    fn restore<'a>(&'a self, view: &'a RecordingView) -> BoxFuture<'a, Result<(), CatalogError>>;
}

/// What is asked for when somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaFormat {
    /// The WAV as rendered.
    Wav,
    /// MP3 of this kind.
    Mp3(Mp3Rate),
    /// Waveform peaks (JSON).
    Peaks,
}

/// The MP3 kinds of the field: 8 kbit/s mono, 16 and 32 kbit/s stereo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mp3Rate {
    /// 8 kbit/s mono.
    Mono8,
    /// 16 kbit/s stereo.
    Stereo16,
    /// 32 kbit/s stereo.
    Stereo32,
}

/// Why nothing can be played.
#[derive(Debug, Error)]
pub enum PlaybackError {
    /// No such recording, or none with media.
    #[error("no such media")]
    Missing,
    /// Not archived yet, or destroyed: 409 with this sentence.
    #[error("{0}")]
    NotReady(String),
    /// Authentication of the stored octets failed. Nothing of the damaged part is given out.
    #[error("stored media fails authentication: {0}")]
    Damaged(String),
    /// The store or the key custodian is away.
    #[error("{0}")]
    Unavailable(String),
}

/// Unsealed media of one recording, readable at any place.
pub trait MediaReader: Send + Sync {
    /// Octets in all.
    fn len(&self) -> u64;
    /// Nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The octets of `range`, authenticated before they are given out. At most a few MiB are asked for at once.
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Vec<u8>, PlaybackError>>;
}

/// Opens media for playback: archive, key and unsealing behind one door. Implemented by the root.
pub trait Playback: Send + Sync {
    /// The media of that recording in that format.
    fn open(&self, id: RecordingId, format: MediaFormat) -> BoxFuture<'_, Result<Box<dyn MediaReader>, PlaybackError>>;
}
