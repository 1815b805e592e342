//! Which RTP ports are free: even numbers of a range, handed out longest-unused first so that late packets of one call
//! never meet the next.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::RangeInclusive,
};

/// The free ports, oldest first.
#[derive(Debug)]
pub struct PortPool {
    free: VecDeque<u16>,
}

impl PortPool {
    /// Every even port of `range` whose odd neighbour is in the range too.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        let (first, last) = range.into_inner();
        Self { free: (first..last).filter(|port| port % 2 == 0).collect() }
    }

    /// The port that has been unused for longest.
    pub fn take(&mut self) -> Option<u16> {
        self.free.pop_front()
    }

    /// Takes this port out, where it is free. For the few that a crash left in use: it looks through the whole pool.
    pub fn claim(&mut self, port: u16) -> bool {
        let found = self.free.iter().position(|free| *free == port);
        found.is_some_and(|at| self.free.remove(at).is_some())
    }

    /// Puts these behind all others: calls that a crash cut off may go on sending there, and their sound must not get
    /// into another recording. The others begin anywhere, told by `dice`: nobody remembers which of them were used last.
    pub fn rest(&mut self, ports: &BTreeSet<u16>, dice: u32) {
        self.free.rotate_left(dice as usize % self.free.len().max(1));
        let (resting, ready): (Vec<u16>, Vec<u16>) = self.free.iter().partition(|port| ports.contains(port));
        self.free = ready.into_iter().chain(resting).collect();
    }

    /// Gives a port back.
    pub fn put(&mut self, port: u16) {
        self.free.push_back(port);
    }

    /// How many are free.
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// None is free.
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_even_ports_with_room_for_rtcp_are_handed_out_and_a_returned_one_comes_last() {
        let mut pool = PortPool::new(20_001..=20_006);
        assert_eq!(pool.take(), Some(20_002));
        pool.put(20_002);
        assert_eq!([pool.take(), pool.take(), pool.take()], [Some(20_004), Some(20_002), None]);
    }

    #[test]
    fn ports_that_a_crash_left_behind_come_last_and_taken_ones_do_not_come_back() {
        let mut pool = PortPool::new(20_000..=20_009);
        assert!(pool.claim(20_004));
        pool.rest(&BTreeSet::from([20_000, 20_004, 20_006, 40_000]), 0);
        let order: Vec<u16> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(order, [20_002, 20_008, 20_000, 20_006]);
    }

    #[test]
    fn no_life_begins_where_the_one_before_did() {
        let order = |dice| {
            let mut pool = PortPool::new(20_000..=20_009);
            pool.rest(&BTreeSet::from([20_002]), dice);
            std::iter::from_fn(|| pool.take()).collect::<Vec<_>>()
        };
        assert_eq!(order(3), [20_006, 20_008, 20_000, 20_004, 20_002]);
        assert_eq!(order(5), [20_000, 20_004, 20_006, 20_008, 20_002]);
        PortPool::new(20_000..=20_000).rest(&BTreeSet::new(), 7);
    }
}
