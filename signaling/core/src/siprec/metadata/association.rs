//! What the associations of a document say: who takes part since when and until when, and which stream is sent when.

use std::collections::BTreeMap;

use super::reader::instant;
use crate::{
    event::{Participant, StreamTimes},
    profile::Zone,
    siprec::{limits, xml::Element},
};

/// The associations of one document, counted up.
#[derive(Debug, Default)]
pub(super) struct Associations {
    zone: Zone,
    participants: BTreeMap<String, Span>,
    streams: BTreeMap<String, Span>,
}

/// Several associations of one thing: it begins with the first and is over when all are.
#[derive(Debug, Default)]
struct Span {
    all: usize,
    over: usize,
    from_ns: Option<u64>,
    to_ns: Option<u64>,
}

impl Associations {
    pub(super) fn new(zone: Zone) -> Self {
        Self { zone, ..Self::default() }
    }

    /// `participantsessionassoc`. The caller knows the participant, so that their number is bounded.
    pub(super) fn of_session(&mut self, participant: String, element: &Element) {
        self.participants.entry(participant).or_default().add(element, self.zone);
    }

    /// `participantstreamassoc` that sends `stream`. False when there are too many.
    pub(super) fn of_stream(&mut self, stream: String, element: &Element) -> bool {
        let has_room = self.streams.len() < limits::ITEMS || self.streams.contains_key(&stream);
        if has_room {
            self.streams.entry(stream).or_default().add(element, self.zone);
        }
        has_room
    }

    /// What is known of the participant from its session associations.
    pub(super) fn tell(&self, participant: &mut Participant) {
        let Some(span) = self.participants.get(&participant.id) else { return };
        participant.has_left |= span.is_over();
        participant.has_joined |= !participant.has_left;
        participant.joined_ns = span.from_ns.or(participant.joined_ns);
        participant.left_ns = if participant.has_left { span.to_ns.or(participant.left_ns) } else { None };
    }

    /// What is known of streams.
    pub(super) fn stream_times(&self) -> Vec<StreamTimes> {
        let times = |(id, span): (&String, &Span)| StreamTimes {
            id: id.clone(),
            opened_ns: span.from_ns,
            is_closed: span.is_over(),
            closed_ns: span.to_ns.filter(|_| span.is_over()),
        };
        self.streams.iter().map(times).collect()
    }
}

impl Span {
    fn add(&mut self, element: &Element, zone: Zone) {
        self.all += 1;
        self.over += usize::from(element.first("disassociate-time").is_some());
        self.from_ns = self.from_ns.into_iter().chain(instant(element, "associate-time", zone)).min();
        self.to_ns = self.to_ns.into_iter().chain(instant(element, "disassociate-time", zone)).max();
    }

    const fn is_over(&self) -> bool {
        self.all > 0 && self.all == self.over
    }
}
