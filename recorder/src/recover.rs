//! What the last life of this node left: recordings that were live go on, with a gap `crash`, where their state was
//! kept, and else become whole up to their last chunk; recordings that ended go on to the archive; spool that the
//! archive holds is freed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{EndCause, Fact, Gap, GapCause, Order, Party, RecordingId, RsId, Timestamp, TrackClosed, TrackId};
use session::{Core, Found, Input, Output, Over, Words};
use signaling_core::{endpoint::DialogState, tlib::event::CallIds};
use storage::{Recovered, Spool, SpoolError};
use storage_core::{
    fold,
    view::{RecordingView, State},
};

use crate::{
    keyring::Keyring,
    session_thread::Mailbox,
    states::{self, Kept},
};

/// What is to be done before the first new call.
#[derive(Default)]
pub(crate) struct Recovery {
    /// To be committed first.
    pub(crate) facts: Vec<Fact>,
    /// Then to be carried out: the ports of live recordings, bound again.
    pub(crate) orders: Vec<Order>,
    /// Ended, to be finished.
    pub(crate) unfinished: Vec<RecordingView>,
    /// Live again.
    pub(crate) live: Vec<RecordingId>,
    /// What is known of all that is not archived.
    pub(crate) views: Vec<RecordingView>,
    /// Their states, as read.
    pub(crate) states: Vec<(RecordingId, Kept)>,
    /// Their dialogs.
    pub(crate) dialogs: Vec<DialogState>,
    /// Their tracks until now, whose end the spool knows.
    pub(crate) interrupted: BTreeMap<RecordingId, Vec<TrackId>>,
    /// In the spool, but neither unfinished nor failed: the archive has them, or they were destroyed, or nothing was
    /// ever promised of them (no fact, so no answer).
    pub(crate) stale: Vec<RecordingId>,
}

/// What there is to recover with.
pub(crate) struct Means<'a> {
    pub(crate) spool: &'a Spool,
    pub(crate) keyring: &'a Keyring,
    pub(crate) entropy: &'a mut dyn model::Entropy,
    pub(crate) now: Timestamp,
}

/// Decides from the recovered ledger, the states and the spool; what goes on goes on in `core`. A ledger whose end is
/// disputed frees nothing.
pub(crate) fn recover(
    node: &str,
    recovered: Recovered,
    core: &mut Core,
    means: &mut Means<'_>,
) -> Result<Recovery, SpoolError> {
    let mut recovery = Recovery::default();
    let Recovered { unfinished, failed, is_disputed, damaged_lines, .. } = recovered;
    let mut states: HashMap<RecordingId, Vec<u8>> = means.spool.states().into_iter().collect();
    if !is_disputed && damaged_lines == 0 {
        let known: BTreeSet<_> = unfinished.iter().chain(&failed).map(|view| view.id).collect();
        let found: BTreeSet<_> = means.spool.recordings()?.into_iter().chain(states.keys().copied()).collect();
        recovery.stale = found.difference(&known).copied().collect();
    }
    let (live, ended): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(|view| view.state == State::Live);
    recovery.facts.push(Fact::NodeStarted {
        node: node.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        interrupted: live.iter().map(|view| view.id).collect(),
    });
    // Those that ended shortly before, perhaps in a start that was cut off as well, may still be sent to.
    let sent_to = live.iter().chain(&ended).flat_map(|view| &view.tracks).map(|track| track.port);
    let sent_to: BTreeSet<u16> = sent_to.collect();
    let (provisional, ended): (Vec<_>, Vec<_>) = ended.into_iter().partition(|view| view.is_provisional);
    recovery.unfinished = ended;
    for view in provisional {
        take_up(&view, core, means, &mut recovery);
        recovery.views.push(view);
    }
    for view in live {
        let state = states.remove(&view.id);
        if let Some(view) = resume(view, state, core, means, &mut recovery) {
            let facts = close(&view, means.spool, means.now)?;
            recovery.unfinished.push(folded(view, &facts));
            recovery.facts.extend(facts);
        }
    }
    core.rest_ports(&sent_to, means.entropy);
    recovery.views.extend(recovery.unfinished.iter().cloned().chain(failed));
    Ok(recovery)
}

fn folded(view: RecordingView, facts: &[Fact]) -> RecordingView {
    let (before, mut view) = (view.clone(), Some(view));
    facts.iter().for_each(|fact| fold::apply(&mut view, fact));
    view.unwrap_or(before)
}

/// Whoever asks for it in time still keeps it.
fn take_up(view: &RecordingView, core: &mut Core, means: &mut Means<'_>, recovery: &mut Recovery) {
    let ids = CallIds {
        call_uuid: view.call_uuid.clone(),
        conn_id: view.conn_id.clone(),
        previous_conn_id: None,
        record_id: view.record_id.clone(),
    };
    let ended_at = view.ended_at.unwrap_or(means.now);
    let key = [&view.call_uuid, &view.conn_id, &view.record_id].into_iter().flatten().next();
    let mut words = Words { profiles: vec![view.profile.clone()], ..Words::default() };
    words.sample_key = key.cloned().unwrap_or_default();
    let addresses = |party: &Party| -> Vec<String> {
        std::iter::once(&party.address).chain(&party.also).map(|address| address.reveal().clone()).collect()
    };
    view.parties.iter().flat_map(addresses).for_each(|address| words.dn(&address));
    view.user_data.iter().for_each(|(key, value)| words.data(key, value));
    let over = Over { recording: view.id, ids, words, began: view.started_at, ended_at };
    let mut out = Output::default();
    core.take_up_provisional(over, means.now, means.entropy, &mut out);
    recovery.facts.append(&mut out.facts);
}

/// Takes a live recording up again; gives it back when that cannot be done.
fn resume(
    view: RecordingView,
    state: Option<Vec<u8>>,
    core: &mut Core,
    means: &mut Means<'_>,
    recovery: &mut Recovery,
) -> Option<RecordingView> {
    let id = view.id;
    let Some(state) = state else { return Some(view) };
    let opened = means.keyring.reopen(id).and_then(|()| states::open(means.keyring, id, &state));
    let kept = match opened {
        Ok(kept) => kept,
        Err(cause) => {
            tracing::warn!(recording = %id, %cause, "the state of a live recording cannot be used: it is closed");
            return Some(view);
        }
    };
    let found = kept.recording.as_ref().and_then(|state| Found::read(state.reveal()));
    let Some(mut found) = found.filter(|found| found.recording() == id) else {
        tracing::warn!(recording = %id, "the state of a live recording is of another version: it is closed");
        return Some(view);
    };
    let dialogs = kept.read_dialogs();
    found.dialogs = dialogs.iter().map(|dialog| RsId(dialog.dialog.0)).collect();
    found.tracks = view.tracks.iter().map(|track| (track.no, track.chunks)).collect();
    let mut out = Output::default();
    let Some(restored) = core.restore(found, means.now, means.entropy, &mut out) else { return Some(view) };
    tracing::info!(recording = %id, "goes on after the crash");
    let goes_on = |dialog: &DialogState| restored.sessions.contains(&RsId(dialog.dialog.0));
    recovery.dialogs.extend(dialogs.into_iter().filter(goes_on));
    recovery.interrupted.insert(id, restored.interrupted);
    recovery.live.push(id);
    recovery.views.push(folded(view, &out.facts));
    recovery.states.push((id, kept));
    recovery.facts.append(&mut out.facts);
    recovery.orders.append(&mut out.orders);
    None
}

/// The facts that the crash kept from being written.
fn close(view: &RecordingView, spool: &Spool, now: Timestamp) -> Result<Vec<Fact>, SpoolError> {
    let survey = spool.survey(view.id)?;
    let (mut last, mut facts) = (view.started_at, Vec::new());
    for track in view.tracks.iter().filter(|track| track.chunks.is_none()) {
        let kept = survey.tracks.get(&track.no);
        let from = kept.map_or(track.opened_at, |kept| Timestamp::from_nanos(kept.last_nanos));
        last = last.max(from);
        let mut gaps = track.gaps.clone();
        gaps.push(Gap { from, to: now, cause: GapCause::Crash });
        facts.push(Fact::TrackClosed(TrackClosed {
            recording: view.id,
            track: track.no,
            counters: track.counters.unwrap_or_default(),
            gaps,
            chunks: kept.map_or(0, |kept| kept.chunks),
        }));
    }
    let duration_ms = last.millis_since(view.started_at);
    let (recording, ended_at) = (view.id, last);
    facts.push(Fact::RecordingEnded { recording, ended_at, duration_ms, cause: EndCause::Crash });
    Ok(facts)
}

/// Finds out, beside the live calls, what the spool holds of the tracks that were cut off. A recording cannot end before
/// its part of this was told, so every one is, readable or not.
pub(crate) fn survey(spool: &Spool, interrupted: BTreeMap<RecordingId, Vec<TrackId>>, mailbox: &Mailbox) {
    for (id, tracks) in interrupted {
        let survey = spool.survey(id).unwrap_or_else(|error| {
            tracing::error!(recording = %id, %error, "the spool of an interrupted recording cannot be read");
            Default::default()
        });
        for track in tracks {
            let kept = survey.tracks.get(&track.no);
            let (chunks, last) =
                kept.map_or((0, None), |kept| (kept.chunks, Some(Timestamp::from_nanos(kept.last_nanos))));
            if !mailbox.send(Input::Surveyed { track, chunks, last }) {
                return;
            }
        }
    }
}
