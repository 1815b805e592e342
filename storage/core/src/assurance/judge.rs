//! Judging a day: what the book holds of it is joined into calls, and each gets its verdict.

use std::collections::HashMap;

use model::{IncidentCause, IncidentNote, Timestamp, UnrecordedCall};

use super::{
    book::Book,
    day::Day,
    join::Joiner,
    key::{Key, Number},
    summary::{Entry, Outcome, Tally},
    told::Told,
    users::{NameNo, SilentUser},
    verdict::{Court, Joined, JudgedCall, Verdict, Why, shown},
};
use crate::limits::INCIDENTS_LISTED;

impl Book {
    /// The verdicts of one day as of `now`: figures and incidents.
    pub fn judge(&self, day: Day, now: Timestamp) -> Outcome {
        let (mut tally, mut incidents) = (Tally::default(), Vec::new());
        self.each(day, now, |call, verdict| {
            let note = self.note(call);
            let dns = self.names_of(call, |told| &told.dns);
            let is_dismissed =
                note.is_some_and(|note| matches!(note.cause, IncidentCause::Test | IncidentCause::FalsePositive));
            let node = self.node_of(call);
            tally.add(&Entry { verdict: verdict.0, node, dns: &dns, is_annotated: note.is_some(), is_dismissed });
            if verdict.0.is_incident() {
                incidents.push((verdict.0.severity(), self.show(call, verdict)));
            }
        });
        let unlisted = incidents.len().saturating_sub(INCIDENTS_LISTED) as u64;
        if unlisted > 0 {
            incidents.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
            incidents.truncate(INCIDENTS_LISTED);
        }
        let mut incidents: Vec<JudgedCall> = incidents.into_iter().map(|(_, call)| call).collect();
        incidents.sort_by(|one, other| (&one.started_at, one.incident).cmp(&(&other.started_at, other.incident)));
        let (summary, dns) = tally.finish(day, &self.names);
        let report = self.reported(day).map(|(revision, _)| revision);
        Outcome { summary, dns, incidents, unlisted, report }
    }

    /// Calls of one day that `wanted` takes, by beginning, behind `after`; at most `limit`.
    pub fn calls(
        &self,
        (day, now): (Day, Timestamp),
        after: Option<(String, Key)>,
        limit: usize,
        wanted: impl Fn(Verdict, &JudgedCall) -> bool,
    ) -> Vec<JudgedCall> {
        let mut order = Vec::new();
        self.each(day, now, |call, verdict| order.push((call.start(), incident(call), self.show(call, verdict))));
        order.sort_by_key(|(start, key, _)| (*start, *key));
        let is_behind = |call: &JudgedCall| match &after {
            Some((at, key)) => (call.started_at.as_str(), call.incident) > (at.as_str(), *key),
            None => true,
        };
        let calls = order.into_iter().map(|(.., call)| call);
        calls.filter(|call| is_behind(call) && wanted(call.verdict, call)).take(limit).collect()
    }

    /// The calls among the incidents that nobody was told of yet.
    pub fn unrecorded(&self, outcome: &Outcome, now: Timestamp) -> Vec<UnrecordedCall> {
        let is_new = |call: &&JudgedCall| {
            call.verdict == Verdict::NotRecorded && call.cause.is_none() && !self.alerted.contains(&call.incident)
        };
        let time = |text: &str| Timestamp::parse(text).unwrap_or_default();
        let found = outcome.incidents.iter().filter(is_new);
        found
            .map(|call| UnrecordedCall {
                incident: call.incident.to_string(),
                call_uuid: call.call_uuid.clone(),
                conn_id: call.conn_id.clone(),
                started_at: time(&call.started_at),
                ended_at: call.ended_at.as_deref().map(time).unwrap_or_default(),
                found_at: now,
                why: call.why.name().to_owned(),
            })
            .collect()
    }

    /// Users without a recording for as many days as the settings say.
    pub fn silent(&self, now: Timestamp) -> Vec<SilentUser> {
        let since = Day::of(now).minus(self.settings.silent_days.saturating_sub(1)).start().millis();
        // Somebody may have been recorded before anybody told of a call of theirs.
        let mut held: HashMap<Number, u64> = HashMap::new();
        for recorded in self.recorded.values().filter(|recorded| recorded.end.is_some()) {
            for number in &recorded.numbers {
                let last = held.entry(*number).or_default();
                *last = (*last).max(recorded.start);
            }
        }
        self.users.silent(since, &held, &self.names)
    }

    /// Every call that began on the day, with its verdict. Rows of the days beside it are joined with it: a call and its
    /// recording may lie on both sides of midnight.
    fn each<'a>(&'a self, day: Day, now: Timestamp, mut visit: impl FnMut(&Joined<'a>, (Verdict, Why))) {
        let around = day.minus(1)..=day.plus(1);
        let told = self.told.range(around.clone()).flat_map(|(_, rows)| rows).collect();
        let ids = self.days.range(around).flat_map(|(_, ids)| ids);
        let recorded = ids.filter_map(|id| self.recorded.get(id)).collect();
        let court = Court { settings: &self.settings, sources: &self.sources, users: &self.users, now: now.millis() };
        for call in Joiner::join(told, recorded, self.settings.tolerance_ms) {
            if Day::of_ms(call.start()) == day {
                visit(&call, call.judge(&court));
            }
        }
    }

    fn note(&self, call: &Joined<'_>) -> Option<&IncidentNote> {
        if self.notes.is_empty() {
            return None;
        }
        names(call).find_map(|key| self.notes.get(&key)).map(|(_, note)| note)
    }

    fn node_of(&self, call: &Joined<'_>) -> NameNo {
        let recorded = call.recorded.first().map(|recorded| recorded.node);
        recorded.or_else(|| call.told.first().map(|told| told.node)).unwrap_or(self.node)
    }

    fn names_of<'a>(&self, call: &Joined<'a>, which: impl Fn(&'a Told) -> &'a [NameNo]) -> Vec<NameNo> {
        let mut found: Vec<NameNo> = call.told.iter().flat_map(|told| which(told)).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn show(&self, call: &Joined<'_>, (verdict, why): (Verdict, Why)) -> JudgedCall {
        let texts = |names: Vec<NameNo>| names.into_iter().map(|name| self.names.text(name).to_owned()).collect();
        let first = |text: fn(&Told) -> Option<&str>| call.told.iter().find_map(|told| text(told)).map(str::to_owned);
        let note = self.note(call);
        let mut sources: Vec<String> = call.told.iter().map(|told| self.sources.name(told.source).to_owned()).collect();
        sources.sort_unstable();
        sources.dedup();
        JudgedCall {
            incident: incident(call),
            verdict,
            why,
            severity: verdict.severity(),
            call_uuid: first(|told| told.call_uuid.as_deref()),
            conn_id: first(|told| told.conn_id.as_deref()),
            started_at: shown(call.start()),
            ended_at: call.end().map(shown),
            direction: call.told.iter().find_map(|told| told.direction),
            dns: texts(self.names_of(call, |told| &told.dns)),
            agents: texts(self.names_of(call, |told| &told.agents)),
            expectation: call.expectation(),
            rule: call.told.iter().find_map(|told| told.rule).map(|rule| self.names.text(rule).to_owned()),
            recordings: call.recorded.iter().map(|recorded| recorded.id).collect(),
            sources,
            node: self.names.text(self.node_of(call)).to_owned(),
            cause: note.map(|note| note.cause.name()),
            note: note.and_then(|note| note.note.as_ref()).map(|note| note.reveal().clone()),
        }
    }
}

/// What names a call among the incidents: the surest of its keys.
fn incident(call: &Joined<'_>) -> Key {
    names(call).next().unwrap_or_else(|| Key::line("", ""))
}

/// Every name that a call has or had while less of it was known, the surest first.
fn names(call: &Joined<'_>) -> impl Iterator<Item = Key> {
    let told = &call.told;
    let uuids = told.iter().filter_map(|told| told.uuid);
    let conns = told.iter().filter_map(|told| told.conn);
    let lines = told.iter().map(|told| told.own);
    let recordings = call.recorded.iter().map(|recorded| Key::recording(recorded.id));
    uuids.chain(conns).chain(lines).chain(recordings)
}
