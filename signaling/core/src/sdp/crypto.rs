//! `a=crypto` lines (RFC 4568, suites of RFC 6188 and RFC 7714): which one of an offer is acceptable.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Media, limits};
use crate::event::Sdes;

/// Suites of this product and the octets of their master key || master salt.
const SUITES: [(&str, usize); 6] = [
    ("AES_CM_128_HMAC_SHA1_80", 30),
    ("AES_CM_128_HMAC_SHA1_32", 30),
    ("AES_256_CM_HMAC_SHA1_80", 46),
    ("AES_256_CM_HMAC_SHA1_32", 46),
    ("AEAD_AES_128_GCM", 28),
    ("AEAD_AES_256_GCM", 44),
];

/// Longest MKI (RFC 4568 6.1).
const MKI_OCTETS: usize = 128;

/// Some peers leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a crypto line cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoError {
    /// Not of the form of RFC 4568 9.1, or its tag is not unique.
    Malformed,
    /// A suite this product does not have.
    UnknownSuite,
    /// key || salt is not of the length of the suite.
    KeyLength,
    /// `UNENCRYPTED_*`, `UNAUTHENTICATED_SRTP`: refused by policy (RFC 4568 6.3.2, 6.3.3).
    Weakened,
    /// A mandatory session parameter, key or MKI form that is beyond us.
    Unsupported,
}

/// Octets of key || salt of a suite this product has.
pub fn key_salt_len(suite: &str) -> Option<usize> {
    SUITES.iter().find(|(name, _)| *name == suite).map(|(_, len)| *len)
}

/// The first acceptable crypto line of `media`, which is the peer's most preferred one (RFC 4568 5.1.2).
///
/// # Errors
/// What is wrong with the last one, [`CryptoError::Malformed`] when there is none.
pub fn choose(media: &Media) -> Result<Sdes, CryptoError> {
    let mut seen = Vec::new();
    let mut last = CryptoError::Malformed;
    for value in media.values("crypto").take(limits::CRYPTO_LINES) {
        match parse(value) {
            Ok(line) if !seen.contains(&line.tag) => return Ok(line),
            Ok(_) => last = CryptoError::Malformed,
            Err(error) => last = error,
        }
        seen.extend(tag_of(value));
    }
    Err(last)
}

/// Reads one line: `1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4 WSH=64`.
///
/// # Errors
/// [`CryptoError`], by what makes it unusable.
pub fn parse(value: &str) -> Result<Sdes, CryptoError> {
    let mut words = value.split_ascii_whitespace();
    let tag = words.next().and_then(tag_of).ok_or(CryptoError::Malformed)?;
    let suite = words.next().ok_or(CryptoError::Malformed)?;
    let keys = words.next().ok_or(CryptoError::Malformed)?;
    let wanted = key_salt_len(suite).ok_or(CryptoError::UnknownSuite)?;
    words.try_for_each(session_parameter)?;
    if keys.contains(';') {
        // Several keys change by MKI in mid-stream: one key per line is what the recorder keeps.
        return Err(CryptoError::Unsupported);
    }
    let (key_salt, mki) = inline(keys)?;
    if key_salt.len() != wanted {
        return Err(CryptoError::KeyLength);
    }
    Ok(Sdes { tag, suite: suite.to_owned(), key_salt, mki })
}

/// The value of an `a=crypto` line of ours.
pub fn write(tag: u32, suite: &str, key_salt: &[u8]) -> String {
    format!("{tag} {suite} inline:{}", BASE64.encode(key_salt))
}

/// 1 to 9 digits, no leading zero (RFC 4568 4.1).
fn tag_of(value: &str) -> Option<u32> {
    let word = value.split_ascii_whitespace().next()?;
    let is_tag = (1..=9).contains(&word.len())
        && word.bytes().all(|octet| octet.is_ascii_digit())
        && (word == "0" || !word.starts_with('0'));
    is_tag.then(|| word.parse().ok()).flatten()
}

type KeySalt = (Vec<u8>, Option<(Vec<u8>, u8)>);

fn inline(keys: &str) -> Result<KeySalt, CryptoError> {
    let (method, rest) = keys.split_once(':').ok_or(CryptoError::Malformed)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoError::Unsupported);
    }
    let mut fields = rest.split('|');
    let key_salt = BASE64.decode(fields.next().unwrap_or_default()).map_err(|_| CryptoError::Malformed)?;
    let mut mki = None;
    for field in fields {
        match field.split_once(':') {
            Some((value, octets)) => mki = Some(master_key_id(value, octets)?),
            None => lifetime(field)?,
        }
    }
    Ok((key_salt, mki))
}

/// `2^48` or a number of packets; more than 2^48 is out of every suite's range (RFC 4568 6.1).
fn lifetime(field: &str) -> Result<(), CryptoError> {
    let is_lawful = match field.strip_prefix("2^") {
        Some(exponent) => exponent.parse::<u8>().is_ok_and(|exponent| exponent <= 48),
        None => field.parse::<u64>().is_ok_and(|packets| (1..=1 << 48).contains(&packets)),
    };
    if is_lawful { Ok(()) } else { Err(CryptoError::Malformed) }
}

fn master_key_id(value: &str, octets: &str) -> Result<(Vec<u8>, u8), CryptoError> {
    let value: u128 = value.parse().map_err(|_| CryptoError::Malformed)?;
    let len: usize = octets.parse().map_err(|_| CryptoError::Malformed)?;
    if len == 0 || len > MKI_OCTETS {
        return Err(CryptoError::Malformed);
    }
    let wide = value.to_be_bytes();
    let mut mki = vec![0; len];
    let kept = len.min(wide.len());
    mki[len - kept..].copy_from_slice(&wide[wide.len() - kept..]);
    if wide[..wide.len() - kept].iter().any(|octet| *octet != 0) {
        return Err(CryptoError::Malformed);
    }
    Ok((mki, len as u8))
}

/// RFC 4568 6.3: a window size is a hint, `-name` may be ignored, everything else would change what we decrypt.
fn session_parameter(word: &str) -> Result<(), CryptoError> {
    let name = word.split('=').next().unwrap_or(word);
    match name.to_ascii_uppercase().as_str() {
        "WSH" => Ok(()),
        "UNENCRYPTED_SRTP" | "UNENCRYPTED_SRTCP" | "UNAUTHENTICATED_SRTP" => Err(CryptoError::Weakened),
        name if name.starts_with('-') => Ok(()),
        _ => Err(CryptoError::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{Attribute, SessionDescription};

    const KEY_30: &str = "iee0zpaU+piQoJOCBnTiT1jK5bCpa/dqbe4FUL3B";

    fn media(lines: &[String]) -> Media {
        let attribute = |line: &String| Attribute { name: "crypto".to_owned(), value: Some(line.clone()) };
        Media { attributes: lines.iter().map(attribute).collect(), ..Media::default() }
    }

    fn line(rest: &str) -> String {
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}{rest}")
    }

    #[test]
    fn every_suite_is_read_with_its_own_key_length_and_no_other() {
        for (suite, len) in SUITES {
            let read = parse(&write(7, suite, &vec![1; len])).expect("usable");
            assert_eq!((read.tag, read.suite.as_str(), read.key_salt.len(), read.mki), (7, suite, len, None));
            assert!(parse(&write(7, suite, &vec![1; len - 1])) == Err(CryptoError::KeyLength), "{suite}");
        }
        assert!(parse(&write(1, "F8_128_HMAC_SHA1_80", &[1; 30])) == Err(CryptoError::UnknownSuite));
    }

    #[test]
    fn lifetime_mki_and_harmless_parameters_are_understood() {
        let read = parse(&line("|2^20|1:4 WSH=64 -vendor=x")).expect("usable");
        assert_eq!(read.mki, Some((vec![0, 0, 0, 1], 4)));
        assert!(parse(&line("|1000")).is_ok() && parse(&line("|7:20")).is_ok());
    }

    #[test]
    fn what_weakens_or_is_not_understood_makes_the_line_unusable() {
        for (rest, error) in [
            (" UNENCRYPTED_SRTP", CryptoError::Weakened),
            (" UNENCRYPTED_SRTCP", CryptoError::Weakened),
            (" UNAUTHENTICATED_SRTP", CryptoError::Weakened),
            (" KDR=1", CryptoError::Unsupported),
            (" FEC_ORDER=FEC_SRTP", CryptoError::Unsupported),
            (" NEW", CryptoError::Unsupported),
            (";inline:AAAA", CryptoError::Unsupported),
            ("|2^49", CryptoError::Malformed),
            ("|1:129", CryptoError::Malformed),
            ("|256:1", CryptoError::Malformed),
            ("|x", CryptoError::Malformed),
            ("!", CryptoError::Malformed),
        ] {
            assert!(parse(&line(rest)) == Err(error), "{rest}");
        }
        for value in ["", "1", "01 AES_CM_128_HMAC_SHA1_80 inline:AAAA", "1 AES_CM_128_HMAC_SHA1_80", "x y z"] {
            assert!(parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_first_acceptable_line_is_chosen() {
        let lines = [line(" UNENCRYPTED_SRTP"), line("").replacen('1', "2", 1)];
        assert!(choose(&media(&lines)).is_ok_and(|chosen| chosen.tag == 2));
        let twice = [line(" UNENCRYPTED_SRTP"), line("")];
        assert!(choose(&media(&twice)) == Err(CryptoError::Malformed), "a tag is unique on its line");
        assert!(choose(&media(&[])) == Err(CryptoError::Malformed));
    }

    #[test]
    fn keys_do_not_show_in_debug() {
        let text = format!("v=0\nm=audio 1 RTP/SAVP 0\na=crypto:{}", line(""));
        let sdp = SessionDescription::parse(text.as_bytes()).expect("a description");
        assert!(!format!("{sdp:?}").contains(KEY_30));
    }
}
