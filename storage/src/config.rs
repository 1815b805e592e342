//! The sections `[archive]`, `[catalog]` and `[spool]` of the configuration.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A key of the configuration that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The key at fault, e.g. `archive.url`.
    pub key: &'static str,
    /// What is wrong with it; never a credential.
    pub reason: String,
}

impl ConfigError {
    pub(crate) fn new(key: &'static str, reason: impl fmt::Display) -> Self {
        Self { key, reason: reason.to_string() }
    }
}

/// A password or secret key in the configuration: it prints as `•`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

/// Where recordings are kept for good.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// `file:PATH`, `s3://bucket/prefix`, `webdav+https://host/path`. By default the folder `archive` in the data folder.
    pub url: Option<String>,
    /// S3: address of the service, when it is not Amazon's.
    pub endpoint: Option<String>,
    /// S3: region.
    pub region: Option<String>,
    /// S3: the bucket is part of the host name instead of the path.
    pub virtual_hosted: bool,
    /// Accept plain HTTP. What travels is sealed, but credentials and names are not.
    pub allow_http: bool,
    /// S3 access key id, or WebDAV user. Otherwise `AWS_ACCESS_KEY_ID` and its like.
    pub access_key: Option<String>,
    /// S3 secret access key, or WebDAV password.
    pub secret_key: Option<SecretText>,
    /// A file whose first line is the secret key.
    pub secret_key_file: Option<PathBuf>,
    /// A PEM file with the authorities that vouch for the store, instead of the system's.
    pub ca: Option<PathBuf>,
    /// A request without an answer for so long has failed.
    pub timeout_s: u64,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            url: None,
            endpoint: None,
            region: None,
            virtual_hosted: false,
            allow_http: false,
            access_key: None,
            secret_key: None,
            secret_key_file: None,
            ca: None,
            timeout_s: 60,
        }
    }
}

impl ArchiveConfig {
    /// The url, or the default one in the data folder.
    pub fn url(&self, data_dir: &Path) -> String {
        self.url.clone().unwrap_or_else(|| format!("file:{}", data_dir.join("archive").display()))
    }
}

/// Where recordings are searched.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogConfig {
    /// `sqlite:PATH`. By default `catalog.db` in the data folder.
    pub url: Option<String>,
}

impl CatalogConfig {
    /// The url, or the default one in the data folder.
    pub fn url(&self, data_dir: &Path) -> String {
        self.url.clone().unwrap_or_else(|| format!("sqlite:{}", data_dir.join("catalog.db").display()))
    }
}

/// Where live tracks are kept until they are archived.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// The folder. By default `spool` in the data folder.
    pub dir: Option<PathBuf>,
    /// Chunks that may wait in memory for a slow disk. Beyond it capture records `overload` gaps.
    pub memory_mib: u64,
    /// What was written is made durable this often, and before every receipt.
    pub sync_ms: u64,
    /// Free space that new calls never get, in MiB. Beside it the live ones keep `reserve_minutes`.
    pub reserve_mib: u64,
    /// New calls are refused when the live tracks would fill the volume in so many minutes.
    pub reserve_minutes: u64,
    /// What one live track writes, in kbit/s; the measured rate counts when it is more.
    pub track_kbps: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { dir: None, memory_mib: 256, sync_ms: 200, reserve_mib: 256, reserve_minutes: 30, track_kbps: 144 }
    }
}

impl SpoolConfig {
    /// The folder, or the default one in the data folder.
    pub fn dir(&self, data_dir: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data_dir.join("spool"))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=1 << 20).contains(&self.memory_mib) {
            return Err(ConfigError::new("spool.memory_mib", "1..=1048576"));
        }
        if !(10..=60_000).contains(&self.sync_ms) {
            return Err(ConfigError::new("spool.sync_ms", "10..=60000"));
        }
        if self.reserve_mib > 1 << 30 {
            return Err(ConfigError::new("spool.reserve_mib", "at most 1073741824"));
        }
        if self.reserve_minutes > 10_080 {
            return Err(ConfigError::new("spool.reserve_minutes", "at most 10080"));
        }
        if !(1..=1_000_000).contains(&self.track_kbps) {
            return Err(ConfigError::new("spool.track_kbps", "1..=1000000"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_live_in_the_data_folder() {
        let data = Path::new("./data");
        assert_eq!(ArchiveConfig::default().url(data), "file:./data/archive");
        assert_eq!(CatalogConfig::default().url(data), "sqlite:./data/catalog.db");
        assert_eq!(SpoolConfig::default().dir(data), Path::new("./data/spool"));
    }

    #[test]
    fn unknown_keys_and_senseless_values_are_refused_by_name() {
        let error = serde_json::from_str::<ArchiveConfig>(r#"{"ulr": "file:x"}"#).expect_err("a typing error");
        assert!(error.to_string().contains("ulr"), "{error}");
        let error = SpoolConfig { sync_ms: 0, ..SpoolConfig::default() }.check().expect_err("too often");
        assert_eq!(error.key, "spool.sync_ms");
    }

    #[test]
    fn secrets_do_not_print() {
        let config: ArchiveConfig = serde_json::from_str(r#"{"secret_key": "hunter2"}"#).expect("lawful");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
