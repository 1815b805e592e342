//! How many messages probably wait in a socket, from how far apart the last ones came.
//!
//! A kernel that is asked for more than there is looks once more and finds nothing, which costs a quarter of what a
//! packet costs. Asked for as many as must have come it takes 1,150 ns a packet instead of 1,300 at four packets a sweep
//! (the receive alone, 1,000 sockets, packets 20 ms apart), and a worker in all 593 and 1,285 instead of 692 and 1,580 (in
//! bursts, paced; side by side). It is a guess and nothing else: what came early is found a sweep later, and where there
//! was more than thought the socket is asked again.

use crate::limits;

/// When the last message of a socket came, and how far apart they come.
#[derive(Debug, Default)]
pub(crate) struct Cadence {
    /// Arrival of the newest message that was taken, nanoseconds; 0 before the first.
    newest: u64,
    /// Nanoseconds between messages, on the average of the last ones; 0 when that is not known.
    apart: u32,
}

impl Cadence {
    /// Messages to ask for at `now`: as many as have come since the last one, if they came like those before; at least
    /// one, and at most `room`. All there is room for when nothing is known.
    pub(crate) fn likely(&self, now: u64, room: usize) -> usize {
        match self.apart {
            0 => room,
            apart => usize::try_from(now.saturating_sub(self.newest) / u64::from(apart))
                .unwrap_or(room)
                .clamp(1, room.max(1)),
        }
    }

    /// Whether, after as many came as were asked for, another one must have come by `now`.
    pub(crate) fn is_more_likely(&self, now: u64) -> bool {
        self.apart == 0 || now.saturating_sub(self.newest) >= u64::from(self.apart)
    }

    /// So many messages were taken, the last of which arrived at `newest`; `None` when the kernel did not say.
    pub(crate) fn took(&mut self, count: usize, newest: Option<u64>) {
        let Some(newest) = newest else {
            self.apart = 0;
            return;
        };
        if self.newest != 0 {
            let each = newest.saturating_sub(self.newest) / count.max(1) as u64;
            let since = each.clamp(limits::APART_LEAST, limits::APART_MOST) as i64;
            let apart = match i64::from(self.apart) {
                0 => since,
                // A silence says nothing of what comes after it.
                apart => apart + (since.min(2 * apart) - apart) / APART_WEIGHT,
            };
            self.apart = apart as u32;
        }
        self.newest = self.newest.max(newest);
    }
}

/// What was taken last counts one in so many.
const APART_WEIGHT: i64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn note(cadence: &mut Cadence, arrivals: &[u64]) {
        arrivals.last().inspect(|newest| cadence.took(arrivals.len(), Some(*newest * MS)));
    }

    /// A socket whose messages came at those milliseconds, swept at `sweeps`; how many were asked for and got each time,
    /// and how many are left.
    fn swept(arrivals: &[u64], sweeps: impl Iterator<Item = u64>) -> (Vec<(usize, usize)>, usize) {
        let (mut cadence, mut taken, mut told) = (Cadence::default(), 0, Vec::new());
        for now in sweeps {
            let come = arrivals.iter().filter(|at| **at <= now).count();
            loop {
                let asked = cadence.likely(now * MS, 64);
                let got = asked.min(come - taken);
                note(&mut cadence, &arrivals[taken..taken + got]);
                taken += got;
                told.push((asked, got));
                if got < asked || !cadence.is_more_likely(now * MS) {
                    break;
                }
            }
        }
        (told, arrivals.iter().filter(|at| **at <= 10_000).count() - taken)
    }

    #[test]
    fn regular_packets_are_asked_for_by_number() {
        let arrivals: Vec<u64> = (0..500).map(|number| 1_000 + number * 20).collect();
        let (told, left) = swept(&arrivals, (1..134).map(|number| number * 75));
        let from = told.iter().position(|(_, got)| *got > 0).unwrap() + 2;
        assert!(told[from..].iter().all(|(asked, got)| asked == got && (3..=4).contains(got)), "{told:?}");
        assert!(left <= 4, "{left}");
    }

    #[test]
    fn messages_that_are_bursts_are_asked_for_one_by_one() {
        let arrivals: Vec<u64> = (0..90).map(|number| 1_000 + number * 100).collect();
        let (told, left) = swept(&arrivals, (1..134).map(|number| number * 75));
        let asked = told.iter().skip(20).map(|(asked, _)| *asked).max();
        assert!(asked == Some(1) && left <= 1, "{told:?}");
    }

    #[test]
    fn faster_slower_early_and_late_ones_wait_a_sweep_or_two_at_most() {
        let mut arrivals: Vec<u64> = (0..30).map(|number| 1_000 + number * 60).collect();
        arrivals.extend((0..100).map(|number| 2_800 + number * 10));
        arrivals.extend((0..60).map(|number| 5_000 + number * 20 + [0, 7, 13, 2, 19][number as usize % 5]));
        arrivals.extend([9_000; 40]);
        arrivals.extend((0..40).map(|number| 9_100 + number * 20));
        let mut longest = 0;
        let (mut cadence, mut taken) = (Cadence::default(), 0);
        for now in (1..140).map(|number| number * 75) {
            let come = arrivals.iter().filter(|at| **at <= now).count();
            loop {
                let asked = cadence.likely(now * MS, 64);
                let got = asked.min(come - taken);
                note(&mut cadence, &arrivals[taken..taken + got]);
                arrivals[taken..taken + got].iter().for_each(|at| longest = longest.max(now - at));
                taken += got;
                if got < asked || !cadence.is_more_likely(now * MS) {
                    break;
                }
            }
        }
        assert_eq!(taken, arrivals.len());
        assert!(longest <= 150, "{longest} ms");
    }

    #[test]
    fn without_the_time_of_the_kernel_everything_is_asked_for() {
        let mut cadence = Cadence::default();
        [Some(MS), Some(21 * MS), None].into_iter().for_each(|newest| cadence.took(1, newest));
        assert_eq!((cadence.likely(60 * MS, 64), cadence.is_more_likely(60 * MS)), (64, true));
    }
}
