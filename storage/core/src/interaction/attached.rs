//! The user data of an interaction as it came: who told which value of which key when, each once.

use std::collections::BTreeMap;

use model::{Personal, RecordingId, Timestamp};
use serde::Serialize;

use crate::{limits::USER_DATA_TOLD_PER_INTERACTION, view::RecordingView};

/// One value of one key.
#[derive(Serialize)]
pub(super) struct Attached<'a> {
    /// From when it counts.
    at: String,
    key: &'a str,
    value: &'a str,
    /// Who told it.
    sources: Vec<&'a str>,
    /// Of whose call it is.
    recordings: Vec<RecordingId>,
}

/// What makes two tellings one.
type What<'a> = (Timestamp, &'a str, &'a Personal<String>);

/// The values by their times, and how many more there were. What two recordings of a call, or two sources at the same time,
/// tell alike is one.
pub(super) fn merge(views: &[RecordingView]) -> (Vec<Attached<'_>>, usize) {
    let mut told = BTreeMap::<What<'_>, (Vec<&str>, Vec<RecordingId>)>::new();
    for view in views {
        for one in &view.user_data_told {
            let (sources, recordings) = told.entry((one.at, &one.key, &one.value)).or_default();
            if !sources.contains(&one.source.as_str()) {
                sources.push(&one.source);
            }
            if recordings.last() != Some(&view.id) {
                recordings.push(view.id);
            }
        }
    }
    let left_out = told.len().saturating_sub(USER_DATA_TOLD_PER_INTERACTION);
    let attached = told.into_iter().take(USER_DATA_TOLD_PER_INTERACTION).map(|(what, (mut sources, recordings))| {
        let (at, key, value) = what;
        sources.sort_unstable();
        Attached { at: at.to_string(), key, value: value.reveal(), sources, recordings }
    });
    (attached.collect(), left_out)
}
