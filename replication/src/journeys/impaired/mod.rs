//! The impairment bench: what the replicator sends, a network out of a seed, the recorder's pipeline; in simulated time.
//!
//! Nothing is opened and nobody waits. `IMPAIRED_SEEDS=1000` plays so many seeds, `IMPAIRED_SEEDS=417..418` one of them.

mod dice;
mod ears;
mod marks;
mod network;
mod talker;

use model::TrackCounters;

use self::{
    dice::Dice,
    ears::{Outcome, hear},
    marks::Arrived,
    network::{Arrival, Network, Weather},
    talker::{Manner, Talker},
};
use crate::call::Law;

const MILLISECOND: i64 = 1_000_000;
/// How far the sound of a channel may lie from the truth, and two channels from each other.
const TOLERANCE: i64 = 20 * MILLISECOND;

/// 5% loss, 50 ms of jitter, packets held back for up to two seconds, duplicates.
const STORM: Weather = Weather {
    loss: 20_000,
    turns_bad: 10_000,
    turns_well: 250_000,
    bad_loss: 800_000,
    jitter_ms: 50,
    held: 20_000,
    held_ms: 2_000,
    duplicates: 30_000,
};

/// A call and its network.
#[derive(Debug, Clone, Copy)]
struct Scene {
    seed: u64,
    sides: [Manner; 2],
    weather: [Weather; 2],
}

impl Scene {
    /// Everything out of a seed; every second one in the storm.
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let law = dice.one_of(&[Law::Pcmu, Law::Pcma]);
        let length_ms = dice.between(20_000, 60_000);
        let sides = [0, 1].map(|_| {
            let ptime_ms = dice.one_of(&[10, 20, 20, 30, 40, 50, 60]);
            Manner {
                law,
                ptime_ms,
                length_ms,
                begins_ms: dice.below(1_000),
                skew_ppm: dice.between(0, 400) as i64 - 200,
                dtx: dice.happens(500_000),
                ssrc_changes: dice.below(4) as u32,
                digits: dice.happens(300_000),
                mark_every: 500 / ptime_ms,
            }
        });
        let weather = [0, 1].map(|_| if seed.is_multiple_of(2) { STORM } else { mixed(&mut dice) });
        Self { seed, sides, weather }
    }

    /// The same call every time it is played.
    fn play(&self, deliver: &mut dyn FnMut(Arrival)) -> [(TrackCounters, Vec<Arrived>); 2] {
        let mut dice = Dice::new(self.seed ^ 0x5eed);
        let mut network = Network::new(self.weather, &mut dice);
        let mut talkers = self.sides.map(|manner| Talker::new(manner, dice.fork()));
        let mut waiting = talkers.each_mut().map(Talker::packet);
        loop {
            let leaves = waiting.each_ref().map(|packet| packet.as_ref().map_or(u64::MAX, |packet| packet.at));
            let next = usize::from(leaves[1] < leaves[0]);
            while let Some(arrival) = network.arrival(leaves[next]) {
                deliver(arrival);
            }
            let Some(packet) = std::mem::replace(&mut waiting[next], talkers[next].packet()) else { break };
            network.send(next, packet);
        }
        network.accounts()
    }

    /// Plays it to the recorder; what the network did and what came of it.
    fn record(&self) -> ([TrackCounters; 2], Outcome) {
        let mut truth = [TrackCounters::default(); 2];
        let outcome = hear(|deliver| {
            let accounts = self.play(deliver);
            truth = accounts.each_ref().map(|(counters, _)| *counters);
            accounts.map(|(_, marks)| marks)
        });
        (truth, outcome)
    }
}

/// Any weather from none to the storm.
fn mixed(dice: &mut Dice) -> Weather {
    Weather {
        loss: dice.below(STORM.loss),
        turns_bad: dice.one_of(&[0, 2_000, STORM.turns_bad]),
        turns_well: STORM.turns_well,
        bad_loss: STORM.bad_loss,
        jitter_ms: dice.below(STORM.jitter_ms),
        held: dice.one_of(&[0, 1_000, STORM.held]),
        held_ms: STORM.held_ms,
        duplicates: dice.below(STORM.duplicates),
    }
}

/// What can be counted by its number; jitter is an estimate.
fn numbers(counters: &TrackCounters) -> [u64; 6] {
    let TrackCounters { received, lost, late, duplicate, reordered, ssrc_changes, .. } = *counters;
    [received, lost, late, duplicate, reordered, ssrc_changes]
}

/// The marks that are off: of each channel true time, and error in ms, or `None` when it was not heard.
fn off(outcome: &Outcome) -> Vec<(usize, u64, Option<i64>)> {
    let origin = outcome.plan.origin.nanos();
    let mut all = Vec::new();
    for (channel, marks) in outcome.marks.iter().enumerate() {
        for (at, &(truth, error)) in marks.iter().enumerate() {
            if error.map_or(!is_cut(marks, at), |error| error.abs() > TOLERANCE) {
                let (since, error) = (truth.saturating_sub(origin) / 1_000_000, error.map(|error| error / MILLISECOND));
                all.push((channel, since, error));
            }
        }
    }
    all
}

/// Whether the sound steps back over a mark that is not heard: there the surplus of a fast clock was cut out.
fn is_cut(marks: &[(u64, Option<i64>)], at: usize) -> bool {
    let beside = |at: Option<usize>| at.and_then(|at| marks.get(at)).and_then(|mark| mark.1);
    let (before, after) = (beside(at.checked_sub(1)), beside(at.checked_add(1)));
    before.zip(after).is_some_and(|(before, after)| after - before < -5 * MILLISECOND)
}

/// The seeds to play: `IMPAIRED_SEEDS` is how many, or from which up to which.
fn seeds(by_default: u64) -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("IMPAIRED_SEEDS") else { return 0..by_default };
    let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("IMPAIRED_SEEDS={asked}"));
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&asked),
    }
}

#[test]
fn counters_equal_what_the_network_did_and_sound_lies_where_it_was_said() {
    let mut broken = Vec::new();
    let mut sums = [0; 6];
    let mut marks = 0;
    let seeds = seeds(60);
    for seed in seeds.clone() {
        let scene = Scene::new(seed);
        let (truth, outcome) = scene.record();
        for (side, due) in truth.iter().map(numbers).enumerate() {
            let captured = numbers(&outcome.captured[side]);
            let surveyed = numbers(&outcome.plan.tracks[side].counters);
            if captured != due || surveyed != due {
                broken.push(format!("seed {seed} side {side}: {due:?}, captured {captured:?}, surveyed {surveyed:?}"));
            }
            sums.iter_mut().zip(due).for_each(|(sum, count)| *sum += count);
        }
        marks += outcome.marks.iter().map(Vec::len).sum::<usize>();
        let off = off(&outcome);
        if !off.is_empty() || outcome.rendered.late != [0, 0] {
            broken.push(format!("seed {seed}: marks off {off:?}, late {:?}, {scene:?}", outcome.rendered.late));
        }
    }
    assert!(broken.is_empty(), "{} of {seeds:?} seeds:\n{}", broken.len(), broken.join("\n"));
    // A network that did nothing would prove nothing.
    let played = seeds.clone().count();
    assert!(played < 20 || sums.iter().all(|&sum| sum > 20), "{sums:?}");
    assert!(marks > 10 * played, "{marks}");
}

#[test]
fn a_day_of_work_with_clocks_that_part_by_200_ppm_stays_together() {
    let side = |skew_ppm| Manner {
        law: Law::Pcmu,
        ptime_ms: 20,
        length_ms: 8 * 3_600_000,
        begins_ms: 0,
        skew_ppm,
        dtx: false,
        ssrc_changes: 0,
        digits: false,
        mark_every: 250,
    };
    let scene = Scene { seed: 8, sides: [side(200), side(-200)], weather: [STORM; 2] };
    let (truth, outcome) = scene.record();
    for (side, due) in truth.iter().map(numbers).enumerate() {
        assert_eq!(numbers(&outcome.captured[side]), due, "captured, side {side}");
        assert_eq!(numbers(&outcome.plan.tracks[side].counters), due, "surveyed, side {side}");
        assert!(due[1] > 60_000, "5% of 1.4 million were lost: {due:?}");
    }
    assert_eq!(outcome.rendered.late, [0, 0]);
    let off = off(&outcome);
    assert!(off.is_empty(), "{} of {}: {:?}", off.len(), outcome.marks[0].len(), &off[..off.len().min(20)]);
    let apart = apart(&outcome.marks);
    assert!(apart <= TOLERANCE, "the channels are {} us apart", apart / 1_000);
}

/// How far two channels are from each other at most: each mark against the one of the other side nearest to it.
fn apart(marks: &[Vec<(u64, Option<i64>)>]) -> i64 {
    let nearest = |truth: u64| {
        let after = marks[1].partition_point(|mark| mark.0 < truth);
        let beside = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|at| marks[1].get(at));
        beside.min_by_key(|mark| mark.0.abs_diff(truth)).and_then(|mark| mark.1)
    };
    let distance = |mark: &(u64, Option<i64>)| Some((mark.1? - nearest(mark.0)?).abs());
    marks[0].iter().filter_map(distance).max().unwrap_or(i64::MAX)
}
