//! After the chaos: is everything there that was promised, can it be heard, and is the rest told as a gap?

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use serde_json::Value;

use super::{
    clerk::Entry,
    frames::Frames,
    ledger::{Book, Gap, Kept},
    swarm::Placed,
};
use crate::{Client, Node, wait, wav::Wav};

/// One life that ended badly and the beginning of the next, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// The process was there for the last time.
    pub killed: u64,
    /// The next one was started.
    pub started: u64,
    /// It was ready.
    pub ready: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Sessions whose 200 was seen, by clerks and swarm.
    pub promised: usize,
    /// Calls hung up in order, in no crash.
    pub whole: usize,
    /// Calls that a crash went through.
    pub crashed: usize,
    /// Of these: still recorded afterwards, in the same recording.
    pub resumed: usize,
    /// Calls that went on for a while on both sides of a crash, and were not recorded afterwards.
    pub given_up: Vec<String>,
    /// Milliseconds lost before a kill, one a track.
    pub lost_ms: Vec<u64>,
    /// Milliseconds from the start of the next process to the first packet kept.
    pub back_ms: Vec<u64>,
    /// Recordings read back.
    pub heard: usize,
    /// What is wrong.
    pub faults: Vec<String>,
}

/// Waits until nothing is live and everything that ended is archived.
///
/// # Panics
/// When that does not happen.
pub fn settle(node: &Node, seconds: u64) -> Book {
    let mut left = String::new();
    for _ in 0..seconds {
        let count = |name: &str| node.metric(name).round() as i64;
        let live = count("recorder_recordings_live");
        let pending = count("recorder_archive_pending");
        let lag = count("recorder_catalog_lag_facts");
        let book = Book::read(&node.data());
        let behind = book.recordings.iter().filter(|(_, kept)| !kept.is_over() && !kept.is_nothing());
        let behind: Vec<&String> = behind.map(|(id, _)| id).collect();
        if live == 0 && pending == 0 && lag == 0 && behind.is_empty() {
            return book;
        }
        left = format!("{live} live, {pending} pending, {lag} facts behind, not over: {behind:?}");
        wait::pass(std::time::Duration::from_secs(1));
    }
    let log = node.log();
    let tail: Vec<&str> = log.lines().rev().take(30).collect();
    panic!("{seconds} s have passed and not all is in the archive: {left}\n{}", tail.join("\n"));
}

impl Kept {
    /// The archive has the last word on it.
    pub const fn is_over(&self) -> bool {
        self.is_archived || self.failed.is_some()
    }

    /// It was cancelled before anything was in it: the fold of its end leaves no recording.
    fn is_nothing(&self) -> bool {
        self.is_ended && self.is_not_established
    }
}

impl Verdict {
    /// Compares the promises with what is there.
    pub fn of(
        node: &Node,
        client: &Client,
        book: &Book,
        placed: &[Placed],
        entries: &[Entry],
        crashes: &[Crash],
    ) -> Self {
        let mut verdict = Self::default();
        for (id, kept) in &book.recordings {
            if let Some(cause) = &kept.failed {
                verdict.fault(format!("{id} failed: {cause}"));
            }
        }
        for entry in entries {
            verdict.clerk(book, entry);
        }
        for call in placed.iter().filter(|call| call.is_set_up()) {
            verdict.call(&Ear { client, placed }, book, call, crashes);
        }
        let (code, output, errors) = node.run(&["verify"]);
        if code != 0 {
            verdict.fault(format!("verify ends with {code}: {output}{errors}"));
        }
        verdict
    }

    fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    /// Answered means written down; hung up means archived.
    fn clerk(&mut self, book: &Book, entry: &Entry) {
        if entry.answered.is_none() {
            return;
        }
        self.promised += 1;
        let found = book.of_call(&entry.call_id);
        if found.is_empty() {
            self.fault(format!(
                "{}: its INVITE was answered with 200, and the ledger knows nothing of it",
                entry.call_id
            ));
        }
        for (id, kept) in found {
            if !kept.is_archived {
                self.fault(format!("{id}: a session of a clerk is not archived: {kept:?}"));
            }
        }
    }

    /// What was said in the last moment before a kill may be lost, of a call that is over by then as well.
    fn call(&mut self, ear: &Ear<'_>, book: &Book, call: &Placed, crashes: &[Crash]) {
        let mut ids = BTreeMap::new();
        for dialog in call.dialogs() {
            self.promised += 1;
            let found = book.of_call(&dialog.call_id);
            if found.is_empty() {
                self.fault(format!("call {}: answered with 200, and the ledger knows nothing of it", call.number));
            }
            ids.extend(found);
        }
        let through: Vec<&Crash> =
            crashes.iter().filter(|crash| call.overlaps(crash.killed - SETTLED, crash.ready)).collect();
        if through.is_empty() {
            self.whole += 1;
            match (ids.len(), ids.into_iter().next()) {
                (1, Some((id, kept))) => self.whole_call(ear, id, kept, call),
                (count, _) => self.fault(format!("call {} ({}) has {count} recordings", call.number, call.what)),
            }
        } else {
            self.crashed += 1;
            for (id, kept) in &ids {
                if !kept.is_archived {
                    self.fault(format!("{id}: a call that a crash went through is not archived"));
                }
                self.crashed_call(ear, (id, kept), call, &through);
            }
        }
    }

    /// No crash: every frame is there.
    fn whole_call(&mut self, ear: &Ear<'_>, id: &str, kept: &Kept, call: &Placed) {
        if !call.is_ok() {
            return self.fault(format!("call {} ({}): {:?}", call.number, call.what, call.report));
        }
        // What came to an end on the wire may not have been written down as ended when a crash came: a gap after the last
        // word takes nothing away.
        let is_after = |gap: &Gap| gap.cause == "crash" && gap.from + SETTLED > call.span.1;
        let is_meant = |gap: &Gap| matches!(gap.cause.as_str(), "paused" | "hold");
        if let Some(gap) = kept.gaps.iter().find(|gap| !is_meant(gap) && !is_after(gap)) {
            self.fault(format!("call {} ({}), {id}: {gap:?}", call.number, call.what));
        }
        for (side, frames) in self.compare(ear, (id, kept), call) {
            if !frames.missing.is_empty() || frames.foreign > 0 {
                self.fault(format!("call {} ({}), {id}, {side}: {frames:?}", call.number, call.what));
            }
        }
    }

    /// Nothing foreign, and no more missing runs than crashes.
    fn crashed_call(&mut self, ear: &Ear<'_>, recording: (&str, &Kept), call: &Placed, through: &[&Crash]) {
        let (id, kept) = recording;
        if !kept.is_archived || kept.packets.values().sum::<u64>() == 0 {
            return;
        }
        let story = story(recording, call, through);
        for (side, frames) in self.compare(ear, (id, kept), call) {
            if frames.foreign > 0 || frames.runs().len() > through.len() {
                let (runs, foreign) = (frames.runs(), frames.foreign);
                self.fault(format!("{story}; {side}: missing frames {runs:?}, foreign octets {foreign}"));
            }
        }
        let gaps: Vec<&Gap> = kept.gaps.iter().filter(|gap| gap.cause == "crash").collect();
        // A track that goes on has another number and the same channel.
        let channels: std::collections::BTreeSet<&u64> = kept.channels.values().collect();
        let is_resumed = kept.channels.len() > channels.len();
        for gap in gaps {
            let mut covered = through.iter().filter(|crash| gap.covers(crash.killed));
            let Some(first) = covered.next() else { continue };
            // A process that did not live to hear anything is part of the gap.
            let last = covered.next_back().unwrap_or(first);
            // Only while sound is sent can any be lost, or come again; a pause would count as lost.
            if call.sends_until() > first.killed && !call.pauses {
                self.lost_ms.push(first.killed.saturating_sub(gap.from) / 1_000_000);
            }
            if is_resumed && !call.pauses && call.sends_until() > last.ready && gap.to > last.started {
                self.back_ms.push((gap.to - last.started) / 1_000_000);
            }
        }
        self.resumed += usize::from(is_resumed);
        let went_on =
            |crash: &&&Crash| call.set_up_by() + SETTLED < crash.killed && call.span.1 > crash.ready + SETTLED;
        if !is_resumed && call.is_set_up() && through.iter().any(|crash| went_on(&crash)) {
            self.given_up.push(story);
        }
    }

    fn compare(&mut self, ear: &Ear<'_>, recording: (&str, &Kept), call: &Placed) -> Vec<(&'static str, Frames)> {
        let (id, kept) = recording;
        let shown: Value = ear.client.get(&format!("/recordings/{id}")).json();
        let answer = ear.client.get(&format!("/recordings/{id}/audio?format=wav"));
        if answer.status != 200 {
            self.fault(format!("{id} cannot be heard: {}", String::from_utf8_lossy(&answer.body)));
            return Vec::new();
        }
        self.heard += 1;
        let wav = Wav::read(&answer.body);
        let caller = format!("82{:06}", call.number);
        let mut sides = Vec::new();
        for (side, number) in [("left", caller.as_str()), ("right", "7002")] {
            let is_its = |track: &&Value| track["party"].as_str().is_some_and(|party| party.contains(number));
            let tracks = shown["tracks"].as_array().into_iter().flatten();
            let track = tracks.filter(is_its).find_map(|track| track["track"].as_u64());
            if let Some(channel) = track.and_then(|track| kept.channels.get(&track)) {
                let channel = wav.channel((*channel).min(u64::from(wav.channels) - 1) as usize);
                let frames = Frames::compare(&call.sent(side), &channel, 0xff);
                if frames.foreign > 0 {
                    self.fault(format!(
                        "{id}, {side}: {} octets are not its own; {}",
                        frames.foreign,
                        ear.whose(&channel)
                    ));
                }
                sides.push((side, frames));
            }
        }
        sides
    }

    /// Calls that live through a kill go on in the same recording. What is lost before it and how soon sound comes again
    /// is a figure (issue 3: 200 ms and 2 s), which a busy machine stretches: the middle must hold here.
    ///
    /// # Panics
    /// When one did not.
    pub fn assert_resumed(&self) {
        assert!(self.given_up.is_empty(), "{self}:\n{}", self.given_up.join("\n"));
        let middle = |values: &[u64]| {
            let mut sorted = values.to_vec();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or(0)
        };
        assert!(middle(&self.lost_ms) <= 200 && middle(&self.back_ms) <= 2_000, "{self}");
    }

    /// # Panics
    /// When anything is wrong.
    pub fn assert_good(&self) {
        let shown = self.faults.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.faults.is_empty(), "{} faults, {self}:\n{shown}", self.faults.len());
    }
}

/// Who listens to the recordings, and knows everything that was said.
struct Ear<'a> {
    client: &'a Client,
    placed: &'a [Placed],
}

impl Ear<'_> {
    /// Whose sound stands in a channel.
    fn whose(&self, channel: &[u8]) -> String {
        let mut found = Vec::new();
        for call in self.placed.iter().filter(|call| call.is_set_up()) {
            for side in ["left", "right"] {
                let frames = Frames::compare(&call.sent(side), channel, 0xff);
                if frames.missing.len() < frames.loud {
                    let there = frames.loud - frames.missing.len();
                    found.push(format!("{there} frames of {side} of call {} ({})", call.number, call.what));
                }
            }
        }
        format!("it has {}", found.join(", "))
    }
}

/// What went on in a call that a crash went through, in milliseconds since its first INVITE.
fn story((id, kept): (&str, &Kept), call: &Placed, through: &[&Crash]) -> String {
    let ms = |at: u64| at.saturating_sub(call.span.0) / 1_000_000;
    let kills: Vec<_> = through.iter().map(|crash| [crash.killed, crash.started, crash.ready].map(ms)).collect();
    let gaps: Vec<_> = kept.gaps.iter().map(|gap| (gap.track, ms(gap.from), ms(gap.to), &gap.cause)).collect();
    let set_up: Vec<u64> = call.dialogs().map(|dialog| dialog.setup_ms).collect();
    format!(
        "call {} ({}), {id}: set up in {set_up:?}, over after {}; kills {kills:?}; gaps {gaps:?}; packets {:?}",
        call.number,
        call.what,
        ms(call.span.1),
        kept.packets,
    )
}

/// A call that is so far from its beginning and its end is set up and still there (nanoseconds).
const SETTLED: u64 = 1_000_000_000;

impl Gap {
    /// Whether that instant lies in it, within what a clock and a packet differ.
    pub const fn covers(&self, at: u64) -> bool {
        self.from <= at + 100_000_000 && at <= self.to
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sessions promised, {} calls whole, {} went through a crash, {} of them resumed, {} read back; lost before \
             a kill p50/p99/max {} ms, receiving again after {} ms",
            self.promised,
            self.whole,
            self.crashed,
            self.resumed,
            self.heard,
            quantiles(&self.lost_ms),
            quantiles(&self.back_ms)
        )
    }
}

fn quantiles(values: &[u64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)));
    match (at(50), at(99), sorted.last()) {
        (Some(half), Some(most), Some(all)) => format!("{half}/{most}/{all} (of {})", sorted.len()),
        _ => "-".to_owned(),
    }
}
