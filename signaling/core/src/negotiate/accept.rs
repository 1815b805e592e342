//! What of an offer we can keep: one state per m-line, or a refusal of the whole.

use std::net::IpAddr;

use super::{Policy, Refusal, SdesOverClear};
use crate::{
    event::{Dtls, Line, LineState, Offer, Sdes, Warning},
    sdp::{self, Direction, Media, SessionDescription, crypto, dtls, limits, payload},
};

/// Reasons of [`LineState::Unusable`], each with the Warning of a 488 it leads to (RFC 3261 20.43).
const NOT_AUDIO: &str = "not_audio";
const NO_COMMON_CODEC: &str = "no_common_codec";
const TOO_MANY_LINES: &str = "too_many_lines";
const UNKNOWN_TRANSPORT: &str = "unknown_transport";
const DTLS: &str = "dtls_not_supported";
const NO_USABLE_DTLS: &str = "no_usable_dtls";
const SRTP_REQUIRED: &str = "srtp_required";
const NO_USABLE_CRYPTO: &str = "no_usable_crypto";
pub(super) const CLEAR_KEYS: &str = "sdes_over_clear_signaling";

/// Applies the rules of a recorder to an offer. `secure_signaling` says whether it came over TLS; `previous` is what
/// the session had before, `None` for a new one. Tolerances are named in `warnings`.
///
/// # Errors
/// [`Refusal`] (488) when no line is left to keep though some were offered, when there are too many, or when keys came
/// in the clear and policy refuses that (RFC 4568 8.3).
pub fn offer(
    sdp: &SessionDescription,
    policy: &Policy,
    secure_signaling: bool,
    previous: Option<&Offer>,
    warnings: &mut Vec<Warning>,
) -> Result<Offer, Refusal> {
    if sdp.media.len() > limits::MEDIA {
        return Err(refusal(TOO_MANY_LINES));
    }
    let reader = Reader { sdp, policy, secure_signaling, previous };
    let lines: Vec<Line> = sdp.media.iter().enumerate().map(|(at, media)| reader.line(at, media, warnings)).collect();
    if lines.iter().any(|line| line.state == LineState::Unusable(CLEAR_KEYS)) {
        return Err(refusal(CLEAR_KEYS));
    }
    note_unusable(&lines, warnings);
    if let (false, Some(reason)) = (lines.iter().any(|line| line.state.is_kept()), first_reason(&lines)) {
        return Err(refusal(reason));
    }
    let offer = Offer { lines };
    if let Some(previous) = previous {
        compare(previous, &offer, warnings);
    }
    Ok(offer)
}

struct Reader<'a> {
    sdp: &'a SessionDescription,
    policy: &'a Policy,
    secure_signaling: bool,
    previous: Option<&'a Offer>,
}

impl Reader<'_> {
    fn line(&self, at: usize, media: &Media, warnings: &mut Vec<Warning>) -> Line {
        let host: Option<IpAddr> = self.sdp.host(media).and_then(|host| host.parse().ok());
        let address = host.filter(|address| self.is_source(address));
        let payloads = payload::preferred(payload::of(media));
        let mut line = Line {
            media: media.kind.clone(),
            label: media.label().map(str::to_owned),
            state: LineState::Removed,
            address,
            port: media.port,
            rtcp: media.rtcp(address).filter(|rtcp| self.is_source(&rtcp.ip())),
            rtcp_mux: media.has("rtcp-mux"),
            sdes: None,
            own_key: None,
            dtls: None,
            payloads,
        };
        if media.port == 0 {
            return line;
        }
        let checked = self.usable(at, media, &line).and_then(|()| self.security(at, media, &line, warnings));
        line.state = match checked {
            Err(reason) => LineState::Unusable(reason),
            Ok(security) => {
                match security {
                    Security::Clear => {}
                    Security::Sdes(sdes) => line.sdes = Some(sdes),
                    Security::Dtls(dtls) => line.dtls = Some(Box::new(dtls)),
                }
                match self.sdp.direction(media) {
                    _ if host.is_some_and(|address| address.is_unspecified()) => LineState::Hold,
                    Direction::SendOnly | Direction::SendRecv => LineState::Active,
                    Direction::RecvOnly | Direction::Inactive => LineState::Inactive,
                }
            }
        };
        line
    }

    /// A loopback address is a mistake of the peer (Q-SDP), unless we sit on loopback ourselves.
    fn is_source(&self, address: &IpAddr) -> bool {
        sdp::is_usable(address) && (!address.is_loopback() || self.policy.media_address.is_loopback())
    }

    fn usable(&self, at: usize, media: &Media, line: &Line) -> Result<(), &'static str> {
        if at >= limits::USED_MEDIA {
            return Err(TOO_MANY_LINES);
        }
        if !media.kind.eq_ignore_ascii_case("audio") {
            return Err(NOT_AUDIO);
        }
        if !line.payloads.iter().any(payload::is_rendered) && !line.payloads.iter().any(payload::is_kept) {
            return Err(NO_COMMON_CODEC);
        }
        Ok(())
    }

    fn security(
        &self,
        at: usize,
        media: &Media,
        line: &Line,
        warnings: &mut Vec<Warning>,
    ) -> Result<Security, &'static str> {
        match media.protocol.to_ascii_uppercase().as_str() {
            "RTP/AVP" | "RTP/AVPF" => {
                if let Some(sdes) = self.best_effort(at, media)
                    && self.signaling_carries_keys(at, warnings).is_ok()
                {
                    return Ok(Security::Sdes(sdes));
                }
                // Best-effort SRTP is outside RFC 4568 (K14): the line is plain RTP, its keys are not used.
                if media.has("crypto") {
                    warn(warnings, "crypto_on_plain_line", at, None);
                }
                if self.policy.srtp_required { Err(SRTP_REQUIRED) } else { Ok(Security::Clear) }
            }
            // Without a key but with a fingerprint: how DTLS-SRTP was written before RFC 5764 had a protocol of its own.
            "RTP/SAVP" | "RTP/SAVPF" if !media.has("crypto") && dtls::has_fingerprint(self.sdp, media) => {
                warn(warnings, "dtls_on_savp_line", at, None);
                self.handshake(at, media, line, warnings)
            }
            "RTP/SAVP" | "RTP/SAVPF" => {
                let sdes = crypto::choose(media).map_err(|error| {
                    warn(warnings, "crypto_unusable", at, Some(crypto_cause(error)));
                    NO_USABLE_CRYPTO
                })?;
                self.signaling_carries_keys(at, warnings).map(|()| Security::Sdes(sdes))
            }
            // Keys by SDES on such a line are none of its own protocol: the handshake alone gives keys (RFC 5764 8).
            _ if dtls::is_dtls(media) => self.handshake(at, media, line, warnings),
            _ => Err(UNKNOWN_TRANSPORT),
        }
    }

    /// DTLS-SRTP. A fingerprint that came in the clear proves only that nobody changed it who cannot change signaling
    /// (M9): taken, and said.
    fn handshake(
        &self,
        at: usize,
        media: &Media,
        line: &Line,
        warnings: &mut Vec<Warning>,
    ) -> Result<Security, &'static str> {
        let Some(own) = self.policy.dtls else { return Err(DTLS) };
        let can_begin = line.address.is_some() && line.port != sdp::DISCARD_PORT;
        let before = self.previous.and_then(|previous| previous.lines.get(at)).and_then(|line| line.dtls.as_deref());
        let ours = dtls::Ours { own, can_begin, before };
        let dtls = dtls::read(self.sdp, media, ours).map_err(|error| {
            warn(warnings, "dtls_unusable", at, Some(error.cause()));
            NO_USABLE_DTLS
        })?;
        if !self.secure_signaling {
            warn(warnings, "dtls_over_clear_signaling", at, None);
        }
        Ok(Security::Dtls(dtls))
    }

    /// SRTP that may be ignored, where the peer is known to mean it: by its profile, or as the line has been SRTP so far.
    fn best_effort(&self, at: usize, media: &Media) -> Option<Sdes> {
        let before = self.previous.and_then(|previous| previous.lines.get(at));
        let is_meant = self.policy.best_effort_srtp || before.is_some_and(|line| line.sdes.is_some());
        if is_meant && media.has("crypto") { crypto::choose(media).ok() } else { None }
    }

    fn signaling_carries_keys(&self, at: usize, warnings: &mut Vec<Warning>) -> Result<(), &'static str> {
        match (self.secure_signaling, self.policy.sdes_over_clear) {
            (true, _) => Ok(()),
            (false, SdesOverClear::Refuse) => Err(CLEAR_KEYS),
            (false, SdesOverClear::Warn) => {
                warn(warnings, CLEAR_KEYS, at, None);
                Ok(())
            }
        }
    }
}

/// How a line is protected.
enum Security {
    Clear,
    Sdes(Sdes),
    Dtls(Dtls),
}

fn crypto_cause(error: crypto::CryptoError) -> &'static str {
    use crypto::CryptoError;
    match error {
        CryptoError::Malformed => "malformed",
        CryptoError::UnknownSuite => "unknown suite",
        CryptoError::KeyLength => "key length",
        CryptoError::Weakened => "unencrypted or unauthenticated",
        CryptoError::Unsupported => "unsupported parameter",
    }
}

/// Once per name; further lines are added to its detail.
fn warn(warnings: &mut Vec<Warning>, name: &'static str, at: usize, cause: Option<&str>) {
    let detail = match cause {
        Some(cause) => format!("line {}: {cause}", at + 1),
        None => format!("line {}", at + 1),
    };
    match warnings.iter_mut().find(|warning| warning.name == name) {
        Some(Warning { detail: Some(known), .. }) => {
            known.push_str(", ");
            known.push_str(&detail);
        }
        Some(warning) => warning.detail = Some(detail),
        None => warnings.push(Warning { name, detail: Some(detail) }),
    }
}

/// An audio line that is not kept makes the recording incomplete; video, text and the like are beyond us by design.
fn note_unusable(lines: &[Line], warnings: &mut Vec<Warning>) {
    for (at, line) in lines.iter().enumerate() {
        // Its packets are kept as they come; what is heard of them is silence.
        if line.state.is_kept() && !line.payloads.iter().any(payload::is_rendered) {
            warn(warnings, "codec_not_rendered", at, line.payloads.first().map(|first| first.encoding.as_str()));
        }
        match line.state {
            LineState::Unusable(NOT_AUDIO) => warn(warnings, "media_not_recorded", at, None),
            LineState::Unusable(reason) => warn(warnings, "partial_media", at, Some(reason)),
            LineState::Active | LineState::Inactive | LineState::Hold | LineState::Removed => {}
        }
    }
}

/// The reason that names the refusal: that of the first audio line, else of the first line.
fn first_reason(lines: &[Line]) -> Option<&'static str> {
    let mut reasons = lines.iter().filter_map(|line| match line.state {
        LineState::Unusable(reason) => Some(reason),
        LineState::Active | LineState::Inactive | LineState::Hold | LineState::Removed => None,
    });
    let first = reasons.next();
    first.filter(|reason| *reason != NOT_AUDIO).or_else(|| reasons.find(|reason| *reason != NOT_AUDIO)).or(first)
}

pub(super) fn refusal(reason: &str) -> Refusal {
    let text = match reason {
        NO_COMMON_CODEC => "305 recorder \"Incompatible media format\"",
        NOT_AUDIO => "304 recorder \"Media type not available\"",
        UNKNOWN_TRANSPORT => "302 recorder \"Incompatible transport protocol\"",
        DTLS => "302 recorder \"DTLS-SRTP is not supported\"",
        SRTP_REQUIRED => "302 recorder \"SRTP is required\"",
        NO_USABLE_CRYPTO => "399 recorder \"No usable crypto line\"",
        NO_USABLE_DTLS => "399 recorder \"No usable fingerprint or setup\"",
        CLEAR_KEYS => "399 recorder \"SDES keys need TLS signaling\"",
        _ => "399 recorder \"Too many media lines\"",
    };
    Refusal { status: 488, warning: Some(text.to_owned()) }
}

/// What a re-offer must not do but some peers do (RFC 3264 8), and labels that moved (Q-LBL).
fn compare(previous: &Offer, offer: &Offer, warnings: &mut Vec<Warning>) {
    if offer.lines.len() < previous.lines.len() {
        warnings.push(Warning::new("fewer_media_lines"));
    }
    let moved = offer.lines.iter().enumerate().any(|(at, line)| {
        line.label.is_some()
            && previous.lines.iter().enumerate().any(|(before, old)| before != at && old.label == line.label)
    });
    if moved {
        warnings.push(Warning::new("label_swap"));
    }
}
