//! Stores that nobody serves. The conformance suite against real ones is in `tests/tests/conformance.rs`.

use std::{net::TcpListener, path::Path, sync::Arc};

use storage::{ArchiveConfig, SecretText, open_archive};
use storage_core::ports::{Archive, ArchiveError};

fn open(config: ArchiveConfig) -> Arc<dyn Archive> {
    let config = ArchiveConfig { allow_http: true, timeout_s: 20, ..config };
    open_archive(&config, Path::new("/nonexistent")).expect("an archive")
}

fn secret(text: &str) -> Option<SecretText> {
    Some(serde_json::from_value(text.into()).expect("a text"))
}

/// A port that was free a moment ago: nobody answers there.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_told_from_one_that_refuses() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let s3 = ArchiveConfig {
        url: Some("s3://bucket".into()),
        endpoint: Some(format!("http://{free}")),
        access_key: Some("a".into()),
        secret_key: secret("b"),
        ..ArchiveConfig::default()
    };
    let webdav = ArchiveConfig { url: Some(format!("webdav+http://{free}/dav")), ..ArchiveConfig::default() };
    for config in [s3, webdav] {
        let archive = open(config);
        let result = archive.size("2026/11/21/a/wav").await;
        assert!(matches!(result, Err(ArchiveError::Unavailable(_))), "{}: {result:?}", archive.describe());
    }
}
