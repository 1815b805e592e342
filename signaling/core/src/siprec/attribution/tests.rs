//! Who speaks where, in the vectors and by the fallbacks.

use super::*;
use crate::{
    sdp::SessionDescription,
    siprec::vector::{self, vector},
};

/// Names (or ids) per line, and the warnings of attribution.
fn who(message: &[u8]) -> (Vec<Vec<String>>, Vec<&'static str>) {
    let (sdp, metadata, _) = vector::read(message);
    let sdp = SessionDescription::parse(&sdp).expect("SDP");
    let labels: Vec<_> = sdp.media.iter().map(|media| media.label().map(str::to_owned)).collect();
    people(&metadata, &labels)
}

fn people(metadata: &Metadata, labels: &[Option<String>]) -> (Vec<Vec<String>>, Vec<&'static str>) {
    let mut warnings = Vec::new();
    let name = |at: usize| metadata.participants[at].name.clone().unwrap_or(metadata.participants[at].id.clone());
    let places: Vec<Place> = labels.iter().map(|label| Place { label: label.clone(), is_kept: true }).collect();
    let lines = attribute(metadata, &places, &mut warnings).lines;
    let named = lines.into_iter().map(|line| line.into_iter().map(name).collect()).collect();
    (named, warnings.into_iter().map(|warning| warning.name).collect())
}

const TWO: [&[&str]; 2] = [&["Caller One"], &["Agent Two"]];

#[test]
fn associations_bind_each_line_to_its_sender() {
    for message in [
        vector!("001-baseline-rfc7866"),
        vector!("300-oracle-legacy-namespace"),
        vector!("310-labels-words-direction-both"),
        vector!("313-extension-out-of-order"),
        vector!("352-xml-extension-foreign-namespaces"),
        vector!("533-label-order-roles"),
    ] {
        let (lines, warnings) = who(message);
        assert_eq!((lines, warnings), (TWO.map(|line| line.iter().map(|n| n.to_string()).collect()).into(), vec![]));
    }
    let (lines, _) = who(vector!("351-conference-two-sessions"));
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn senders_named_inside_participants_count() {
    let (lines, warnings) = who(vector!("308-audiocodes-legacy-ids"));
    assert_eq!((lines, warnings), (vec![vec!["+12025550101".to_owned()], vec!["+12025550122".to_owned()]], vec![]));
    let (lines, _) = who(vector!("304a-broadworks-root-element"));
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn one_mixed_line_has_everybody_and_a_declared_stream_nobody() {
    let (lines, _) = who(vector!("305-one-mline-two-streams"));
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    let (lines, _) = who(vector!("306-metaswitch-mixed-no-rtpmap"));
    assert_eq!(lines, [["Caller One", "Agent Two"]]);
    let (lines, warnings) = who(vector!("322-single-mixed-no-label"));
    assert_eq!((lines[0].len(), warnings), (2, vec!["line_label_missing"]));
    let (lines, warnings) = who(vector!("303a-avaya-placeholder-participant"));
    assert_eq!((lines, warnings), (vec![vec!["Caller One".to_owned()]], vec!["declared_but_absent"]));
    let (_, warnings) = who(vector!("305-one-mline-two-streams"));
    assert_eq!(warnings, ["declared_but_absent"]);
}

#[test]
fn labels_that_do_not_fit_fall_back_to_position_with_a_warning() {
    let (lines, warnings) = who(vector!("319-label-missing-in-metadata"));
    assert_eq!(
        (lines, warnings),
        (vec![vec!["Caller One".to_owned()], vec!["Agent Two".to_owned()]], vec!["stream_label_missing"])
    );
    let (lines, warnings) = who(vector!("321-unknown-label"));
    assert_eq!(
        (lines, warnings),
        (vec![vec!["Caller One".to_owned()], vec!["Agent Two".to_owned()]], vec!["unknown_label", "unclaimed_label"])
    );
}

/// RFC 4574 4: a label is there once in a description.
#[test]
fn of_two_lines_with_one_label_the_second_goes_by_position() {
    let (_, metadata, _) = vector::read(vector!("001-baseline-rfc7866"));
    let (lines, warnings) = people(&metadata, &[Some("1".to_owned()), Some("1".to_owned())]);
    let two = TWO.map(|line| line.iter().map(|n| n.to_string()).collect()).into();
    assert_eq!((lines, warnings), (two, vec!["duplicate_label"]));
}

#[test]
fn without_associations_the_order_counts_with_low_confidence() {
    let (lines, warnings) = who(vector!("314-netsapiens-no-assoc"));
    assert_eq!(
        (lines, warnings),
        (vec![vec!["Agent Two".to_owned()], vec!["Caller One".to_owned()]], vec!["attribution_by_order"])
    );
    let (lines, warnings) = people(&Metadata::default(), &[Some("1".to_owned()), None]);
    assert_eq!((lines, warnings), (vec![Vec::<String>::new(), Vec::new()], vec![]));
}

#[test]
fn partial_documents_merge_by_id() {
    let (_, mut base, _) = vector::read(vector!("330a-complete"));
    let (_, join, _) = vector::read(vector!("330b-partial-join-with-third-stream"));
    merge(&mut base, join);
    let labels = ["1", "2", "3"].map(|label| Some(label.to_owned()));
    let (lines, warnings) = people(&base, &labels);
    assert_eq!(lines, [["Caller One"], ["Agent Two"], ["Guest Three"]]);
    assert_eq!(warnings, [""; 0]);
    let (_, leave, _) = vector::read(vector!("330c-partial-leave"));
    merge(&mut base, leave);
    let (lines, _) = people(&base, &labels);
    assert_eq!(lines, [vec!["Caller One".to_owned()], vec![], vec!["Guest Three".to_owned()]]);
    assert!(base.complete, "a base stays a base");
    let (_, last, _) = vector::read(vector!("330d-bye-with-metadata"));
    merge(&mut base, last);
    assert_eq!(base.participants.len(), 3);
    let minute = |at: Option<u64>| at.map(|nanos| nanos / 60_000_000_000 % 60);
    let times = base.participants.iter().map(|one| (minute(one.joined_ns), minute(one.left_ns)));
    assert_eq!(times.collect::<Vec<_>>(), [(Some(15), None), (Some(15), Some(17)), (Some(16), None)]);
    let session = &base.sessions[0];
    assert_eq!((minute(session.started_ns), minute(session.stopped_ns)), (Some(15), Some(18)));
}

#[test]
fn an_association_of_a_partial_document_closes_the_stream_that_is_known() {
    let (_, mut base, _) = vector::read(vector!("330a-complete"));
    let times = |id: &str| StreamTimes { id: id.into(), opened_ns: None, is_closed: true, closed_ns: Some(7) };
    let known = base.streams[1].id.clone();
    merge(&mut base, Metadata { stream_times: vec![times(&known), times("never heard of")], ..Metadata::default() });
    let closed: Vec<_> = base.streams.iter().map(|stream| (stream.is_closed, stream.closed_ns)).collect();
    assert_eq!(closed, [(false, None), (true, Some(7))]);
}

#[test]
fn a_complete_document_replaces_and_a_placeholder_gets_its_person() {
    let (_, mut base, _) = vector::read(vector!("303a-avaya-placeholder-participant"));
    assert!(base.participants[1].aors.is_empty(), "a placeholder is nobody");
    base.correlation.insert("ucid".to_owned(), "kept".to_owned());
    let (_, update, _) = vector::read(vector!("303b-avaya-update-metadata-only"));
    merge(&mut base, update);
    assert_eq!(base.correlation.get("ucid").map(String::as_str), Some("kept"));
    let (lines, _) = people(&base, &[Some("10".to_owned()), Some("20".to_owned())]);
    assert_eq!(lines, [["Caller One"], ["Agent Two"]]);
}

#[test]
fn a_line_that_was_turned_down_wants_no_stream_and_confidence_says_how_sure_it_is() {
    let (_, metadata, _) = vector::read(vector!("420-image-t38-line"));
    let place = |label: Option<&str>, is_kept| Place { label: label.map(str::to_owned), is_kept };
    let mut warnings = Vec::new();
    let lines = [place(Some("1"), true), place(Some("2"), true), place(None, false)];
    let said = attribute(&metadata, &lines, &mut warnings);
    assert_eq!((said.lines[2].len(), warnings.len()), (0, 0));
    assert_eq!(said.confidence[..2], [Confidence::High; 2]);
    let sure = |message: &[u8], labels: &[Option<&str>]| {
        let (_, metadata, _) = vector::read(message);
        let places: Vec<Place> = labels.iter().map(|label| place(*label, true)).collect();
        attribute(&metadata, &places, &mut Vec::new()).confidence
    };
    let two = [Some("1"), Some("2")];
    assert_eq!(sure(vector!("319-label-missing-in-metadata"), &two), [Confidence::Medium; 2]);
    assert_eq!(sure(vector!("312-unescaped-ampersand"), &two), [Confidence::Medium; 2]);
    assert_eq!(sure(vector!("314-netsapiens-no-assoc"), &two), [Confidence::Low; 2]);
    // What a partial document leaves out is no mismatch.
    let (_, partial, _) = vector::read(vector!("331-partial-before-complete"));
    let mut warnings = Vec::new();
    let said = attribute(&partial, &two.map(|label| place(label, true)), &mut warnings);
    assert_eq!((said.lines, warnings), (vec![vec![0], vec![]], vec![]));
}
