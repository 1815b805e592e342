//! The tags of many packets of many lines at once, before each of them is opened in its turn.

use zeroize::Zeroizing;

use super::{
    Inbound,
    auth::AuthKey,
    lanes::{LANES, Lanes},
};

/// Computes tags ahead.
///
/// Contract: [`Foresight::add`] packets as they came, each with a number of the caller's, until [`Foresight::is_full`] or
/// there are no more; [`Foresight::tell`]; then open every packet where it stands, in the order of its line, by
/// [`Inbound::unprotect_foretold`]. That does exactly what [`Inbound::unprotect_rtp`] does, only sooner: a tag that does
/// not fit any more (the roll-over counter or the key is another by then) is computed again. Not every packet is
/// foretold: not those of AEAD suites, of an SSRC not heard yet, of a stream whose roll-over counter is in doubt, the
/// very long, and none where the processor hashes one message as fast. Nothing is allocated, nothing is decided.
pub struct Foresight {
    lanes: Option<Lanes>,
    pending: [Pending; LANES],
}

/// The tag of one packet, where it stood in memory when it was read, under the key and the roll-over counter its line had.
/// Good for opening it once.
pub struct Foretold {
    packet: Pending,
    inner: Zeroizing<[u32; 5]>,
    tag: [u8; 20],
}

#[derive(Clone, Copy, Default)]
struct Pending {
    number: usize,
    at: usize,
    length: usize,
    roc: u32,
}

/// What the tag of a packet is computed of, if nothing changes before its turn.
pub(super) struct Forecast<'i, 'p> {
    pub(super) key: &'i AuthKey,
    pub(super) message: &'p [u8],
    pub(super) roc: u32,
}

impl Foresight {
    /// With the fastest vectors of this processor.
    pub fn new() -> Self {
        Self { lanes: Lanes::new(), pending: [Pending::default(); LANES] }
    }

    /// Whether any packet is ever foretold on this processor.
    pub fn is_worthwhile(&self) -> bool {
        self.lanes.is_some()
    }

    /// Whether no more packets are taken before [`Foresight::tell`].
    pub fn is_full(&self) -> bool {
        self.lanes.as_ref().is_some_and(Lanes::is_full)
    }

    /// Takes note of an SRTP packet for this direction, if its tag can be computed ahead.
    pub fn add(&mut self, inbound: &Inbound, packet: &[u8], number: usize) {
        let Some(lanes) = &mut self.lanes else { return };
        let Some(forecast) = inbound.forecast(packet) else { return };
        if let Some(lane) = lanes.add(forecast.key, forecast.message, forecast.roc) {
            let (at, length) = (packet.as_ptr().addr(), packet.len());
            self.pending[lane] = Pending { number, at, length, roc: forecast.roc };
        }
    }

    /// Computes the tags of what was added and tells each under its number; empty again.
    pub fn tell(&mut self, mut told: impl FnMut(usize, Foretold)) {
        let Some(lanes) = &mut self.lanes else { return };
        let added = lanes.filled();
        if lanes.run() {
            for (lane, packet) in self.pending[..added].iter().enumerate() {
                let inner = Zeroizing::new(lanes.inner(lane));
                told(packet.number, Foretold { packet: *packet, inner, tag: lanes.tag(lane) });
            }
        }
        lanes.clear();
    }
}

impl Default for Foresight {
    fn default() -> Self {
        Self::new()
    }
}

impl Foretold {
    /// The tag, if it is that of this packet under this key and counter.
    pub(super) fn tag(&self, packet: &[u8], key: &AuthKey, roc: u32) -> Option<&[u8; 20]> {
        let is_packet = (self.packet.at, self.packet.length) == (packet.as_ptr().addr(), packet.len());
        let is_state = self.packet.roc == roc && *self.inner == key.inner;
        (is_packet && is_state).then_some(&self.tag)
    }
}
