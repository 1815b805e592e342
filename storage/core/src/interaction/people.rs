//! Who took part in an interaction: the parties of its recordings, each person once.

use std::collections::{BTreeMap, BTreeSet};

use model::{Confidence, Party, Personal, RecordingId, Timestamp};
use serde::Serialize;

use crate::{limits::PARTIES_PER_INTERACTION, view::RecordingView};

/// One party.
#[derive(Serialize)]
pub(super) struct Person<'a> {
    address: &'a str,
    name: Option<&'a str>,
    role: Option<&'a str>,
    /// Who sat there, as CTI told.
    agents: BTreeSet<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    also: BTreeSet<&'a str>,
    /// By the clock of the client, as its metadata tells.
    joined_at: Option<String>,
    left_at: Option<String>,
    recordings: Vec<Heard>,
    #[serde(skip)]
    times: (Option<Timestamp>, Option<Timestamp>),
}

/// Where a party is heard.
#[derive(Serialize)]
struct Heard {
    recording: RecordingId,
    tracks: Vec<u16>,
    confidence: Option<Confidence>,
}

/// The parties in the order in which they first appear, and how many more there were.
pub(super) fn merge(views: &[RecordingView]) -> (Vec<Person<'_>>, usize) {
    let mut places = BTreeMap::new();
    let (mut people, mut left_out) = (Vec::<Person<'_>>::new(), 0);
    for view in views {
        for party in &view.parties {
            let address = party.address.reveal().as_str();
            let Some(place) = places.get(address).copied() else {
                if people.len() < PARTIES_PER_INTERACTION {
                    places.insert(address, people.len());
                    people.push(Person::of(view, party));
                } else {
                    left_out += 1;
                }
                continue;
            };
            people[place].add(view, party);
        }
    }
    for person in &mut people {
        person.joined_at = person.times.0.map(|at| at.to_string());
        person.left_at = person.times.1.map(|at| at.to_string());
    }
    (people, left_out)
}

impl<'a> Person<'a> {
    fn of(view: &'a RecordingView, party: &'a Party) -> Self {
        let mut person = Self {
            address: party.address.reveal(),
            name: None,
            role: None,
            agents: BTreeSet::new(),
            also: BTreeSet::new(),
            joined_at: None,
            left_at: None,
            recordings: Vec::new(),
            times: (party.joined_at, party.left_at),
        };
        person.add(view, party);
        person
    }

    fn add(&mut self, view: &'a RecordingView, party: &'a Party) {
        self.name = self.name.or_else(|| Personal::said(&party.name));
        self.role = self.role.or(party.role.as_deref());
        self.agents.extend(view.agent_at(self.address));
        self.also.extend(party.also.iter().map(|address| address.reveal().as_str()));
        let (joined, left) = &mut self.times;
        *joined = earliest(*joined, party.joined_at);
        // Whoever is still there somewhere has not left.
        *left = left.zip(party.left_at).map(|(one, other)| one.max(other));
        let tracks = party.tracks.iter().map(|track| track.0).collect();
        self.recordings.push(Heard { recording: view.id, tracks, confidence: party.confidence });
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// The number of the role: what CTI said, else the address of the first party who has the role.
pub(super) fn number<'a>(views: &'a [RecordingView], key: &str, roles: &[&str]) -> Option<&'a str> {
    let said = views.iter().find_map(|view| view.correlation.get(key));
    let has_role = |party: &&Party| party.role.as_deref().is_some_and(|role| roles.contains(&role));
    said.map(String::as_str).or_else(|| {
        let mut parties = views.iter().flat_map(|view| &view.parties);
        parties.find(has_role).map(|party| party.address.reveal().as_str())
    })
}
