//! What the last life of this node left: recordings that were live become whole up to their last chunk with a gap
//! `crash`; recordings that ended go on to the archive; spool that the archive holds is freed.

use std::collections::{BTreeMap, BTreeSet};

use model::{EndCause, Fact, Gap, GapCause, RecordingId, Timestamp, TrackClosed};
use storage::{Recovered, Spool, SpoolError};
use storage_core::view::{RecordingView, State};

/// What is to be done before the first new call.
#[derive(Default)]
pub(crate) struct Recovery {
    /// To be committed first.
    pub(crate) facts: Vec<Fact>,
    /// Ended, to be finished, as they were before those facts.
    pub(crate) unfinished: Vec<RecordingView>,
    /// In the spool, but neither unfinished nor failed: the archive has them, or they were destroyed, or nothing was
    /// ever promised of them (no fact, so no answer).
    pub(crate) stale: Vec<RecordingId>,
}

/// Decides from the recovered ledger and the spool. A ledger whose end is disputed frees nothing.
pub(crate) fn recover(node: &str, recovered: Recovered, spool: &Spool, now: Timestamp) -> Result<Recovery, SpoolError> {
    let mut recovery = Recovery::default();
    let live: Vec<_> = recovered.unfinished.iter().filter(|view| view.state == State::Live).collect();
    recovery.facts.push(Fact::NodeStarted {
        node: node.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        interrupted: live.iter().map(|view| view.id).collect(),
    });
    for view in live {
        close(view, spool, now, &mut recovery.facts)?;
    }
    if !recovered.is_disputed && recovered.damaged_lines == 0 {
        let known: BTreeSet<_> = recovered.unfinished.iter().chain(&recovered.failed).map(|view| view.id).collect();
        recovery.stale = spool.recordings()?.into_iter().filter(|id| !known.contains(id)).collect();
    }
    recovery.unfinished = recovered.unfinished;
    Ok(recovery)
}

/// The facts that the crash kept from being written.
fn close(view: &RecordingView, spool: &Spool, now: Timestamp, facts: &mut Vec<Fact>) -> Result<(), SpoolError> {
    let kept = chunks(view.id, spool)?;
    let mut last = view.started_at;
    for track in view.tracks.iter().filter(|track| track.chunks.is_none()) {
        let (chunks, until) = kept.get(&track.no.0).copied().unwrap_or((0, track.opened_at.nanos()));
        let from = Timestamp::from_nanos(until);
        last = last.max(from);
        let mut gaps = track.gaps.clone();
        gaps.push(Gap { from, to: now, cause: GapCause::Crash });
        facts.push(Fact::TrackClosed(TrackClosed {
            recording: view.id,
            track: track.no,
            counters: track.counters.unwrap_or_default(),
            gaps,
            chunks,
        }));
    }
    let duration_ms = last.millis_since(view.started_at);
    let (recording, ended_at) = (view.id, last);
    facts.push(Fact::RecordingEnded { recording, ended_at, duration_ms, cause: EndCause::Crash });
    Ok(())
}

/// Chunks of each track in the spool, and when its last packet came.
fn chunks(id: RecordingId, spool: &Spool) -> Result<BTreeMap<u16, (u32, u64)>, SpoolError> {
    let mut kept = BTreeMap::new();
    if !spool.recordings()?.contains(&id) {
        return Ok(kept);
    }
    let mut reader = spool.read(id)?;
    while let Some((header, _)) = reader.next_chunk()? {
        let entry = kept.entry(header.track).or_insert((0, header.last_nanos));
        entry.0 += 1;
        entry.1 = entry.1.max(header.last_nanos);
    }
    Ok(kept)
}
