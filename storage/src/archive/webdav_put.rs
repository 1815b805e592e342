//! How an object comes into a WebDAV tree: collections, a temporary name, the size checked, then moved into place.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{
    Body, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use storage_core::ports::{Archive, ArchiveError, ObjectSource};
use tokio::sync::mpsc;

use super::{
    source_failed,
    webdav::{PART, Tree, failed, refusal, send},
};
use crate::limits::COPY_OCTETS;

impl Tree {
    /// Creates the object; false when the name is taken.
    pub(super) async fn create(&self, name: &str, source: &dyn ObjectSource) -> Result<bool, ArchiveError> {
        match self.size(name).await {
            Ok(_) => return Ok(false),
            Err(ArchiveError::Missing(_)) => {}
            Err(error) => return Err(error),
        }
        let part = format!("{name}{PART}");
        let result = self.place(name, &part, source).await;
        if !matches!(result, Ok(true)) {
            // Best effort: the next attempt overwrites it, and nobody lists it.
            let _ = send(self.request(Method::DELETE, self.url(&part))).await;
        }
        result
    }

    async fn place(&self, name: &str, part: &str, source: &dyn ObjectSource) -> Result<bool, ArchiveError> {
        self.make_collections(name).await?;
        let mut status = self.upload(part, source).await?;
        if matches!(status, StatusCode::CONFLICT | StatusCode::NOT_FOUND) {
            // Somebody removed a collection that we knew.
            self.known().clear();
            self.make_collections(name).await?;
            status = self.upload(part, source).await?;
        }
        if !status.is_success() {
            return Err(there(refusal(part, status)));
        }
        let size = self.size(part).await?;
        if size != source.len() {
            return Err(ArchiveError::Unavailable(format!("{part}: {size} of {} octets arrived", source.len())));
        }
        self.move_into_place(part, name).await
    }

    /// MKCOL, level by level (RFC 4918 9.3: a server makes no parents by itself).
    async fn make_collections(&self, name: &str) -> Result<(), ArchiveError> {
        let method = Method::from_bytes(b"MKCOL").expect("a token");
        let ends = std::iter::once(0).chain(name.match_indices('/').map(|(at, _)| at + 1));
        for collection in ends.map(|end| &name[..end]) {
            if self.known().contains(collection) {
                continue;
            }
            match send(self.request(method.clone(), self.url(collection))).await?.status() {
                StatusCode::CREATED => {}
                // It is there: 405 says the RFC; Apache answers 301 or 403 for the root of its tree.
                StatusCode::METHOD_NOT_ALLOWED => {}
                StatusCode::MOVED_PERMANENTLY | StatusCode::FORBIDDEN if collection.is_empty() => {}
                status => return Err(there(refusal(collection, status))),
            }
            self.remember(collection);
        }
        Ok(())
    }

    fn remember(&self, collection: &str) {
        let mut known = self.known();
        if known.len() >= COLLECTIONS {
            known.clear();
        }
        known.insert(collection.to_owned());
    }

    /// PUT, streamed: two pieces are in memory, whatever the size.
    async fn upload(&self, part: &str, source: &dyn ObjectSource) -> Result<StatusCode, ArchiveError> {
        let (pieces, taken) = mpsc::channel::<std::io::Result<Bytes>>(1);
        let body = stream::unfold(taken, |mut taken| async { taken.recv().await.map(|piece| (piece, taken)) });
        let patience = self.timeout + Duration::from_secs(source.len() / SLOWEST_OCTETS_S);
        let request = self
            .request(Method::PUT, self.url(part))
            .header(CONTENT_LENGTH, source.len())
            .header(CONTENT_TYPE, "application/octet-stream")
            .timeout(patience)
            .body(Body::wrap_stream(body.boxed()));
        let (answer, fed) = tokio::join!(request.send(), feed(source, pieces));
        // Our own failure first: the server only saw the connection end.
        fed?;
        answer.map(|answer| answer.status()).map_err(failed)
    }

    /// MOVE without replacing: 412 says that the name was taken meanwhile.
    async fn move_into_place(&self, part: &str, name: &str) -> Result<bool, ArchiveError> {
        let method = Method::from_bytes(b"MOVE").expect("a token");
        let request = self.request(method, self.url(part));
        let request = request.header("Destination", self.url(name).as_str()).header("Overwrite", "F");
        match send(request).await?.status() {
            StatusCode::PRECONDITION_FAILED => Ok(false),
            status if status.is_success() => Ok(true),
            status => Err(there(refusal(name, status))),
        }
    }
}

/// Reads the source piece by piece into the request. A receiver that is gone is an answer before the end: the answer tells.
async fn feed(source: &dyn ObjectSource, pieces: mpsc::Sender<std::io::Result<Bytes>>) -> Result<(), ArchiveError> {
    let mut at = 0;
    while at < source.len() {
        let end = source.len().min(at + COPY_OCTETS);
        match source.read(at..end) {
            Ok(octets) => {
                if pieces.send(Ok(octets.into())).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) => {
                let told = std::io::Error::new(error.kind(), "the source failed");
                let _ = pieces.send(Err(told)).await;
                return Err(source_failed(error));
            }
        }
        at = end;
    }
    Ok(())
}

/// A 404 while creating is about the tree, not about the object: somebody must act.
fn there(error: ArchiveError) -> ArchiveError {
    match error {
        ArchiveError::Missing(name) => ArchiveError::Refused(format!("{name}: 404: the tree is not there")),
        other => other,
    }
}

/// Collections remembered; beyond it all are forgotten and asked for again.
const COLLECTIONS: usize = 10_000;
/// An upload slower than this has failed.
const SLOWEST_OCTETS_S: u64 = 128 << 10;
