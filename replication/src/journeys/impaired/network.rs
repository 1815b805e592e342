//! A network out of a seed: it loses, delays, overtakes and repeats packets, and keeps account of what it did.

use std::{cmp::Ordering, collections::BinaryHeap};

use model::TrackCounters;

use super::{dice::Dice, marks::Arrived, talker::Departure};

/// What a network does to the packets of one direction. Chances in parts per million, times in ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Loss while the network is well.
    pub(super) loss: u64,
    /// How often it turns bad, and well again, from one packet to the next (Gilbert and Elliott).
    pub(super) turns_bad: u64,
    pub(super) turns_well: u64,
    /// Loss while it is bad.
    pub(super) bad_loss: u64,
    /// Every packet comes up to so much later than the fastest.
    pub(super) jitter_ms: u64,
    /// Packets that are held back, and for how long at most.
    pub(super) held: u64,
    pub(super) held_ms: u64,
    /// Packets that come a second time, up to 500 ms after the first.
    pub(super) duplicates: u64,
}

/// A packet that comes in.
pub(super) struct Arrival {
    /// Nanoseconds of our clock.
    pub(super) at: u64,
    pub(super) track: usize,
    pub(super) octets: Vec<u8>,
}

/// One direction: its weather, and the account of what became of its packets.
struct Direction {
    weather: Weather,
    dice: Dice,
    is_bad: bool,
    account: Account,
}

/// The truth about one direction, from numbers that never wrap.
#[derive(Default)]
struct Account {
    counters: TrackCounters,
    streams: Vec<Stream>,
    /// What was lost, by stream and number.
    lost: Vec<(usize, usize)>,
    marks: Vec<Arrived>,
}

#[derive(Default)]
struct Stream {
    heard: Vec<bool>,
    /// The lowest and the highest number heard.
    span: Option<(usize, usize)>,
}

/// Both directions of a call.
pub(super) struct Network {
    directions: [Direction; 2],
    flying: BinaryHeap<Flight>,
    departed: u64,
}

/// A packet under way. The greatest comes in first: the earliest, of two at the same time the one that left first.
struct Flight {
    lands: u64,
    ticket: u64,
    track: usize,
    packet: Departure,
}

impl Network {
    pub(super) fn new(weather: [Weather; 2], dice: &mut Dice) -> Self {
        let directions =
            weather.map(|weather| Direction { weather, dice: dice.fork(), is_bad: false, account: Account::default() });
        Self { directions, flying: BinaryHeap::new(), departed: 0 }
    }

    /// Takes a packet of a side.
    pub(super) fn send(&mut self, track: usize, packet: Departure) {
        let direction = &mut self.directions[track];
        if direction.loses() {
            direction.account.lost.push((packet.stream, packet.number));
            return;
        }
        let delay = direction.delay();
        if direction.dice.happens(direction.weather.duplicates) {
            let later = delay + direction.dice.below(500_000_000);
            let copy = Departure { octets: packet.octets.clone(), ..packet };
            self.fly(track, later, copy);
        }
        self.fly(track, delay, packet);
    }

    /// The next packet that comes in before `until`, in ns; what still leaves after that cannot overtake it.
    pub(super) fn arrival(&mut self, until: u64) -> Option<Arrival> {
        self.flying.peek().filter(|flight| flight.lands < until)?;
        let Flight { lands, track, packet, .. } = self.flying.pop()?;
        self.directions[track].account.arrived(&packet);
        Some(Arrival { at: lands, track, octets: packet.octets })
    }

    /// What it did, of each direction: the counters that are due, and the marks that came in.
    pub(super) fn accounts(self) -> [(TrackCounters, Vec<Arrived>); 2] {
        self.directions.map(|direction| direction.account.settle())
    }

    fn fly(&mut self, track: usize, delay: u64, packet: Departure) {
        self.flying.push(Flight { lands: packet.at + delay, ticket: self.departed, track, packet });
        self.departed += 1;
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.lands, other.ticket).cmp(&(self.lands, self.ticket))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flight {}

impl Direction {
    fn loses(&mut self) -> bool {
        let turns = if self.is_bad { self.weather.turns_well } else { self.weather.turns_bad };
        self.is_bad ^= self.dice.happens(turns);
        self.dice.happens(if self.is_bad { self.weather.bad_loss } else { self.weather.loss })
    }

    fn delay(&mut self) -> u64 {
        let jitter = self.dice.below(self.weather.jitter_ms * 1_000_000);
        let is_held = self.dice.happens(self.weather.held);
        jitter + if is_held { self.dice.below(self.weather.held_ms * 1_000_000) } else { 0 }
    }
}

impl Account {
    fn arrived(&mut self, packet: &Departure) {
        self.counters.received += 1;
        let Departure { stream, number, mark, at, .. } = *packet;
        while self.streams.len() <= stream {
            self.streams.push(Stream::default());
        }
        let Stream { heard, span } = &mut self.streams[stream];
        if heard.len() <= number {
            heard.resize(number + 1, false);
        }
        if std::mem::replace(&mut heard[number], true) {
            self.counters.duplicate += 1;
            return;
        }
        match span.map_or(0, |(_, highest)| highest.saturating_sub(number)) {
            0 => {}
            1..=REORDERED => self.counters.reordered += 1,
            _ => self.counters.late += 1,
        }
        *span = Some(span.map_or((number, number), |(low, high)| (low.min(number), high.max(number))));
        self.marks.extend(mark.map(|mark| Arrived { index: mark.index, truth: at + mark.after }));
    }

    /// Of what was lost, the recorder can know what lies between the first and the last packet of a stream.
    fn settle(mut self) -> (TrackCounters, Vec<Arrived>) {
        let spans: Vec<_> = self.streams.iter().map(|stream| stream.span).collect();
        let is_missed = |&&(stream, number): &&(usize, usize)| {
            spans.get(stream).copied().flatten().is_some_and(|(low, high)| (low..high).contains(&number))
        };
        self.counters.lost = self.lost.iter().filter(is_missed).count() as u64;
        self.counters.ssrc_changes = spans.iter().flatten().count().saturating_sub(1) as u64;
        (self.counters, self.marks)
    }
}

/// Numbers behind the newest up to which a packet is reordered; beyond, it is late (the glossary of the counters).
const REORDERED: usize = 50;
