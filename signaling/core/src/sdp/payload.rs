//! Payload types of an m-line: rtpmap, and the static table of RFC 3551 for lines without one.

use super::Media;
use crate::event::Payload;

/// Encodings this product renders; a line needs one of them to be kept.
pub const RENDERED: [&str; 3] = ["PCMU", "PCMA", "G722"];

/// Encodings whose packets are kept although this product does not render them: what was said is not lost, and whoever
/// has a decoder can hear it.
const KEPT: [&str; 16] = [
    "opus", "G729", "G729A", "G723", "iLBC", "AMR", "AMR-WB", "EVS", "GSM", "GSM-EFR", "speex", "SILK", "iSAC",
    "G7221", "L16", "G728",
];

/// RFC 3551 tables 4 and 5, audio: type, encoding, clock, channels.
const STATIC: [(u8, &str, u32, u8); 17] = [
    (0, "PCMU", 8_000, 1),
    (3, "GSM", 8_000, 1),
    (4, "G723", 8_000, 1),
    (5, "DVI4", 8_000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8_000, 1),
    (8, "PCMA", 8_000, 1),
    (9, "G722", 8_000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8_000, 1),
    (13, "CN", 8_000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8_000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8_000, 1),
];

/// Every payload type of the line, in its order and once, an unknown dynamic one included (encoding empty). Formats that
/// are no payload types (`*`, `t38`) are left out.
pub fn of(media: &Media) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = Vec::new();
    for payload_type in media.formats.iter().filter_map(|format| format.parse().ok()).filter(|format| *format < 128) {
        if payloads.iter().all(|known| known.payload_type != payload_type) {
            payloads.push(mapped(media, payload_type));
        }
    }
    payloads
}

/// Whether the product renders it.
pub fn is_rendered(payload: &Payload) -> bool {
    RENDERED.iter().any(|known| known.eq_ignore_ascii_case(&payload.encoding)) && payload.channels == 1
}

/// Whether its packets are kept without being rendered.
pub fn is_kept(payload: &Payload) -> bool {
    KEPT.iter().any(|known| known.eq_ignore_ascii_case(&payload.encoding))
}

/// What is rendered first, else in the order of the offer: a peer that sends the first codec of the answer is heard.
pub fn preferred(mut payloads: Vec<Payload>) -> Vec<Payload> {
    if !payloads.first().is_some_and(is_rendered) {
        payloads.sort_by_key(|payload| !is_rendered(payload));
    }
    payloads
}

fn mapped(media: &Media, payload_type: u8) -> Payload {
    media
        .values("rtpmap")
        .filter_map(rtpmap)
        .find(|payload| payload.payload_type == payload_type)
        .unwrap_or_else(|| static_payload(payload_type))
}

/// `0 PCMU/8000`, `111 opus/48000/2`.
fn rtpmap(value: &str) -> Option<Payload> {
    let (payload_type, encoding) = value.trim().split_once([' ', '\t'])?;
    let mut parts = encoding.trim().split('/');
    let encoding = parts.next().filter(|name| !name.is_empty())?.trim().to_owned();
    let clock_hz = parts.next().and_then(|clock| clock.trim().parse().ok()).filter(|clock| *clock > 0).unwrap_or(8_000);
    let channels = parts.next().and_then(|channels| channels.trim().parse().ok()).unwrap_or(1);
    Some(Payload { payload_type: payload_type.parse().ok()?, encoding, clock_hz, channels })
}

fn static_payload(payload_type: u8) -> Payload {
    let known = STATIC.iter().find(|known| known.0 == payload_type);
    let (_, encoding, clock_hz, channels) = known.copied().unwrap_or((payload_type, "", 8_000, 1));
    Payload { payload_type, encoding: encoding.to_owned(), clock_hz, channels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::SessionDescription;

    fn payloads(lines: &str) -> Vec<Payload> {
        let sdp = SessionDescription::parse(format!("v=0\n{lines}").as_bytes()).expect("a description");
        of(&sdp.media[0])
    }

    #[test]
    fn static_types_need_no_rtpmap() {
        let names: Vec<_> = payloads("m=audio 1 RTP/AVP 18 0 8 13 9 0").into_iter().map(|p| p.encoding).collect();
        assert_eq!(names, ["G729", "PCMU", "PCMA", "CN", "G722"]);
    }

    #[test]
    fn rtpmap_gives_channels_and_overrides_the_table() {
        let all = payloads("m=audio 1 RTP/AVP 111 0 99\na=rtpmap:111 opus/48000/2\na=rtpmap:0 pcmu/8000");
        assert_eq!((all[0].clock_hz, all[0].channels), (48_000, 2));
        assert_eq!(all[1].encoding, "pcmu");
        assert!(is_rendered(&all[1]) && !is_rendered(&all[0]) && !is_rendered(&all[2]));
        assert_eq!((all[2].payload_type, all[2].encoding.as_str()), (99, ""));
    }

    #[test]
    fn formats_that_are_no_payload_types_and_odd_rtpmaps_are_skipped() {
        assert!(payloads("m=message 1 TCP/MSRP * t38 300").is_empty());
        let all = payloads("m=audio 1 RTP/AVP 96\na=rtpmap:96\na=rtpmap:x y\na=rtpmap:96 PCMA/0");
        assert_eq!((all[0].encoding.as_str(), all[0].clock_hz), ("PCMA", 8_000));
    }
}
