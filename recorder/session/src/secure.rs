//! What protects a line: keys by SDES, the terms of a handshake, and the keys that came of it.

use model::{DtlsTerms, Order, Secret, SrtpKeys, TrackKeys};
use signaling_core::event::{Dtls, Line, Sdes};

use crate::{
    core::{Core, Step},
    state::SlotTrack,
};

impl Core {
    /// The handshake of a line gave keys: with them the line goes on after a crash, whose peer would not begin anew.
    pub(crate) fn keyed(&mut self, keys: TrackKeys, step: &mut Step<'_>) {
        let TrackKeys { track: id, remote, local } = keys;
        let Some(recording) = self.recordings.get(&id.recording) else { return };
        let sessions: Vec<_> = recording.sessions.iter().copied().collect();
        for session in sessions {
            let lines = self.sessions.get_mut(&session).into_iter().flat_map(|session| &mut session.lines);
            let mut tracks = lines.filter_map(|slot| slot.track.as_mut());
            if let Some(track) = tracks.find(|track| track.no == id.no && track.dtls.is_some()) {
                let SrtpKeys { suite, key_salt, mki } = remote;
                track.remote = Some(Sdes { tag: 0, suite, key_salt: key_salt.reveal().to_vec(), mki });
                track.local_key = Some(local.key_salt);
                return step.out.orders.push(Order::KeepState { recording: id.recording });
            }
        }
    }
}

/// A key of our own, as long as the chosen suite wants it: fresh for every line (RFC 4568 6.1).
pub(crate) fn own_key(line: &Line, step: &mut Step<'_>) -> Option<Secret> {
    let sdes = line.sdes.as_ref()?;
    // In an offer of ours it was said before anything was chosen.
    if let Some(said) = &line.own_key {
        return Some(Secret::new(said.0.clone()));
    }
    let mut key = vec![0; sdes.key_salt.len()];
    step.entropy.fill(&mut key);
    Some(Secret::new(key))
}

pub(crate) fn remote_keys(sdes: &Sdes) -> SrtpKeys {
    SrtpKeys { suite: sdes.suite.clone(), key_salt: Secret::new(sdes.key_salt.clone()), mki: sdes.mki.clone() }
}

/// Whether only SRTP is taken on the line: it has keys, or waits for those of a handshake.
pub(crate) fn is_protected(track: &SlotTrack) -> bool {
    track.remote.is_some() || track.dtls.is_some()
}

pub(crate) fn dtls_terms(dtls: &Dtls) -> DtlsTerms {
    let fingerprints = dtls.fingerprints.iter().map(|fingerprint| fingerprint.0.clone()).collect();
    DtlsTerms { is_client: dtls.is_client, fingerprints }
}

pub(crate) fn local_keys(track: &SlotTrack) -> Option<SrtpKeys> {
    let (key, remote) = track.local_key.clone().zip(track.remote.as_ref())?;
    Some(SrtpKeys { suite: remote.suite.clone(), key_salt: key, mki: None })
}

/// The terms of a new handshake, when the offer asks for another one (RFC 5763 6.6). What the one before gave stays in
/// force until then, here and in capture.
pub(crate) fn rehandshaken(track: &mut SlotTrack, line: &Line) -> Option<DtlsTerms> {
    if line.dtls == track.dtls {
        return None;
    }
    track.dtls.clone_from(&line.dtls);
    line.dtls.as_deref().map(dtls_terms)
}
