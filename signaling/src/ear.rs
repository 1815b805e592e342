//! Who is told what happened: the other side of the task that owns the core, without a runtime of its own in between.

use signaling_core::event::Event;
use tokio::sync::mpsc;

/// Takes events in order and never waits. All that one wake-up of signaling brought comes at once, so that it costs one
/// wake-up of whoever listens.
pub trait Ear: Send {
    /// How many events it takes now; `None` when nobody listens any more.
    fn room(&mut self) -> Option<usize>;

    /// Takes these, at most as many as it had room for.
    fn tell(&mut self, events: Vec<Event>);
}

impl Ear for mpsc::Sender<Event> {
    fn room(&mut self) -> Option<usize> {
        (!self.is_closed()).then(|| self.capacity())
    }

    fn tell(&mut self, events: Vec<Event>) {
        for event in events {
            // There was room for it; a receiver that has gone since wants no events.
            let _ = self.try_send(event);
        }
    }
}
