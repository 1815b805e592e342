//! Where the id of a call lives: SIP headers and metadata extensions, mapped to the keys we index (quirks section 3).

use std::collections::BTreeMap;

use super::limits;

/// Correlation keys found in SIP header fields; names without case, the first of each key counts.
pub fn from_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in headers {
        header(&mut found, &name.trim().to_ascii_lowercase(), value.trim());
    }
    found
}

fn header(found: &mut BTreeMap<String, String>, name: &str, value: &str) {
    match name {
        "x-genesys-calluuid" => keep(found, "genesys_uuid", value),
        "x-genesysagentid" => keep(found, "genesys_agent_id", value),
        "x-genesysconversationid" => keep(found, "genesys_conversation_id", value),
        "user-to-user" => user_to_user(found, value),
        "cisco-guid" => keep(found, "cisco_guid", value),
        "session-id" => session_id(found, value),
        "x-audc-call-id" => keep(found, "audc_call_id", value),
        "ac-session-id" => keep(found, "ac_session_id", value),
        "x-broadworks-correlation-info" => keep(found, "broadworks_correlation", value),
        "call-info" => call_info(found, value),
        "p-charging-vector" => {
            if let Some(icid) = parameter(value, "icid-value") {
                keep(found, "icid", icid);
            }
        }
        "from" | "f" => {
            if let Some(refci) = parameter(value, "x-refci") {
                keep(found, "refci", refci);
            }
        }
        _ => {}
    }
}

/// The key of a known element of a metadata extension (local name, any case), if it is one.
pub(super) fn of_element(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "ucid" | "avayaucid" => "ucid",
        "xucid" => "xucid",
        "uui" => "uui",
        "guid" => "guid",
        "gucid" => "gucid",
        "genesysuuid" | "genesyscalluuid" | "x-genesys-calluuid" => "genesys_uuid",
        "genesysconversationid" | "x-genesysconversationid" => "genesys_conversation_id",
        "ciscoguid" | "cisco-guid" => "cisco_guid",
        "x-audc-call-id" => "audc_call_id",
        "ac-session-id" => "ac_session_id",
        "exttrackingid" => "ext_tracking_id",
        "gcid" => "gcid",
        "callsid" => "jb_callsid",
        "x-refci" => "refci",
        _ => return None,
    })
}

/// Keeps a key once, without parameters behind the value, cut to a sane length.
pub(super) fn keep(found: &mut BTreeMap<String, String>, key: &str, value: &str) {
    let value = value.split(';').next().unwrap_or(value).trim().trim_matches('"');
    if !value.is_empty() && !found.contains_key(key) {
        found.insert(key.to_owned(), value.chars().take(limits::CORRELATION_CHARS).collect());
    }
}

/// `sipSessionID` of the metadata: RFC 7989 form on Cisco, the Call-ID of the call on OpenSIPS.
pub(super) fn sip_session_id(found: &mut BTreeMap<String, String>, value: &str) {
    let local = value.split(';').next().unwrap_or_default().trim();
    if local.len() == 32 && local.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        session_id(found, value);
    } else {
        keep(found, "cs_call_id", local);
    }
}

/// RFC 7989: `local-uuid;remote=remote-uuid`.
fn session_id(found: &mut BTreeMap<String, String>, value: &str) {
    keep(found, "session_id", value);
    if let Some(remote) = parameter(value, "remote") {
        keep(found, "session_id_remote", remote);
    }
}

/// RFC 7433; hex is Avaya's UCID.
fn user_to_user(found: &mut BTreeMap<String, String>, value: &str) {
    let is_hex = parameter(value, "encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("hex"));
    keep(found, if is_hex { "ucid" } else { "uui" }, value);
}

/// `<https://.../conversations/X>;purpose=Goog-ContactCenter-Conversation`
fn call_info(found: &mut BTreeMap<String, String>, value: &str) {
    for entry in value.split(',') {
        let is_conversation = parameter(entry, "purpose")
            .is_some_and(|purpose| purpose.eq_ignore_ascii_case("goog-contactcenter-conversation"));
        let uri = entry.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(uri, _)| uri);
        if let (true, Some(uri)) = (is_conversation, uri) {
            keep(found, "conversation", uri);
        }
    }
}

/// A `;name=value` parameter anywhere in the field.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').find_map(|field| {
        let (key, value) = field.split_once('=')?;
        let value = value.split(['>', ',']).next().unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_carrier_gives_its_key() {
        let found = from_headers(
            [
                ("X-Genesys-CallUUID", "UUID1"),
                ("user-to-user", "00AB;encoding=hex"),
                ("Cisco-Guid", "1-2-3-4"),
                ("Session-ID", "aa11;remote=bb22"),
                ("X-AUDC-CALL-ID", "77"),
                ("P-Charging-Vector", "icid-value=\"ic1\";orig-ioi=x"),
                ("Call-Info", "<https://g/c1>;purpose=icon, <https://g/c2>;purpose=Goog-ContactCenter-Conversation"),
                ("From", "\"R\" <sip:5000@cucm;x-nearend;x-refci=27001;x-farend>;tag=t"),
                ("Subject", "nothing"),
            ]
            .into_iter(),
        );
        let expected = [
            ("audc_call_id", "77"),
            ("cisco_guid", "1-2-3-4"),
            ("conversation", "https://g/c2"),
            ("genesys_uuid", "UUID1"),
            ("icid", "ic1"),
            ("refci", "27001"),
            ("session_id", "aa11"),
            ("session_id_remote", "bb22"),
            ("ucid", "00AB"),
        ];
        assert_eq!(found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn empty_values_and_repetitions_do_not_count() {
        let headers = [("X-Genesys-CallUUID", ""), ("X-GENESYS-CALLUUID", "A"), ("x-genesys-calluuid", "B")];
        let found = from_headers(headers.into_iter());
        assert_eq!(found.get("genesys_uuid").map(String::as_str), Some("A"));
    }
}
