//! Who speaks on which m-line: associations first, then a chain of fallbacks, each with its warning (Q-NOASSOC).

use crate::{
    event::{CommunicationSession, Confidence, Metadata, MetadataStream, Participant, StreamTimes, Warning},
    siprec::limits,
};

/// Who sends on which m-line, and how sure that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attribution {
    /// For each m-line, the indices of the participants that send on it.
    pub lines: Vec<Vec<usize>>,
    /// For each m-line.
    pub confidence: Vec<Confidence>,
}

/// An m-line as attribution sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// `a=label`.
    pub label: Option<String>,
    /// Something is, or was, kept of it: a line that was turned down and has no label is nobody's.
    pub is_kept: bool,
}

/// Says who sends on each m-line.
///
/// Chain: number of the line or label -> stream -> senders; a stream or line without a known label counts by position
/// (`stream_label_missing`, `line_label_missing`, `duplicate_label`, `unknown_label` with `unclaimed_label`); a document
/// without any statement about senders gives the participants in order (`attribution_by_order`); else nobody. A stream
/// whose label is on no line is announced and not there (`declared_but_absent`).
pub fn attribute(metadata: &Metadata, lines: &[Place], warnings: &mut Vec<Warning>) -> Attribution {
    let streams = streams_of_lines(metadata, lines, warnings);
    let present = |participant: &Participant| !participant.has_left;
    let says_nothing = metadata.participants.iter().all(|participant| participant.sends.is_none());
    if says_nothing && metadata.participants.iter().any(present) {
        if lines.is_empty() {
            return Attribution::default();
        }
        warn(warnings, "attribution_by_order", None);
        return Attribution { lines: by_order(metadata, lines), confidence: vec![Confidence::Low; lines.len()] };
    }
    // One m-line for all: every sender is in it, also of streams that have no line of their own (Q-MIX).
    let is_mixed = lines.len() == 1 && metadata.user_data.get("stream_mode").is_some_and(|mode| mode == "mixed");
    let sends_on = |participant: &Participant, stream: Option<&MetadataStream>| {
        let Some(sends) = &participant.sends else { return false };
        match stream {
            _ if is_mixed => sends.iter().any(|id| metadata.streams.iter().any(|stream| stream.id == *id)),
            Some(stream) => !stream.id.is_empty() && sends.contains(&stream.id),
            None => false,
        }
    };
    let senders = |bound: &Bound<'_>| {
        let all = metadata.participants.iter().enumerate();
        all.filter(|(_, participant)| present(participant) && sends_on(participant, bound.stream))
            .map(|(at, _)| at)
            .collect()
    };
    let confidence = |bound: &Bound<'_>| {
        let by = if bound.by_position { Confidence::Medium } else { Confidence::High };
        by.min(metadata.trust)
    };
    Attribution { lines: streams.iter().map(senders).collect(), confidence: streams.iter().map(confidence).collect() }
}

/// Applies a later document. A complete one replaces what was known; of a partial one each element replaces the one of
/// its id, and what it does not mention stays (RFC 7866 9.1).
pub fn merge(base: &mut Metadata, update: Metadata) {
    if update.complete {
        let correlation = std::mem::take(&mut base.correlation);
        *base = update;
        for (key, value) in correlation {
            base.correlation.entry(key).or_insert(value);
        }
        return;
    }
    base.content_type = update.content_type;
    base.raw = update.raw;
    base.trust = base.trust.min(update.trust);
    base.session_id = base.session_id.take().or(update.session_id);
    base.grouped_ns = base.grouped_ns.or(update.grouped_ns);
    for session in update.sessions {
        merge_session(&mut base.sessions, session);
    }
    for id in update.groups {
        push_new(&mut base.groups, id);
    }
    for id in update.sip_session_ids {
        push_new(&mut base.sip_session_ids, id);
    }
    for participant in update.participants {
        merge_participant(&mut base.participants, participant);
    }
    for stream in update.streams {
        merge_stream(&mut base.streams, stream);
    }
    apply_times(&mut base.streams, &update.stream_times);
    base.correlation.extend(update.correlation);
    base.user_data.extend(update.user_data);
}

fn merge_participant(known: &mut Vec<Participant>, update: Participant) {
    let Some(base) = known.iter_mut().find(|base| base.id == update.id) else {
        if known.len() < limits::ITEMS {
            known.push(update);
        }
        return;
    };
    if !update.aors.is_empty() {
        base.aors = update.aors;
    }
    base.name = update.name.or(base.name.take());
    base.role = update.role.or(base.role.take());
    base.sends = update.sends.or(base.sends.take());
    base.receives = update.receives.or(base.receives.take());
    base.joined_ns = update.joined_ns.or(base.joined_ns);
    // A document that names no association of the participant leaves it where it is (RFC 7866 9.1).
    if update.has_left || update.has_joined {
        base.has_left = update.has_left;
        base.has_joined = update.has_joined;
        base.left_ns = if update.has_left { update.left_ns.or(base.left_ns) } else { None };
    }
}

/// A session began when it was first said to have begun: a partial document may put the time of the change there.
fn merge_session(known: &mut Vec<CommunicationSession>, update: CommunicationSession) {
    let Some(base) = known.iter_mut().find(|base| base.id == update.id) else {
        if known.len() < limits::ITEMS {
            known.push(update);
        }
        return;
    };
    base.started_ns = base.started_ns.into_iter().chain(update.started_ns).min();
    base.stopped_ns = update.stopped_ns.or(base.stopped_ns);
}

/// Puts what associations say of streams where the streams are.
pub(super) fn apply_times(streams: &mut [MetadataStream], times: &[StreamTimes]) {
    for told in times {
        let Some(stream) = streams.iter_mut().find(|stream| stream.id == told.id) else { continue };
        stream.opened_ns = stream.opened_ns.or(told.opened_ns);
        stream.is_closed = told.is_closed;
        stream.closed_ns = told.closed_ns;
    }
}

fn merge_stream(known: &mut Vec<MetadataStream>, update: MetadataStream) {
    // A stream that was announced without id gets it by its label (Q-PLACE).
    let is_same = |base: &&mut MetadataStream| {
        base.id == update.id || (base.id.is_empty() && base.label.is_some() && base.label == update.label)
    };
    let Some(base) = known.iter_mut().find(is_same) else {
        if known.len() < limits::ITEMS {
            known.push(update);
        }
        return;
    };
    base.id = update.id;
    base.label = update.label.or(base.label.take());
    base.session_id = update.session_id.or(base.session_id.take());
}

fn push_new(items: &mut Vec<String>, item: String) {
    if items.len() < limits::ITEMS && !items.contains(&item) {
        items.push(item);
    }
}

/// The stream of an m-line, and how it was found.
struct Bound<'a> {
    stream: Option<&'a MetadataStream>,
    by_position: bool,
}

fn streams_of_lines<'a>(metadata: &'a Metadata, lines: &[Place], warnings: &mut Vec<Warning>) -> Vec<Bound<'a>> {
    let mut free: Vec<&MetadataStream> = metadata.streams.iter().collect();
    let mut found: Vec<Bound<'_>> = Vec::with_capacity(lines.len());
    for (line, Place { label, .. }) in lines.iter().enumerate() {
        let is_counted = |stream: &MetadataStream| stream.line.is_some_and(|number| usize::from(number) == line);
        let at = free.iter().position(|stream| is_counted(stream) || (label.is_some() && stream.label == *label));
        found.push(Bound { stream: at.map(|at| free.remove(at)), by_position: false });
    }
    let is_worth_a_stream = |line: &usize| lines[*line].is_kept || lines[*line].label.is_some();
    let unmatched: Vec<usize> =
        (0..lines.len()).filter(|line| found[*line].stream.is_none()).filter(is_worth_a_stream).collect();
    if unmatched.is_empty() || metadata.streams.is_empty() {
        name_absent(&free, warnings);
        return found;
    }
    // Who counts lines means what it counts, and a part of the whole need not name every line: what they leave out has
    // nobody on it.
    let leaves_out = !metadata.complete && unmatched.iter().all(|line| lines[*line].label.is_some());
    if leaves_out || metadata.streams.iter().any(|stream| stream.line.is_some()) {
        return found;
    }
    name_mismatch(lines, &unmatched, &free, warnings);
    for line in unmatched {
        // By position: the stream of the same rank, if nothing else has claimed it.
        let at = metadata.streams.get(line).and_then(|stream| free.iter().position(|one| std::ptr::eq(*one, stream)));
        found[line] = Bound { stream: at.map(|at| free.remove(at)), by_position: true };
    }
    found
}

/// A stream that the document announces and no line carries (Q-LBL); one that was closed is rightly gone.
fn name_absent(free: &[&MetadataStream], warnings: &mut Vec<Warning>) {
    let absent = free.iter().filter(|stream| !stream.is_closed).find_map(|stream| stream.label.as_deref());
    if let Some(label) = absent {
        warn(warnings, "declared_but_absent", Some(format!("label {label}")));
    }
}

fn name_mismatch(lines: &[Place], unmatched: &[usize], free: &[&MetadataStream], warnings: &mut Vec<Warning>) {
    let is_labelled = |line: &usize| lines[*line].label.is_some();
    let is_again = |line: usize| lines[..line].iter().any(|other| other.label == lines[line].label);
    // One label for two lines breaks RFC 4574 4: the first has it, the others go by position.
    if let Some(line) = unmatched.iter().copied().find(|line| is_labelled(line) && is_again(*line)) {
        return warn(warnings, "duplicate_label", lines[line].label.as_ref().map(|label| format!("label {label}")));
    }
    if free.iter().any(|stream| stream.label.is_none()) {
        warn(warnings, "stream_label_missing", None);
    } else if unmatched.iter().any(is_labelled) {
        warn(warnings, "unknown_label", None);
        if !free.is_empty() {
            warn(warnings, "unclaimed_label", None);
        }
    }
    if !unmatched.iter().all(is_labelled) {
        warn(warnings, "line_label_missing", None);
    }
}

/// Low confidence: the participants in document order on the lines in label order (as numbers, where they are numbers).
fn by_order(metadata: &Metadata, lines: &[Place]) -> Vec<Vec<usize>> {
    let all = metadata.participants.iter().enumerate();
    let present: Vec<usize> = all.filter(|(_, participant)| !participant.has_left).map(|(at, _)| at).collect();
    if lines.len() == 1 {
        return vec![present];
    }
    let mut order: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].is_kept).collect();
    if order.iter().all(|line| lines[*line].label.is_some()) {
        order.sort_by_key(|line| {
            let label = lines[*line].label.as_deref().unwrap_or_default();
            (label.parse::<u64>().unwrap_or(u64::MAX), label)
        });
    }
    let mut out = vec![Vec::new(); lines.len()];
    for (line, participant) in order.into_iter().zip(present) {
        out[line].push(participant);
    }
    out
}

fn warn(warnings: &mut Vec<Warning>, name: &'static str, detail: Option<String>) {
    if !warnings.iter().any(|known| known.name == name) {
        warnings.push(Warning { name, detail });
    }
}

#[cfg(test)]
mod tests;
