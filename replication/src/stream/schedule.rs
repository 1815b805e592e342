//! When each packet of a call is due: an absolute schedule, so that a late timer never shifts the packets after it.

use std::time::{Duration, Instant};

/// The common timeline of all lines of one call: packet `n` is due at `start + n * ptime`.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start: Instant,
    ptime: Duration,
}

impl Schedule {
    /// A timeline that begins at `start`.
    pub const fn new(start: Instant, ptime: Duration) -> Self {
        Self { start, ptime }
    }

    /// When packet `index` is due.
    pub fn due(&self, index: u64) -> Instant {
        self.start + Duration::from_nanos(self.ptime.as_nanos() as u64 * index)
    }

    /// The first packet that is not overdue at `now`: where a line that joins late begins.
    pub fn next_index(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        elapsed.div_ceil(self.ptime.as_nanos()) as u64
    }

    /// How many packets a call of this duration has; the last one may reach beyond it.
    pub fn packets(&self, duration: Duration) -> u64 {
        duration.as_nanos().div_ceil(self.ptime.as_nanos()) as u64
    }
}

/// A digit of telephone-event (RFC 4733), as it goes out in one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventStep {
    /// Which of the digits it is, from 0.
    pub number: usize,
    /// Event code: 0-9, `*` is 10, `#` is 11, A-D are 12-15.
    pub event: u8,
    /// Packet index where the event began: all its packets carry the RTP timestamp of that one.
    pub began: u64,
    /// Packets of the event so far, this one included: its duration.
    pub packets: u64,
    /// The last of the event: sent three times with the E bit (RFC 4733 2.5.1.4).
    pub is_last: bool,
}

/// Digits that replace the audio of the left line from one packet on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digits {
    events: Vec<u8>,
    from: u64,
    length: u64,
    spacing: u64,
}

impl Digits {
    /// Each digit sounds 100 ms and is followed by 60 ms of audio. `None` when a character is not a digit of RFC 4733.
    pub fn new(digits: &str, from: u64, ptime: Duration) -> Option<Self> {
        let events = digits.bytes().map(event_code).collect::<Option<Vec<u8>>>()?;
        let packets = |time: Duration| time.as_nanos().div_ceil(ptime.as_nanos()) as u64;
        let length = packets(Duration::from_millis(100));
        Some(Self { events, from, length, spacing: length + packets(Duration::from_millis(60)) })
    }

    /// The event codes.
    pub fn events(&self) -> &[u8] {
        &self.events
    }

    /// Packets of one digit.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// What stands in the place of packet `index`, if not audio.
    pub fn step(&self, index: u64) -> Option<EventStep> {
        let position = index.checked_sub(self.from)?;
        let number = (position / self.spacing.max(1)) as usize;
        let event = *self.events.get(number)?;
        let place = position % self.spacing;
        (place < self.length).then(|| EventStep {
            number,
            event,
            began: index - place,
            packets: place + 1,
            is_last: place + 1 == self.length,
        })
    }
}

fn event_code(digit: u8) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        b'*' => Some(10),
        b'#' => Some(11),
        digit @ b'A'..=b'D' => Some(digit - b'A' + 12),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock; no test looks at its value")]
mod tests {
    use super::*;

    const PTIME: Duration = Duration::from_millis(20);

    #[test]
    fn a_late_packet_does_not_move_the_ones_after_it() {
        let start = Instant::now();
        let schedule = Schedule::new(start, PTIME);
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(3000), start + Duration::from_secs(60));
        assert_eq!(schedule.packets(Duration::from_secs(5)), 250);
        assert_eq!(schedule.packets(Duration::from_millis(5001)), 251);
    }

    #[test]
    fn a_line_that_joins_late_begins_at_the_next_packet_of_the_common_timeline() {
        let start = Instant::now();
        let schedule = Schedule::new(start, PTIME);
        assert_eq!(schedule.next_index(start), 0);
        assert_eq!(schedule.next_index(start + Duration::from_millis(1)), 1);
        assert_eq!(schedule.next_index(start + Duration::from_millis(40)), 2);
        assert_eq!(schedule.next_index(start - Duration::from_millis(40)), 0);
    }

    #[test]
    fn digits_take_the_place_of_audio_and_leave_a_pause_between_them() {
        let digits = Digits::new("1#", 10, PTIME).unwrap();
        assert_eq!(digits.step(9), None);
        assert_eq!(digits.step(10), Some(EventStep { number: 0, event: 1, began: 10, packets: 1, is_last: false }));
        assert_eq!(digits.step(14), Some(EventStep { number: 0, event: 1, began: 10, packets: 5, is_last: true }));
        assert_eq!(digits.step(15), None);
        assert_eq!(digits.step(18).map(|step| (step.event, step.began)), Some((11, 18)));
        assert_eq!(digits.step(26), None);
        assert!(Digits::new("1x", 0, PTIME).is_none());
    }
}
