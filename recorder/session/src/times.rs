//! What the metadata tells of times: when the communication session began and stopped, and when each stream was sent.

use model::{Fact, RsId, Timestamp, ToldSession, ToldTimes, TrackTimes};
use signaling_core::event::{CommunicationSession, Metadata, MetadataStream};

use crate::{
    core::{Core, Step},
    state::{Session, Slot},
};

impl Core {
    /// Writes the times of a session down when they changed.
    pub(crate) fn tell_times(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(times) = told(session).filter(|times| *times != session.times) else { return };
        session.times.clone_from(&times);
        step.out.facts.push(Fact::TimesTold { recording: session.recording, session: id, times });
    }
}

fn told(session: &Session) -> Option<ToldTimes> {
    let metadata = session.metadata.as_ref()?;
    let stopped_ns = stopped_ns(metadata);
    Some(ToldTimes {
        grouped_at: metadata.grouped_ns.map(Timestamp::from_nanos),
        started_at: metadata.sessions.iter().filter_map(|one| one.started_ns).min().map(Timestamp::from_nanos),
        stopped_at: stopped_ns.map(Timestamp::from_nanos),
        tracks: session.lines.iter().filter_map(|slot| track_times(metadata, slot, stopped_ns)).collect(),
        sessions: several(metadata),
    })
}

/// Each communication session, where there are several: one alone is told by the times of the whole.
fn several(metadata: &Metadata) -> Vec<ToldSession> {
    let told = |one: &CommunicationSession| ToldSession {
        id: one.id.clone(),
        started_at: one.started_ns.map(Timestamp::from_nanos),
        stopped_at: one.stopped_ns.map(Timestamp::from_nanos),
    };
    if metadata.sessions.len() < 2 { Vec::new() } else { metadata.sessions.iter().map(told).collect() }
}

/// Several communication sessions may share one recording session: it goes on until the last of them stops.
fn stopped_ns(metadata: &Metadata) -> Option<u64> {
    let stopped: Option<Vec<u64>> = metadata.sessions.iter().map(|one| one.stopped_ns).collect();
    stopped?.into_iter().max()
}

fn track_times(metadata: &Metadata, slot: &Slot, stopped_ns: Option<u64>) -> Option<TrackTimes> {
    let (track, label) = (slot.track_no()?, slot.label.as_ref()?);
    let stream = metadata.streams.iter().find(|stream| stream.label.as_ref() == Some(label))?;
    let closed_ns = match stream.is_closed {
        true => stream.closed_ns,
        false => left_alone_ns(metadata, stream),
    };
    let (from, to) = (stream.opened_ns, closed_ns.or(stopped_ns));
    let times = TrackTimes { track, from: from.map(Timestamp::from_nanos), to: to.map(Timestamp::from_nanos) };
    (from.is_some() || to.is_some()).then_some(times)
}

/// When the last participant that sends on the stream left; none while one is there.
fn left_alone_ns(metadata: &Metadata, stream: &MetadataStream) -> Option<u64> {
    let sends = |ids: &Option<Vec<String>>| ids.as_ref().is_some_and(|ids| ids.contains(&stream.id));
    let senders = metadata.participants.iter().filter(|participant| sends(&participant.sends));
    let left: Option<Vec<u64>> = senders.map(|one| one.left_ns.filter(|_| one.has_left)).collect();
    left?.into_iter().max()
}
