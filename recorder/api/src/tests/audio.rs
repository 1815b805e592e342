//! Playing: ranges, conditions, damage, and what stands on record about it.

use axum::http::HeaderMap;

use super::*;

async fn play(world: &World, token: &str, query: &str, headers: &[(header::HeaderName, &str)]) -> Response {
    let mut request = request(token, Method::GET, &format!("/recordings/{}/audio{query}", id(1)), "");
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    world.send(request).await
}

fn shown(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn the_whole_comes_in_small_reads_with_its_digest_as_tag() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::ComplianceOfficer);
    let response = play(&world, &token, "?format=wav", &[]).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(shown(&headers, header::CONTENT_LENGTH), SOUND_OCTETS.to_string());
    assert_eq!(shown(&headers, header::CONTENT_TYPE), "audio/wav");
    assert_eq!(shown(&headers, header::ACCEPT_RANGES), "bytes");
    assert_eq!(shown(&headers, header::ETAG), format!("\"{}\"", "ab".repeat(32)));
    assert!(shown(&headers, header::CONTENT_DISPOSITION).ends_with(&format!("filename=\"{}.wav\"", id(1))));
    assert_eq!(shown(&headers, header::CACHE_CONTROL), "no-store");
    let body = octets(response).await;
    assert!(body.len() as u64 == SOUND_OCTETS && body.iter().enumerate().all(|(at, found)| *found == octet(at as u64)));
    assert!(world.ports.largest_read.load(SeqCst) <= limits::READ_OCTETS);
    let audit = world.last_audit();
    assert_eq!((audit.action.as_str(), audit.recording), ("play", Some(id(1))));
    assert!(audit.detail.unwrap().reveal().starts_with("wav bytes 0-2500000"));
}

#[tokio::test]
async fn ranges_are_parts_and_beyond_the_end_there_is_nothing() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::ComplianceOfficer);
    for (range, expected) in [
        ("bytes=100-299", 100..300_u64),
        ("bytes=2499990-", 2_499_990..SOUND_OCTETS),
        ("bytes=-5", SOUND_OCTETS - 5..SOUND_OCTETS),
        ("bytes=1000000-2400000", 1_000_000..2_400_001),
    ] {
        let response = play(&world, &token, "", &[(header::RANGE, range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        let announced = format!("bytes {}-{}/{SOUND_OCTETS}", expected.start, expected.end - 1);
        assert_eq!(shown(response.headers(), header::CONTENT_RANGE), announced);
        assert_eq!(octets(response).await, expected.map(octet).collect::<Vec<_>>(), "{range}");
    }
    let response = play(&world, &token, "", &[(header::RANGE, "bytes=2500000-")]).await;
    assert_eq!(response.status(), 416);
    assert_eq!(shown(response.headers(), header::CONTENT_RANGE), format!("bytes */{SOUND_OCTETS}"));
}

#[tokio::test]
async fn conditions_are_honoured() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::ComplianceOfficer);
    let tag = format!("\"{}\"", "ab".repeat(32));
    let range = (header::RANGE, "bytes=0-9");
    assert_eq!(play(&world, &token, "", &[range.clone(), (header::IF_RANGE, &tag)]).await.status(), 206);
    assert_eq!(play(&world, &token, "", &[range, (header::IF_RANGE, "\"other\"")]).await.status(), 200);
    let unchanged = play(&world, &token, "", &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(unchanged.status(), 304);
    assert!(octets(unchanged).await.is_empty());
}

#[tokio::test]
async fn head_tells_the_length_without_reading_a_byte() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::Supervisor);
    let response = world.ask(&token, Method::HEAD, &format!("/recordings/{}/audio?format=mp3&rate=16", id(1))).await;
    assert_eq!(response.status(), 200);
    assert_eq!(shown(response.headers(), header::CONTENT_LENGTH), "1000");
    assert_eq!(shown(response.headers(), header::CONTENT_TYPE), "audio/mpeg");
    assert!(octets(response).await.is_empty());
    assert_eq!(world.ports.largest_read.load(SeqCst), 0);
}

#[tokio::test]
async fn a_format_that_is_none_is_named() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::Supervisor);
    for (query, name) in
        [("?format=ogg", "format"), ("?format=mp3&rate=64", "rate"), ("?rate=8", "rate"), ("?fromat=wav", "fromat")]
    {
        let (status, body) = json(play(&world, &token, query, &[]).await).await;
        assert_eq!((status.as_u16(), &body["parameter"]), (400, &name.into()));
    }
}

#[tokio::test]
async fn what_is_live_damaged_or_unknown_is_not_played() {
    let world = World::with(&[archived(1), live(2)]).await;
    let token = world.token(Role::Supervisor);
    assert_eq!(world.get(&token, &format!("/recordings/{}/audio", id(2))).await.0, 409);
    assert_eq!(world.get(&token, &format!("/recordings/{}/audio", id(9))).await.0, 404);
    assert_eq!(world.get(&token, "/recordings/..%2f..%2fetc%2fpasswd/audio").await.0, 404);
    world.ports.is_media_damaged.store(true, SeqCst);
    let (status, body) = json(play(&world, &token, "", &[]).await).await;
    assert_eq!((status.as_u16(), &body["type"]), (500, &"urn:recorder:problem:media-damaged".into()));
}
