//! The tracks of a slice, each in a slot whose number stays the same while it lives: what the kernel knows a socket by.

use crate::{prefetch, track::Track};

/// A socket as the kernel's events name it: generation, slot, and which of the two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(pub(crate) u64);

impl Token {
    /// Whether the RTCP socket is meant.
    pub(crate) fn is_control(self) -> bool {
        self.0 & 1 == 1
    }

    fn new(slot: usize, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | (slot as u64) << 1)
    }

    fn slot(self) -> usize {
        (self.0 as u32 >> 1) as usize
    }

    /// The RTCP socket of the same track.
    pub(crate) fn control(self) -> Self {
        Self(self.0 | 1)
    }
}

/// Slots, reused with another generation, so that an event of the past meets nobody.
#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    // By pointer: a track is kilobytes of cipher state, and it changes hands.
    track: Option<Box<Track>>,
}

impl Slots {
    /// Puts a track in; the token of its RTP socket.
    pub(crate) fn insert(&mut self, track: Box<Track>) -> Token {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[slot].track = Some(track);
        Token::new(slot, self.slots[slot].generation)
    }

    /// The track of a socket, unless it is gone.
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Track> {
        let slot = self.slots.get_mut(token.slot())?;
        if slot.generation != (token.0 >> 32) as u32 {
            return None;
        }
        slot.track.as_deref_mut()
    }

    /// Slots there are, some of them empty.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// The track in a slot.
    pub(crate) fn at(&self, slot: usize) -> Option<&Track> {
        self.slots.get(slot).and_then(|held| held.track.as_deref())
    }

    /// Asks for the memory of the track in a slot, if there is one.
    pub(crate) fn prefetch(&self, slot: usize) {
        if let Some(track) = self.at(slot) {
            prefetch::value(track);
        }
    }

    /// The track in a slot, to change.
    pub(crate) fn at_mut(&mut self, slot: usize) -> Option<&mut Track> {
        self.slots.get_mut(slot).and_then(|held| held.track.as_deref_mut())
    }

    /// Takes a track out.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Box<Track>> {
        self.get_mut(token)?;
        let slot = &mut self.slots[token.slot()];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(token.slot());
        slot.track.take()
    }

    /// The token of every track.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let held = self.slots.iter().enumerate().filter(|(_, held)| held.track.is_some());
        held.map(|(slot, held)| Token::new(slot, held.generation)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
