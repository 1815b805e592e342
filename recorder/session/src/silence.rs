//! Lines on which nothing comes: when all of a session are silent, its peer is asked whether it is still there. A lost BYE
//! is found so where no session timer runs; a peer that answers may be silent as long as it likes.

use model::{EndCause, Order, RsId, TrackId};
use signaling_core::event::Warning;

use crate::core::{Core, Step};

impl Core {
    /// Nothing came on a track for the time that is allowed, or for that time once more.
    pub(crate) fn silent(&mut self, id: TrackId, step: &mut Step<'_>) {
        self.warn(id.recording, &Warning::new("media_silent"), step);
        let Some(recording) = self.recordings.get_mut(&id.recording) else { return };
        if let Some(track) = recording.tracks.get_mut(&id.no) {
            track.is_silent = true;
        }
        let of = |session: &RsId| {
            let lines = self.sessions.get(session).into_iter().flat_map(|session| &session.lines);
            lines.filter_map(|slot| slot.track.as_ref()).any(|track| track.no == id.no)
        };
        let session = recording.sessions.iter().copied().find(of);
        if let Some(session) = session.filter(|session| self.is_silent(*session)) {
            step.out.orders.push(Order::CheckPeer { session });
        }
    }

    /// Something came on a track, for the first time or again.
    pub(crate) fn sounding(&mut self, id: TrackId) {
        let recording = self.recordings.get_mut(&id.recording);
        if let Some(track) = recording.and_then(|recording| recording.tracks.get_mut(&id.no)) {
            track.is_silent = false;
        }
    }

    /// The peer of a session gives no answer, or knows nothing of it. While anything is heard of it, it goes on.
    pub(crate) fn unreachable(&mut self, id: RsId, step: &mut Step<'_>) {
        if self.is_silent(id) {
            step.out.orders.push(Order::HangUp { session: id });
            self.ended(id, EndCause::Silence, Some("no media, and no answer of the peer".to_owned()), step);
        }
    }

    /// Whether nothing comes on any line on which something should: one that is held or paused says nothing.
    fn is_silent(&self, id: RsId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let Some(recording) = self.recordings.get(&session.recording) else { return false };
        let tracks = session.lines.iter().filter_map(|slot| slot.track.as_ref());
        let mut expected = tracks.filter(|track| track.quiet_since.is_none()).peekable();
        expected.peek().is_some()
            && expected.all(|track| recording.tracks.get(&track.no).is_some_and(|state| state.is_silent))
    }
}
