//! The history of an interaction: what several switches told of several calls, merged, in order, each thing once.

use model::{HistoryLine, Personal, RecordingId, Timestamp};
use serde::Serialize;

use crate::{
    limits::{HISTORY_PER_INTERACTION, SAME_EVENT_MS},
    view::RecordingView,
};

/// What a line of a history says, in the words of the API and of documents. It has no `Debug`: it is about people.
#[derive(Serialize)]
pub struct Happened<'a> {
    at: String,
    event: &'a str,
    dn: Option<&'a str>,
    other: Option<&'a str>,
    third: Option<&'a str>,
    agent: Option<&'a str>,
    role: Option<&'a str>,
}

impl<'a> Happened<'a> {
    /// What `line` says.
    pub fn of(line: &'a HistoryLine) -> Self {
        Self {
            at: line.at.to_string(),
            event: &line.event,
            dn: Personal::said(&line.dn),
            other: Personal::said(&line.other),
            third: Personal::said(&line.third),
            agent: Personal::said(&line.agent),
            role: line.role.as_deref(),
        }
    }
}

/// One thing that happened.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    #[serde(flatten)]
    happened: Happened<'a>,
    /// Who told it.
    sources: Vec<&'a str>,
    /// Whose call it happened in.
    recordings: Vec<String>,
    #[serde(skip)]
    told: &'a HistoryLine,
    /// Who told it when, each by a clock of its own.
    #[serde(skip)]
    tellings: Vec<(&'a str, Timestamp)>,
}

/// The merged lines, and how many more there were.
pub(super) fn merge(views: &[RecordingView]) -> (Vec<Line<'_>>, usize) {
    let told = views.iter().flat_map(|view| view.history.iter().map(|line| (view.id, line)));
    let mut told: Vec<(RecordingId, &HistoryLine)> = told.collect();
    told.sort_by(|(id, line), (other_id, other)| {
        let by_time = line.at.cmp(&other.at).then_with(|| what(line).cmp(&what(other)));
        let further = |line: &HistoryLine| (line.source.clone(), line.agent.clone(), line.role.clone());
        by_time.then_with(|| further(line).cmp(&further(other))).then_with(|| id.cmp(other_id))
    });
    let (mut lines, mut left_out) = (Vec::<Line<'_>>::new(), 0);
    for (recording, line) in told {
        let near = |known: &&mut Line<'_>| line.at.millis_since(known.told.at) <= SAME_EVENT_MS;
        if let Some(known) = lines.iter_mut().rev().take_while(near).find(|known| is_same(known, line)) {
            known.add(recording, line);
        } else if lines.len() < HISTORY_PER_INTERACTION {
            lines.push(Line::of(recording, line));
        } else {
            left_out += 1;
        }
    }
    (lines, left_out)
}

/// The same line of two recordings of a call, or two switches that saw the same thing by clocks of their own.
fn is_same(known: &Line<'_>, line: &HistoryLine) -> bool {
    what(known.told) == what(line)
        && (known.tellings.contains(&telling(line)) || !known.sources.contains(&line.source.as_str()))
}

type Place<'a> = Option<&'a Personal<String>>;

fn what(line: &HistoryLine) -> (&str, Place<'_>, Place<'_>, Place<'_>) {
    (&line.event, line.dn.as_ref(), line.other.as_ref(), line.third.as_ref())
}

fn telling(line: &HistoryLine) -> (&str, Timestamp) {
    (&line.source, line.at)
}

impl<'a> Line<'a> {
    fn of(recording: RecordingId, line: &'a HistoryLine) -> Self {
        Self {
            happened: Happened::of(line),
            sources: vec![&line.source],
            recordings: vec![recording.to_string()],
            told: line,
            tellings: vec![telling(line)],
        }
    }

    fn add(&mut self, recording: RecordingId, line: &'a HistoryLine) {
        let Happened { agent, role, .. } = &mut self.happened;
        *agent = agent.or_else(|| Personal::said(&line.agent));
        *role = role.or(line.role.as_deref());
        if !self.sources.contains(&line.source.as_str()) {
            self.sources.push(&line.source);
            self.tellings.push(telling(line));
        }
        let recording = recording.to_string();
        if !self.recordings.contains(&recording) {
            self.recordings.push(recording);
        }
    }
}
