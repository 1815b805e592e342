//! Offers of the client side: labelled lines, codecs, direction, keys.

use std::{fmt, net::IpAddr};

use super::{
    Direction, crypto,
    dtls::{self, Setup},
    write::{self, Description, Line},
};
use crate::event::Payload;

/// An offer to write. The caller raises `version` whenever anything else in it changes (RFC 3264 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// `sess-id` of `o=`: the same for the whole dialog.
    pub session_id: u64,
    /// `sess-version` of `o=`.
    pub version: u64,
    /// In `o=` and `c=`.
    pub address: IpAddr,
    /// m-lines, in order.
    pub lines: Vec<OfferLine>,
}

/// One m-line of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferLine {
    /// `audio`, ...
    pub media: String,
    /// Our RTP port; 0 removes the line.
    pub port: u16,
    /// `a=label`.
    pub label: Option<String>,
    /// Payload types in the order of preference.
    pub codecs: Vec<OfferCodec>,
    /// What we do.
    pub direction: Direction,
    /// Keys; with any the line is `RTP/SAVP`, without `RTP/AVP`.
    pub crypto: Vec<OfferKey>,
    /// Keys by a handshake: the line is `UDP/TLS/RTP/SAVP`, and `crypto` must be empty.
    pub dtls: Option<OfferDtls>,
    /// `a=ptime` in milliseconds.
    pub ptime_ms: Option<u16>,
    /// `a=rtcp-mux`.
    pub rtcp_mux: bool,
}

/// One payload type of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferCodec {
    /// The payload type and what it means.
    pub payload: Payload,
    /// `a=fmtp` parameters.
    pub fmtp: Option<String>,
}

/// One crypto line of an offer. Keys have no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct OfferKey {
    /// Unique on its m-line.
    pub tag: u32,
    /// Suite name.
    pub suite: String,
    /// Our master key || salt, of the length of the suite.
    pub key_salt: Vec<u8>,
}

/// What a DTLS-SRTP line says of us (RFC 5763 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferDtls {
    /// SHA-256 of our certificate.
    pub own: [u8; 32],
    /// Who begins.
    pub setup: Setup,
}

impl fmt::Debug for OfferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfferKey(tag {}, {})", self.tag, self.suite)
    }
}

impl OfferCodec {
    /// A mono codec with an 8 kHz RTP clock: `PCMU`, `PCMA`, `G722`, ...
    pub fn narrowband(payload_type: u8, encoding: &str) -> Self {
        let payload = Payload { payload_type, encoding: encoding.to_owned(), clock_hz: 8_000, channels: 1 };
        Self { payload, fmtp: None }
    }

    /// `telephone-event/8000` with the sixteen DTMF events (RFC 4733).
    pub fn telephone_event(payload_type: u8) -> Self {
        Self { fmtp: Some("0-15".to_owned()), ..Self::narrowband(payload_type, "telephone-event") }
    }
}

impl OfferLine {
    /// A sendonly audio line, as a recording client offers it.
    pub fn audio(port: u16, label: &str, codecs: Vec<OfferCodec>) -> Self {
        Self {
            media: "audio".to_owned(),
            port,
            label: Some(label.to_owned()),
            codecs,
            direction: Direction::SendOnly,
            crypto: Vec::new(),
            dtls: None,
            ptime_ms: Some(20),
            rtcp_mux: false,
        }
    }

    fn written(&self) -> Line {
        let protocol = match (&self.dtls, self.crypto.is_empty()) {
            (Some(_), _) => "UDP/TLS/RTP/SAVP",
            (None, false) => "RTP/SAVP",
            (None, true) => "RTP/AVP",
        };
        let mut line = Line {
            kind: self.media.clone(),
            port: self.port,
            protocol: protocol.to_owned(),
            formats: self.codecs.iter().map(|codec| codec.payload.payload_type.to_string()).collect(),
            attributes: Vec::new(),
        };
        for OfferCodec { payload, fmtp } in &self.codecs {
            line.with_rtpmap(payload);
            if let Some(fmtp) = fmtp {
                line.with("fmtp", format!("{} {fmtp}", payload.payload_type));
            }
        }
        if let Some(ptime) = self.ptime_ms {
            line.with("ptime", ptime.to_string());
        }
        if let Some(label) = &self.label {
            line.with("label", label.clone());
        }
        for key in &self.crypto {
            line.with("crypto", crypto::write(key.tag, &key.suite, &key.key_salt));
        }
        if let Some(OfferDtls { own, setup }) = &self.dtls {
            line.with("fingerprint", dtls::write_fingerprint(own));
            line.with("setup", setup.word().to_owned());
        }
        if self.rtcp_mux {
            line.with_flag("rtcp-mux");
        }
        line.with_direction(self.direction);
        line
    }
}

impl Offer {
    /// The octets of the offer.
    pub fn write(&self) -> Vec<u8> {
        write::render(Description {
            username: "replicator",
            session_id: self.session_id,
            version: self.version,
            address: self.address,
            time: (0, 0),
            lines: self.lines.iter().map(OfferLine::written).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::SessionDescription;

    #[test]
    fn an_offer_reads_back_through_our_scan_and_through_sdp_types() {
        let mut line = OfferLine::audio(
            40_000,
            "a_leg",
            vec![OfferCodec::narrowband(8, "PCMA"), OfferCodec::telephone_event(101)],
        );
        line.crypto =
            vec![OfferKey { tag: 1, suite: "AES_CM_128_HMAC_SHA1_80".to_owned(), key_salt: (0..30).collect() }];
        line.rtcp_mux = true;
        let address = "2001:db8::7".parse().expect("an address");
        let octets = Offer { session_id: 9, version: 2, address, lines: vec![line.clone(), line] }.write();
        let sdp = SessionDescription::parse(&octets).expect("our own offer");
        assert_eq!(sdp.origin, "replicator 9 2 IN IP6 2001:db8::7");
        assert_eq!(sdp.media.len(), 2);
        let media = &sdp.media[1];
        assert_eq!((media.protocol.as_str(), media.label(), media.has("rtcp-mux")), ("RTP/SAVP", Some("a_leg"), true));
        assert_eq!(sdp.direction(media), Direction::SendOnly);
        assert!(crypto::choose(media).is_ok_and(|sdes| sdes.key_salt == (0..30).collect::<Vec<u8>>()));
        let oracle = sdp_types::Session::parse(&octets).expect("valid by the oracle");
        assert_eq!((oracle.medias.len(), oracle.medias[0].fmt.as_str()), (2, "8 101"));
    }
}
