//! Who is the caller, who the agent: the rules of a profile applied to what a metadata document says.

use super::{Profile, RoleRule};
use crate::event::{Confidence, Metadata, Participant, Warning};

/// What a document says outside the vocabulary that bears on roles.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// `(participant id, element, text)`: leaves inside a participant.
    pub(crate) inside: Vec<(String, String, String)>,
    /// `(element, participant id)`: elements that point at a participant.
    pub(crate) pointers: Vec<(String, String)>,
    /// `(element, text)`: leaves of the extensions.
    pub(crate) leaves: Vec<(String, String)>,
}

/// Gives participants their roles, streams their senders where only roles tell them, and notes what contradicts.
pub(crate) fn cast(profile: &Profile, hints: &Hints, metadata: &mut Metadata, warnings: &mut Vec<Warning>) {
    // A partial document shows only some of the streams: ranks would be wrong.
    let senders = if metadata.complete { senders_by_rank(metadata) } else { Vec::new() };
    let roles: Vec<Option<String>> = metadata
        .participants
        .iter()
        .map(|participant| {
            let fits = |rule: &&RoleRule| is_cast(rule, participant, hints, &senders);
            profile.role.iter().find(fits).map(|rule| rule.role.clone())
        })
        .collect();
    for (participant, role) in metadata.participants.iter_mut().zip(roles) {
        participant.role = role;
    }
    stream_by_role(profile, metadata, warnings);
    check(profile, hints, metadata, warnings);
}

fn is_cast(rule: &RoleRule, participant: &Participant, hints: &Hints, senders: &[Vec<String>]) -> bool {
    let id = &participant.id;
    if let Some(flag) = &rule.flag {
        let says = |value: &str| rule.value.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value));
        return hints.inside.iter().any(|(of, name, value)| of == id && name == flag && says(value));
    }
    if let Some(pointer) = &rule.pointer {
        return hints.pointers.iter().any(|(name, of)| name == pointer && of == id);
    }
    if let Some(number) = &rule.number {
        return hints.leaves.iter().any(|(name, text)| name == number && is_number_of(participant, text));
    }
    let rank = rule.label_rank.and_then(|rank| usize::from(rank).checked_sub(1));
    rank.and_then(|rank| senders.get(rank)).is_some_and(|senders| senders.contains(id))
}

/// The participants that send each stream, streams by rising label.
fn senders_by_rank(metadata: &Metadata) -> Vec<Vec<String>> {
    let senders = |stream: &String| {
        let sends = |one: &&Participant| one.sends.as_ref().is_some_and(|ids| ids.contains(stream));
        metadata.participants.iter().filter(sends).map(|one| one.id.clone()).collect()
    };
    streams_by_label(metadata).iter().map(senders).collect()
}

/// Ids of the labelled streams by rising label: as numbers where they are numbers.
fn streams_by_label(metadata: &Metadata) -> Vec<String> {
    let mut labelled: Vec<(u64, &str, &str)> = metadata
        .streams
        .iter()
        .filter(|stream| !stream.id.is_empty())
        .filter_map(|stream| {
            let label = stream.label.as_deref()?;
            Some((label.parse().unwrap_or(u64::MAX), label, stream.id.as_str()))
        })
        .collect();
    labelled.sort_unstable();
    labelled.into_iter().map(|(.., id)| id.to_owned()).collect()
}

/// Nothing says who sends: the profile knows in which order its peers put the roles.
fn stream_by_role(profile: &Profile, metadata: &mut Metadata, warnings: &mut Vec<Warning>) {
    let order = &profile.attribution.streams_by_role;
    let says_nothing = metadata.participants.iter().all(|participant| participant.sends.is_none());
    if order.is_empty() || !says_nothing || !metadata.complete {
        return;
    }
    let mut has_cast = false;
    for (stream, role) in streams_by_label(metadata).into_iter().zip(order) {
        if let Some(participant) = metadata.participants.iter_mut().find(|one| one.role.as_ref() == Some(role)) {
            participant.sends.get_or_insert_default().push(stream);
            has_cast = true;
        }
    }
    if has_cast {
        metadata.trust = metadata.trust.min(Confidence::Medium);
        warnings.push(Warning::new("attribution_by_role"));
    }
}

/// What the participants say wins over a number in an extension; that they differ is noted (jambonz swaps the two).
fn check(profile: &Profile, hints: &Hints, metadata: &Metadata, warnings: &mut Vec<Warning>) {
    let conflict = profile.check.iter().any(|check| {
        let cast = metadata.participants.iter().find(|one| one.role.as_ref() == Some(&check.role));
        let said = hints.leaves.iter().find(|(name, _)| *name == check.number);
        matches!((cast, said), (Some(cast), Some((_, number))) if !is_number_of(cast, number))
    });
    if conflict {
        warnings.push(Warning::new("extension_conflict"));
    }
}

/// Whether the digits of `number` are the end of those in the user part of an address of the participant.
fn is_number_of(participant: &Participant, number: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let wanted = digits(user(number));
    let same = |aor: &String| {
        let known = digits(user(aor));
        let is_text = wanted.is_empty() && user(aor).eq_ignore_ascii_case(user(number));
        is_text || (!wanted.is_empty() && (known.ends_with(&wanted) || (!known.is_empty() && wanted.ends_with(&known))))
    };
    participant.aors.iter().any(same)
}

fn user(address: &str) -> &str {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    rest.split(['@', ';', '?']).next().unwrap_or(rest)
}
