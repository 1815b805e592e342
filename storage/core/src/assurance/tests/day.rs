//! The synthetic day: 100,000 calls, 200 planted defects of each kind. All are found, and no call is blamed that was
//! recorded as it should be. The order in which sources tell makes no difference.

use std::collections::BTreeMap;

use super::*;

const CALLS: u64 = 100_000;
const EACH: u64 = 200;
const STRIDE: u64 = CALLS / EACH;

/// What is wrong with a call, by its place in every 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Plant {
    Nothing,
    NotRecorded,
    WithoutSound,
    WithoutCdr,
    InError,
    Short,
    Gaps,
    Intended,
    Unanswered,
    OutOfScope,
    Unfinished,
}

const PLANTS: [(Plant, Verdict); 11] = [
    (Plant::Nothing, Verdict::Compliant),
    (Plant::NotRecorded, Verdict::NotRecorded),
    (Plant::WithoutSound, Verdict::NotRecorded),
    (Plant::WithoutCdr, Verdict::RecordedWithoutCdr),
    (Plant::InError, Verdict::RecordedInError),
    (Plant::Short, Verdict::Partial),
    (Plant::Gaps, Verdict::Partial),
    (Plant::Intended, Verdict::IntentionallyNotRecorded),
    (Plant::Unanswered, Verdict::Excluded),
    (Plant::OutOfScope, Verdict::Excluded),
    (Plant::Unfinished, Verdict::Pending),
];

/// A linear congruential generator: the day is the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How the call of that number is known: by CallUUID, ConnID, Call-ID, or by numbers and time alone.
fn key(number: u64) -> u64 {
    number % 4
}

fn planted(number: u64) -> Plant {
    let place = (number % STRIDE) as usize;
    // Spread over the keys: the place of a defect moves with each five hundred.
    let shift = (number / STRIDE % 4) as usize;
    PLANTS.get(place.wrapping_sub(shift)).map_or(Plant::Nothing, |(plant, _)| *plant)
}

/// The facts of one call: what a source tells, and what was recorded.
fn facts(number: u64, dice: &mut Dice, told: &mut Vec<Cdr>, out: &mut Vec<Fact>) {
    let plant = planted(number);
    let start = day().start().millis() + 1_000 + number * 860 + dice.throw(800);
    let (ring, talk) = (2_000 + dice.throw(8_000), 20_000 + dice.throw(300_000));
    let (answered, end) = (start + ring, start + ring + talk);
    let dn = format!("{}", if plant == Plant::OutOfScope { 9_000 } else { 7_000 } + number % 800);
    let caller = format!("0170{:07}", number % 9_999_991);
    let (uuid, conn, call_id) = (format!("UUID-{number:08}"), format!("{number:016x}"), format!("{number}@switch"));
    let of = |kind: u64, text: &String| (key(number) == kind).then(|| text.clone());
    let call = CallSeen {
        call_uuid: of(0, &uuid),
        conn_id: of(1, &conn),
        dns: personal(&[&dn]),
        ani: Some(Personal::new(caller.clone())),
        started_at: at(start),
        answered_at: (plant != Plant::Unanswered).then(|| at(answered)),
        ended_at: Some(at(end)),
        expectation: match plant {
            Plant::InError | Plant::Intended => Expectation::Never,
            _ => Expectation::Unknown,
        },
        source: "cdr:pbx".into(),
        ..CallSeen::default()
    };
    if plant != Plant::WithoutCdr {
        told.push(Cdr { id: number.to_string(), call_id: of(2, &call_id), record_id: None, call });
    }
    if matches!(plant, Plant::NotRecorded | Plant::Intended | Plant::Unanswered | Plant::OutOfScope) {
        return;
    }
    let recording = id(number);
    let late = if plant == Plant::Short { 15_000 } else { dice.throw(1_500) };
    out.push(Fact::RecordingOpened(RecordingOpened {
        recording,
        record_id: None,
        call_uuid: of(0, &uuid),
        conn_id: of(1, &conn),
        profile: "genesys-msr".into(),
        at: at(answered + late),
    }));
    let session_id = if key(number) == 2 { call_id } else { format!("rs-{number}") };
    out.push(Fact::SessionJoined {
        recording,
        session: model::RsId(number),
        call_id: session_id,
        peer: String::new(),
        profile: String::new(),
    });
    let parties = personal(&[&format!("sip:{dn}@pbx"), &caller]);
    let parties = parties.into_iter().map(|address| Party { address, ..Party::default() }).collect();
    out.push(Fact::PartiesNamed { recording, parties });
    let lost = if plant == Plant::Gaps { 9_000 } else { dice.throw(300) };
    let gaps = vec![gap(answered + 6_000, answered + 6_000 + lost, GapCause::Overload)];
    out.push(Fact::TrackClosed(TrackClosed {
        recording,
        track: TrackNo(0),
        counters: TrackCounters::default(),
        gaps,
        chunks: 1,
    }));
    ending(recording, plant, (end, talk), out);
}

fn ending(recording: RecordingId, plant: Plant, (end, talk): (u64, u64), out: &mut Vec<Fact>) {
    let cause = EndCause::Bye;
    out.push(Fact::RecordingEnded { recording, ended_at: at(end), duration_ms: talk, cause });
    if plant != Plant::Unfinished {
        let flags = if plant == Plant::WithoutSound { vec!["no_audio".to_owned()] } else { vec![] };
        out.push(Fact::RecordingArchived { recording, objects: vec![], duration_ms: talk, flags, audio_from: None });
    }
}

fn book(calls: u64, order: u64) -> Book {
    let mut dice = Dice(42);
    let (mut told, mut facts_of_day) = (Vec::new(), Vec::new());
    (0..calls).for_each(|number| facts(number, &mut dice, &mut told, &mut facts_of_day));
    let batch = |cdrs: &[Cdr]| {
        let batch = CdrBatch { batch: String::new(), source: "cdr:pbx".into(), cdrs: cdrs.to_vec() };
        Fact::CdrsRead(Box::new(batch))
    };
    let mut batches: Vec<Fact> = told.chunks(crate::limits::CDRS_PER_FACT).map(batch).collect();
    // The last call ends after the day: a source that has told of it is behind with nothing.
    let last = CallSeen { call_uuid: Some("last".into()), dns: personal(&["7000"]), ..call("", day().end().millis()) };
    let last = CallSeen { source: "cdr:pbx".into(), expectation: Expectation::Never, ..last };
    let first =
        CallSeen { call_uuid: Some("first".into()), started_at: at(day().start().millis() - 1), ..last.clone() };
    let edge = |id: &str, call| Cdr { id: id.into(), call_id: None, record_id: None, call };
    batches.push(batch(&[
        edge("first", first),
        edge("last", CallSeen { ended_at: Some(at(day().end().millis() + 900_000)), ..last }),
    ]));
    let scope = vec![crate::query::Pattern::new("7*")];
    let mut book = Book::new(Settings { scope, ..Settings::default() });
    let heard = at(day().end().millis());
    let (one, other) = if order == 0 { (&batches, &facts_of_day) } else { (&facts_of_day, &batches) };
    one.iter().chain(other).for_each(|fact| book.apply(heard, fact));
    book
}

#[test]
fn of_a_day_of_100_000_calls_every_planted_defect_is_found_and_nothing_else_is_blamed() {
    #[expect(clippy::disallowed_methods, reason = "the time is printed and never asserted")]
    let began = std::time::Instant::now();
    let book = book(CALLS, 0);
    let told = began.elapsed();
    let now = at(day().end().millis() + 3_600_000);
    let calls = book.calls((day(), now), None, usize::MAX, |_, _| true);
    println!("100,000 calls: {told:?} to take in, {:?} to judge", began.elapsed() - told);
    assert_eq!(calls.len() as u64, CALLS);
    let expected: BTreeMap<Plant, Verdict> = PLANTS.into_iter().collect();
    let mut found: BTreeMap<Plant, u64> = BTreeMap::new();
    for call in &calls {
        let number = number(call);
        let plant = planted(number);
        assert_eq!(call.verdict, expected[&plant], "call {number} was planted as {plant:?}: {call:?}");
        *found.entry(plant).or_default() += 1;
    }
    for (plant, _) in PLANTS.into_iter().filter(|(plant, _)| *plant != Plant::Nothing) {
        assert_eq!(found[&plant], EACH, "{plant:?}");
    }
    let outcome = book.judge(day(), now);
    assert_eq!(outcome.summary.verdicts.of(Verdict::NotRecorded), 2 * EACH, "no false critical");
    assert_eq!(outcome.incidents.len() as u64 + outcome.unlisted, 6 * EACH);
    let share = outcome.summary.share;
    assert_eq!((share.expected, share.expected - share.recorded), (CALLS - 6 * EACH, 4 * EACH));
}

/// The number of a call, from what is known of it: its beginning is in its own second.
fn number(call: &JudgedCall) -> u64 {
    if let [recording] = call.recordings[..] {
        return u64::from_be_bytes(recording.as_bytes()[8..].try_into().expect("eight"));
    }
    let start = Timestamp::parse(&call.started_at).expect("a time").millis();
    (start - day().start().millis() - 1_000) / 860
}

#[test]
fn the_order_in_which_sources_tell_makes_no_difference() {
    let now = at(day().end().millis() + 3_600_000);
    let [one, other] = [0, 1].map(|order| book(CALLS / 10, order).judge(day(), now));
    assert_eq!(one, other);
    assert_eq!(one.summary.calls, CALLS / 10);
}
