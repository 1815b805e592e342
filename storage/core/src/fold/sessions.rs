//! What a view keeps of the recording sessions behind it: who fed it, what they said of times, how they ended.

use model::{EndCause, Fact, RsId, ToldTimes};

use crate::{
    limits::{ATTACHMENTS_SHOWN, SESSIONS_SHOWN},
    reason,
    view::{AttachmentView, MetadataState, RecordingView, SessionView},
};

/// Applies a fact about a session; any other changes nothing.
pub(super) fn apply(view: &mut RecordingView, fact: &Fact) {
    match fact {
        Fact::SessionJoined { session, call_id, peer, profile, .. } => {
            let joined = SessionView { call_id: call_id.clone(), peer: peer.clone(), ..SessionView::new(*session) };
            join(view, SessionView { profile: profile.clone(), ..joined });
        }
        Fact::TimesTold { session, times, .. } => tell(view, *session, times),
        Fact::MetadataReceived { session: Some(id), complete, .. } => {
            if let Some(session) = session(view, *id) {
                let state = if *complete { MetadataState::Complete } else { MetadataState::Partial };
                session.metadata = session.metadata.max(state);
            }
        }
        Fact::SessionEnded { session, cause, reason, .. } => end(view, *session, *cause, reason.as_deref()),
        Fact::AttachmentReceived { content_type, disposition, raw_base64, .. }
            if view.attachments.len() < ATTACHMENTS_SHOWN =>
        {
            view.attachments.push(AttachmentView {
                content_type: content_type.clone(),
                disposition: disposition.clone(),
                bytes: octets_of_base64(raw_base64.reveal()),
            });
        }
        _ => {}
    }
}

/// A session that goes on after a restart is told again, with its Call-ID as before.
fn join(view: &mut RecordingView, joined: SessionView) {
    let is_same = |known: &&mut SessionView| known.call_id == joined.call_id && known.ended.is_none();
    if let Some(known) = view.sessions.iter_mut().find(is_same) {
        known.session = joined.session;
    } else if view.sessions.len() < SESSIONS_SHOWN {
        view.sessions.reserve_exact(1);
        view.sessions.push(joined);
    }
}

/// Numbers of sessions begin anew with each life of the process: the last one of that number is meant.
fn session(view: &mut RecordingView, id: RsId) -> Option<&mut SessionView> {
    view.sessions.iter_mut().rev().find(|session| session.session == id)
}

fn tell(view: &mut RecordingView, id: RsId, times: &ToldTimes) {
    if let Some(session) = session(view, id) {
        (session.grouped_at, session.started_at) = (times.grouped_at, times.started_at);
        session.stopped_at = times.stopped_at;
        session.communication.clone_from(&times.sessions);
    }
    for told in &times.tracks {
        if let Some(track) = view.tracks.iter_mut().find(|track| track.no == told.track) {
            (track.stream_from, track.stream_to) = (told.from, told.to);
        }
    }
}

fn end(view: &mut RecordingView, id: RsId, cause: EndCause, header: Option<&str>) {
    let Some(session) = session(view, id) else { return };
    session.ended = Some(cause);
    session.reason = header.map(reason::cut);
    session.reasons = header.map(reason::read).unwrap_or_default();
}

fn octets_of_base64(text: &str) -> u64 {
    let padding = text.bytes().rev().take_while(|octet| *octet == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding) as u64
}

#[cfg(test)]
mod tests {
    use model::{Party, Personal, RecordingId, RecordingOpened, Timestamp, TrackNo, TrackTimes};

    use super::*;

    fn id() -> RecordingId {
        RecordingId::from_bytes([1; 16])
    }

    fn folded(facts: &[Fact]) -> RecordingView {
        let opened = RecordingOpened {
            recording: id(),
            record_id: None,
            call_uuid: None,
            conn_id: None,
            profile: "rfc7866".into(),
            at: Timestamp::from_millis(1),
        };
        let mut view = None;
        crate::fold::apply(&mut view, &Fact::RecordingOpened(opened));
        facts.iter().for_each(|fact| crate::fold::apply(&mut view, fact));
        view.expect("opened")
    }

    fn joined(session: u64, call_id: &str) -> Fact {
        Fact::SessionJoined {
            recording: id(),
            session: RsId(session),
            call_id: call_id.into(),
            peer: "tcp:192.0.2.10:5060".into(),
            profile: "rfc7866".into(),
        }
    }

    fn ended(session: u64, reason: Option<&str>) -> Fact {
        let reason = reason.map(str::to_owned);
        Fact::SessionEnded { recording: id(), session: RsId(session), cause: EndCause::Bye, reason }
    }

    #[test]
    fn sessions_keep_how_they_ended_with_the_reason_as_it_came_and_taken_apart() {
        let header = "Q.850;cause=16;text=\"Normal call clearing\"";
        let view = folded(&[joined(1, "a"), joined(2, "b"), ended(2, Some(header)), ended(9, None)]);
        assert_eq!(view.sessions.iter().map(|one| one.ended).collect::<Vec<_>>(), [None, Some(EndCause::Bye)]);
        assert_eq!(view.sessions[1].reason.as_deref(), Some(header));
        assert_eq!((view.sessions[1].reasons.len(), view.sessions[1].reasons[0].cause), (1, Some(16)));
        assert_eq!(view.end_reason(), Some(header));
    }

    #[test]
    fn a_number_used_again_after_a_restart_means_the_later_session() {
        let view = folded(&[joined(1, "a"), ended(1, None), joined(1, "b"), ended(1, Some("SIP;cause=200"))]);
        assert_eq!(
            view.sessions.iter().map(|one| one.reason.as_deref()).collect::<Vec<_>>(),
            [None, Some("SIP;cause=200")]
        );
        let resumed = folded(&[joined(1, "a"), joined(7, "a"), ended(7, None)]);
        assert_eq!((resumed.sessions.len(), resumed.sessions[0].ended), (1, Some(EndCause::Bye)));
    }

    #[test]
    fn a_party_of_an_older_ledger_is_read_and_an_unknown_time_is_not_written() {
        let line = r#"{"address":"7001","name":null,"role":"agent","tracks":[0]}"#;
        let party: Party = serde_json::from_str(line).expect("an older line");
        assert_eq!((party.joined_at, party.left_at), (None, None));
        assert_eq!(serde_json::to_string(&party).expect("text"), line);
        let timed = Party { joined_at: Some(Timestamp::from_nanos(7)), ..party };
        let text = serde_json::to_string(&timed).expect("text");
        assert_eq!(serde_json::from_str::<Party>(&text).expect("a party"), timed);
    }

    #[test]
    fn told_times_reach_session_and_track_and_destroying_takes_attachments_away() {
        let at = Timestamp::from_millis;
        let track = TrackTimes { track: TrackNo(0), from: Some(at(10)), to: Some(at(20)) };
        let times = ToldTimes {
            started_at: Some(at(10)),
            stopped_at: Some(at(20)),
            tracks: vec![track],
            ..ToldTimes::default()
        };
        let told = Fact::TimesTold { recording: id(), session: RsId(1), times };
        let raw = Fact::attachment((id(), RsId(1)), "application/gtd".into(), None, b"five!");
        let view = folded(&[joined(1, "a"), told, raw.clone()]);
        assert_eq!((view.sessions[0].started_at, view.sessions[0].stopped_at), (Some(at(10)), Some(at(20))));
        assert_eq!((view.attachments[0].content_type.as_str(), view.attachments[0].bytes), ("application/gtd", 5));
        let actor = model::Actor::system();
        let gone = folded(&[joined(1, "a"), raw, Fact::RecordingDeleted { recording: id(), actor, reason: None }]);
        assert!(gone.attachments.is_empty() && gone.sessions.is_empty());
        assert_eq!(octets_of_base64(Personal::new("aGk=".to_owned()).reveal()), 2);
    }
}
