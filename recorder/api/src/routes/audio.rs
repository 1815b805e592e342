//! `GET /recordings/{id}/audio`: media in the asked format, whole or in part, streamed in small reads.

use std::{io, ops::Range, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream};
use model::RecordingId;
use storage_core::{
    ports::{MediaFormat, MediaReader, Mp3Rate, PlaybackError},
    view::RecordingView,
};

use super::{RecordingPath, parameters};
use crate::{
    app::{App, Deed},
    ask::{self, format_name},
    caller::Caller,
    limits,
    problem::Problem,
    query,
    range::{Asked, asked},
};

pub(super) async fn audio(
    State(app): State<Arc<App>>,
    caller: Caller,
    RecordingPath(id): RecordingPath,
    raw: RawQuery,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, Problem> {
    let format = format(&parameters(&raw)?)?;
    let (view, reader) = ask::media(&app, &caller, id, format).await?;
    let length = reader.len();
    let etag = etag(&view, format, length);
    let deed = Deed::done("play").on(id);
    if has_tag(headers.get(header::IF_NONE_MATCH), &etag) {
        caller.note(&app, deed.detail(format!("{} unchanged", format_name(format)))).await?;
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, header_value(&etag))]).into_response());
    }
    let (status, part) = match ranged(&headers, &method, &etag, length) {
        Asked::Whole => (StatusCode::OK, 0..length),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Beyond => {
            caller.note(&app, deed.detail(format!("{} beyond the end", format_name(format))).failed()).await?;
            return Err(Problem::range(length));
        }
    };
    // The first octets are read before the head of the answer: what is damaged or away is a status, not a broken body.
    let body = if method == Method::HEAD { Body::empty() } else { first_then_rest(reader, part.clone()).await? };
    let what = format!("{} bytes {}-{}/{length}", format_name(format), part.start, part.end);
    let deed = if method == Method::HEAD { Deed { action: "view", ..deed } } else { deed };
    caller.note(&app, deed.detail(what)).await?;

    let mut response = (status, head(id, format, &etag, &part), body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let value = header_value(&format!("bytes {}-{}/{length}", part.start, part.end - 1));
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// `format=wav|mp3`, and for MP3 `rate=8|16|32` (kbit/s; 8 is mono).
fn format(pairs: &query::Pairs) -> Result<MediaFormat, Problem> {
    let pairs = query::strict(pairs.clone(), &["format", "rate"])?;
    let rate = query::value(&pairs, "rate");
    match query::value(&pairs, "format").unwrap_or("wav") {
        "wav" if rate.is_some() => Err(Problem::parameter("rate", "goes with format=mp3 only")),
        "wav" => Ok(MediaFormat::Wav),
        "mp3" => match rate.unwrap_or("32") {
            "8" => Ok(MediaFormat::Mp3(Mp3Rate::Mono8)),
            "16" => Ok(MediaFormat::Mp3(Mp3Rate::Stereo16)),
            "32" => Ok(MediaFormat::Mp3(Mp3Rate::Stereo32)),
            _ => Err(Problem::parameter("rate", "is none of 8, 16, 32")),
        },
        _ => Err(Problem::parameter("format", "is neither wav nor mp3")),
    }
}

/// The digest of the archived object where it is the one that is played; else a name that changes when it would.
fn etag(view: &RecordingView, format: MediaFormat, length: u64) -> String {
    let name = match format {
        MediaFormat::Wav => "wav",
        MediaFormat::Mp3(_) => "mp3",
        MediaFormat::Peaks => "peaks",
    };
    match view.media.iter().find(|object| object.format == name && object.bytes == length) {
        Some(object) => format!("\"{}\"", object.sha256),
        None => format!("\"{}-{}-{length}\"", view.id, format_name(format).replace(['/', ' '], "")),
    }
}

fn has_tag(header: Option<&HeaderValue>, etag: &str) -> bool {
    let Some(text) = header.and_then(|value| value.to_str().ok()) else { return false };
    text.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// RFC 9110 13.1.5 and 14.2: a range counts for GET only, and only while `If-Range` names what we have.
fn ranged(headers: &HeaderMap, method: &Method, etag: &str, length: u64) -> Asked {
    let is_current = headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    if *method != Method::GET || !is_current {
        return Asked::Whole;
    }
    asked(headers.get(header::RANGE).and_then(|value| value.to_str().ok()), length)
}

fn head(id: RecordingId, format: MediaFormat, etag: &str, part: &Range<u64>) -> [(header::HeaderName, HeaderValue); 5] {
    let (kind, extension) = match format {
        MediaFormat::Wav => ("audio/wav", "wav"),
        MediaFormat::Mp3(_) => ("audio/mpeg", "mp3"),
        MediaFormat::Peaks => ("application/json", "json"),
    };
    [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start)),
        (header::CONTENT_DISPOSITION, header_value(&format!("inline; filename=\"{id}.{extension}\""))),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::ETAG, header_value(etag)),
    ]
}

fn header_value(text: &str) -> HeaderValue {
    // Made of ids, digits and a digest that came from our own ledger; anything else loses the header, not the answer.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

async fn first_then_rest(reader: Box<dyn MediaReader>, part: Range<u64>) -> Result<Body, PlaybackError> {
    let first = read(reader.as_ref(), part.clone()).await?;
    if first.len() as u64 == part.end - part.start {
        return Ok(Body::from(first));
    }
    Ok(Body::from_stream(rest(reader, first, part)))
}

/// The octets already read, then the rest in reads of at most [`limits::READ_OCTETS`]. An error cuts the body short of
/// its announced length, which every client notices.
fn rest(
    reader: Box<dyn MediaReader>,
    first: Bytes,
    part: Range<u64>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::try_unfold((reader, part, Some(first)), |(reader, left, ready)| async move {
        if left.is_empty() {
            return Ok(None);
        }
        let octets = match ready {
            Some(octets) => octets,
            None => read(reader.as_ref(), left.clone()).await.map_err(|error| {
                tracing::error!(%error, "playback broke off");
                io::Error::other(error)
            })?,
        };
        let next = left.start + octets.len() as u64..left.end;
        Ok(Some((octets, (reader, next, None))))
    })
}

async fn read(reader: &dyn MediaReader, part: Range<u64>) -> Result<Bytes, PlaybackError> {
    let asked = part.start..part.end.min(part.start + limits::READ_OCTETS);
    let length = asked.end - asked.start;
    if length == 0 {
        return Ok(Bytes::new());
    }
    let octets = reader.read(asked).await?;
    if octets.len() as u64 != length {
        return Err(PlaybackError::Damaged("shorter than announced".into()));
    }
    Ok(octets.into())
}
