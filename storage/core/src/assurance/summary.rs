//! The figures of a day: how many calls of each verdict, and the share recorded as expected, by node and DN.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    day::Day,
    users::{NameNo, Names},
    verdict::{JudgedCall, Verdict},
};

/// Calls of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; Verdict::ALL.len()]);

impl Counts {
    pub(super) fn add(&mut self, verdict: Verdict) {
        self.0[verdict as usize] += 1;
    }

    /// Calls of that verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.0[verdict as usize]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Verdict::ALL.into_iter().map(|verdict| (verdict.name(), self.of(verdict))))
    }
}

/// How many calls should have been recorded, and how many of them were as expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Share {
    /// Should have been recorded.
    pub expected: u64,
    /// Of these, recorded as expected.
    pub recorded: u64,
    /// Their ratio, 0 to 1; none where none was expected.
    pub sli: Option<f64>,
}

impl Share {
    pub(super) fn add(&mut self, is_recorded: bool) {
        self.expected += 1;
        self.recorded += u64::from(is_recorded);
        self.sli = Some(self.recorded as f64 / self.expected as f64);
    }
}

/// The share of one DN or node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DnShare {
    /// The DN, or the node.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub share: Share,
}

/// The figures of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// UTC.
    pub day: Day,
    /// Calls that began on it.
    pub calls: u64,
    /// By verdict.
    pub verdicts: Counts,
    /// All calls together.
    #[serde(flatten)]
    pub share: Share,
    /// Incidents that a person annotated; those said to be a test or a false alarm do not count in the shares.
    pub annotated: u64,
    /// Nothing of it is pending.
    pub complete: bool,
    /// By node.
    pub nodes: Vec<DnShare>,
}

/// A day, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Its figures.
    pub summary: Summary,
    /// By DN, the worst first.
    pub dns: Vec<DnShare>,
    /// Its incidents by beginning, at most [`INCIDENTS_LISTED`](crate::limits::INCIDENTS_LISTED), the gravest kept.
    pub incidents: Vec<JudgedCall>,
    /// Incidents for which there was no room.
    pub unlisted: u64,
    /// The last signed report of it in the archive, as its revision; none while there is none.
    pub report: Option<u32>,
}

/// Adds a day up.
#[derive(Default)]
pub(super) struct Tally {
    counts: Counts,
    all: Share,
    annotated: u64,
    nodes: BTreeMap<NameNo, Share>,
    dns: BTreeMap<NameNo, Share>,
}

/// One call on its way into the tally.
pub(super) struct Entry<'a> {
    pub(super) verdict: Verdict,
    pub(super) node: NameNo,
    pub(super) dns: &'a [NameNo],
    pub(super) is_annotated: bool,
    /// A person said that it is no incident.
    pub(super) is_dismissed: bool,
}

impl Tally {
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        self.counts.add(entry.verdict);
        self.annotated += u64::from(entry.is_annotated);
        let is_recorded = match entry.verdict {
            Verdict::Compliant => true,
            Verdict::NotRecorded | Verdict::Partial => false,
            _ => return,
        };
        if entry.is_dismissed {
            return;
        }
        self.all.add(is_recorded);
        self.nodes.entry(entry.node).or_default().add(is_recorded);
        entry.dns.iter().for_each(|dn| self.dns.entry(*dn).or_default().add(is_recorded));
    }

    pub(super) fn finish(self, day: Day, names: &Names) -> (Summary, Vec<DnShare>) {
        let shares = |shares: BTreeMap<NameNo, Share>| -> Vec<DnShare> {
            shares.into_iter().map(|(name, share)| DnShare { name: names.text(name).to_owned(), share }).collect()
        };
        let mut dns = shares(self.dns);
        let missed = |one: &DnShare| std::cmp::Reverse(one.share.expected - one.share.recorded);
        dns.sort_by(|one, other| missed(one).cmp(&missed(other)).then_with(|| one.name.cmp(&other.name)));
        let summary = Summary {
            day,
            calls: self.counts.total(),
            verdicts: self.counts,
            share: self.all,
            annotated: self.annotated,
            complete: self.counts.of(Verdict::Pending) == 0,
            nodes: shares(self.nodes),
        };
        (summary, dns)
    }
}
