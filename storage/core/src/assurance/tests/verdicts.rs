//! One verdict after the other, and what they are found by.

use model::{IncidentCause, IncidentNote};

use super::*;
use crate::{assurance::SilentUser, query::Pattern};

fn world() -> World {
    World::new(Settings::default())
}

#[test]
fn a_call_that_was_recorded_whole_is_compliant() {
    let mut world = world();
    world.seen(call("U", TEN));
    world.whole(1, "u", TEN);
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
    assert_eq!(world.outcome().summary.share.sli, Some(1.0));
    world.tell(&deleted(id(1)));
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::DestroyedSince));
}

#[test]
fn a_call_without_a_recording_is_not_recorded_once_the_grace_is_over() {
    let mut world = world();
    world.seen(call("U", TEN));
    world.now = TEN + 60_000 + 299_999;
    assert_eq!(world.verdict(), (Verdict::Pending, Why::WithinGrace));
    world.now += 1;
    assert_eq!(world.verdict(), (Verdict::NotRecorded, Why::NoRecording));
    assert_eq!(world.outcome().summary.share.sli, Some(0.0));
}

#[test]
fn an_unrecorded_call_is_told_once_and_a_recording_that_is_joined_late_heals_it() {
    let mut world = world();
    world.seen(call("U", TEN));
    let found = world.book.unrecorded(&world.outcome(), at(world.now));
    assert_eq!((found.len(), found[0].why.as_str(), found[0].ended_at), (1, "no_recording", at(TEN + 60_000)));
    world.tell(&Fact::UnrecordedCallFound(Box::new(found[0].clone())));
    assert!(world.book.unrecorded(&world.outcome(), at(world.now)).is_empty());
    let recording = world.opened(1, None, TEN + 5_000);
    world.ended(recording, TEN + 60_000);
    world.archived(recording, &[]);
    world.tell(&learned(recording, &[("calluuid", "U")]));
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
}

#[test]
fn a_recording_without_sound_is_no_recording_unless_it_was_paused() {
    let mut world = world();
    world.seen(call("U", TEN));
    let recording = world.opened(1, Some("U"), TEN + 5_000);
    world.ended(recording, TEN + 60_000);
    world.archived(recording, &["no_audio"]);
    assert_eq!(world.verdict(), (Verdict::NotRecorded, Why::NoAudio));
    world.closed(recording, vec![gap(TEN + 5_000, TEN + 60_000, GapCause::Paused)]);
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
}

#[test]
fn a_call_that_was_recorded_in_part_is_partial_and_a_pause_is_no_loss() {
    for (flags, from, gaps, expected) in [
        (&[][..], 20_000, vec![], (Verdict::Partial, Why::RecordingShort)),
        (&["one_way"], 5_000, vec![], (Verdict::Partial, Why::OneWay)),
        (&[], 5_000, vec![gap(TEN + 10_000, TEN + 16_000, GapCause::Crash)], (Verdict::Partial, Why::Gaps)),
        (&[], 5_000, vec![gap(TEN + 10_000, TEN + 14_000, GapCause::Crash)], (Verdict::Compliant, Why::Recorded)),
        (&[], 5_000, vec![gap(TEN + 10_000, TEN + 50_000, GapCause::Paused)], (Verdict::Compliant, Why::Recorded)),
        (
            &["one_way"],
            5_000,
            vec![gap(TEN + 10_000, TEN + 50_000, GapCause::Hold)],
            (Verdict::Compliant, Why::Recorded),
        ),
    ] {
        let mut world = world();
        world.seen(call("U", TEN));
        let recording = world.opened(1, Some("U"), TEN + from);
        world.closed(recording, gaps);
        world.ended(recording, TEN + 60_000);
        world.archived(recording, flags);
        assert_eq!(world.verdict(), expected, "{flags:?} {from}");
    }
}

#[test]
fn two_recordings_that_follow_each_other_cover_a_call_together() {
    let mut world = world();
    world.seen(call("U", TEN));
    for (number, from, to) in [(1, 5_000, 30_000), (2, 31_000, 60_000)] {
        let recording = world.opened(number, Some("U"), TEN + from);
        world.ended(recording, TEN + to);
        world.archived(recording, &[]);
    }
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
    assert_eq!(world.calls()[0].recordings, [id(1), id(2)]);
}

#[test]
fn what_fails_is_partial_and_what_is_not_finished_is_pending() {
    let mut world = world();
    world.seen(call("U", TEN));
    let recording = world.opened(1, Some("U"), TEN + 5_000);
    assert_eq!(world.verdict(), (Verdict::Pending, Why::RecordingUnfinished));
    world.ended(recording, TEN + 60_000);
    assert_eq!(world.verdict(), (Verdict::Pending, Why::RecordingUnfinished), "not in the archive");
    world.tell(&Fact::RecordingFailed { recording, cause: "disk".into() });
    assert_eq!(world.verdict(), (Verdict::Partial, Why::RecordingFailed));
}

#[test]
fn a_call_that_must_not_be_recorded_is_either_an_error_or_intended() {
    let mut world = world();
    world.seen(CallSeen { expectation: Expectation::Never, ..call("U", TEN) });
    assert_eq!(world.verdict(), (Verdict::IntentionallyNotRecorded, Why::PolicyNever));
    world.whole(1, "U", TEN);
    assert_eq!(world.verdict(), (Verdict::RecordedInError, Why::PolicyNever));
    assert_eq!(world.outcome().summary.share.expected, 0, "it was not expected");
}

#[test]
fn a_provisional_recording_that_nobody_kept_is_intended_and_one_that_never_was_is_missing() {
    let mut world = world();
    world.seen(CallSeen { expectation: Expectation::Provisional, ..call("U", TEN) });
    assert_eq!(world.verdict(), (Verdict::NotRecorded, Why::NoRecording));
    let recording = world.opened(1, Some("U"), TEN + 5_000);
    world.ended(recording, TEN + 60_000);
    world.tell(&deleted(recording));
    assert_eq!(world.verdict(), (Verdict::IntentionallyNotRecorded, Why::NotKept));
}

#[test]
fn calls_that_do_not_count_are_excluded() {
    let scope = ["70*"].iter().map(|text| Pattern::new(text)).collect();
    let settings = Settings { scope, min_ms: 2_000, ..Settings::default() };
    let unknown = CallSeen { expectation: Expectation::Unknown, ..call("U", TEN) };
    for (call, expected) in [
        (CallSeen { dns: personal(&["8001"]), ..unknown.clone() }, (Verdict::Excluded, Why::OutOfScope)),
        (CallSeen { answered_at: None, ..unknown.clone() }, (Verdict::Excluded, Why::NeverAnswered)),
        (CallSeen { answered_at: Some(at(TEN + 59_000)), ..unknown.clone() }, (Verdict::Excluded, Why::TooShort)),
        (unknown, (Verdict::NotRecorded, Why::NoRecording)),
    ] {
        let mut world = World::new(settings.clone());
        world.seen(call);
        assert_eq!(world.verdict(), expected);
    }
}

#[test]
fn a_recording_that_no_source_knows_waits_for_the_sources_and_is_then_told() {
    let mut world = world();
    world.whole(1, "U", TEN);
    assert_eq!(world.verdict(), (Verdict::Pending, Why::NoSource));
    world.cdr("1", call("A", TEN - 600_000));
    let of_u = |world: &World| {
        let calls = world.calls();
        let call = calls.iter().find(|call| call.call_uuid.is_none()).expect("the recording");
        (call.verdict, call.why)
    };
    assert_eq!(of_u(&world), (Verdict::Pending, Why::CdrBehind));
    world.cdr("2", call("B", TEN + 600_000));
    assert_eq!(of_u(&world), (Verdict::RecordedWithoutCdr, Why::NoCallKnown));
    world.cdr("3", call("U", TEN));
    assert!(world.calls().iter().all(|call| call.verdict != Verdict::RecordedWithoutCdr));
}

#[test]
fn a_link_that_was_down_blames_nobody() {
    let mut world = world();
    let link = |is_up| Fact::CtiLinkChanged { source: "tlib:0".into(), is_up, reason: None };
    world.now = TEN - 60_000;
    world.tell(&link(true));
    world.seen(call("A", TEN - 1_200_000));
    world.now = TEN + 30_000;
    world.tell(&link(false));
    world.now = TEN + 50_000;
    world.tell(&link(true));
    world.now = TEN + 3_600_000;
    for (number, start) in [(1, TEN), (2, TEN + 120_000)] {
        let recording = world.whole(number, &format!("X{number}"), start);
        world.parties(recording, &["7001", "0309999"]);
    }
    let verdicts: Vec<_> = world.calls().iter().map(|call| (call.verdict, call.why)).collect();
    assert_eq!(verdicts[1], (Verdict::Pending, Why::CtiDown));
    assert_eq!(verdicts[2], (Verdict::RecordedWithoutCdr, Why::NoCallKnown));
}

#[test]
fn without_a_key_numbers_and_time_join_and_each_recording_counts_once() {
    let nameless = |start| CallSeen { call_uuid: None, ..call("", start) };
    let mut world = world();
    world.seen(nameless(TEN));
    world.cdr("1", nameless(TEN + 4_000));
    let recording = world.opened(1, None, TEN + 5_500);
    world.parties(recording, &["sip:7001@switch", "+030 1234"]);
    world.ended(recording, TEN + 64_000);
    world.archived(recording, &[]);
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
    assert_eq!(world.calls()[0].sources, ["cdr:pbx", "tlib:0"]);
    // A second call of the same two a moment later, and no second recording: one of both is missing.
    world.seen(nameless(TEN + 8_000));
    let verdicts: Vec<_> = world.calls().iter().map(|call| call.verdict).collect();
    assert_eq!(verdicts, [Verdict::Compliant, Verdict::NotRecorded]);
    // Of other numbers, or at another time, it is no candidate.
    let other = world.opened(2, None, TEN + 30_000);
    world.parties(other, &["7001", "0309999"]);
    let later = world.opened(3, None, TEN + 90_000);
    world.parties(later, &["7001", "0301234"]);
    assert_eq!(world.calls().len(), 4);
    // One that began in the middle of the call is of the call, and short.
    let late = world.opened(4, None, TEN + 40_000);
    world.parties(late, &["7001", "0301234"]);
    world.ended(late, TEN + 68_000);
    world.archived(late, &[]);
    assert_eq!((world.calls().len(), world.calls()[1].verdict), (4, Verdict::Partial));
}

#[test]
fn a_conn_id_joins_and_does_not_where_the_call_uuids_differ() {
    let mut world = world();
    world.seen(CallSeen { conn_id: Some("00C1".into()), ..call("U", TEN) });
    let recording = world.opened(1, None, TEN + 5_000);
    world.tell(&learned(recording, &[("conn_id", "00c1")]));
    world.ended(recording, TEN + 60_000);
    world.archived(recording, &[]);
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
    let mut other = super::World::new(Settings::default());
    other.seen(CallSeen { conn_id: Some("00C1".into()), ..call("U", TEN) });
    let recording = other.whole(1, "V", TEN);
    other.tell(&learned(recording, &[("conn_id", "00c1")]));
    assert_eq!(other.calls().len(), 2);
}

#[test]
fn what_is_told_twice_counts_once_and_the_later_word_holds() {
    let mut world = world();
    world.seen(CallSeen { ended_at: None, ..call("U", TEN) });
    assert_eq!(world.verdict(), (Verdict::Pending, Why::CallGoesOn));
    world.seen(call("U", TEN));
    assert_eq!(world.verdict(), (Verdict::NotRecorded, Why::NoRecording));
    world.cdr("9", call("U", TEN));
    world.cdr("9", call("U", TEN));
    assert_eq!((world.calls().len(), world.book.stats().told), (1, 2));
}

#[test]
fn an_annotation_stays_with_the_call_and_a_false_alarm_leaves_the_figures() {
    let mut world = world();
    let nameless = CallSeen { call_uuid: None, conn_id: Some("00C1".into()), ..call("", TEN) };
    world.seen(nameless.clone());
    let incident = world.calls()[0].incident.to_string();
    let (cause, by) = (IncidentCause::FalsePositive, Actor::system());
    let note = IncidentNote { incident, cause, by, at: at(world.now), note: Some(Personal::new("a test".into())) };
    world.tell(&Fact::IncidentAnnotated(Box::new(note)));
    let outcome = world.outcome();
    assert_eq!((outcome.summary.share.expected, outcome.summary.annotated), (0, 1));
    assert!(world.book.unrecorded(&outcome, at(world.now)).is_empty());
    // The call is given a CallUUID by a second source: the annotation is found by its old name.
    world.cdr("1", CallSeen { call_uuid: Some("U".into()), ..nameless });
    let call = &world.calls()[0];
    assert_eq!((call.cause, call.note.as_deref()), (Some("false_positive"), Some("a test")));
}

#[test]
fn a_call_over_midnight_belongs_to_the_day_it_began_on() {
    let midnight = day().end().millis();
    let mut world = world();
    world.now = midnight + 3_600_000;
    world.seen(call("U", midnight - 3_000));
    world.whole(1, "U", midnight - 3_000);
    assert_eq!(world.verdict(), (Verdict::Compliant, Why::Recorded));
    assert_eq!(world.book.judge(day().plus(1), at(world.now)).summary.calls, 0);
}

#[test]
fn users_without_a_recording_are_silent() {
    let settings = Settings { users: vec!["7009".into()], silent_days: 2, ..Settings::default() };
    let mut world = World::new(settings);
    let agent = CallSeen { agents: personal(&["anna"]), ..call("U", TEN) };
    let first = world.whole(1, "U", TEN);
    world.parties(first, &["7001", "0301234"]);
    world.seen(agent);
    world.seen(CallSeen { dns: personal(&["7002"]), ..call("V", TEN) });
    let silent = |world: &World, now: u64| -> Vec<String> {
        world.book.silent(at(now)).into_iter().map(|SilentUser { user, .. }| user).collect()
    };
    assert_eq!(silent(&world, world.now), ["7002", "7009", "anna"]);
    assert_eq!(silent(&world, world.now + 3 * 86_400_000), ["7001", "7002", "7009", "anna"]);
}

#[test]
fn days_are_let_go_and_what_comes_for_them_later_is_counted() {
    let mut world = world();
    world.seen(call("U", TEN));
    world.whole(1, "U", TEN);
    world.book.let_go(day().plus(1));
    assert!(world.book.held().is_empty());
    world.seen(call("V", TEN));
    let stats = world.book.stats();
    assert_eq!((stats.told, stats.recordings, stats.too_old), (0, 0, 1));
}
