//! The conformance suite of the archive against the real stores: SeaweedFS as S3 and Apache as WebDAV.

use std::{ops::Range, path::Path, sync::Arc};

use recorder_tests::{
    Slot,
    servers::{self, Server},
};
use serde_json::{Value, json};
use storage_core::ports::{Archive, ArchiveError, ObjectSource};

/// Three whole parts of a multipart upload (16 MiB each) and an odd rest.
const LARGE: u64 = (50 << 20) + 3;

fn open(settings: &Value) -> Arc<dyn Archive> {
    let config = serde_json::from_value(settings.clone()).expect("a configuration");
    storage::open_archive(&config, Path::new("/nonexistent")).expect("an archive")
}

/// Octets that no part shares with another.
struct Large;

impl ObjectSource for Large {
    fn len(&self) -> u64 {
        LARGE
    }

    fn read(&self, range: Range<u64>) -> std::io::Result<Vec<u8>> {
        Ok(range.map(octet).collect())
    }
}

fn octet(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// A store does what every archive does, takes what is large, and turns a stranger away.
async fn conforms(server: &Server, is_large: impl AsyncFnOnce(&str)) {
    let archive = open(&server.settings);
    storage_core::conformance::archive(&*archive).await;
    let name = "2026/11/21/large/tracks.sealed";
    archive.put(name, &Large).await.expect("created");
    assert_eq!(archive.size(name).await.expect("there"), LARGE);
    // Around every seam between parts, and the end.
    for seam in [16_u64 << 20, 32 << 20, 48 << 20, LARGE] {
        let range = seam - 70_000..(seam + 70_000).min(LARGE);
        let read = archive.read(name, range.clone()).await.expect("there");
        assert!(read == range.clone().map(octet).collect::<Vec<_>>(), "octets {range:?} differ");
    }
    is_large(name).await;
    archive.delete(name).await.expect("removed");

    let mut wrong = server.settings.clone();
    wrong["secret_key"] = json!("wrong");
    let stranger = open(&wrong);
    let result = stranger.size(name).await;
    assert!(matches!(result, Err(ArchiveError::Refused(_))), "whoever shows the wrong secret must act: {result:?}");
    let result = stranger.list("").await;
    assert!(matches!(result, Err(ArchiveError::Refused(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_service_conforms_and_takes_what_is_large_in_parts() {
    let (mut slot, folder) = (Slot::new(), tempfile::tempdir().expect("a folder"));
    let mut store = servers::s3(&mut slot, folder.path());
    store.start();
    servers::make_bucket(&store);
    conforms(&store, async |name| {
        let head = servers::head(&store, &format!("node-1/{name}")).to_ascii_lowercase();
        let tag = head.lines().find(|line| line.starts_with("etag:")).unwrap_or_else(|| panic!("no ETag: {head}"));
        assert!(tag.trim().trim_end_matches('"').ends_with("-4"), "four parts: {tag}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webdav_tree_conforms_and_takes_what_is_large() {
    let (mut slot, folder) = (Slot::new(), tempfile::tempdir().expect("a folder"));
    let mut store = servers::webdav(&mut slot, folder.path());
    store.start();
    conforms(&store, async |name| {
        let file = store.folder.join("recordings").join(name);
        assert_eq!(std::fs::metadata(file).expect("a file of the tree").len(), LARGE, "as one file");
    })
    .await;
}
