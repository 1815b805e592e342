//! What the ledger of a node says, read as text by somebody who knows only its documented form.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

/// What is known of one recording.
#[derive(Debug, Default, Clone)]
pub struct Kept {
    /// Call-IDs of its sessions.
    pub call_ids: BTreeSet<String>,
    /// The channel of each track.
    pub channels: BTreeMap<u64, u64>,
    /// Packets of each track, as surveyed when it was rendered, else as counted.
    pub packets: BTreeMap<u64, u64>,
    /// Gaps.
    pub gaps: Vec<Gap>,
    /// It has ended.
    pub is_ended: bool,
    /// It ended before its first session was established.
    pub is_not_established: bool,
    /// The archive has it.
    pub is_archived: bool,
    /// Why it failed.
    pub failed: Option<String>,
    /// Milliseconds, once ended.
    pub duration_ms: u64,
}

/// A span without sound, in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its track.
    pub track: u64,
    /// From here.
    pub from: u64,
    /// To there.
    pub to: u64,
    /// Why.
    pub cause: String,
}

/// Everything of a ledger.
#[derive(Debug, Default)]
pub struct Book {
    /// By recording id.
    pub recordings: BTreeMap<String, Kept>,
    by_call: BTreeMap<String, BTreeSet<String>>,
}

impl Book {
    /// Reads the ledger of a data folder; a torn last line is nothing yet.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(data: &Path) -> Self {
        let text = std::fs::read(data.join("ledger/ledger.jsonl")).expect("a ledger");
        let mut book = Self::default();
        for line in text.split(|octet| *octet == b'\n') {
            if let Ok(line) = serde_json::from_slice::<Value>(line)
                && let Some(id) = line["fact"]["recording"].as_str()
            {
                book.learn(id, &line["fact"]);
            }
        }
        book
    }

    /// The recordings that the session with that Call-ID is part of.
    pub fn of_call(&self, call_id: &str) -> Vec<(&str, &Kept)> {
        let ids = self.by_call.get(call_id).into_iter().flatten();
        ids.map(|id| (id.as_str(), &self.recordings[id])).collect()
    }

    fn learn(&mut self, id: &str, fact: &Value) {
        let kept = self.recordings.entry(id.to_owned()).or_default();
        let number = |key: &str| fact[key].as_u64().unwrap_or(0);
        match fact["fact"].as_str().unwrap_or_default() {
            "session_joined" => {
                let call_id = fact["call_id"].as_str().unwrap_or_default().to_owned();
                kept.call_ids.insert(call_id.clone());
                self.by_call.entry(call_id).or_default().insert(id.to_owned());
            }
            "track_opened" => drop(kept.channels.insert(number("track"), number("channel"))),
            "track_closed" => {
                let track = number("track");
                kept.packets.insert(track, fact["counters"]["received"].as_u64().unwrap_or(0));
                kept.gaps.extend(gaps(track, fact));
            }
            "track_surveyed" => {
                let track = number("track");
                kept.packets.insert(track, number("packets"));
                let known: Vec<Gap> = kept.gaps.clone();
                kept.gaps.extend(gaps(track, fact).into_iter().filter(|gap| !known.contains(gap)));
            }
            "recording_ended" => {
                kept.is_ended = true;
                kept.is_not_established = fact["cause"] == "not_established";
                kept.duration_ms = number("duration_ms");
            }
            "recording_archived" => {
                kept.is_archived = true;
                kept.duration_ms = number("duration_ms");
            }
            "recording_failed" => kept.failed = Some(fact["cause"].to_string()),
            _ => {}
        }
    }
}

fn gaps(track: u64, fact: &Value) -> Vec<Gap> {
    let nanos = |gap: &Value, key: &str| gap[key].as_u64().unwrap_or(0);
    let gap = |gap: &Value| Gap {
        track,
        from: nanos(gap, "from"),
        to: nanos(gap, "to"),
        cause: gap["cause"].as_str().unwrap_or_default().to_owned(),
    };
    fact["gaps"].as_array().into_iter().flatten().map(gap).collect()
}
