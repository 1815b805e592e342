//! Verdicts on calls as facts tell of them, and a day of 100,000 calls with planted defects.

mod day;
mod verdicts;

use std::collections::BTreeMap;

use model::{
    Actor, CallSeen, Cdr, CdrBatch, EndCause, Expectation, Fact, Gap, GapCause, Party, Personal, RecordingId,
    RecordingOpened, Timestamp, TrackClosed, TrackCounters, TrackNo,
};

use super::{Book, Day, JudgedCall, Outcome, Settings, Verdict, Why};

/// 2026-11-21T10:00:00Z.
const TEN: u64 = 1_795_255_200_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn day() -> Day {
    Day::of(at(TEN))
}

fn id(number: u64) -> RecordingId {
    let mut octets = [7; 16];
    octets[8..].copy_from_slice(&number.to_be_bytes());
    RecordingId::from_bytes(octets)
}

fn personal(texts: &[&str]) -> Vec<Personal<String>> {
    texts.iter().map(|text| Personal::new((*text).to_owned())).collect()
}

/// A call of a minute, answered after five seconds, that was to be recorded.
fn call(uuid: &str, start: u64) -> CallSeen {
    CallSeen {
        call_uuid: Some(uuid.into()),
        dns: personal(&["7001"]),
        ani: Some(Personal::new("0301234".to_owned())),
        started_at: at(start),
        answered_at: Some(at(start + 5_000)),
        ended_at: Some(at(start + 60_000)),
        expectation: Expectation::Record,
        rule: Some("all".into()),
        source: "tlib:0".into(),
        ..CallSeen::default()
    }
}

/// A book with the facts told to it.
#[derive(Debug)]
struct World {
    book: Book,
    now: u64,
}

impl World {
    fn new(settings: Settings) -> Self {
        Self { book: Book::new(settings), now: TEN + 3_600_000 }
    }

    fn tell(&mut self, fact: &Fact) {
        self.book.apply(at(self.now), fact);
    }

    fn seen(&mut self, call: CallSeen) {
        self.tell(&Fact::CallSeen(Box::new(call)));
    }

    fn cdr(&mut self, id: &str, mut call: CallSeen) {
        call.source = "cdr:pbx".into();
        let cdr = Cdr { id: id.into(), call_id: None, record_id: None, call };
        let batch = CdrBatch { batch: String::new(), source: "cdr:pbx".into(), cdrs: vec![cdr] };
        self.tell(&Fact::CdrsRead(Box::new(batch)));
    }

    fn opened(&mut self, number: u64, uuid: Option<&str>, start: u64) -> RecordingId {
        self.tell(&Fact::RecordingOpened(RecordingOpened {
            recording: id(number),
            record_id: None,
            call_uuid: uuid.map(str::to_owned),
            conn_id: None,
            profile: "genesys-msr".into(),
            at: at(start),
        }));
        id(number)
    }

    fn parties(&mut self, recording: RecordingId, addresses: &[&str]) {
        let party = |address: &Personal<String>| Party { address: address.clone(), ..Party::default() };
        let parties = personal(addresses).iter().map(party).collect();
        self.tell(&Fact::PartiesNamed { recording, parties });
    }

    fn closed(&mut self, recording: RecordingId, gaps: Vec<Gap>) {
        self.tell(&Fact::TrackClosed(TrackClosed {
            recording,
            track: TrackNo(0),
            counters: TrackCounters::default(),
            gaps,
            chunks: 1,
        }));
    }

    fn ended(&mut self, recording: RecordingId, end: u64) {
        let cause = EndCause::Bye;
        self.tell(&Fact::RecordingEnded { recording, ended_at: at(end), duration_ms: 0, cause });
    }

    fn archived(&mut self, recording: RecordingId, flags: &[&str]) {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.tell(&Fact::RecordingArchived { recording, objects: vec![], duration_ms: 0, flags, audio_from: None });
    }

    /// A recording of the talk of `call`, from its answer to its end.
    fn whole(&mut self, number: u64, uuid: &str, start: u64) -> RecordingId {
        let recording = self.opened(number, Some(uuid), start + 5_000);
        self.closed(recording, vec![]);
        self.ended(recording, start + 60_000);
        self.archived(recording, &[]);
        recording
    }

    fn outcome(&self) -> Outcome {
        self.book.judge(day(), at(self.now))
    }

    fn calls(&self) -> Vec<JudgedCall> {
        self.book.calls((day(), at(self.now)), None, 1_000_000, |_, _| true)
    }

    /// The verdict on the only call.
    fn verdict(&self) -> (Verdict, Why) {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        (calls[0].verdict, calls[0].why)
    }
}

fn learned(recording: RecordingId, keys: &[(&str, &str)]) -> Fact {
    let keys: BTreeMap<_, _> =
        keys.iter().map(|(name, value)| ((*name).to_owned(), Personal::new((*value).to_owned()))).collect();
    Fact::CorrelationLearned { recording, keys }
}

fn gap(from: u64, to: u64, cause: GapCause) -> Gap {
    Gap { from: at(from), to: at(to), cause }
}

fn deleted(recording: RecordingId) -> Fact {
    Fact::RecordingDeleted { recording, actor: Actor::system(), reason: None }
}
