//! Target of DTLS as a stranger reaches it: datagrams at an end that stands at some step of a handshake. An end is asked by
//! many inputs before its handshake goes on, because a handshake costs a thousand times what a datagram does; what one
//! input leaves behind is there for the next one, as in life.

use std::cell::RefCell;

use crate::handshake::{Pair, framed, heard};

/// Inputs after which every end that waits is given up: a run of the last so many meets the same ends.
pub(crate) const FORGETS: u64 = 4_096;
/// Inputs that one end is asked.
const USES: u32 = 64;
/// The octet that says which end waits for the input: who it is (bit 0), after how many genuine datagrams (bits 1 to 3),
/// whether signaling named another certificate (bit 4).
const ENDS: usize = 32;

struct Held {
    pair: Pair,
    uses: u32,
}

#[derive(Default)]
struct Ends {
    held: [Option<Box<Held>>; ENDS],
    inputs: u64,
}

thread_local! {
    static WAITING: RefCell<Ends> = RefCell::default();
}

/// The first octet names the end, the rest is datagrams with their lengths before them.
pub(crate) fn dtls(octets: &[u8]) {
    let Some((how, rest)) = octets.split_first() else { return };
    let place = usize::from(*how) % ENDS;
    let (victim, is_named_wrongly) = (place & 1, place & 0x10 != 0);
    WAITING.with_borrow_mut(|ends| {
        if ends.inputs.is_multiple_of(FORGETS) {
            ends.held = Default::default();
        }
        ends.inputs += 1;
        let held = ends.held[place].get_or_insert_with(|| {
            let mut pair = Pair::new(is_named_wrongly.then_some(victim));
            pair.exchange(place >> 1 & 7);
            Box::new(Held { pair, uses: 0 })
        });
        let on_the_way = held.pair.wire.len();
        framed(rest).for_each(|datagram| held.pair.hear(victim, datagram));
        // What it says to the stranger the genuine end does not hear.
        held.pair.wire.truncate(on_the_way);
        held.uses += 1;
        if held.uses >= USES || held.pair.ends[victim].has_failed {
            held.pair.finish();
            assert!(
                !is_named_wrongly || held.pair.ends[victim].keys.is_none(),
                "a certificate that nobody named gave keys"
            );
            ends.held[place] = None;
        }
    });
}

/// A handshake as it went, told to both ends at every step.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let heard = heard();
    (0..ENDS as u8).map(|place| [&[place], &heard[usize::from(place & 1)][..]].concat()).collect()
}
