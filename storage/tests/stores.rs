//! The conformance suite against stores that somebody started: their addresses come from the environment.
//!
//! ```text
//! STORE_S3=s3://bucket/prefix  STORE_S3_ENDPOINT=http://127.0.0.1:PORT  AWS_ACCESS_KEY_ID=…  AWS_SECRET_ACCESS_KEY=…
//! STORE_WEBDAV=webdav+http://user:password@127.0.0.1:PORT/dav
//! cargo test -p storage --test stores -- --ignored
//! ```

use std::{net::TcpListener, path::Path, sync::Arc};

use storage::{ArchiveConfig, SecretText, open_archive};
use storage_core::ports::{Archive, ArchiveError};

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn open(config: ArchiveConfig) -> Arc<dyn Archive> {
    let config = ArchiveConfig { allow_http: true, timeout_s: 20, ..config };
    open_archive(&config, Path::new("/nonexistent")).expect("an archive")
}

fn secret(text: &str) -> Option<SecretText> {
    Some(serde_json::from_value(text.into()).expect("a text"))
}

/// Whoever shows the wrong secret must be told to act, not to wait.
async fn refuses(config: ArchiveConfig) {
    let archive = open(config);
    let result = archive.size("2026/11/21/a/wav").await;
    assert!(matches!(result, Err(ArchiveError::Refused(_))), "{result:?}");
    let result = archive.list("").await;
    assert!(matches!(result, Err(ArchiveError::Refused(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs STORE_S3"]
async fn s3_conforms() {
    let (url, endpoint) = (Some(env("STORE_S3")), Some(env("STORE_S3_ENDPOINT")));
    let config = ArchiveConfig { url, endpoint, ..ArchiveConfig::default() };
    storage_core::conformance::archive(&*open(config.clone())).await;
    refuses(ArchiveConfig { secret_key: secret("wrong"), ..config }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs STORE_WEBDAV"]
async fn webdav_conforms() {
    let config = ArchiveConfig { url: Some(env("STORE_WEBDAV")), ..ArchiveConfig::default() };
    storage_core::conformance::archive(&*open(config.clone())).await;
    refuses(ArchiveConfig { access_key: Some("user".into()), secret_key: secret("wrong"), ..config }).await;
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
