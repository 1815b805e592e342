//! The tags of datagrams computed together, before each is opened in its turn: what was noted, what is told, in one order.

use crypto::srtp::{Foresight, Foretold};

use crate::{envelope::Envelope, limits::AHEAD, track::Track};

/// Contract: [`Ahead::note`] every datagram, [`Ahead::compute`], then [`Ahead::next`] once for each of them, in the same
/// order, without anything moved in memory meanwhile; over again after [`Ahead::clear`].
pub(crate) struct Ahead {
    foresight: Foresight,
    /// By the number of the datagram.
    told: Box<[Option<Foretold>]>,
    noted: usize,
    next: usize,
}

impl Ahead {
    pub(crate) fn new() -> Self {
        Self { foresight: Foresight::new(), told: (0..AHEAD).map(|_| None).collect(), noted: 0, next: 0 }
    }

    /// Whether any datagram of the track can be told ahead.
    pub(crate) fn is_for(&self, track: &Track) -> bool {
        self.foresight.is_worthwhile() && track.srtp.as_ref().is_some_and(|srtp| srtp.is_foreseeable())
    }

    /// The next datagram. Work is spent only on one that its source allows to be authenticated.
    pub(crate) fn note(&mut self, track: &Track, envelope: &Envelope, octets: &[u8]) {
        let number = self.noted;
        self.noted += 1;
        if number >= AHEAD || !track.is_media_of_its_source(envelope, octets) {
            return;
        }
        if let Some(srtp) = &track.srtp {
            srtp.note(&mut self.foresight, octets, number);
        }
        if self.foresight.is_full() {
            self.compute();
        }
    }

    /// Computes what was noted.
    pub(crate) fn compute(&mut self) {
        let told = &mut self.told;
        self.foresight.tell(|number, foretold| told[number] = Some(foretold));
    }

    /// What is known ahead of the next datagram.
    pub(crate) fn next(&mut self) -> Option<Foretold> {
        let told = self.told.get_mut(self.next).and_then(Option::take);
        self.next += 1;
        told
    }

    /// Everything noted was asked for.
    pub(crate) fn clear(&mut self) {
        let end = self.noted.min(AHEAD);
        self.told[self.next.min(end)..end].fill_with(|| None);
        (self.noted, self.next) = (0, 0);
    }
}
