//! When the next round of the session thread begins.

use std::time::Duration;

use model::Timestamp;

use crate::life;

/// Milliseconds from the end of a full round to the next one.
const ROUND_MS: u64 = 3;
/// So many inputs make a round full. A few calls a second are never held up.
const FULL_ROUND: usize = 4;

/// How fast one round follows the other. A round costs a sync and a hand-over to every thread that it concerns, whatever is
/// in it: when much comes, what comes within some milliseconds shares one.
#[derive(Default)]
pub(super) struct Pace {
    /// When the last round was over, if it was a full one.
    busy: Option<Timestamp>,
}

impl Pace {
    /// Before a round: after a full one, what comes meanwhile is waited for.
    pub(super) fn hold(&self) {
        let left = self.busy.map_or(0, |end| ROUND_MS.saturating_sub(life::now().millis_since(end)));
        if left > 0 {
            std::thread::park_timeout(Duration::from_millis(left));
        }
    }

    /// A round of so many inputs is over.
    pub(super) fn done(&mut self, inputs: usize) {
        self.busy = (inputs >= FULL_ROUND).then(life::now);
    }
}
