//! Who speaks on which m-line: associations first, then a chain of fallbacks, each with its warning (Q-NOASSOC).

use crate::{
    event::{CommunicationSession, Metadata, MetadataStream, Participant, StreamTimes, Warning},
    siprec::limits,
};

/// For each m-line, the indices of the participants that send on it. `labels` has one entry per line.
///
/// Chain: label -> stream -> senders; a stream or line without a known label counts by position
/// (`stream_label_missing`, `line_label_missing`, `unknown_label` with `unclaimed_label`); a document without any
/// statement about senders gives the participants in order (`attribution_by_order`); else nobody.
pub fn attribute(metadata: &Metadata, labels: &[Option<String>], warnings: &mut Vec<Warning>) -> Vec<Vec<usize>> {
    let streams = streams_of_lines(metadata, labels, warnings);
    let present = |participant: &Participant| !participant.has_left;
    let says_nothing = metadata.participants.iter().all(|participant| participant.sends.is_none());
    if says_nothing && metadata.participants.iter().any(present) {
        warn(warnings, "attribution_by_order");
        return by_order(metadata, labels);
    }
    // One m-line for all: every sender is in it, also of streams that have no line of their own (Q-MIX).
    let is_mixed = labels.len() == 1 && metadata.user_data.get("stream_mode").is_some_and(|mode| mode == "mixed");
    let sends_on = |participant: &Participant, stream: Option<&MetadataStream>| {
        let Some(sends) = &participant.sends else { return false };
        match stream {
            _ if is_mixed => sends.iter().any(|id| metadata.streams.iter().any(|stream| stream.id == *id)),
            Some(stream) => !stream.id.is_empty() && sends.contains(&stream.id),
            None => false,
        }
    };
    let senders = |stream: &Option<&MetadataStream>| {
        let all = metadata.participants.iter().enumerate();
        all.filter(|(_, participant)| present(participant) && sends_on(participant, *stream))
            .map(|(at, _)| at)
            .collect()
    };
    streams.iter().map(senders).collect()
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

fn streams_of_lines<'a>(
    metadata: &'a Metadata,
    labels: &[Option<String>],
    warnings: &mut Vec<Warning>,
) -> Vec<Option<&'a MetadataStream>> {
    let mut free: Vec<&MetadataStream> = metadata.streams.iter().collect();
    let mut found: Vec<Option<&MetadataStream>> = Vec::with_capacity(labels.len());
    for label in labels {
        let at = free.iter().position(|stream| label.is_some() && stream.label == *label);
        found.push(at.map(|at| free.remove(at)));
    }
    let unmatched: Vec<usize> = (0..labels.len()).filter(|line| found[*line].is_none()).collect();
    if unmatched.is_empty() || metadata.streams.is_empty() {
        return found;
    }
    name_mismatch(labels, &unmatched, &free, warnings);
    for line in unmatched {
        // By position: the stream of the same rank, if nothing else has claimed it.
        let at = metadata.streams.get(line).and_then(|stream| free.iter().position(|one| std::ptr::eq(*one, stream)));
        found[line] = at.map(|at| free.remove(at));
    }
    found
}

fn name_mismatch(
    labels: &[Option<String>],
    unmatched: &[usize],
    free: &[&MetadataStream],
    warnings: &mut Vec<Warning>,
) {
    let is_labelled = |line: &usize| labels[*line].is_some();
    if free.iter().any(|stream| stream.label.is_none()) {
        warn(warnings, "stream_label_missing");
    } else if unmatched.iter().any(is_labelled) {
        warn(warnings, "unknown_label");
        if !free.is_empty() {
            warn(warnings, "unclaimed_label");
        }
    }
    if !unmatched.iter().all(is_labelled) {
        warn(warnings, "line_label_missing");
    }
}

/// Low confidence: the participants in document order on the lines in label order (as numbers, where they are numbers).
fn by_order(metadata: &Metadata, labels: &[Option<String>]) -> Vec<Vec<usize>> {
    let all = metadata.participants.iter().enumerate();
    let present: Vec<usize> = all.filter(|(_, participant)| !participant.has_left).map(|(at, _)| at).collect();
    if labels.len() == 1 {
        return vec![present];
    }
    let mut lines: Vec<usize> = (0..labels.len()).collect();
    if labels.iter().all(Option::is_some) {
        lines.sort_by_key(|line| {
            let label = labels[*line].as_deref().unwrap_or_default();
            (label.parse::<u64>().unwrap_or(u64::MAX), label)
        });
    }
    let mut out = vec![Vec::new(); labels.len()];
    for (line, participant) in lines.into_iter().zip(present) {
        out[line].push(participant);
    }
    out
}

fn warn(warnings: &mut Vec<Warning>, name: &'static str) {
    if !warnings.iter().any(|known| known.name == name) {
        warnings.push(Warning::new(name));
    }
}

#[cfg(test)]
mod tests;
