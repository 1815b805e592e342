//! The gaps of one track: bounded, in order, merged where telling them apart says nothing.

use model::{Gap, GapCause, Timestamp};

use crate::limits;

/// Gaps in the order they began.
#[derive(Default)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    /// Notes that nothing was kept between two wall times (nanoseconds).
    pub(crate) fn note(&mut self, cause: GapCause, from: u64, to: u64) {
        let (from, to) = (Timestamp::from_nanos(from), Timestamp::from_nanos(to.max(from)));
        let is_full = self.0.len() >= limits::GAPS;
        match self.0.last_mut() {
            Some(last) if is_full || is_continued(last, cause, from) => {
                last.from = last.from.min(from);
                last.to = last.to.max(to);
            }
            _ => self.0.push(Gap { from, to, cause }),
        }
    }

    /// The list, once the track is over.
    pub(crate) fn take(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.0)
    }
}

fn is_continued(last: &Gap, cause: GapCause, from: Timestamp) -> bool {
    let slack = if cause == GapCause::Overload { limits::OVERLOAD_MERGE_NANOS } else { 0 };
    last.cause == cause && from <= last.to.plus_nanos(slack)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn overload_close_by_is_one_gap_and_pauses_stay_apart() {
        let mut gaps = Gaps::default();
        gaps.note(GapCause::Overload, SECOND, SECOND + 180_000_000);
        gaps.note(GapCause::Overload, SECOND + 200_000_000, SECOND + 380_000_000);
        gaps.note(GapCause::Paused, 2 * SECOND, 3 * SECOND);
        gaps.note(GapCause::Paused, 3 * SECOND + 1, 4 * SECOND);
        let spans: Vec<_> = gaps.take().iter().map(|gap| (gap.cause, gap.from.nanos(), gap.to.nanos())).collect();
        assert_eq!(
            spans,
            [
                (GapCause::Overload, SECOND, SECOND + 380_000_000),
                (GapCause::Paused, 2 * SECOND, 3 * SECOND),
                (GapCause::Paused, 3 * SECOND + 1, 4 * SECOND),
            ]
        );
    }

    #[test]
    fn a_full_list_gets_coarser_and_covers_everything() {
        let mut gaps = Gaps::default();
        let many = limits::GAPS as u64 * 2;
        for number in 0..many {
            gaps.note(GapCause::Paused, number * SECOND, number * SECOND + 1);
        }
        let list = gaps.take();
        assert_eq!(list.len(), limits::GAPS);
        assert_eq!(list[limits::GAPS - 1].to.nanos(), (many - 1) * SECOND + 1);
    }
}
