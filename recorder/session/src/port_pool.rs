//! Which RTP ports are free: even numbers of a range, handed out longest-unused first so that late packets of one call
//! never meet the next.

use std::{collections::VecDeque, ops::RangeInclusive};

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
}
