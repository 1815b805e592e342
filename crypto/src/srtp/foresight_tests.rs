//! Tags computed ahead: whatever happens between, the outcome is that of one packet after the other.

use proptest::prelude::*;

use super::{Foresight, Foretold, Inbound, Outbound, SrtpError, Suite};

const COUNTER_MODE: [Suite; 4] =
    [Suite::AesCm128Sha1_80, Suite::AesCm128Sha1_32, Suite::AesCm256Sha1_80, Suite::AesCm256Sha1_32];

fn key_salt(suite: Suite, seed: u8) -> Vec<u8> {
    (0..suite.key_salt_len() as u8).map(|octet| octet.wrapping_mul(57) ^ seed).collect()
}

fn rtp(ssrc: u32, sequence: u16, octets: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0, 0, 1, 64];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend((0..octets).map(|at| at as u8 ^ sequence as u8));
    packet
}

/// What is done to a packet on its way.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// One bit is flipped.
    Forged(u16),
    /// Comes after so many others.
    Late(usize),
    CutShort,
}

/// What happens on a line.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The sender's next packet, so many sequence numbers on, of so many octets.
    Packet(u16, usize, Fate),
    /// The receiver's key is exchanged; the sender's a step later.
    Rekey,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        2 => Just(Fate::Twice),
        2 => any::<u16>().prop_map(Fate::Forged),
        2 => (1..6_usize).prop_map(Fate::Late),
        1 => Just(Fate::CutShort),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![12 => Just(1_u16), 2 => 2..200_u16, 1 => 10_000..30_000_u16];
    let octets = prop_oneof![6 => Just(160_usize), 2 => 0..700_usize];
    prop_oneof![
        30 => (ahead, octets, fate()).prop_map(|(ahead, octets, fate)| Step::Packet(ahead, octets, fate)),
        1 => Just(Step::Rekey),
    ]
}

/// What a receiver gets: packets, and when its key changes.
enum Event {
    Packet(Vec<u8>),
    Rekey(u8),
}

/// The line as its receiver sees it.
fn line(suite: Suite, mki: &[u8], begin: u16, steps: &[Step]) -> Vec<Event> {
    let mut seed = 1;
    let mut sender = Outbound::new(suite, &key_salt(suite, seed)).unwrap();
    let (mut sequence, mut events, mut late) = (begin, Vec::new(), Vec::new());
    for step in steps {
        match *step {
            Step::Rekey => {
                seed += 1;
                sender = Outbound::new(suite, &key_salt(suite, seed)).unwrap();
                events.push(Event::Rekey(seed));
            }
            Step::Packet(ahead, octets, fate) => {
                sequence = sequence.wrapping_add(ahead);
                let mut packet = rtp(7 + u32::from(sequence % 50 == 3), sequence, octets);
                // A jump back to a number already sent is no packet at all.
                if sender.protect_rtp(&mut packet).is_err() {
                    continue;
                }
                let at = if suite.is_aead() { packet.len() } else { packet.len() - suite.rtp_tag_len() };
                packet.splice(at..at, mki.iter().copied());
                match fate {
                    Fate::Arrives => events.push(Event::Packet(packet)),
                    Fate::Lost => {}
                    Fate::Twice => events.extend([Event::Packet(packet.clone()), Event::Packet(packet)]),
                    Fate::Forged(bit) => {
                        let bit = usize::from(bit) % (packet.len() * 8);
                        packet[bit / 8] ^= 1 << (bit % 8);
                        events.push(Event::Packet(packet));
                    }
                    Fate::Late(after) => late.push((events.len() + after, packet)),
                    Fate::CutShort => events.push(Event::Packet(packet[..packet.len() / 2].to_vec())),
                }
            }
        }
        late.retain(|(due, packet)| {
            let is_due = *due <= events.len();
            if is_due {
                events.push(Event::Packet(packet.clone()));
            }
            !is_due
        });
    }
    events
}

type Outcome = Result<Vec<u8>, SrtpError>;

fn outcome(opened: Result<usize, SrtpError>, packet: &[u8]) -> Outcome {
    opened.map(|length| packet[..length].to_vec())
}

/// One packet after the other; and what is remembered at the end.
fn plainly(mut inbound: Inbound, suite: Suite, mki_len: usize, events: &[Event]) -> (Vec<Outcome>, Inbound) {
    let mut outcomes = Vec::new();
    for event in events {
        match event {
            Event::Packet(packet) => {
                let mut packet = packet.clone();
                outcomes.push(outcome(inbound.unprotect_rtp(&mut packet), &packet));
            }
            Event::Rekey(seed) => inbound = Inbound::new(suite, &key_salt(suite, *seed), mki_len).unwrap(),
        }
    }
    (outcomes, inbound)
}

/// In batches, each foretold as a whole before anything of it happens; how many packets were foretold, too.
fn foretold(
    mut inbound: Inbound,
    (suite, mki_len, batch): (Suite, usize, usize),
    events: &[Event],
) -> (Vec<Outcome>, Inbound, usize) {
    let (mut foresight, mut outcomes, mut count) = (Foresight::new(), Vec::new(), 0);
    for events in events.chunks(batch) {
        let mut packets: Vec<_> = events
            .iter()
            .map(|event| match event {
                Event::Packet(packet) => packet.clone(),
                Event::Rekey(_) => Vec::new(),
            })
            .collect();
        let mut told: Vec<_> = packets.iter().map(|_| None).collect();
        for (number, packet) in packets.iter().enumerate() {
            foresight.add(&inbound, packet, number);
            if foresight.is_full() {
                foresight.tell(|number, foretold| told[number] = Some(foretold));
            }
        }
        foresight.tell(|number, foretold| told[number] = Some(foretold));
        count += told.iter().flatten().count();
        for ((event, packet), foretold) in events.iter().zip(&mut packets).zip(told) {
            match event {
                Event::Packet(_) => outcomes.push(outcome(inbound.unprotect_foretold(packet, foretold), packet)),
                Event::Rekey(seed) => inbound = Inbound::new(suite, &key_salt(suite, *seed), mki_len).unwrap(),
            }
        }
    }
    (outcomes, inbound, count)
}

#[test]
fn a_stream_is_foretold_over_its_roll_over() {
    if !Foresight::new().is_worthwhile() {
        return;
    }
    for suite in COUNTER_MODE {
        let steps = [Step::Packet(1, 160, Fate::Arrives); 200];
        let events = line(suite, &[], 65_440, &steps);
        let inbound = || Inbound::new(suite, &key_salt(suite, 1), 0).unwrap();
        let (outcomes, _, count) = foretold(inbound(), (suite, 0, 40), &events);
        assert!(outcomes.iter().all(Result::is_ok), "{}", suite.name());
        assert!(outcomes == plainly(inbound(), suite, 0, &events).0);
        // The first batch comes before the SSRC is known.
        assert_eq!(count, 160, "{}", suite.name());
    }
}

#[test]
fn nothing_is_foretold_of_aead_nor_of_a_stream_joined_late() {
    let mut foresight = Foresight::new();
    let steps = [Step::Packet(1, 160, Fate::Arrives); 40];
    for suite in Suite::ALL {
        let events = line(suite, &[], 1, &steps);
        let key_salt = key_salt(suite, 1);
        let fresh = Inbound::new(suite, &key_salt, 0).unwrap();
        let late = Inbound::joining_late(suite, &key_salt, 0).unwrap();
        let inbound = if suite.is_aead() { plainly(fresh, suite, 0, &events).1 } else { late };
        for event in &events {
            if let Event::Packet(packet) = event {
                foresight.add(&inbound, packet, 0);
            }
        }
        foresight.tell(|_, _| panic!("{}", suite.name()));
    }
}

/// Packets foretold together; each twice, so that they are enough on every processor.
fn tell(packets: &[Vec<u8>], inbound: &Inbound) -> Vec<Option<Foretold>> {
    let (mut foresight, mut told) = (Foresight::new(), Vec::new());
    packets.iter().for_each(|_| told.push(None));
    let noted = packets.iter().enumerate().chain(packets.iter().enumerate());
    noted.for_each(|(number, packet)| foresight.add(inbound, packet, number));
    foresight.tell(|number, foretold| told[number] = Some(foretold));
    told
}

/// A line that has begun: the sender's next packets, and the receiver.
fn begun(seed: u8) -> (impl FnMut(u16) -> Vec<u8>, Inbound) {
    let suite = Suite::AesCm128Sha1_80;
    let mut sender = Outbound::new(suite, &key_salt(suite, seed)).unwrap();
    let mut sealed = move |sequence| {
        let mut packet = rtp(7, sequence, 160);
        sender.protect_rtp(&mut packet).unwrap();
        packet
    };
    let mut inbound = Inbound::new(suite, &key_salt(suite, seed), 0).unwrap();
    inbound.unprotect_rtp(&mut sealed(1_000)).unwrap();
    (sealed, inbound)
}

#[test]
fn a_tag_is_good_for_its_packet_and_its_key_alone() {
    let (mut sealed, mut inbound) = begun(1);
    let mut packets = [sealed(1_001), sealed(1_002), Vec::new()];
    // Header and tag of an authentic packet, another payload.
    packets[2] = packets[0].clone();
    packets[2][50] ^= 1;
    let mut told = tell(&packets[..2], &inbound);
    assert_eq!(inbound.unprotect_foretold(&mut packets[2], told[0].take()), Err(SrtpError::Unauthentic));
    let (_, mut other) = begun(2);
    assert_eq!(other.unprotect_foretold(&mut packets[1], told[1].take()), Err(SrtpError::Unauthentic));
    let mut told = tell(&packets, &inbound);
    assert_eq!(inbound.unprotect_foretold(&mut packets[2], told[2].take()), Err(SrtpError::Unauthentic));
    assert!(inbound.unprotect_foretold(&mut packets[0], told[0].take()).is_ok());
    assert!(inbound.unprotect_foretold(&mut packets[1], told[1].take()).is_ok());
}

#[test]
fn a_counter_that_rolled_on_meanwhile_is_computed_again() {
    let (mut sealed, mut inbound) = begun(1);
    // The last one is taken for a very late packet at first; when its turn comes the stream has rolled over.
    let mut packets = [17_000, 33_000, 49_000, 50_800, 1_100].map(&mut sealed);
    let told = tell(&packets, &inbound);
    let opened: Vec<_> =
        packets.iter_mut().zip(told).map(|(packet, told)| inbound.unprotect_foretold(packet, told).is_ok()).collect();
    assert_eq!(opened, [true; 5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn batches_and_single_packets_have_the_same_outcome(
        suite in prop::sample::select(&Suite::ALL[..]),
        mki in prop::collection::vec(any::<u8>(), 0..6),
        begin in prop_oneof![Just(65_500_u16), Just(0_u16), any::<u16>()],
        steps in prop::collection::vec(step(), 1..150),
        batch in 1..60_usize,
        joins_late in any::<bool>(),
    ) {
        let events = line(suite, &mki, begin, &steps);
        let new = if joins_late { Inbound::joining_late } else { Inbound::new };
        let inbound = || new(suite, &key_salt(suite, 1), mki.len()).unwrap();
        let (one_by_one, remembered) = plainly(inbound(), suite, mki.len(), &events);
        let (batched, after, _) = foretold(inbound(), (suite, mki.len(), batch), &events);
        prop_assert_eq!(one_by_one, batched);
        prop_assert!(remembered.memory() == after.memory());
        prop_assert!(remembered.late == after.late);
    }
}
