//! Whether a packet that was accepted is kept: pause and resume, exact to the packet.
//!
//! A pause counts from the moment it was asked for, not from the next sweep: the control side closes the [`Gate`],
//! which the packet path reads, and what was asked follows through the mailbox. The worker then drains what arrived
//! before, and from there on drops everything, whatever the clock says (invariant 5).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use model::GapCause;

use crate::{gaps::Gaps, prefetch};

/// Shut from a wall time on, and lifted at one, seen by control and worker alike. Read once a packet, written once a
/// pause and once a resume. The last pause is remembered after it was lifted, until the worker has taken in what arrived
/// in its time: it may read all of that later.
pub(crate) struct Gate {
    is_shut: AtomicBool,
    shut: AtomicU64,
    lifted: AtomicU64,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self { is_shut: AtomicBool::new(false), shut: AtomicU64::new(OPEN), lifted: AtomicU64::new(0) }
    }

    /// Nothing that arrives at or after `at` passes.
    pub(crate) fn shut(&self, at: u64) {
        self.shut.store(at, Ordering::SeqCst);
        self.is_shut.store(true, Ordering::SeqCst);
    }

    /// What arrives at or after `at` passes again.
    pub(crate) fn lift(&self, at: u64) {
        self.lifted.store(at, Ordering::SeqCst);
        self.is_shut.store(false, Ordering::SeqCst);
    }

    fn passes(&self, arrival: u64) -> bool {
        let is_lifted = !self.is_shut.load(Ordering::Acquire);
        arrival < self.shut.load(Ordering::Acquire) || is_lifted && arrival >= self.lifted.load(Ordering::Acquire)
    }

    /// Whether it arrived after a resume of the pause that began at `from`, of which the worker has not heard yet.
    fn passes_again(&self, from: u64, arrival: u64) -> bool {
        let lifted = self.lifted.load(Ordering::Acquire);
        lifted > from && arrival >= lifted && self.passes(arrival)
    }

    /// The pause that was lifted at `at` is over for the worker, too; unless another one began meanwhile. After that the
    /// clock may step back without closing anything.
    fn forget(&self, at: u64) {
        let shut = self.shut.load(Ordering::SeqCst);
        if !self.is_shut.load(Ordering::SeqCst) && self.lifted.load(Ordering::SeqCst) == at {
            // Fails when a new pause has just put its own time there.
            let _ = self.shut.compare_exchange(shut, OPEN, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

const OPEN: u64 = u64::MAX;

/// The worker's side.
pub(crate) struct Keeping {
    gate: Arc<Gate>,
    state: State,
}

enum State {
    /// Packets are kept, except those that waited since before a resume.
    On { not_before: u64 },
    /// A pause began: what arrived before it is being drained.
    Ending { at: u64 },
    /// Nothing is kept. `dropped` is the arrival of the last packet that was not.
    Off { cause: GapCause, from: u64, dropped: u64 },
}

impl Keeping {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, state: State::On { not_before: 0 } }
    }

    /// Asks for the gate, which every packet passes.
    pub(crate) fn prefetch(&self) {
        prefetch::value(&*self.gate);
    }

    /// Whether a packet that arrived then is kept; if not, it is remembered as dropped.
    pub(crate) fn keeps(&mut self, arrival: u64) -> bool {
        match &mut self.state {
            State::On { not_before } => arrival >= *not_before && self.gate.passes(arrival),
            State::Ending { at } if self.gate.passes_again(*at, arrival) => true,
            State::Ending { at } => arrival < *at && self.gate.passes(arrival),
            State::Off { from, .. } if self.gate.passes_again(*from, arrival) => true,
            State::Off { dropped, .. } => {
                *dropped = arrival.max(*dropped);
                false
            }
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.state, State::Off { .. })
    }

    /// Step one of a pause: a drain must follow, then [`Keeping::pause`].
    pub(crate) fn end_at(&mut self, at: u64) {
        if matches!(self.state, State::On { .. }) {
            self.state = State::Ending { at };
        }
    }

    /// Nothing is kept from `at` on. Another cause ends the gap so far and begins the next.
    pub(crate) fn pause(&mut self, at: u64, cause: GapCause, gaps: &mut Gaps) {
        match self.state {
            State::Off { cause: same, .. } if same == cause => return,
            State::Off { cause: other, from, .. } => gaps.note(other, from, at),
            State::On { .. } | State::Ending { .. } => {}
        }
        self.state = State::Off { cause, from: at, dropped: at };
    }

    /// Packets are kept again from `at` on. Whether there was a pause.
    pub(crate) fn resume(&mut self, at: u64, gaps: &mut Gaps) -> bool {
        let State::Off { cause, from, dropped } = self.state else { return false };
        gaps.note(cause, from, at.max(dropped));
        self.state = State::On { not_before: at };
        true
    }

    /// Whether it matters that the socket was seen empty.
    pub(crate) fn awaits_drain(&self) -> bool {
        matches!(self.state, State::On { not_before } if not_before != 0)
    }

    /// The socket was empty: nothing that waited since before the last resume is left.
    pub(crate) fn drained(&mut self) {
        if let State::On { not_before } = &mut self.state
            && *not_before != 0
        {
            self.gate.forget(std::mem::take(not_before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeping() -> (Arc<Gate>, Keeping, Gaps) {
        let gate = Arc::new(Gate::open());
        (Arc::clone(&gate), Keeping::new(gate), Gaps::default())
    }

    #[test]
    fn a_pause_is_exact_to_the_packet_before_the_worker_knows() {
        let (gate, mut keeping, mut gaps) = keeping();
        gate.shut(100);
        assert!(keeping.keeps(99) && !keeping.keeps(100));
        keeping.end_at(100);
        assert!(keeping.keeps(99) && !keeping.keeps(150));
        keeping.pause(100, GapCause::Paused, &mut gaps);
        assert!(!keeping.keeps(99), "a clock that steps back opens nothing");
        assert!(!keeping.keeps(190));
        gate.lift(200);
        assert!(!keeping.keeps(199) && keeping.keeps(210), "a resume counts before the worker knows, too");
        assert!(keeping.resume(200, &mut gaps));
        assert!(!keeping.keeps(199) && keeping.keeps(211));
        keeping.drained();
        assert!(keeping.keeps(50) && keeping.keeps(150), "nor does it close anything");
        let gap = gaps.take()[0];
        assert_eq!((gap.from.nanos(), gap.to.nanos(), gap.cause), (100, 200, GapCause::Paused));
    }

    #[test]
    fn pause_and_resume_between_two_sweeps_still_leave_their_gap() {
        let (gate, mut keeping, mut gaps) = keeping();
        gate.shut(100);
        gate.lift(130);
        keeping.end_at(100);
        assert!(keeping.keeps(99) && !keeping.keeps(120) && keeping.keeps(130), "what came after the resume is there");
        keeping.pause(100, GapCause::Hold, &mut gaps);
        keeping.resume(130, &mut gaps);
        assert_eq!(gaps.take().len(), 1);
    }

    #[test]
    fn what_arrived_in_a_pause_is_not_kept_even_when_it_is_read_after_the_resume() {
        let (gate, mut keeping, _) = keeping();
        gate.shut(100);
        gate.lift(130);
        assert!(keeping.keeps(99) && !keeping.keeps(100) && !keeping.keeps(129) && keeping.keeps(130));
        // A pause that begins while the last one is forgotten stays.
        gate.shut(140);
        gate.forget(130);
        assert!(!keeping.keeps(140));
    }

    #[test]
    fn a_hold_that_becomes_a_pause_is_two_gaps_and_repeating_changes_nothing() {
        let (_gate, mut keeping, mut gaps) = keeping();
        keeping.pause(10, GapCause::Hold, &mut gaps);
        keeping.pause(15, GapCause::Hold, &mut gaps);
        keeping.pause(20, GapCause::Paused, &mut gaps);
        keeping.resume(30, &mut gaps);
        assert!(!keeping.resume(40, &mut gaps));
        let spans: Vec<_> = gaps.take().iter().map(|gap| (gap.cause, gap.from.nanos(), gap.to.nanos())).collect();
        assert_eq!(spans, [(GapCause::Hold, 10, 20), (GapCause::Paused, 20, 30)]);
    }
}
