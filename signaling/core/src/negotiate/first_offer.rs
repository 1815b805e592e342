//! Our own first offer, for an INVITE that carries none (RFC 3261 13.2.1): what the peer is asked to send, with keys where
//! the configuration wants them, and which of them its answer has chosen.

use super::{LocalSession, Policy, Refusal, SdesOverClear, accept, answer};
use crate::{
    event::{Grant, Line, Offer, OwnKey, Warning},
    sdp::{Media, SessionDescription, crypto},
};

/// Suites of our offers, the strongest first; the peer takes the first that it has. Tags of 32 bits are left to offers of
/// others: nobody has them who has not those of 80.
const SUITES: [&str; 4] =
    ["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"];

/// The audio lines that are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// How many.
    pub lines: u8,
    /// Encodings in the order of preference; one that this product does not know is left out.
    pub codecs: &'a [String],
}

/// How the lines of an offer of ours are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// RTP/AVP. Keys would be there for everybody to read.
    Clear,
    /// RTP/AVP with `a=crypto` (RFC 8643): whoever knows nothing of it answers with plain RTP, and is recorded.
    Opportunistic,
    /// RTP/SAVP (RFC 4568): SRTP or nothing.
    Required,
}

/// The media that we are going to offer, written as if the peer had offered to send it: from here on it is granted like
/// any other. A protected line waits under a key that nobody has, until the answer brings that of the peer.
///
/// # Errors
/// [`Refusal`] (488) when no line is wished for, or when SRTP is required and its keys would travel in the clear.
pub fn ask(
    wish: Wish<'_>,
    policy: &Policy,
    secure_signaling: bool,
    entropy: &mut dyn FnMut(&mut [u8]),
    warnings: &mut Vec<Warning>,
) -> Result<(SessionDescription, Offer), Refusal> {
    let turned_down = || Refusal { status: 488, warning: Some("399 recorder \"an offer is required\"".to_owned()) };
    let protection = match (policy.srtp_required, secure_signaling, policy.sdes_over_clear) {
        (true, true, _) | (true, false, SdesOverClear::Warn) => Protection::Required,
        (true, false, SdesOverClear::Refuse) => return Err(accept::refusal(accept::CLEAR_KEYS)),
        (false, true, _) => Protection::Opportunistic,
        (false, false, _) => Protection::Clear,
    };
    let text = description(wish, protection, entropy);
    let sdp = SessionDescription::parse(text.as_bytes()).map_err(|_| turned_down())?;
    if sdp.media.is_empty() {
        return Err(turned_down());
    }
    let plain = Policy { best_effort_srtp: false, ..*policy };
    let mut noted = Vec::new();
    let mut offer = accept::offer(&sdp, &plain, secure_signaling, None, &mut noted)?;
    // Keys on a plain line are our own doing.
    warnings.extend(noted.into_iter().filter(|warning| warning.name != "crypto_on_plain_line"));
    for line in &mut offer.lines {
        if let Some(sdes) = &mut line.sdes {
            line.own_key = Some(OwnKey(sdes.key_salt.clone()));
            entropy(&mut sdes.key_salt);
        }
    }
    Ok((sdp, offer))
}

/// The port is the discard port: it says nothing about where media comes from.
fn description(wish: Wish<'_>, protection: Protection, entropy: &mut dyn FnMut(&mut [u8])) -> String {
    let mut numbers = String::new();
    let mut maps = String::new();
    for codec in wish.codecs {
        let Some((number, clock)) = number_of(codec) else { continue };
        numbers += &format!(" {number}");
        maps += &format!("a=rtpmap:{number} {codec}/{clock}\r\n");
        if codec == "telephone-event" {
            maps += &format!("a=fmtp:{number} 0-15\r\n");
        }
    }
    let protocol = if protection == Protection::Required { "RTP/SAVP" } else { "RTP/AVP" };
    let mut text = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned();
    for _ in 0..wish.lines {
        text += &format!("m=audio 9 {protocol}{numbers}\r\n{maps}a=sendonly\r\n");
        if protection != Protection::Clear {
            text += &keys(entropy);
        }
    }
    text
}

/// A key of its own for each suite of each line (RFC 4568 6.1).
fn keys(entropy: &mut dyn FnMut(&mut [u8])) -> String {
    let line = |(tag, suite): (u32, &&str)| {
        let mut key_salt = vec![0; crypto::key_salt_len(suite).unwrap_or_default()];
        entropy(&mut key_salt);
        format!("a=crypto:{}\r\n", crypto::write(tag, suite, &key_salt))
    };
    (1..).zip(&SUITES).map(line).collect()
}

/// Payload type and clock rate (RFC 3551; 101 by custom).
fn number_of(codec: &str) -> Option<(u8, u32)> {
    match codec {
        "PCMU" => Some((0, 8_000)),
        "PCMA" => Some((8, 8_000)),
        "G722" => Some((9, 8_000)),
        "telephone-event" => Some((101, 8_000)),
        _ => None,
    }
}

/// Writes the offer that [`ask`] made, with the ports that were granted and with every key of it.
pub fn first_offer(sdp: &SessionDescription, offer: &Offer, grants: &[Grant], local: &mut LocalSession) -> Vec<u8> {
    // Every key stands in the description; none is chosen yet.
    let lines = offer.lines.iter().map(|line| Line { sdes: None, ..line.clone() }).collect();
    answer::describe(sdp, &Offer { lines }, grants, local, |media, line| {
        if line.port != 0 {
            media.values("crypto").for_each(|key| line.with("crypto", key));
        }
    })
}

/// Whether an offer of ours has keys on a line of plain RTP: an answer with a key makes it SRTP.
pub fn is_opportunistic(said: &SessionDescription) -> bool {
    said.media.iter().any(|media| media.has("crypto") && media.protocol.to_ascii_uppercase().starts_with("RTP/AVP"))
}

/// Gives every SRTP line of an answer the key that we have `said` for what it chose (RFC 4568 5.1.3). False when it
/// chose what was not offered there.
pub fn with_own_keys(said: &SessionDescription, answer: &mut Offer) -> bool {
    let mut lines = answer.lines.iter_mut().enumerate();
    lines.all(|(at, line)| {
        let Some(chosen) = &line.sdes else { return true };
        let offered = |media: &Media| {
            let mut keys = media.values("crypto").filter_map(|value| crypto::parse(value).ok());
            keys.find(|own| own.tag == chosen.tag && own.suite == chosen.suite)
        };
        line.own_key = said.media.get(at).and_then(offered).map(|own| OwnKey(own.key_salt));
        line.own_key.is_some()
    })
}
