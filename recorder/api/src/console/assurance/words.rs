//! The words for verdicts, reasons, causes and shares, and the bar that shows how a day is made up.

use maud::{Markup, html};
use model::{CallDirection, Expectation, IncidentCause};
use storage_core::assurance::{Counts, Share, Verdict, Why};

/// A verdict as people read it.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Compliant => "Compliant",
        Verdict::NotRecorded => "Not recorded",
        Verdict::RecordedWithoutCdr => "Recorded without CDR",
        Verdict::RecordedInError => "Recorded in error",
        Verdict::Partial => "Partial",
        Verdict::IntentionallyNotRecorded => "Intentionally not recorded",
        Verdict::Excluded => "Excluded",
        Verdict::Pending => "Pending",
    }
}

/// What it means, in one line.
pub(super) const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Compliant => "Recorded as expected",
        Verdict::NotRecorded => "It should have been recorded, and nothing with sound is kept",
        Verdict::RecordedWithoutCdr => "There is a recording, and no source knows the call",
        Verdict::RecordedInError => "The policy says never, and there is a recording",
        Verdict::Partial => "Part of the talk is missing",
        Verdict::IntentionallyNotRecorded => "It was not to be recorded, or nobody asked to keep it",
        Verdict::Excluded => "Out of scope, never answered, or too short",
        Verdict::Pending => "It cannot be said yet",
    }
}

/// Why a verdict is what it is.
pub(super) const fn why(why: Why) -> &'static str {
    match why {
        Why::Recorded => "recorded",
        Why::DestroyedSince => "recorded, and destroyed since",
        Why::NoRecording => "there is no recording",
        Why::NoAudio => "the recording has no sound",
        Why::NoCallKnown => "no source knows the call",
        Why::PolicyNever => "the policy says never",
        Why::RecordingShort => "the recording is shorter than the talk",
        Why::Gaps => "the recording has gaps",
        Why::OneWay => "one side has no sound",
        Why::RecordingFailed => "the recording could not be finished",
        Why::NotKept => "it was provisional, and nobody kept it",
        Why::NeverAnswered => "it was never answered",
        Why::OutOfScope => "out of scope",
        Why::TooShort => "too short",
        Why::CallGoesOn => "the call goes on",
        Why::WithinGrace => "it ended a moment ago",
        Why::RecordingUnfinished => "the recording is not in the archive yet",
        Why::CdrBehind => "the files of its time are still missing",
        Why::CtiDown => "the CTI link was down",
        Why::NoSource => "no source covers its time",
    }
}

/// A cause as people read it.
pub(super) const fn cause(cause: IncidentCause) -> &'static str {
    match cause {
        IncidentCause::Switch => "The switch did not replicate the call",
        IncidentCause::Recorder => "This recorder failed",
        IncidentCause::Network => "The network in between failed",
        IncidentCause::Config => "It was configured so",
        IncidentCause::Maintenance => "Announced work was going on",
        IncidentCause::Test => "It was a test call",
        IncidentCause::FalsePositive => "There is nothing wrong with the call",
        IncidentCause::NoAction => "It is known, and nothing will be done",
    }
}

/// The cause of that name as people read it; the name itself where it is none of ours.
pub(super) fn cause_named(name: &str) -> &str {
    match IncidentCause::by_name(name) {
        Some(known) => cause(known),
        None => name,
    }
}

/// What the policy wanted.
pub(super) const fn expectation(expectation: Expectation) -> &'static str {
    match expectation {
        Expectation::Unknown => "nothing; the scope of the assurance decides",
        Expectation::Never => "not to record it",
        Expectation::Provisional => "to record it, and to keep it if somebody asks",
        Expectation::Record => "to record it",
    }
}

/// Which way a call went.
pub(super) const fn direction(direction: CallDirection) -> &'static str {
    match direction {
        CallDirection::Inbound => "inbound",
        CallDirection::Outbound => "outbound",
        CallDirection::Internal => "internal",
    }
}

/// The share recorded as expected. Never rounded up: `100 %` is said only when not one is missing.
pub(super) fn percent(share: &Share) -> String {
    let (recorded, expected) = (u128::from(share.recorded), u128::from(share.expected));
    match (recorded * 10_000).checked_div(expected) {
        None => "–".into(),
        Some(10_000..) => "100 %".into(),
        Some(hundredths) => format!("{}.{:02} %", hundredths / 100, hundredths % 100),
    }
}

/// `1 call`, `2 calls`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A verdict as a badge.
pub(super) fn badge(of: Verdict) -> Markup {
    html! { span class={ "badge " (of.name()) } { (verdict(of)) } }
}

/// How a day is made up, for the eye: the numbers stand beside it.
pub(super) fn bar(verdicts: &Counts) -> Markup {
    let total = verdicts.total().max(1);
    let width = |verdict: Verdict| (verdicts.of(verdict).saturating_mul(WIDTH) / total).max(NARROWEST);
    let parts = BAR.into_iter().filter(|verdict| verdicts.of(*verdict) > 0);
    let parts: Vec<(Verdict, u64, u64)> = parts
        .scan(0, |end, verdict| {
            let start = *end;
            *end += width(verdict);
            Some((verdict, start, width(verdict)))
        })
        .collect();
    let whole = parts.last().map_or(WIDTH, |(_, start, width)| start + width);
    html! {
        svg.bar-of-verdicts viewBox={ "0 0 " (whole) " 10" } preserveAspectRatio="none" aria-hidden="true" {
            @for (verdict, start, width) in &parts {
                rect class=(verdict.name()) x=(start) y="0" width=(width) height="10" {}
            }
        }
    }
}

/// Units of a bar.
const WIDTH: u64 = 1_000;

/// One call among a million must be seen.
const NARROWEST: u64 = 8;

/// From good to bad, what does not count last.
const BAR: [Verdict; 8] = [
    Verdict::Compliant,
    Verdict::RecordedWithoutCdr,
    Verdict::Partial,
    Verdict::RecordedInError,
    Verdict::NotRecorded,
    Verdict::Pending,
    Verdict::IntentionallyNotRecorded,
    Verdict::Excluded,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up() {
        let share = |recorded, expected| percent(&Share { expected, recorded, sli: None });
        assert_eq!(share(1_000_000, 1_000_000), "100 %");
        assert_eq!(share(999_999, 1_000_000), "99.99 %");
        assert_eq!((share(0, 3).as_str(), share(0, 0).as_str()), ("0.00 %", "–"));
        assert_eq!(share(u64::MAX - 1, u64::MAX), "99.99 %");
    }

    #[test]
    fn the_bar_has_every_verdict_and_no_words() {
        assert_eq!(BAR.iter().collect::<std::collections::BTreeSet<_>>().len(), Verdict::ALL.len());
        let empty = bar(&Counts::default()).into_string();
        assert!(empty.contains("viewBox=\"0 0 1000 10\"") && !empty.contains("<rect"), "{empty}");
    }
}
