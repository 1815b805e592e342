//! An archive in an S3 bucket, by `object_store`: conditional put, multipart for what is large.

use std::{ops::Range, time::Duration};

use futures_util::TryStreamExt;
use object_store::{
    ClientOptions, Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{HttpClient, HttpConnector},
    path::Path,
};
use storage_core::{
    names,
    ports::{Archive, ArchiveError, BoxFuture, ObjectSource},
};
use url::Url;

use super::{URL, http, same_or_exists, source_failed};
use crate::{
    config::{ArchiveConfig, ConfigError},
    limits::S3_PART,
};

/// Objects in a bucket, below a prefix.
pub(super) struct Bucket {
    store: AmazonS3,
    name: String,
    /// Empty, or ending in `/`.
    prefix: String,
}

impl Bucket {
    pub(super) fn open(config: &ArchiveConfig, url: &str) -> Result<Self, ConfigError> {
        let parsed = Url::parse(url).map_err(|error| ConfigError::new(URL, error))?;
        let Some(name) = parsed.host_str().filter(|name| !name.is_empty()) else {
            return Err(ConfigError::new(URL, "s3: without a bucket: s3://bucket/prefix"));
        };
        let prefix = parsed.path().trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        names::check_prefix(&prefix).map_err(|error| ConfigError::new(URL, error))?;
        if !config.allow_http && config.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http:")) {
            return Err(ConfigError::new("archive.endpoint", "plain HTTP needs archive.allow_http = true"));
        }
        let store = builder(config, name)?.build().map_err(|error| ConfigError::new(URL, http::chain(&error)))?;
        Ok(Self { store, name: name.to_owned(), prefix })
    }

    fn path(&self, name: &str) -> Result<Path, ArchiveError> {
        names::check(name)?;
        Path::parse(format!("{}{name}", self.prefix)).map_err(|error| ArchiveError::Refused(error.to_string()))
    }

    /// False when the name is taken.
    async fn create(&self, name: &str, source: &dyn ObjectSource) -> Result<bool, ArchiveError> {
        let path = self.path(name)?;
        let result = if source.len() <= S3_PART {
            let octets = source.read(0..source.len()).map_err(source_failed)?;
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            self.store.put_opts(&path, PutPayload::from(octets), options).await.map(|_| ())
        } else {
            // Completing a multipart upload is conditional on few stores only. One recorder writes one recording, so
            // asking first is enough to keep the archive write-once against a repetition.
            match self.store.head(&path).await {
                Ok(_) => return Ok(false),
                Err(Error::NotFound { .. }) => return self.create_large(&path, source).await.map(|()| true),
                Err(error) => Err(error),
            }
        };
        match result {
            Ok(()) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            // The bucket, not the object.
            Err(Error::NotFound { source, .. }) => Err(ArchiveError::Refused(http::chain(&*source))),
            Err(error) => Err(failed(name, error)),
        }
    }

    /// Holds one part in memory. What was uploaded of a failed one is given up, so that the store can free it.
    async fn create_large(&self, path: &Path, source: &dyn ObjectSource) -> Result<(), ArchiveError> {
        let upload = self.store.put_multipart_opts(path, PutMultipartOptions::default()).await;
        let mut upload = upload.map_err(|error| failed(path.as_ref(), error))?;
        let result = upload_parts(&mut *upload, path, source).await;
        if result.is_err() {
            let _ = upload.abort().await;
        }
        result
    }
}

async fn upload_parts(
    upload: &mut dyn MultipartUpload,
    path: &Path,
    source: &dyn ObjectSource,
) -> Result<(), ArchiveError> {
    let mut at = 0;
    while at < source.len() {
        let end = source.len().min(at + S3_PART);
        let octets = source.read(at..end).map_err(source_failed)?;
        upload.put_part(PutPayload::from(octets)).await.map_err(|error| failed(path.as_ref(), error))?;
        at = end;
    }
    upload.complete().await.map(|_| ()).map_err(|error| failed(path.as_ref(), error))
}

impl Archive for Bucket {
    fn put<'a>(&'a self, name: &'a str, source: &'a dyn ObjectSource) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            match self.create(name, source).await? {
                true => Ok(()),
                false => same_or_exists(self, name, source).await,
            }
        })
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Vec<u8>, ArchiveError>> {
        Box::pin(async move {
            let path = self.path(name)?;
            if range.is_empty() {
                return Ok(Vec::new());
            }
            let start = range.start;
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            let result = match self.store.get_opts(&path, options).await {
                Ok(found) => found.bytes().await,
                Err(error) => Err(error),
            };
            match result {
                Ok(octets) => Ok(octets.into()),
                Err(error @ Error::NotFound { .. }) => Err(failed(name, error)),
                // A range behind the end is 416 on every store, and each wraps it differently: ask for the size.
                Err(error) => match self.size(name).await {
                    Ok(size) if start >= size => Ok(Vec::new()),
                    _ => Err(failed(name, error)),
                },
            }
        })
    }

    fn size<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<u64, ArchiveError>> {
        Box::pin(async move {
            let path = self.path(name)?;
            self.store.head(&path).await.map(|found| found.size).map_err(|error| failed(name, error))
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, ArchiveError>> {
        Box::pin(async move {
            names::check_prefix(prefix)?;
            let folder = Path::from(format!("{}{prefix}", self.prefix));
            let found: Vec<_> =
                self.store.list(Some(&folder)).try_collect().await.map_err(|error| failed(prefix, error))?;
            let names = found.iter().filter_map(|found| found.location.as_ref().strip_prefix(self.prefix.as_str()));
            let mut names: Vec<String> = names.filter(|name| names::check(name).is_ok()).map(str::to_owned).collect();
            names.sort();
            Ok(names)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let path = self.path(name)?;
            match self.store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(failed(name, error)),
            }
        })
    }

    fn describe(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix)
    }
}

fn builder(config: &ArchiveConfig, bucket: &str) -> Result<AmazonS3Builder, ConfigError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_allow_http(config.allow_http)
        .with_virtual_hosted_style_request(config.virtual_hosted)
        // Not every store knows the bulk request, and we delete one at a time.
        .with_disable_bulk_delete(true)
        .with_client_options(ClientOptions::new().with_allow_http(config.allow_http))
        .with_http_connector(Connector(http::client(config)?))
        // Short: whoever calls us keeps a queue of its own and waits longer.
        .with_retry(RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(config.timeout_s),
            ..RetryConfig::default()
        });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(key) = &config.access_key {
        builder = builder.with_access_key_id(key);
    }
    if let Some(secret) = http::secret(config)? {
        builder = builder.with_secret_access_key(secret);
    }
    Ok(builder)
}

/// Hands our client to `object_store`, so that one TLS policy holds for all stores.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

fn failed(name: &str, error: Error) -> ArchiveError {
    match error {
        Error::NotFound { .. } => ArchiveError::Missing(name.to_owned()),
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::InvalidPath { .. }
        | Error::UnknownConfigurationKey { .. } => ArchiveError::Refused(http::chain(&error)),
        error => told_by_text(http::chain(&error)),
    }
}

/// Listing and multipart requests wrap the status in a private type of `object_store`; its text is all there is.
fn told_by_text(text: String) -> ArchiveError {
    let is_refused = ["401", "403", "404"].iter().any(|status| text.contains(&format!("status code: {status}")));
    if is_refused { ArchiveError::Refused(text) } else { ArchiveError::Unavailable(text) }
}
