//! The client side: what an answer gives, line by line.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::{
    event::{Payload, Sdes},
    sdp::{Direction, Media, SessionDescription, crypto, dtls, payload},
};

/// One m-line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredLine {
    /// The line was accepted: send there.
    pub accepted: bool,
    /// Where to send RTP, when `c=` gave an address.
    pub address: Option<IpAddr>,
    /// The port; 0 when rejected.
    pub port: u16,
    /// Where to send RTCP.
    pub rtcp: Option<SocketAddr>,
    /// RTCP shares the RTP port.
    pub rtcp_mux: bool,
    /// `a=label`; a missing one is no fault: the position counts.
    pub label: Option<String>,
    /// What the answerer does: `RecvOnly` in a recording session that runs.
    pub direction: Direction,
    /// Payload types it takes.
    pub payloads: Vec<Payload>,
    /// Its key, on an SRTP line.
    pub crypto: Option<Sdes>,
    /// Who begins the handshake and with whom, on a DTLS-SRTP line.
    pub dtls: Option<dtls::Answered>,
}

/// Why an answer cannot be used: acknowledge it, then hang up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// Not as many m-lines as offered (RFC 3264 6).
    LineCount {
        /// Lines of the offer.
        offered: usize,
        /// Lines of the answer.
        answered: usize,
    },
    /// The line has another medium or transport protocol than offered; counted from 1.
    Mismatch(usize),
    /// The line has no crypto line, or one with a tag or suite that was not offered there; counted from 1.
    Crypto(usize),
    /// The line has no usable fingerprint, or a role that was not left to it; counted from 1.
    Dtls(usize),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineCount { offered, answered } => {
                write!(f, "the answer has {answered} m-lines, the offer had {offered}")
            }
            Self::Mismatch(line) => write!(f, "m-line {line} of the answer has another medium or protocol"),
            Self::Crypto(line) => write!(f, "m-line {line} of the answer has no crypto line that was offered"),
            Self::Dtls(line) => {
                write!(f, "m-line {line} of the answer has no fingerprint or setup that fits the offer")
            }
        }
    }
}

impl std::error::Error for AnswerError {}

/// Reads `answer` against `offer`, both as they were on the wire.
///
/// # Errors
/// [`AnswerError`] when the answer breaks RFC 3264, RFC 4568 or RFC 5763 in a way that leaves no safe reading.
pub fn read_answer(offer: &SessionDescription, answer: &SessionDescription) -> Result<Vec<AnsweredLine>, AnswerError> {
    if offer.media.len() != answer.media.len() {
        return Err(AnswerError::LineCount { offered: offer.media.len(), answered: answer.media.len() });
    }
    let pairs = offer.media.iter().zip(&answer.media).enumerate();
    pairs.map(|(at, (offered, answered))| line(at + 1, (offer, offered), answer, answered)).collect()
}

fn line(
    number: usize,
    (offer, offered): (&SessionDescription, &Media),
    answer: &SessionDescription,
    answered: &Media,
) -> Result<AnsweredLine, AnswerError> {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if !same(&offered.kind, &answered.kind) || !same(&offered.protocol, &answered.protocol) {
        return Err(AnswerError::Mismatch(number));
    }
    let accepted = answered.port != 0 && offered.port != 0;
    let by_handshake = !offered.has("crypto") && dtls::has_fingerprint(offer, offered);
    let is_srtp = answered.protocol.to_ascii_uppercase().starts_with("RTP/SAVP");
    let crypto = if accepted && is_srtp && !by_handshake { Some(key(number, offered, answered)?) } else { None };
    let agreed = || dtls::answered((offer, offered), (answer, answered)).map_err(|_| AnswerError::Dtls(number));
    let is_dtls = dtls::is_dtls(answered) || is_srtp && by_handshake;
    let dtls = if accepted && is_dtls { Some(agreed()?) } else { None };
    let address = answer.host(answered).and_then(|host| host.parse().ok());
    Ok(AnsweredLine {
        accepted,
        address,
        port: answered.port,
        rtcp: answered.rtcp(address),
        rtcp_mux: answered.has("rtcp-mux") && offered.has("rtcp-mux"),
        label: answered.label().map(str::to_owned),
        direction: answer.direction(answered),
        payloads: payload::of(answered),
        crypto,
        dtls,
    })
}

/// RFC 4568 5.1.3: tag and suite must be those of one offered line.
fn key(number: usize, offered: &Media, answered: &Media) -> Result<Sdes, AnswerError> {
    let chosen = crypto::choose(answered).map_err(|_| AnswerError::Crypto(number))?;
    let was_offered = offered
        .values("crypto")
        .filter_map(|value| crypto::parse(value).ok())
        .any(|line| line.tag == chosen.tag && line.suite == chosen.suite);
    if was_offered { Ok(chosen) } else { Err(AnswerError::Crypto(number)) }
}
