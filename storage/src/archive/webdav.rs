//! An archive in a WebDAV tree (RFC 4918): MKCOL, PUT beside, MOVE into place, ranged GET, PROPFIND, DELETE.
//!
//! Why neither crate that offers this: `object_store::http` has no MKCOL, no MOVE and no conditional put, and encodes
//! names twice; `opendal` 0.59 brings a second storage abstraction with its own HTTP stack for seven requests, and has no
//! write-once either. Seven requests on `reqwest` are less than either's set-up. Apache mod_dav (with
//! `DavDepthInfinity` off, as it comes) is what they were tried on: hence Depth 1 only.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use percent_encoding::percent_decode_str;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{CONTENT_LENGTH, RANGE},
};
use storage_core::{
    names,
    ports::{Archive, ArchiveError, BoxFuture, ObjectSource},
};
use url::Url;

use super::{URL, http, multistatus, multistatus::Member, same_or_exists};
use crate::{
    config::{ArchiveConfig, ConfigError},
    limits::{LIST_DEPTH, PROPFIND_OCTETS},
};

/// Objects below a collection.
pub(super) struct Tree {
    client: Client,
    /// Ends in `/`; without user and password.
    base: Url,
    user: Option<(String, Option<String>)>,
    /// Collections known to exist.
    known: Mutex<HashSet<String>>,
    pub(super) timeout: Duration,
}

impl Tree {
    pub(super) fn open(config: &ArchiveConfig, url: &str) -> Result<Self, ConfigError> {
        let inner = url.strip_prefix("webdav+").unwrap_or(url);
        let mut base = Url::parse(inner).map_err(|error| ConfigError::new(URL, format!("webdav: {error}")))?;
        if base.scheme() == "http" && !config.allow_http {
            return Err(ConfigError::new(URL, "plain HTTP needs archive.allow_http = true"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(ConfigError::new(URL, "webdav: a path cannot have a query or fragment"));
        }
        let user = user(config, &base)?;
        let is_bare = base.set_username("").is_ok() && base.set_password(None).is_ok();
        debug_assert!(is_bare, "http and https have an authority");
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let timeout = Duration::from_secs(config.timeout_s);
        Ok(Self { client: http::client(config)?, base, user, known: Mutex::default(), timeout })
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.user {
            Some((user, password)) => request.basic_auth(user, password.as_deref()),
            None => request,
        }
    }

    /// The address of an object or, ending in `/`, of a collection; checked names need no encoding.
    pub(super) fn url(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{name}", self.base.path()));
        url
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The members of a collection, one level deep; none when it is not there.
    async fn members(&self, collection: &str) -> Result<Vec<Member>, ArchiveError> {
        let method = Method::from_bytes(b"PROPFIND").expect("a token");
        let request = self.request(method, self.url(collection)).header("Depth", "1").body(multistatus::QUESTION);
        let mut response = send(request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if response.status() != StatusCode::MULTI_STATUS {
            return Err(refusal(collection, response.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > PROPFIND_OCTETS {
                return Err(ArchiveError::Unavailable(format!("{collection}: the listing is too long")));
            }
            body.extend_from_slice(&part);
        }
        multistatus::members(&body, self.base.path(), collection)
            .map_err(|error| ArchiveError::Unavailable(format!("{collection}: listing: {error}")))
    }

    async fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, ArchiveError> {
        let wanted = (range.end - range.start) as usize;
        let request = self.request(Method::GET, self.url(name));
        let mut response = send(request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1))).await?;
        // 200 is a server that does not know ranges, or an empty object: the octets before are thrown away.
        let mut skip = match response.status() {
            StatusCode::PARTIAL_CONTENT => 0,
            StatusCode::OK => range.start,
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Vec::new()),
            status => return Err(refusal(name, status)),
        };
        let mut octets = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            let from = skip.min(part.len() as u64);
            skip -= from;
            octets.extend_from_slice(&part[from as usize..]);
            if octets.len() >= wanted {
                break;
            }
        }
        octets.truncate(wanted);
        Ok(octets)
    }
}

impl Archive for Tree {
    fn put<'a>(&'a self, name: &'a str, source: &'a dyn ObjectSource) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            names::check(name)?;
            match self.create(name, source).await? {
                true => Ok(()),
                false => same_or_exists(self, name, source).await,
            }
        })
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Vec<u8>, ArchiveError>> {
        Box::pin(async move {
            names::check(name)?;
            if range.is_empty() { Ok(Vec::new()) } else { self.get(name, range).await }
        })
    }

    fn size<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<u64, ArchiveError>> {
        Box::pin(async move {
            names::check(name)?;
            let response = send(self.request(Method::HEAD, self.url(name))).await?;
            if response.status() != StatusCode::OK {
                return Err(refusal(name, response.status()));
            }
            let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
            match length {
                Some(length) => Ok(length),
                // Apache 2.4 leaves the length of an empty object out of its answer to HEAD.
                None if self.get(name, 0..1).await?.is_empty() => Ok(0),
                None => Err(ArchiveError::Unavailable(format!("{name}: the server does not tell its size"))),
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, ArchiveError>> {
        Box::pin(async move {
            names::check_prefix(prefix)?;
            let (mut waiting, mut found) = (vec![(prefix.to_owned(), LIST_DEPTH)], Vec::new());
            while let Some((collection, depth)) = waiting.pop() {
                for member in self.members(&collection).await? {
                    match member {
                        Member::Object(name) if !name.ends_with(PART) => found.push(name),
                        Member::Collection(name) if depth > 0 => waiting.push((name, depth - 1)),
                        Member::Object(_) | Member::Collection(_) => {}
                    }
                }
            }
            found.sort();
            Ok(found)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            names::check(name)?;
            match send(self.request(Method::DELETE, self.url(name))).await?.status() {
                status if status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) => Ok(()),
                status => Err(refusal(name, status)),
            }
        })
    }

    fn describe(&self) -> String {
        format!("webdav+{}", self.base)
    }
}

/// What the name of an unfinished object ends in.
pub(super) const PART: &str = ".part";

fn user(config: &ArchiveConfig, base: &Url) -> Result<Option<(String, Option<String>)>, ConfigError> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if let Some(user) = &config.access_key {
        return Ok(Some((user.clone(), http::secret(config)?)));
    }
    Ok(match base.username() {
        "" => None,
        user => Some((plain(user), base.password().map(plain).or(http::secret(config)?))),
    })
}

pub(super) async fn send(request: RequestBuilder) -> Result<Response, ArchiveError> {
    request.send().await.map_err(failed)
}

pub(super) fn failed(error: reqwest::Error) -> ArchiveError {
    // The address can carry nothing secret (user and password are cut off), but the names are noise in a log.
    ArchiveError::Unavailable(http::chain(&error.without_url()))
}

/// The reaction to a status: come back later, call somebody, or it is simply not there.
pub(super) fn refusal(name: &str, status: StatusCode) -> ArchiveError {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => ArchiveError::Missing(name.to_owned()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::LOCKED => {
            ArchiveError::Unavailable(format!("{name}: {status}"))
        }
        status if status.is_server_error() => ArchiveError::Unavailable(format!("{name}: {status}")),
        status => ArchiveError::Refused(format!("{name}: {status}")),
    }
}
