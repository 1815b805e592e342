//! Whether an SDP answer fits its offer, by the rules that hold for every offer (RFC 3264 6, RFC 7866 7.2, quirks rule 2).

use crate::sip::Message;

/// The lines of each m-line of the SDP that a request carries in clear; none when it carries none.
pub fn offered(request: &str) -> Vec<Vec<&str>> {
    let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Some(at) = body.find("v=0") else { return Vec::new() };
    let sdp = body[at..].split("\r\n--").next().unwrap_or_default();
    let mut media: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        match (line.starts_with("m="), media.last_mut()) {
            (true, _) => media.push(vec![line]),
            (false, Some(last)) => last.push(line),
            (false, None) => {}
        }
    }
    media
}

/// Complains unless the answer is one to the offer.
///
/// # Panics
/// When it is not.
pub fn assert_fits(number: &str, request: &str, answer: &Message) {
    assert_eq!(answer.status, 200, "{number}: {}", answer.head);
    assert!(answer.header("Contact").is_some_and(|contact| contact.contains("+sip.srs")), "{number}: {}", answer.head);
    assert_eq!(answer.header("Content-Type"), Some("application/sdp"), "{number}");
    assert!(!answer.body.contains("<recording"), "{number}: an answer carries no metadata");
    let offer = offered(request);
    if offer.is_empty() {
        return;
    }
    let lines = answer.lines();
    assert_eq!(lines.len(), offer.len(), "{number}: every m-line is answered: {}", answer.body);
    for (at, (ours, theirs)) in lines.iter().zip(&offer).enumerate() {
        assert_line_fits(&format!("{number} line {}", at + 1), ours, theirs);
    }
}

fn assert_line_fits(what: &str, ours: &[&str], theirs: &[&str]) {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (mine, other) = (words(ours[0]), words(theirs[0]));
    assert_eq!((&mine[0], &mine[2]), (&other[0], &other[2]), "{what}: medium and protocol");
    let label = |lines: &[&str]| lines.iter().find(|line| line.starts_with("a=label:")).map(|line| line.to_string());
    assert_eq!(label(ours), label(theirs), "{what}: the label is echoed, none is invented");
    let directions: Vec<&&str> =
        ours.iter().filter(|line| ["a=recvonly", "a=inactive", "a=sendonly", "a=sendrecv"].contains(*line)).collect();
    assert!(matches!(directions[..], [&"a=recvonly" | &"a=inactive"]), "{what}: {ours:?}");
    assert!(mine.len() > 3, "{what}: a rejected line has a format, too (RFC 3264 6)");
    if mine[1] == "0" {
        return;
    }
    let sorted = |words: &[String]| {
        let mut formats = words[3..].to_vec();
        formats.sort_unstable();
        formats
    };
    assert_eq!(sorted(&mine), sorted(&other), "{what}: every payload type of an accepted line is kept");
    let keys = ours.iter().filter(|line| line.starts_with("a=crypto:")).count();
    let is_srtp = mine[2].starts_with("RTP/SAVP");
    assert_eq!(keys, usize::from(is_srtp), "{what}: one key on an SRTP line, none on a plain one: {ours:?}");
}
