//! One request to one subscriber, signed as Standard Webhooks say, and what its answer means.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use crypto::tls::{Trust, client_config};
use futures_util::stream;
use model::{Secret, Timestamp};
use reqwest::{Body, Client, RequestBuilder, StatusCode, header, redirect::Policy};
use storage_core::{
    delivery::{Notice, Outcome, retry_after_s, signatures},
    ports::{MediaReader, PlaybackError},
};
use url::Url;

use super::SubscriberConfig;
use crate::{
    archive::chain,
    config::ConfigError,
    limits::{SOUND_OCTETS, SOUND_OCTETS_PER_SECOND},
};

/// The way to one subscriber.
pub(super) struct Sender {
    client: Client,
    url: Url,
    config: SubscriberConfig,
}

/// What a request is signed with.
pub(super) struct Stamp {
    pub(super) id: String,
    pub(super) at: Timestamp,
    secrets: Vec<Secret>,
}

impl Sender {
    /// Redirects are not followed: what is said of calls goes where the configuration says. No connection is kept: each
    /// request asks DNS, so that a receiver that moved is found, and none waits on a connection that died.
    pub(super) fn new(config: &SubscriberConfig) -> Result<Self, ConfigError> {
        let url = config.address()?;
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .https_only(url.scheme() == "https")
            .pool_max_idle_per_host(0)
            .connect_timeout(Duration::from_secs(config.timeout_s.min(10)))
            .user_agent(concat!("recorder/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &config.ca {
            let bad = |error: &dyn std::fmt::Display| config.wrong("ca", format!("{}: {error}", path.display()));
            let pem = std::fs::read(path).map_err(|error| bad(&error))?;
            let tls = client_config(Trust::Roots(pem), None).map_err(|error| bad(&error))?;
            builder = builder.tls_backend_preconfigured((*tls).clone());
        }
        let client = builder.build().map_err(|error| config.wrong("url", chain(&error)))?;
        Ok(Self { client, url, config: config.clone() })
    }

    /// Reads the secrets as they are now: a new one counts from the next request on.
    pub(super) async fn stamp(&self, id: String, at: Timestamp) -> Result<Stamp, String> {
        let config = self.config.clone();
        let secrets =
            tokio::task::spawn_blocking(move || config.secrets()).await.map_err(|error| error.to_string())??;
        Ok(Stamp { id, at, secrets })
    }

    /// Posts a CloudEvent.
    pub(super) async fn words(&self, stamp: &Stamp, body: Vec<u8>) -> Outcome {
        let request = self.request(stamp, &body).header(header::CONTENT_TYPE, "application/cloudevents+json");
        answer(request.timeout(Duration::from_secs(self.config.timeout_s)).body(body), stamp.at).await
    }

    /// Posts a WAV in the binary mode of CloudEvents. What is signed is its digest (RFC 9530), so that neither side needs
    /// all of it before it can begin.
    pub(super) async fn sound(
        &self,
        stamp: &Stamp,
        (notice, source): (&Notice, &str),
        reader: Box<dyn MediaReader>,
        sha256: &[u8],
    ) -> Outcome {
        let (length, digest) = (reader.len(), format!("sha-256=:{}:", STANDARD.encode(sha256)));
        let seconds = self.config.timeout_s + length / SOUND_OCTETS_PER_SECOND;
        let request = self
            .request(stamp, digest.as_bytes())
            .header(header::CONTENT_TYPE, "audio/wav")
            .header(header::CONTENT_LENGTH, length)
            .header("content-digest", &digest)
            .header("ce-specversion", "1.0")
            .header("ce-id", &stamp.id)
            .header("ce-type", notice.kind.name())
            .header("ce-source", source)
            .header("ce-subject", &notice.thing)
            .header("ce-time", notice.at.to_string());
        answer(request.timeout(Duration::from_secs(seconds)).body(body(reader)), stamp.at).await
    }

    fn request(&self, stamp: &Stamp, signed: &[u8]) -> RequestBuilder {
        let Stamp { id, at, secrets } = stamp;
        self.client
            .post(self.url.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", at.millis() / 1_000)
            .header("webhook-signature", signatures(secrets, id, *at, signed))
    }
}

/// Piece by piece: one piece in memory.
fn body(reader: Box<dyn MediaReader>) -> Body {
    Body::wrap_stream(stream::unfold((reader, 0), |(reader, at)| async move {
        let end = reader.len().min(at + SOUND_OCTETS);
        if at >= end {
            return None;
        }
        let piece: Result<Vec<u8>, PlaybackError> = reader.read(at..end).await;
        // After an error the stream is asked no more: the connection is cut, and the subscriber sees half a body.
        let next = if piece.is_ok() { end } else { u64::MAX };
        Some((piece.map(Bytes::from), (reader, next)))
    }))
}

/// What the answer means. Its body is not read: it is nothing to us, and may be endless.
async fn answer(request: RequestBuilder, now: Timestamp) -> Outcome {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Outcome::Failed { cause: chain(&error.without_url()), wait_s: None },
    };
    let status = response.status();
    let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let cause = format!("status {}", status.as_u16());
    match status {
        status if status.is_success() => Outcome::Accepted,
        StatusCode::GONE => Outcome::Gone,
        // It was read and will never be taken: another attempt would only be another refusal.
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_ACCEPTABLE
        | StatusCode::LENGTH_REQUIRED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused { cause },
        // Anything else somebody can repair: a wrong address, a certificate, a server that fails.
        _ => Outcome::Failed { cause, wait_s: wait.and_then(|text| retry_after_s(text, now)) },
    }
}
