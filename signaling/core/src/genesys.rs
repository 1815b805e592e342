//! The Request-URI of a Genesys Media Server: recording id and call facts as URI parameters (profile genesys-msr).
//!
//! ```text
//! sip:record=ID@recorder;calluuid=UUID;dn=7001;recordDN=7001;otherDN=7002;more=kept
//! ```

use std::collections::BTreeMap;

use crate::event::GenesysCall;

/// Parameters kept; later ones are ignored.
const PARAMETERS: usize = 128;

/// Reads the call facts out of a Request-URI; `None` when its user part does not begin with `record=` and an id.
/// Parameter names are compared without case (`calluuid`, `callUuid`, `callUUID`), values are percent-decoded, unknown
/// parameters are kept under the name as written. Parameters may stand behind the host or inside the user part.
pub fn parse_request_uri(uri: &str) -> Option<GenesysCall> {
    let (user, host) = without_scheme(uri.trim())?.split_once('@')?;
    let host = host.split('?').next().unwrap_or(host);
    let mut user_fields = user.split(';');
    let (name, id) = name_and_value(user_fields.next()?)?;
    let record_id = percent_decoded(id);
    if !name.trim().eq_ignore_ascii_case("record") || record_id.is_empty() {
        return None;
    }
    let mut call = GenesysCall { record_id, ..GenesysCall::default() };
    for field in user_fields.chain(host.split(';').skip(1)).take(PARAMETERS) {
        keep(&mut call, field);
    }
    Some(call)
}

fn without_scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    ["sip", "sips"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

/// A proxy may escape the `=` of the user part, which is legal there as it is.
fn name_and_value(field: &str) -> Option<(&str, &str)> {
    field.split_once('=').or_else(|| field.split_once("%3D")).or_else(|| field.split_once("%3d"))
}

fn keep(call: &mut GenesysCall, field: &str) {
    let (name, value) = field.split_once('=').unwrap_or((field, ""));
    let (name, value) = (name.trim(), percent_decoded(value.trim()));
    let slot = match name.to_ascii_lowercase().as_str() {
        // The last four route the message and say nothing about the call.
        "" | "transport" | "lr" | "maddr" | "ttl" => return,
        "calluuid" => &mut call.call_uuid,
        "connid" => &mut call.conn_id,
        "dn" => &mut call.dn,
        "recorddn" => &mut call.record_dn,
        "otherdn" => &mut call.other_dn,
        _ => {
            insert_other(&mut call.other, name, value);
            return;
        }
    };
    // The first one counts; a repetition is kept as an unknown parameter rather than lost.
    match slot {
        Some(_) => insert_other(&mut call.other, name, value),
        None if value.is_empty() => {}
        None => *slot = Some(value),
    }
}

fn insert_other(other: &mut BTreeMap<String, String>, name: &str, value: String) {
    other.entry(percent_decoded(name)).or_insert(value);
}

/// RFC 3986 2.1; a malformed escape stays as written.
fn percent_decoded(text: &str) -> String {
    let octets = text.as_bytes();
    if !octets.contains(&b'%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let escaped = (*octet == b'%').then(|| octets.get(at + 1..at + 3)).flatten().and_then(hex_octet);
        out.push(escaped.unwrap_or(*octet));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

fn hex_octet(digits: &[u8]) -> Option<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_per_party_uri_gives_every_known_parameter_whatever_its_case() {
        let uri =
            "sip:record=00AB_2026-01-31@rec.example;callUUID=00AB;DN=7001;recorddn=7001;otherDN=%2B4930;x-y=a%20b";
        let call = parse_request_uri(uri).expect("a Genesys URI");
        assert_eq!(call.record_id, "00AB_2026-01-31");
        assert_eq!(call.call_uuid.as_deref(), Some("00AB"));
        assert_eq!((call.dn.as_deref(), call.record_dn.as_deref()), (Some("7001"), Some("7001")));
        assert_eq!(call.other_dn.as_deref(), Some("+4930"));
        assert_eq!(call.other.get("x-y").map(String::as_str), Some("a b"));
    }

    #[test]
    fn sips_parameters_in_the_user_part_ports_and_headers_are_understood() {
        let uri = "SIPS:record=r1;dn=7002;ConnId=0071@10.0.0.1:5061;transport=tls?subject=x";
        let call = parse_request_uri(uri).expect("a Genesys URI");
        assert_eq!((call.dn.as_deref(), call.conn_id.as_deref()), (Some("7002"), Some("0071")));
        assert!(call.other.is_empty(), "transport and headers are no call facts");
    }

    #[test]
    fn an_escaped_equals_sign_is_one_too() {
        let call = parse_request_uri("sip:record%3Dr%201@h;dn=sip:7@h").expect("a Genesys URI");
        assert_eq!((call.record_id.as_str(), call.dn.as_deref()), ("r 1", Some("sip:7@h")));
    }

    #[test]
    fn other_uris_are_not_genesys() {
        for uri in
            ["sip:srs@host", "sip:record=@host", "sip:record@host", "tel:record=1@x", "record=1", "", "sip:record=1"]
        {
            assert_eq!(parse_request_uri(uri), None, "{uri}");
        }
    }

    #[test]
    fn malformed_escapes_and_repetitions_are_kept() {
        let call = parse_request_uri("sip:record=a%zz%4@h;dn=1;dn=2;;=x;flag").expect("a Genesys URI");
        assert_eq!(call.record_id, "a%zz%4");
        assert_eq!(call.dn.as_deref(), Some("1"));
        assert_eq!(call.other.get("dn").map(String::as_str), Some("2"));
        assert_eq!(call.other.get("flag").map(String::as_str), Some(""));
    }
}
