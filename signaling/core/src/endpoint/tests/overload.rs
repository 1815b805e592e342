//! The door under overload: who is turned away, how soon, and who never is.

use std::{collections::VecDeque, time::Duration};

use super::*;
use crate::event::Offered;
use crate::limits;

/// The baseline INVITE as another call.
fn another(number: usize) -> Vec<u8> {
    let text = String::from_utf8(vector!("001-baseline-rfc7866").to_vec()).unwrap();
    let renamed = |line: &str| match line.split_once(':').map_or("", |(name, _)| name) {
        "Call-ID" => format!("Call-ID: load-{number}@192.0.2.10"),
        "Via" => format!("Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-load{number}"),
        _ => line.to_owned(),
    };
    text.split("\r\n").map(renamed).collect::<Vec<_>>().join("\r\n").into_bytes()
}

/// Offers `count` sessions that nobody decides.
fn fill(rig: &mut Rig, count: usize) -> Vec<Offered> {
    (0..count).map(|number| rig.offered(&another(number))).collect()
}

fn statuses(sent: &[Message]) -> Vec<u16> {
    sent.iter().map(|message| response(message).status).collect()
}

#[test]
fn a_queue_that_does_not_move_turns_new_sessions_away_at_once_and_without_a_transaction() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = fill(&mut rig, limits::UNDECIDED_FEW + 1);
    rig.now += limits::UNDECIDED_AGE + Duration::from_millis(1);
    let before = rig.endpoint.stats();
    let sent = rig.send(&another(900));
    assert_eq!(statuses(&sent), [503], "no 100, no wait");
    assert_eq!(last(&sent).headers.get("Retry-After"), Some("7"));
    let stats = rig.endpoint.stats();
    assert_eq!((stats.transactions, stats.dialogs), (before.transactions, before.dialogs));
    assert_eq!((stats.overload_refusals, stats.undecided), (1, limits::UNDECIDED_FEW + 1));
    assert!(
        matches!(rig.events().as_slice(), [Event::TurnedAway { status: 503, cause, .. }] if cause == "overload"),
        "every attempt leaves a trace"
    );
    // Its ACK finds nothing and disturbs nothing.
    assert!(rig.send(&ack(1)).is_empty());
    // What was taken in is served, and then there is room again.
    let oldest = &offered[0];
    assert_eq!(rig.accept(oldest.dialog, &oldest.offer).status, 200);
    let sent = rig.send(&another(900));
    assert_eq!(statuses(&sent), [100]);
}

#[test]
fn a_burst_is_taken_in_and_a_slow_disk_is_no_overload() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    fill(&mut rig, 20 * limits::UNDECIDED_FEW);
    let mut rig = Rig::new(Transport::Tcp, "auto");
    fill(&mut rig, limits::UNDECIDED_FEW);
    rig.now += limits::DECISION / 2;
    assert_eq!(statuses(&rig.send(&another(900))), [100]);
}

/// Offers more than a few, and decides them `wait` later.
fn round(rig: &mut Rig, first: usize, wait: Duration) {
    let offered: Vec<Offered> = (first..=first + limits::UNDECIDED_FEW).map(|n| rig.offered(&another(n))).collect();
    rig.now += wait;
    offered.iter().for_each(|one| assert_eq!(rig.accept(one.dialog, &one.offer).status, 200));
}

#[test]
fn a_queue_that_stands_turns_away_until_waits_are_short_again() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let long = limits::OVERLOAD_WAIT + Duration::from_millis(1);
    // One session waits on throughout: the queue is never empty.
    rig.offered(&another(1));
    for first in [1_000, 2_000, 3_000] {
        round(&mut rig, first, long);
    }
    let full = |rig: &mut Rig, first: usize| -> Vec<Offered> {
        (first..first + limits::UNDECIDED_FEW).map(|n| rig.offered(&another(n))).collect()
    };
    let served = |rig: &mut Rig, waited: Duration, offered: Vec<Offered>| {
        rig.now += waited;
        offered.iter().for_each(|one| assert_eq!(rig.accept(one.dialog, &one.offer).status, 200));
    };
    let waiting = full(&mut rig, 4_000);
    assert_eq!(statuses(&rig.send(&another(4_900))), [503], "the shortest wait of a tenth of a second was long");
    rig.events();
    served(&mut rig, limits::OVERLOAD_WINDOW, waiting);
    // Shorter, but not short: it is the turning away that keeps it so.
    for first in [5_000, 6_000] {
        let waiting = full(&mut rig, first);
        assert_eq!(statuses(&rig.send(&another(first + 900))), [503]);
        rig.events();
        served(&mut rig, limits::OVERLOAD_WINDOW / 2, waiting);
    }
    for first in [7_000, 8_000, 9_000] {
        let offered: Vec<Offered> = (first..first + 2).map(|n| rig.offered(&another(n))).collect();
        served(&mut rig, Duration::ZERO, offered);
        rig.now += limits::OVERLOAD_WINDOW;
    }
    full(&mut rig, 10_000);
    assert_eq!(statuses(&rig.send(&another(10_900))), [100], "waits are short again");
}

/// A line of calls, served in the order in which they came.
struct Line {
    rig: Rig,
    waiting: VecDeque<Offered>,
    came: usize,
}

impl Line {
    fn new(waiting: usize) -> Self {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        let waiting = fill(&mut rig, waiting).into();
        Self { rig, waiting, came: 100_000 }
    }

    /// Every ten milliseconds `served` of those who wait longest are served and `come` others come, `rounds` times; what
    /// the newcomers were told.
    fn pace(&mut self, rounds: usize, (come, served): (usize, usize)) -> Vec<u16> {
        (0..rounds).flat_map(|_| self.moment(come, served)).collect()
    }

    fn moment(&mut self, come: usize, served: usize) -> Vec<u16> {
        self.rig.now += Duration::from_millis(10);
        for one in self.waiting.drain(..served.min(self.waiting.len())) {
            assert_eq!(self.rig.accept(one.dialog, &one.offer).status, 200);
        }
        self.rig.events();
        let first = self.came;
        self.came += come;
        let told = (first..self.came).flat_map(|number| statuses(&self.rig.send(&another(number)))).collect();
        let offered = |event| if let Event::Offered(offered) = event { Some(*offered) } else { None };
        self.waiting.extend(self.rig.events().into_iter().filter_map(offered));
        told
    }
}

#[test]
fn twice_what_can_be_served_keeps_the_queue_short_from_the_first_tenth_of_a_second_on() {
    let mut line = Line::new(0);
    let (mut longest, mut refused) = (0, 0);
    for _ in 0..40 {
        refused += line.pace(1, (40, 17)).iter().filter(|status| **status == 503).count();
        longest = longest.max(line.waiting.len());
    }
    assert!(longest <= limits::UNDECIDED_MANY + limits::UNDECIDED_MANY / 2, "{longest} waited");
    assert!(refused > 40 * 15, "{refused}");
    // And when fewer come, they are let in again.
    line.pace(30, (2, 17));
    assert!(line.pace(30, (10, 17)).iter().all(|status| *status == 100));
}

#[test]
fn what_came_while_a_machine_stood_still_is_served_and_nobody_is_turned_away() {
    let mut line = Line::new(0);
    let mut told = line.pace(20, (10, 17));
    // Half a second without a decision, then as fast as it goes; calls come all the while.
    told.extend(line.pace(50, (10, 0)));
    assert!(line.waiting.len() > 3 * limits::UNDECIDED_MANY);
    told.extend(line.pace(80, (10, 17)));
    assert!(told.iter().all(|status| *status == 100), "{told:?}");
}

#[test]
fn a_burst_is_served_though_others_come_behind_it() {
    let mut line = Line::new(10 * limits::UNDECIDED_FEW);
    assert!(line.pace(60, (5, 17)).iter().all(|status| *status == 100));
}

#[test]
fn there_is_a_bound_however_fast_they_come() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    fill(&mut rig, limits::UNDECIDED);
    assert_eq!(statuses(&rig.send(&another(limits::UNDECIDED))), [503]);
}

#[test]
fn live_sessions_are_never_turned_away() {
    let mut rig = Rig::new(Transport::Udp, "auto");
    let live = rig.established();
    let tag = rig.tag.clone();
    let offered = fill(&mut rig, limits::UNDECIDED_FEW + 1);
    rig.now += limits::UNDECIDED_AGE * 2;
    assert_eq!(statuses(&rig.send(&another(900))), [503]);
    rig.events();
    // A repetition of what was taken in is no new session.
    assert_eq!(statuses(&rig.send(&another(3))), [100]);
    rig.tag = tag;
    assert_eq!(statuses(&rig.send(vector!("500b-hold-both-inactive"))), [100], "a re-INVITE is offered");
    assert!(matches!(rig.events().as_slice(), [Event::Reoffered { dialog, .. }] if *dialog == live.dialog));
    let again = rig.endpoint.stats().undecided;
    assert_eq!(again, offered.len(), "it waits in no queue of new sessions");
    let sent = rig.send(&in_dialog("BYE", 9, ""));
    assert!(statuses(&sent).contains(&200), "{sent:?}");
    assert!(rig.events().iter().any(|event| matches!(event, Event::Ended { dialog, .. } if *dialog == live.dialog)));
}
