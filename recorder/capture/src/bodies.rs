//! Memory for the chunks that are being filled, shared by the tracks of one worker.
//!
//! At the default intervals a chunk is filled and sealed in the same turn, so that a worker needs memory for the tracks
//! that are gathered together, not for all it has: 5 kB less a call, and what is filled is still in the cache.

use media::chunk::ChunkWriter;

use crate::limits::BODIES;

/// Bodies of sealed chunks, empty or to be overwritten.
#[derive(Default)]
pub(crate) struct Bodies(Vec<Vec<u8>>);

impl Bodies {
    /// Gives a chunk that begins its memory, if there is some; it makes its own otherwise.
    pub(crate) fn lend(&mut self, chunk: &mut ChunkWriter) {
        if let Some(spent) = self.0.pop() {
            chunk.recycle(spent);
        }
    }

    /// Takes the memory of a sealed chunk.
    pub(crate) fn give_back(&mut self, spent: Vec<u8>) {
        if self.0.len() < BODIES {
            self.0.push(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_track_gives_back_another_one_fills() {
        let (mut bodies, mut one, mut other) = (Bodies::default(), ChunkWriter::new(256), ChunkWriter::new(256));
        bodies.lend(&mut one);
        assert!(one.push(1, b"packet"));
        let spent = one.take().unwrap().plain;
        let memory = spent.as_ptr();
        bodies.give_back(spent);
        bodies.lend(&mut other);
        assert!(other.push(2, b"another"));
        assert_eq!(other.take().unwrap().plain.as_ptr(), memory);
    }

    #[test]
    fn no_more_is_kept_than_is_used_together() {
        let mut bodies = Bodies::default();
        (0..2 * BODIES).for_each(|_| bodies.give_back(Vec::with_capacity(8)));
        assert_eq!(bodies.0.len(), BODIES);
    }
}
