//! The archive: write-once objects in a folder, an S3 bucket or a WebDAV tree, behind one port.

mod folder;
mod http;
mod multistatus;
mod s3;
mod webdav;
mod webdav_put;

pub(crate) use http::chain;

use std::{path::Path, sync::Arc};

use storage_core::ports::{Archive, ArchiveError, ObjectSource};

use crate::{
    config::{ArchiveConfig, ConfigError},
    limits::{COMPARE_OCTETS, COPY_OCTETS},
};

/// Opens the archive that the section `[archive]` names. Nothing is asked of a remote store yet: when it is away,
/// recording goes on and the queue waits. A folder that cannot be made or written is an error at once.
pub fn open_archive(config: &ArchiveConfig, data_dir: &Path) -> Result<Arc<dyn Archive>, ConfigError> {
    let url = config.url(data_dir);
    match url.split_once(':').unwrap_or((&url, "")) {
        ("file", path) => Ok(Arc::new(folder::Folder::open(path)?)),
        ("s3", _) => Ok(Arc::new(s3::Bucket::open(config, &url)?)),
        ("webdav+https" | "webdav+http", _) => Ok(Arc::new(webdav::Tree::open(config, &url)?)),
        (scheme, _) => Err(ConfigError::new(
            URL,
            format!("{scheme:?} is no kind of archive: file:PATH, s3://bucket/prefix or webdav+https://host/path"),
        )),
    }
}

const URL: &str = "archive.url";

/// What to say when the name is taken: success if it is the same object. Stores differ in whether and how they give
/// digests, so the octets themselves are compared.
async fn same_or_exists(archive: &dyn Archive, name: &str, source: &dyn ObjectSource) -> Result<(), ArchiveError> {
    let exists = || ArchiveError::Exists(name.to_owned());
    if archive.size(name).await? != source.len() {
        return Err(exists());
    }
    let mut at = 0;
    while at < source.len() {
        let end = source.len().min(at + COMPARE_OCTETS);
        let there = archive.read(name, at..end).await?;
        for (part, octets) in there.chunks(COPY_OCTETS as usize).enumerate() {
            let from = at + part as u64 * COPY_OCTETS;
            if source.read(from..from + octets.len() as u64).map_err(source_failed)? != octets {
                return Err(exists());
            }
        }
        if there.len() as u64 != end - at {
            return Err(exists());
        }
        at = end;
    }
    Ok(())
}

/// The octets could not be read on our side: as with a store that is away, try again later.
fn source_failed(error: std::io::Error) -> ArchiveError {
    ArchiveError::Unavailable(format!("reading what is to be archived: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: ArchiveConfig) -> ConfigError {
        open_archive(&config, Path::new("/nonexistent")).err().expect("refused")
    }

    fn with_url(url: &str) -> ArchiveConfig {
        ArchiveConfig { url: Some(url.into()), ..ArchiveConfig::default() }
    }

    #[test]
    fn bad_urls_are_refused_by_the_name_of_the_key() {
        for url in ["ftp://host/x", "nonsense", "s3://", "file:", "webdav+https://", "s3:bucket"] {
            let error = refused(with_url(url));
            assert_eq!(error.key, "archive.url", "{url}: {error}");
        }
    }

    #[test]
    fn plain_http_needs_a_word() {
        let error = refused(with_url("webdav+http://host/x"));
        assert!(error.to_string().contains("allow_http"), "{error}");
        let config = ArchiveConfig { endpoint: Some("http://127.0.0.1:9".into()), ..with_url("s3://bucket") };
        assert!(refused(config.clone()).to_string().contains("allow_http"));
        open_archive(&ArchiveConfig { allow_http: true, ..config }, Path::new("/")).expect("allowed");
    }

    #[test]
    fn no_credential_is_ever_told() {
        let url = "webdav+https://user:hunter2@host/x";
        let archive = open_archive(&with_url(url), Path::new("/")).expect("lawful");
        assert_eq!(archive.describe(), "webdav+https://host/x/");
        let error = refused(with_url("webdav+https://user:hunter2@ho st/x"));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_missing_secret_file_and_ca_are_named() {
        let config = ArchiveConfig { secret_key_file: Some("/nonexistent/key".into()), ..with_url("s3://bucket") };
        assert_eq!(refused(config).key, "archive.secret_key_file");
        let config = ArchiveConfig { ca: Some("/nonexistent/ca".into()), ..with_url("s3://bucket") };
        assert_eq!(refused(config).key, "archive.ca");
    }
}
