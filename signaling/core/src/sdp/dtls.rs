//! DTLS-SRTP in SDP (RFC 5763 5, RFC 8122): who begins the handshake, and whose certificate it has to be.

use super::{Attribute, Media, SessionDescription};
use crate::event::{Dtls, Fingerprint};

/// Hashes that name a certificate well enough, the weakest first, with the octets of their digests (RFC 8122 5).
const HASHES: [(&str, usize); 3] = [("sha-256", 32), ("sha-384", 48), ("sha-512", 64)];

/// Hashes that anybody can collide or nearly so, refused by name (RFC 8122 5).
const WEAK: [&str; 4] = ["md2", "md5", "sha-1", "sha-224"];

/// Fingerprints looked at on one line; no peer has more than a few certificates.
const FINGERPRINTS: usize = 16;

/// Why a line cannot be secured; each is a stable cause in a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsError {
    /// No `a=fingerprint` on the line or the session.
    NoFingerprint,
    /// Fingerprints, but all of a hash that proves nothing.
    WeakHash,
    /// A fingerprint that is no hash and its digest.
    Malformed,
    /// `a=setup:holdconn`: no handshake now.
    HoldConnection,
    /// `a=setup` says a word of no RFC.
    UnknownSetup,
    /// We would have to begin, and the offer has no address to begin with.
    NoAddress,
}

impl DtlsError {
    /// The cause in words.
    pub const fn cause(self) -> &'static str {
        match self {
            Self::NoFingerprint => "no fingerprint",
            Self::WeakHash => "weak fingerprint hash",
            Self::Malformed => "malformed fingerprint",
            Self::HoldConnection => "setup:holdconn",
            Self::UnknownSetup => "unknown setup",
            Self::NoAddress => "no address to connect to",
        }
    }
}

/// Whether the line says by its protocol that it is DTLS-SRTP (RFC 5764 8).
pub fn is_dtls(media: &Media) -> bool {
    ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"].iter().any(|known| media.protocol.eq_ignore_ascii_case(known))
}

/// Whether a fingerprint is given for the line, whatever it is worth.
pub fn has_fingerprint(sdp: &SessionDescription, media: &Media) -> bool {
    nearest(sdp, media, "fingerprint").next().is_some()
}

/// What we bring to a line.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// SHA-256 of our certificate.
    pub own: [u8; 32],
    /// The line has an address that a handshake can be sent to.
    pub can_begin: bool,
    /// What the line agreed on before this offer.
    pub before: Option<&'a Dtls>,
}

/// What an offer says of who begins (RFC 5763 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// Whoever the answer names.
    ActPass,
    /// Who offers.
    Active,
    /// Who answers.
    Passive,
}

impl Setup {
    /// The value of `a=setup`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }

    /// The one of that value.
    pub fn by_word(word: &str) -> Option<Self> {
        [Self::ActPass, Self::Active, Self::Passive].into_iter().find(|setup| setup.word().eq_ignore_ascii_case(word))
    }
}

/// What the answer to a line of ours agrees on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// We begin the handshake.
    pub is_client: bool,
    /// Hashes of the certificate that the peer shows: one of them has to match.
    pub fingerprints: Vec<Fingerprint>,
}

/// Reads the answer to a line that we offered, each line with the description it stands in.
///
/// # Errors
/// [`DtlsError`] when it proves nothing, or takes a role that the offer did not leave to it.
pub fn answered(
    offered: (&SessionDescription, &Media),
    answered: (&SessionDescription, &Media),
) -> Result<Answered, DtlsError> {
    let word =
        |(sdp, media), default| nearest(sdp, media, "setup").next().unwrap_or(default).trim().to_ascii_lowercase();
    // Without a word the offerer begins (RFC 4145 4.1).
    let is_client = match (word(offered, "active").as_str(), word(answered, "passive").as_str()) {
        ("actpass" | "active", "passive") => true,
        ("actpass" | "passive", "active") => false,
        _ => return Err(DtlsError::UnknownSetup),
    };
    Ok(Answered { is_client, fingerprints: fingerprints(answered.0, answered.1)? })
}

/// Reads what a line offers.
///
/// # Errors
/// [`DtlsError`] when the line cannot be secured; it is never kept as plain RTP instead.
pub fn read(sdp: &SessionDescription, media: &Media, ours: Ours<'_>) -> Result<Dtls, DtlsError> {
    let fingerprints = fingerprints(sdp, media)?;
    let of = |name| nearest(sdp, media, name).next().unwrap_or_default();
    // A change of either asks for a new association (RFC 8842 4, 5.1), as one of the fingerprints does (RFC 5763 6.6).
    let generation = format!("{} {}", of("tls-id").trim(), of("ice-ufrag").trim());
    let goes_on = |before: &&Dtls| before.fingerprints == fingerprints && before.generation == generation;
    let role = ours.before.filter(goes_on).map(|before| before.is_client);
    let is_client = is_client(nearest(sdp, media, "setup").next().unwrap_or("active"), role, ours.can_begin)?;
    Ok(Dtls { is_client, fingerprints, own: ours.own, generation })
}

/// The role of the answer: active to actpass (RFC 5763 5), unless nothing can be sent to the offered address. An
/// association that goes on keeps its `role`, also on hold without an address. An offer without a word means `active`
/// (RFC 4145 4).
fn is_client(setup: &str, role: Option<bool>, can_begin: bool) -> Result<bool, DtlsError> {
    match setup.trim().to_ascii_lowercase().as_str() {
        "actpass" => Ok(role.unwrap_or(can_begin)),
        "active" => Ok(false),
        "passive" if can_begin || role == Some(true) => Ok(true),
        "passive" => Err(DtlsError::NoAddress),
        "holdconn" => Err(DtlsError::HoldConnection),
        _ => Err(DtlsError::UnknownSetup),
    }
}

/// Those of the strongest hash that we know: one of them has to match (RFC 8122 5).
fn fingerprints(sdp: &SessionDescription, media: &Media) -> Result<Vec<Fingerprint>, DtlsError> {
    let mut best: Vec<Fingerprint> = Vec::new();
    let mut error = DtlsError::NoFingerprint;
    for value in nearest(sdp, media, "fingerprint").take(FINGERPRINTS) {
        match fingerprint(value) {
            Ok(found) => {
                let known = best.first().map_or(0, |first| first.0.len());
                if found.0.len() > known {
                    best.clear();
                }
                if found.0.len() >= known {
                    best.push(found);
                }
            }
            Err(why) => error = why,
        }
    }
    if best.is_empty() { Err(error) } else { Ok(best) }
}

/// `sha-256 D8:69:...`: as many octets as the hash has.
fn fingerprint(value: &str) -> Result<Fingerprint, DtlsError> {
    let (hash, digits) = value.trim().split_once([' ', '\t']).ok_or(DtlsError::Malformed)?;
    let hash = hash.to_ascii_lowercase();
    if WEAK.contains(&hash.as_str()) {
        return Err(DtlsError::WeakHash);
    }
    let (_, length) = HASHES.iter().find(|(name, _)| *name == hash).ok_or(DtlsError::Malformed)?;
    let two = |pair: &str| {
        let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    let octets: Option<Vec<u8>> = digits.trim().split(':').map(two).collect();
    octets.filter(|octets| octets.len() == *length).map(Fingerprint).ok_or(DtlsError::Malformed)
}

/// The value of our `a=fingerprint`.
pub fn write_fingerprint(own: &[u8; 32]) -> String {
    let pairs: Vec<String> = own.iter().map(|octet| format!("{octet:02X}")).collect();
    format!("sha-256 {}", pairs.join(":"))
}

/// Values on the line, or of the session where the line has none (RFC 8122 5, RFC 4145 4).
fn nearest<'a>(sdp: &'a SessionDescription, media: &'a Media, name: &'a str) -> impl Iterator<Item = &'a str> {
    let is_it = move |attribute: &&'a Attribute| attribute.name.eq_ignore_ascii_case(name);
    let own = media.attributes.iter().any(|attribute| is_it(&attribute));
    let attributes = if own { &media.attributes } else { &sdp.attributes };
    attributes.iter().filter(is_it).filter_map(|attribute| attribute.value.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 32] = [0xab; 32];

    fn hex(octet: &str, times: usize) -> String {
        vec![octet; times].join(":")
    }

    fn read_line(session: &str, lines: &str, can_begin: bool) -> Result<Dtls, DtlsError> {
        let text = format!("v=0\n{session}m=audio 40000 UDP/TLS/RTP/SAVP 0\n{lines}");
        let sdp = SessionDescription::parse(text.as_bytes()).expect("SDP");
        read(&sdp, &sdp.media[0], Ours { own: OWN, can_begin, before: None })
    }

    #[test]
    fn the_role_is_the_other_one_than_the_offer_takes() {
        let print = format!("a=fingerprint:sha-256 {}\n", hex("0a", 32));
        let role =
            |setup: &str, can_begin| read_line("", &format!("{print}{setup}"), can_begin).map(|dtls| dtls.is_client);
        assert_eq!(role("a=setup:actpass\n", true), Ok(true), "M1: active to actpass");
        assert_eq!(role("a=setup:actpass\n", false), Ok(false), "nowhere to begin: passive");
        assert_eq!(role("a=setup:passive\n", true), Ok(true));
        assert_eq!(role("a=setup:passive\n", false), Err(DtlsError::NoAddress));
        assert_eq!(role("a=setup:Active \n", true), Ok(false));
        assert_eq!(role("", true), Ok(false), "no word means active");
        assert_eq!(role("a=setup:holdconn\n", true), Err(DtlsError::HoldConnection));
        assert_eq!(role("a=setup:both\n", true), Err(DtlsError::UnknownSetup));
    }

    #[test]
    fn the_strongest_hash_counts_and_the_line_overrides_the_session() {
        let session = format!("a=fingerprint:SHA-256 {}\na=setup:actpass\n", hex("01", 32));
        let from_session = read_line(&session, "", true).expect("usable");
        assert_eq!((from_session.fingerprints, from_session.is_client), (vec![Fingerprint(vec![1; 32])], true));
        let two = format!(
            "a=fingerprint:sha-256 {}\na=fingerprint:sha-512 {}\na=fingerprint:sha-512 {}\na=fingerprint:sha-1 {}\n",
            hex("02", 32),
            hex("03", 64),
            hex("fE", 64),
            hex("04", 20)
        );
        let both = read_line(&session, &two, true).expect("usable").fingerprints;
        assert_eq!(both, [Fingerprint(vec![3; 64]), Fingerprint(vec![0xfe; 64])], "any of them may match");
    }

    #[test]
    fn what_proves_nothing_is_refused_by_name() {
        let error = |line: String| read_line("", &line, true).expect_err("refused");
        assert_eq!(error(String::new()), DtlsError::NoFingerprint);
        for (hash, octets) in [("md5", 16), ("SHA-1", 20), ("sha-224", 28)] {
            assert_eq!(error(format!("a=fingerprint:{hash} {}\n", hex("11", octets))), DtlsError::WeakHash, "{hash}");
        }
        let short = hex("11", 31);
        for bad in
            ["", "sha-256", "sha-256 ", "sha-256 zz", "sha-3 11:22", "sha-256 +1:22", &format!("sha-256 {short}")]
        {
            assert_eq!(error(format!("a=fingerprint:{bad}\n")), DtlsError::Malformed, "{bad}");
        }
    }

    #[test]
    fn a_new_tls_id_or_ufrag_is_another_association_and_nothing_else_is() {
        let print = format!("a=fingerprint:sha-256 {}\na=setup:actpass\n", hex("0a", 32));
        let of = |more: &str| read_line("", &format!("{print}{more}"), true).expect("usable");
        assert_eq!(of("a=tls-id:1\n"), of("a=ptime:20\na=tls-id:1\n"));
        assert_ne!(of("a=tls-id:1\n"), of("a=tls-id:2\n"));
        assert_ne!(of("a=ice-ufrag:aaaa\n"), of("a=ice-ufrag:bbbb\n"));
    }

    #[test]
    fn an_association_that_goes_on_keeps_its_role_on_hold_and_a_new_one_does_not() {
        let print = format!("a=fingerprint:sha-256 {}\n", hex("0a", 32));
        for (is_client, setup) in [(true, "actpass"), (true, "passive"), (false, "actpass")] {
            let before =
                Dtls { is_client, ..read_line("", &format!("{print}a=setup:actpass\n"), true).expect("usable") };
            let again = |lines: &str, can_begin| {
                let text = format!("v=0\nm=audio 40000 UDP/TLS/RTP/SAVP 0\na=setup:{setup}\n{lines}");
                let sdp = SessionDescription::parse(text.as_bytes()).expect("SDP");
                read(&sdp, &sdp.media[0], Ours { own: OWN, can_begin, before: Some(&before) })
            };
            assert_eq!(again(&print, false), Ok(before.clone()), "{setup} without an address");
            assert_eq!(again(&print, true).map(|dtls| dtls.is_client), Ok(is_client), "{setup}");
            let other = again(&print.replace("0a", "0b"), false).map(|dtls| dtls.is_client);
            assert_eq!(other, if setup == "actpass" { Ok(false) } else { Err(DtlsError::NoAddress) });
        }
    }

    #[test]
    fn an_answer_takes_the_role_that_is_left_to_it_and_no_other() {
        let sdp = |setup: &str| {
            let print = hex("0a", 32);
            let text = format!("v=0\nm=audio 40000 UDP/TLS/RTP/SAVP 0\na=fingerprint:sha-256 {print}\n{setup}");
            SessionDescription::parse(text.as_bytes()).expect("SDP")
        };
        let role = |offer: &str, answer: &str| {
            let (offer, answer) = (sdp(offer), sdp(answer));
            answered((&offer, &offer.media[0]), (&answer, &answer.media[0])).map(|answered| answered.is_client)
        };
        assert_eq!(role("a=setup:actpass\n", "a=setup:active\n"), Ok(false));
        assert_eq!(role("a=setup:actpass\n", "a=setup:passive\n"), Ok(true));
        assert_eq!(role("a=setup:passive\n", "a=setup:active\n"), Ok(false));
        assert_eq!(role("a=setup:active\n", ""), Ok(true), "no word in an answer means passive");
        for (offer, answer) in [("active", "active"), ("passive", "passive"), ("actpass", "actpass"), ("x", "active")] {
            let said = role(&format!("a=setup:{offer}\n"), &format!("a=setup:{answer}\n"));
            assert_eq!(said, Err(DtlsError::UnknownSetup), "{offer} {answer}");
        }
        let bare = SessionDescription::parse(b"v=0\nm=audio 40000 UDP/TLS/RTP/SAVP 0\na=setup:active\n").expect("SDP");
        let offer = sdp("a=setup:actpass\n");
        let said = answered((&offer, &offer.media[0]), (&bare, &bare.media[0]));
        assert_eq!(said, Err(DtlsError::NoFingerprint));
        for setup in [Setup::ActPass, Setup::Active, Setup::Passive] {
            assert_eq!(Setup::by_word(setup.word()), Some(setup));
        }
        assert_eq!(Setup::by_word("holdconn"), None);
    }

    #[test]
    fn ours_reads_back() {
        let line = format!("a=fingerprint:{}\na=setup:active\n", write_fingerprint(&OWN));
        assert_eq!(read_line("", &line, true).expect("ours").fingerprints, [Fingerprint(OWN.to_vec())]);
    }
}
