//! Documents of the vectors, and what bad ones cost: a warning, never the call.

use proptest::prelude::*;

use super::*;
use crate::siprec::{
    limits,
    vector::{self, vector},
};

fn text(map: &std::collections::BTreeMap<String, String>, key: &str) -> Option<String> {
    map.get(key).cloned()
}

fn of(document: &str) -> (Metadata, Vec<&'static str>) {
    let mut warnings = Vec::new();
    let metadata = read("application/rs-metadata+xml", document.as_bytes(), &mut warnings);
    (metadata, warnings.into_iter().map(|warning| warning.name).collect())
}

#[test]
fn the_baseline_is_read_completely() {
    let (_, metadata, warnings) = vector::read(vector!("001-baseline-rfc7866"));
    assert_eq!(warnings, [""; 0]);
    assert!(metadata.complete);
    assert_eq!(metadata.session_id.as_deref(), Some("+V4f7ye0QomgMQSRYuXUaw=="));
    assert_eq!(metadata.groups, ["cYcXjn1oT2ijunvBDFvX0w=="]);
    let [caller, agent] = metadata.participants.as_slice() else { panic!("two participants") };
    assert_eq!(caller.aors, ["sip:+12025550101@sbc.example.com"]);
    assert_eq!(caller.sends.as_deref(), Some(&["IqZ4wIM8Q0iHcNKIz8DeTA==".to_owned()][..]));
    assert_eq!(agent.receives.as_deref(), Some(&["IqZ4wIM8Q0iHcNKIz8DeTA==".to_owned()][..]));
    assert_eq!(metadata.streams[1].label.as_deref(), Some("2"));
    assert!(metadata.raw.starts_with(b"<?xml"));
}

#[test]
fn legacy_vocabularies_are_the_same_model() {
    let (_, oracle, warnings) = vector::read(vector!("300-oracle-legacy-namespace"));
    assert_eq!(warnings, ["metadata_legacy_namespace", "metadata_legacy_ids", "time_without_zone"]);
    assert_eq!(oracle.participants[0].sends.as_deref(), Some(&["T0wpc3RyLTAx".to_owned()][..]));
    assert_eq!(text(&oracle.correlation, "ucid").as_deref(), Some("00FA080033699E0055"));
    assert_eq!(text(&oracle.user_data, "callingParty").as_deref(), Some("true"));
    assert_eq!(text(&oracle.user_data, "callingParty.2").as_deref(), Some("false"));
    let (_, broadworks, _) = vector::read(vector!("304a-broadworks-root-element"));
    assert_eq!(broadworks.participants[1].aors, ["tel:+1-202-555-0122;ext=7"]);
    assert_eq!(text(&broadworks.correlation, "ext_tracking_id").as_deref(), Some("trk-0001"));
    assert_eq!(broadworks.streams.len(), 2);
    let (_, metaswitch, _) = vector::read(vector!("306-metaswitch-mixed-no-rtpmap"));
    assert_eq!(text(&metaswitch.user_data, "recordedParty").as_deref(), Some("2025550122"));
    let (_, audiocodes, _) = vector::read(vector!("308-audiocodes-legacy-ids"));
    assert_eq!(audiocodes.participants[0].name, None, "an empty name is none");
}

#[test]
fn ids_and_parameters_of_extensions_are_found_and_foreign_look_alikes_are_not() {
    let (_, ids, warnings) = vector::read(vector!("309-audiocodes-third-party-ids"));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(text(&ids.correlation, "genesys_uuid").as_deref(), Some("VECTORUUID0000000000000000000001"));
    assert_eq!(text(&ids.correlation, "ucid").as_deref(), Some("00AB0900123456789ABC"));
    let (_, custom, _) = vector::read(vector!("531-custom-params-extension"));
    assert_eq!(text(&custom.user_data, "campaign").as_deref(), Some("spring"));
    assert_eq!(text(&custom.user_data, "agentId").as_deref(), Some("7"));
    let (_, foreign, _) = vector::read(vector!("352-xml-extension-foreign-namespaces"));
    assert_eq!(foreign.participants.len(), 2);
    let (_, netsapiens, _) = vector::read(vector!("314-netsapiens-no-assoc"));
    assert_eq!(text(&netsapiens.user_data, "callingParty").as_deref(), Some("PID1"));
}

#[test]
fn names_and_addresses_are_kept_as_they_are() {
    let (_, names, _) = vector::read(vector!("324-names-non-ascii"));
    let raw = String::from_utf8(names.raw.clone()).expect("UTF-8");
    for participant in &names.participants {
        assert!(raw.contains(participant.name.as_deref().expect("a name")));
    }
    let (_, two, _) = vector::read(vector!("325-two-aors-one-participant"));
    assert!(two.participants.iter().any(|participant| participant.aors.len() == 2));
    let latin = |declared: &str| {
        let mut octets = declared.as_bytes().to_vec();
        octets.extend_from_slice(
            b"<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id='p'>",
        );
        octets.extend_from_slice(b"<nameID aor='a'><name>Zo\xeb</name></nameID></participant></recording>");
        let mut warnings = Vec::new();
        (read("application/rs-metadata", &octets, &mut warnings).participants[0].name.clone(), warnings.len())
    };
    assert_eq!(latin("<?xml version='1.0' encoding='ISO-8859-1'?>"), (Some("Zo\u{eb}".to_owned()), 0));
    assert_eq!(latin(""), (Some("Zo\u{fffd}".to_owned()), 1), "recovered");
}

#[test]
fn partial_missing_and_camel_case_data_modes() {
    let (_, partial, _) = vector::read(vector!("331-partial-before-complete"));
    assert!(!partial.complete);
    let (_, missing, warnings) = vector::read(vector!("333-datamode-missing"));
    assert!(missing.complete && warnings.is_empty());
    let (_, leave, _) = vector::read(vector!("330c-partial-leave"));
    assert!(leave.participants[0].has_left && !leave.complete);
    // Oracle, Avaya and BroadWorks write it as the prose of RFC 7865 does.
    for (spelled, is_complete) in [("dataMode", false), ("datamode", false), ("DATAMODE", false), ("mode", true)] {
        let document =
            format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'><{spelled}>Partial</{spelled}></recording>");
        assert_eq!(of(&document).0.complete, is_complete, "{spelled}");
    }
}

#[test]
fn bad_documents_leave_a_warning_and_their_octets() {
    let (_, recovered, warnings) = vector::read(vector!("312-unescaped-ampersand"));
    assert_eq!(warnings, ["metadata_recovered"]);
    assert_eq!(recovered.participants[0].name.as_deref(), Some("Smith & Sons"));
    assert_eq!(recovered.streams.len(), 2);
    for (message, expected) in [
        (vector!("335-wrong-root"), "metadata_unrecognised"),
        (vector!("336-empty-metadata-part"), "metadata_empty"),
        (vector!("340-xml-external-entity"), "metadata_rejected"),
        (vector!("342-xml-depth"), "metadata_rejected"),
    ] {
        let (_, metadata, warnings) = vector::read(message);
        assert_eq!(warnings, [expected]);
        assert!(metadata.participants.is_empty() && !metadata.complete);
        assert!(expected == "metadata_empty" || !metadata.raw.is_empty());
    }
    let (_, large, warnings) = vector::read(vector!("343-metadata-over-64k"));
    assert_eq!((large.participants.len(), warnings), (2, vec![]));
}

#[test]
fn prefixes_unquoted_attributes_and_crossed_tags() {
    let (metadata, warnings) = of("<t:recording xmlns:t='urn:ietf:params:xml:ns:recording:1'>\
        <t:participant participant_id='p'><t:nameID aor='x&amp;y'/></t:participant></t:recording>");
    assert_eq!((metadata.participants[0].aors.as_slice(), warnings), (&["x&y".to_owned()][..], vec![]));
    let (metadata, warnings) = of("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>\
        <participant participant_id=p1><nameID aor='a&b'></name></participant></recording>");
    assert_eq!(warnings, ["metadata_recovered"]);
    assert_eq!(metadata.participants[0].id, "p1");
    assert_eq!(
        of("<recording xmlns='urn:ietf:params:xml:ns:recording:1'><a>&unknown;</a></recording>").1,
        ["metadata_recovered"]
    );
    assert_eq!(of("not xml at all").1, ["metadata_malformed"]);
    assert_eq!(of("<x:recording/>").1, ["metadata_unrecognised"]);
    assert_eq!(of("<recording><participant participant_id='p'/></recording>").1, ["metadata_legacy_namespace"]);
}

#[test]
fn limits_reject_and_one_id_for_two_elements_is_noted() {
    let wide: String = (0..300).map(|number| format!(" a{number}='x'")).collect();
    assert_eq!(of(&format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'{wide}/>")).1, ["metadata_rejected"]);
    let many = "<a/>".repeat(limits::ELEMENTS + 1);
    assert_eq!(
        of(&format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>{many}</recording>")).1,
        ["metadata_rejected"]
    );
    let people = (0..300).map(|number| format!("<participant participant_id='{number}'/>")).collect::<String>();
    let (metadata, warnings) =
        of(&format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>{people}</recording>"));
    assert_eq!((metadata.participants.len(), warnings), (256, vec!["metadata_truncated"]));
    let twice = "<stream stream_id='x'/><participant participant_id='x'/>";
    assert_eq!(
        of(&format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>{twice}</recording>")).1,
        ["duplicate_id"]
    );
}

#[test]
fn a_data_mode_that_nobody_knows_is_complete_and_says_so() {
    let of_mode = |mode: &str| {
        let (metadata, warnings) = of(&format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><dataMode>{mode}</dataMode></recording>"
        ));
        (metadata.complete, warnings)
    };
    assert_eq!(of_mode("full"), (true, vec!["datamode_unknown"]));
    assert_eq!(of_mode("COMPLETE"), (true, vec![]));
    assert_eq!(of_mode(" Partial "), (false, vec![]));
}

/// RFC 7865 6.10: nobody is lost, and nobody is said to speak for certain.
#[test]
fn two_people_under_one_id_are_both_found_and_neither_is_certain() {
    let document = "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>\
        <participant participant_id='p'><nameID aor='sip:a@x'><name>A</name></nameID></participant>\
        <participant participant_id='p'><nameID aor='sip:b@x'><name>B</name></nameID></participant></recording>";
    let (metadata, warnings) = of(document);
    let [both] = metadata.participants.as_slice() else { panic!("{:?}", metadata.participants) };
    assert_eq!(
        (both.aors.as_slice(), both.name.as_deref()),
        (&["sip:a@x".to_owned(), "sip:b@x".to_owned()][..], Some("A"))
    );
    assert_eq!((metadata.trust, warnings), (Confidence::Low, vec!["duplicate_id"]));
    let (metadata, _) = of(&document.replacen("'p'", "'q'", 1));
    assert_eq!((metadata.participants.len(), metadata.trust), (2, Confidence::High));
}

#[test]
fn sip_session_ids_become_correlation_keys() {
    let document = "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><session session_id='s'>\
        <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID>\
        </session></recording>";
    let (metadata, _) = of(document);
    assert_eq!(text(&metadata.correlation, "session_id").as_deref(), Some("ab30317f1a784dc48ff824d0d3715d86"));
    assert_eq!(metadata.sip_session_ids.len(), 1);
}

/// 2026-03-04 at that time of day, UTC.
fn at(hour: u64, minute: u64) -> Option<u64> {
    Some((1_772_582_400 + hour * 3_600 + minute * 60) * 1_000_000_000)
}

#[test]
fn times_of_sessions_groups_and_participants_are_read() {
    let (_, complete, warnings) = vector::read(vector!("330a-complete"));
    assert_eq!((complete.grouped_ns, warnings), (at(10, 15), vec![]));
    assert_eq!((complete.sessions[0].started_ns, complete.sessions[0].stopped_ns), (at(10, 15), None));
    assert!(complete.participants.iter().all(|one| one.joined_ns == at(10, 15) && one.has_joined && !one.has_left));
    let (_, leave, _) = vector::read(vector!("330c-partial-leave"));
    assert_eq!((leave.participants[0].joined_ns, leave.participants[0].left_ns), (at(10, 15), at(10, 17)));
    let (_, last, _) = vector::read(vector!("330d-bye-with-metadata"));
    assert_eq!(last.sessions[0].stopped_ns, at(10, 18));
}

#[test]
fn a_bad_time_costs_itself_and_leaves_its_name() {
    let (metadata, warnings) = of("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>\
        <session session_id='s'><start-time>2026-03-04T13:15:00+0300</start-time><stop-time>soon</stop-time></session>\
        <participant participant_id='p'><nameID aor='sip:a@x'/></participant>\
        <participantsessionassoc participant_id='p' session_id='s'>\
        <associate-time>1970-01-01T00:00:03Z</associate-time></participantsessionassoc>\
        <sessionrecordingassoc session_id='s'><associate-time>2026-03-04T10:15:00.5</associate-time>\
        </sessionrecordingassoc></recording>");
    assert_eq!(warnings, ["bad_time", "time_unset", "time_without_zone"]);
    assert_eq!((metadata.sessions[0].started_ns, metadata.sessions[0].stopped_ns), (at(10, 15), None));
    assert_eq!((metadata.participants[0].joined_ns, metadata.participants[0].aors.len()), (None, 1));
}

#[test]
fn a_stream_is_closed_when_all_who_sent_it_have_ceased() {
    let association = |who: &str, stream: &str, times: &str| {
        format!("<participantstreamassoc participant_id='{who}'>{times}<send>{stream}</send></participantstreamassoc>")
    };
    let from = "<associate-time>2026-03-04T10:15:00Z</associate-time>";
    let over = format!("{from}<disassociate-time>2026-03-04T10:17:00Z</disassociate-time>");
    let document = |associations: &str| {
        of(&format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><stream stream_id='a'><label>1</label></stream>\
             <stream stream_id='b'><label>2</label></stream>{associations}</recording>"
        ))
        .0
    };
    let read =
        document(&[association("p", "a", &over), association("p", "b", &over), association("q", "b", from)].concat());
    let [a, b] = read.streams.as_slice() else { panic!("two streams") };
    assert_eq!((a.opened_ns, a.is_closed, a.closed_ns), (at(10, 15), true, at(10, 17)));
    assert_eq!((b.opened_ns, b.is_closed, b.closed_ns), (at(10, 15), false, None), "q still sends it");
}

proptest! {
    #[test]
    fn no_mutation_makes_it_panic(at in 0_usize..2_000, with in any::<u8>(), cut in 0_usize..2_000, which in 0..3) {
        let (_, mut metadata, _) = vector::read(match which {
            0 => vector!("001-baseline-rfc7866"),
            1 => vector!("304a-broadworks-root-element"),
            _ => vector!("300-oracle-legacy-namespace"),
        });
        let at = at.min(metadata.raw.len() - 1);
        metadata.raw[at] = with;
        let _ = read("application/rs-metadata", &metadata.raw, &mut Vec::new());
        let _ = read("application/rs-metadata", &metadata.raw[..cut.min(metadata.raw.len())], &mut Vec::new());
    }

    #[test]
    fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read("application/rs-metadata", &octets, &mut Vec::new());
    }
}
