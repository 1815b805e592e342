//! What waits for the handshake thread: orders, which are never lost to a flood of datagrams, and datagrams, bounded.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::Word;
use crate::{clock, limits};

/// The queue. Nobody waits to put something in.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    words: VecDeque<Word>,
    datagrams: usize,
}

impl Queue {
    /// Puts a datagram in; false when too many wait.
    pub(crate) fn hand_over(&self, datagram: Word) -> bool {
        let mut waiting = self.waiting();
        if waiting.datagrams >= limits::DTLS_DATAGRAMS {
            return false;
        }
        waiting.datagrams += 1;
        waiting.words.push_back(datagram);
        self.bell.notify_one();
        true
    }

    /// Puts an order in; false when the thread has hung for longer than anything it could be told.
    pub(crate) fn order(&self, order: Word) -> bool {
        let mut waiting = self.waiting();
        if waiting.words.len() - waiting.datagrams >= limits::MAILBOX {
            return false;
        }
        waiting.words.push_back(order);
        self.bell.notify_one();
        true
    }

    /// Waits for words, until the moment given at most, and takes them all.
    pub(super) fn wait(&self, until: Option<Instant>, into: &mut Vec<Word>) {
        let mut waiting = self.waiting();
        while waiting.words.is_empty() {
            let now = clock::instant();
            waiting = match until {
                Some(until) if until <= now => return,
                Some(until) => {
                    let woken = self.bell.wait_timeout(waiting, until - now);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
        waiting.datagrams = 0;
        into.extend(waiting.words.drain(..));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use model::{RecordingId, TrackId, TrackNo};

    use super::*;
    use crate::handshake::Leg;

    #[test]
    fn a_flood_of_datagrams_is_bounded_and_leaves_room_for_orders() {
        let queue = Queue::default();
        let track = TrackId { recording: RecordingId::from_bytes([1; 16]), no: TrackNo(0) };
        let from = "192.0.2.1:5000".parse().expect("an address");
        let datagram = || Word::Datagram { track, leg: Leg::Media, from, octets: vec![22] };
        let taken = (0..limits::DTLS_DATAGRAMS + 10).filter(|_| queue.hand_over(datagram())).count();
        assert_eq!(taken, limits::DTLS_DATAGRAMS);
        assert!(queue.order(Word::Forget(track)));
        let mut words = Vec::new();
        queue.wait(None, &mut words);
        assert_eq!(words.len(), limits::DTLS_DATAGRAMS + 1);
        assert!(queue.hand_over(datagram()), "room again");
    }
}
