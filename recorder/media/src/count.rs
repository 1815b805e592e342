//! What the network did to the packets of one track: RFC 3550 A.1, A.3 and A.8, counted exactly.

pub use crate::stream::Seen;

use model::TrackCounters;

use crate::{
    rtcp::ReportBlock,
    stream::{Stream, Streams},
};

/// Counts the packets of one track. Call [`StreamCounter::packet`] for each in order of arrival; ask for
/// [`StreamCounter::counters`] at any time.
#[derive(Debug, Clone)]
pub struct StreamCounter {
    clock_hz: u64,
    streams: Streams<Clock>,
    received: u64,
    late: u64,
    duplicate: u64,
    reordered: u64,
    ssrc_changes: u64,
    lost_before: u64,
    last_ssrc: Option<u32>,
}

/// Jitter and report state of one stream.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    transit: Option<u32>,
    /// Jitter in 1/16 ticks (RFC 3550 A.8).
    jitter_16: u32,
    expected_prior: u64,
    received_prior: u64,
    last_sr: Option<(u32, u64)>,
}

impl StreamCounter {
    /// Counts a track whose RTP clock runs at `clock_hz`.
    pub fn new(clock_hz: u32) -> Self {
        Self {
            clock_hz: u64::from(clock_hz.max(1)),
            streams: Streams::new(),
            received: 0,
            late: 0,
            duplicate: 0,
            reordered: 0,
            ssrc_changes: 0,
            lost_before: 0,
            last_ssrc: None,
        }
    }

    /// Begins again, as if nothing had come; says how many packets had.
    pub fn begin_again(&mut self) -> u64 {
        let clock_hz = self.clock_hz as u32;
        std::mem::replace(self, Self::new(clock_hz)).received
    }

    /// Counts one packet and says what it is.
    pub fn packet(&mut self, sequence: u16, timestamp: u32, ssrc: u32, arrival_nanos: u64) -> Seen {
        let begun = self.streams.live().iter().any(|stream| stream.ssrc == ssrc);
        if self.last_ssrc.is_some_and(|last| last != ssrc) && !begun {
            self.ssrc_changes += 1;
        }
        self.last_ssrc = Some(ssrc);
        self.received += 1;
        let lost_before = &mut self.lost_before;
        let placed = self.streams.place(ssrc, sequence, |folded: &Stream<Clock>| *lost_before += folded.lost());
        match placed.seen {
            Seen::New => {}
            Seen::Reordered => self.reordered += 1,
            Seen::Late => self.late += 1,
            Seen::Duplicate => self.duplicate += 1,
        }
        if placed.seen != Seen::Duplicate {
            let arrival = self.ticks(arrival_nanos);
            if let Some(stream) = self.streams.current_mut() {
                stream.note.arrived(arrival, timestamp);
            }
        }
        placed.seen
    }

    /// Where the state of the streams lies, which the next packet changes, and how many octets it has: for who asks the
    /// processor for it ahead.
    pub fn memory(&self) -> (*const u8, usize) {
        let streams = self.streams.live();
        (streams.as_ptr().cast(), size_of_val(streams))
    }

    /// A wall time on the RTP clock. Whole seconds apart, because a division of 128 bits costs as much as the rest.
    fn ticks(&self, nanos: u64) -> u32 {
        let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        seconds.wrapping_mul(self.clock_hz).wrapping_add(rest * self.clock_hz / 1_000_000_000) as u32
    }

    /// The totals so far. `kernel_drops` and `refused` are the capture's to fill in.
    pub fn counters(&self) -> TrackCounters {
        TrackCounters {
            received: self.received,
            lost: self.lost_before + self.streams.live().iter().map(Stream::lost).sum::<u64>(),
            late: self.late,
            duplicate: self.duplicate,
            reordered: self.reordered,
            ssrc_changes: self.ssrc_changes,
            kernel_drops: 0,
            refused: 0,
            jitter_ticks: self.streams.current().map_or(0, |stream| stream.note.jitter_16 >> 4),
        }
    }

    /// Notes a sender report: the middle 32 bits of its NTP time, and when it came.
    pub fn sender_report(&mut self, ntp_mid: u32, arrival_nanos: u64) {
        if let Some(stream) = self.streams.current_mut() {
            stream.note.last_sr = Some((ntp_mid, arrival_nanos));
        }
    }

    /// How the current stream is heard since the last report; `None` before the first packet.
    pub fn report_block(&mut self, now_nanos: u64) -> Option<ReportBlock> {
        let stream = self.streams.current_mut()?;
        let (expected, received) = (stream.expected(), stream.received);
        let clock = &mut stream.note;
        let expected_interval = expected - clock.expected_prior.min(expected);
        let lost_interval = expected_interval.saturating_sub(received - clock.received_prior);
        (clock.expected_prior, clock.received_prior) = (expected, received);
        let (last_sr, delay_since_sr) = clock.last_sr.map_or((0, 0), |(ntp_mid, at)| {
            let delay = u128::from(now_nanos.saturating_sub(at)) * 65_536 / 1_000_000_000;
            (ntp_mid, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        Some(ReportBlock {
            ssrc: stream.ssrc,
            fraction_lost: (lost_interval * 256).checked_div(expected_interval).unwrap_or(0).min(255) as u8,
            cumulative_lost: (expected as i64 - received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: (stream.highest - (1 << 16)) as u32,
            jitter: stream.note.jitter_16 >> 4,
            last_sr,
            delay_since_sr,
        })
    }
}

impl Clock {
    fn arrived(&mut self, arrival: u32, timestamp: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs().min(MAX_STEP);
            self.jitter_16 = self.jitter_16 + difference - ((self.jitter_16 + 8) >> 4);
        }
    }
}

/// A timestamp leap is no jitter: one step counts for at most 8 s of an 8 kHz clock, and the sum cannot overflow.
const MAX_STEP: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift: the same network every time.
    struct Dice(u64);
    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }
    }

    fn feed(counter: &mut StreamCounter, numbers: impl IntoIterator<Item = u64>, ssrc: u32) {
        for number in numbers {
            counter.packet(number as u16, number as u32 * 160, ssrc, number * 20_000_000);
        }
    }

    #[test]
    fn a_hostile_network_is_counted_exactly_across_wraps() {
        for seed in 1..20 {
            let mut dice = Dice(seed * 0x9e37_79b9);
            let mut counter = StreamCounter::new(8_000);
            let (mut received, mut lost, mut duplicate, mut reordered, mut late) = (0, 0, 0, 0, 0);
            let mut held: Vec<(u64, u64)> = Vec::new();
            let start = 60_000 + seed * 100;
            let (mut packet, mut expect) = (start, Vec::new());
            while packet < start + 150_000 {
                match dice.roll(100) {
                    0..3 if packet > start => lost += 1,
                    3..6 if packet > start => held.push((packet, packet + 1 + dice.roll(40))),
                    6 if packet > start => held.push((packet, packet + 100 + dice.roll(800))),
                    7 => {
                        expect.push((packet, Seen::New));
                        expect.push((packet, Seen::Duplicate));
                    }
                    _ => expect.push((packet, Seen::New)),
                }
                let due = held.iter().position(|&(_, at)| at <= packet);
                if let Some(due) = due
                    && expect.last().is_some_and(|last| last.0 >= held[due].0)
                {
                    let (number, _) = held.remove(due);
                    let newest = expect.iter().rev().find(|sent| sent.1 == Seen::New).unwrap().0;
                    match newest - number {
                        1..=50 => expect.push((number, Seen::Reordered)),
                        51..1_024 => expect.push((number, Seen::Late)),
                        _ => lost += 1,
                    }
                }
                packet += 1;
            }
            let newest = expect.iter().rev().find(|sent| sent.1 == Seen::New).unwrap().0;
            lost += held.iter().filter(|(number, _)| *number < newest).count() as u64;
            let tail = (newest + 1..packet).count() as u64 - held.iter().filter(|(n, _)| *n > newest).count() as u64;
            for (number, seen) in expect {
                let verdict = counter.packet(number as u16, number as u32 * 160, 1, number * 20_000_000);
                assert_eq!(verdict, seen, "packet {number}");
                received += 1;
                match seen {
                    Seen::New => {}
                    Seen::Reordered => reordered += 1,
                    Seen::Late => late += 1,
                    Seen::Duplicate => duplicate += 1,
                }
            }
            let counters = counter.counters();
            assert_eq!((counters.received, counters.lost), (received, lost - tail));
            assert_eq!((counters.duplicate, counters.reordered, counters.late), (duplicate, reordered, late));
            assert!(late > 0 && reordered > 0 && duplicate > 0);
        }
    }

    #[test]
    fn a_new_ssrc_is_a_new_stream_and_a_straggler_of_the_old_one_disturbs_nothing() {
        let mut counter = StreamCounter::new(8_000);
        feed(&mut counter, 0..9, 1);
        feed(&mut counter, 40_000..40_010, 2);
        feed(&mut counter, [10], 1);
        feed(&mut counter, [40_010, 40_012], 2);
        let counters = counter.counters();
        assert_eq!((counters.received, counters.lost, counters.ssrc_changes), (22, 2, 1));
    }

    /// One that waited somewhere for half a minute.
    #[test]
    fn a_straggler_from_far_behind_disturbs_nothing() {
        let mut counter = StreamCounter::new(8_000);
        feed(&mut counter, (0..1).chain(2..1_448).chain(1..2).chain(1_448..1_600), 1);
        let counters = counter.counters();
        assert_eq!((counters.received, counters.lost, counters.duplicate), (1_600, 1, 0));
    }

    #[test]
    fn a_restarted_sequence_is_no_loss() {
        let mut counter = StreamCounter::new(8_000);
        feed(&mut counter, 100..200, 1);
        feed(&mut counter, 30_000..30_100, 1);
        assert_eq!((counter.counters().received, counter.counters().lost), (200, 0));
    }

    #[test]
    fn many_streams_are_folded_into_the_totals() {
        let mut counter = StreamCounter::new(8_000);
        for ssrc in 0..100 {
            feed(&mut counter, [5, 7], ssrc);
        }
        let counters = counter.counters();
        assert_eq!((counters.received, counters.lost, counters.ssrc_changes), (200, 100, 99));
    }

    #[test]
    fn packets_overtaken_by_the_very_first_are_expected_too() {
        let mut counter = StreamCounter::new(8_000);
        feed(&mut counter, [3, 1, 2], 1);
        assert_eq!((counter.counters().lost, counter.counters().reordered), (0, 2));
    }

    #[test]
    fn a_report_tells_the_loss_since_the_last_one() {
        let mut counter = StreamCounter::new(8_000);
        assert_eq!(counter.report_block(0), None);
        feed(&mut counter, (65_530..65_546).filter(|number| number % 4 != 1), 9);
        counter.sender_report(77, 1_000_000_000);
        let block = counter.report_block(1_500_000_000).unwrap();
        assert_eq!((block.ssrc, block.cumulative_lost, block.highest_sequence), (9, 3, 65_544));
        assert_eq!((block.last_sr, block.delay_since_sr), (77, 32_768));
        assert_eq!(block.fraction_lost, (3 * 256 / 15) as u8);
        feed(&mut counter, 65_545..65_555, 9);
        assert_eq!(counter.report_block(0).unwrap().fraction_lost, 0);
    }

    #[test]
    fn jitter_follows_the_rfc_and_even_pacing_has_none() {
        let mut even = StreamCounter::new(8_000);
        feed(&mut even, 0..100, 1);
        assert_eq!(even.counters().jitter_ticks, 0);
        let mut uneven = StreamCounter::new(8_000);
        for number in 0..2_000_u64 {
            let delay = if number % 2 == 0 { 0 } else { 5_000_000 };
            uneven.packet(number as u16, number as u32 * 160, 1, number * 20_000_000 + delay);
        }
        assert!((38..=40).contains(&uneven.counters().jitter_ticks), "{}", uneven.counters().jitter_ticks);
    }
}
