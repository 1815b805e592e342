//! Correlation keys that no rule of a profile can describe: `sipSessionID` means different things at different vendors.

use std::collections::BTreeMap;

use crate::profile::keep;

/// `sipSessionID` of the metadata: RFC 7989 form on Cisco, the Call-ID of the call on OpenSIPS.
pub(super) fn sip_session_id(found: &mut BTreeMap<String, String>, value: &str) {
    let local = value.split(';').next().unwrap_or_default().trim();
    if local.len() == 32 && local.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        keep(found, "session_id", value);
        let remote = value.split(';').find_map(|field| field.trim().strip_prefix("remote="));
        keep(found, "session_id_remote", remote.unwrap_or_default());
    } else {
        keep(found, "cs_call_id", local);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_tells_a_session_id_from_a_call_id() {
        let mut found = BTreeMap::new();
        let (a, b) = ("a".repeat(32), "b".repeat(32));
        sip_session_id(&mut found, &format!("{a};remote={b}"));
        sip_session_id(&mut found, "call-7@pbx.example");
        assert_eq!((found.get("session_id"), found.get("session_id_remote")), (Some(&a), Some(&b)));
        assert_eq!(found.get("cs_call_id").map(String::as_str), Some("call-7@pbx.example"));
    }
}
