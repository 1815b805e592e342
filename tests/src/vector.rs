//! The SIP messages of `tests/vectors`, made fit to be sent: the tag that the recorder issued, a fresh Via branch.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::sip::{Message, Peer, ack};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A vector by the number it begins with.
///
/// # Panics
/// When there is none.
pub fn load(number: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let entries = std::fs::read_dir(&folder).expect("the vectors").flatten();
    let mut paths = entries.map(|entry| entry.path());
    let starts = |name: &str| name.starts_with(&format!("{number}-"));
    let path = paths.find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(starts));
    let octets = std::fs::read(path.unwrap_or_else(|| panic!("no vector {number}"))).expect("a vector");
    fresh(&String::from_utf8(octets).expect("a vector in UTF-8"))
}

/// The message with a branch that was never used.
pub fn fresh(message: &str) -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    message.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{}x{number}", std::process::id()), 1)
}

/// The message over another transport.
pub fn over(message: &str, transport: &str) -> String {
    message.replacen("SIP/2.0/TCP", &format!("SIP/2.0/{transport}"), 1)
}

/// The message inside the dialog whose tag the recorder issued.
pub fn inside(message: &str, tag: &str) -> String {
    message.replace("uas-tag-placeholder", tag)
}

/// Sends an INVITE and acknowledges its final response.
pub fn invite(peer: &mut Peer, request: &str) -> Message {
    let response = peer.ask(request);
    peer.send(ack(request, &response).as_bytes());
    response
}

/// Ends the dialog that `request` opened with `response`.
///
/// # Panics
/// When the BYE is not answered with 200.
pub fn bye(peer: &mut Peer, request: &str, response: &Message) {
    let value = |name| crate::sip::header(request, name).unwrap_or_default();
    let short = |name, compact| match value(name) {
        "" => value(compact).to_owned(),
        value => value.to_owned(),
    };
    let bye = format!(
        "BYE sip:srs@recorder.example.net SIP/2.0\r\nVia: {}-bye\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: 900 BYE\r\nContent-Length: 0\r\n\r\n",
        short("Via", "v"),
        short("From", "f"),
        response.header("To").unwrap_or_default(),
        short("Call-ID", "i"),
    );
    assert_eq!(peer.ask(&bye).status, 200, "BYE");
}
