//! What somebody wants of a call that goes on: pause, resume, digits, its end.

use signaling_core::sdp::Direction;

use super::{Call, CallError, legs::Side};
use crate::{
    stream::{line::Gate, said::Said, schedule::Digits},
    world,
};

/// One wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Send nothing from now on.
    Silence,
    /// Send again.
    Sound,
    /// Offer `inactive` on every line; whether anything is sent is another matter.
    OfferInactive,
    /// Offer `sendonly` again.
    OfferActive,
    /// Digits of that side as telephone-event (RFC 4733). Those of its last wish that did not sound yet are dropped.
    Events(Side, String),
    /// Digits of that side as tones in its sound.
    Tones(Side, String),
    /// Digits by INFO, one after the other.
    Info(String),
    /// The state of the recorder by MSML: `pause`, `resume`.
    Msml(&'static str),
    /// Hang up.
    End,
}

impl Call {
    /// False when the call is over with it.
    pub(super) async fn fulfil(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Silence => self.set_gates(Gate::Paused),
            Wish::Sound => self.set_gates(Gate::Open),
            Wish::OfferInactive => self.offer(Direction::Inactive).await,
            Wish::OfferActive => self.offer(Direction::SendOnly).await,
            Wish::Events(side, digits) => self.say(side, &digits, |digits, _| Said::events(digits)),
            Wish::Tones(side, digits) => {
                self.say(side, &digits, |digits, spec| Said::tones(digits, spec.law, spec.ptime()));
            }
            Wish::Info(digits) => self.press(&digits).await,
            Wish::Msml(state) => self.steer(state).await,
            Wish::End => {
                self.set_gates(Gate::Closed);
                return false;
            }
        }
        true
    }

    fn set_gates(&self, gate: Gate) {
        for leg in self.legs.iter().filter(|leg| *leg.gate.borrow() != Gate::Closed) {
            leg.gate.send_replace(gate);
        }
    }

    async fn offer(&mut self, direction: Direction) {
        for index in 0..self.legs.len() {
            if *self.legs[index].gate.borrow() == Gate::Closed {
                continue;
            }
            let outcome = self.legs[index].session.turn(direction).await;
            self.note(index, outcome);
        }
    }

    async fn press(&mut self, digits: &str) {
        for digit in digits.chars() {
            for index in 0..self.legs.len() {
                let outcome = self.legs[index].session.dialog.press(digit).await;
                self.note(index, outcome);
            }
        }
    }

    async fn steer(&mut self, state: &str) {
        for index in 0..self.legs.len() {
            let outcome = self.legs[index].session.dialog.steer(state).await;
            self.note(index, outcome);
        }
    }

    fn say(&mut self, side: Side, text: &str, said: impl FnOnce(Digits, &super::CallSpec) -> Said) {
        // Not before the next packet: the ones before it have left.
        let from = self.schedule().next_index(world::now()) + 1;
        match Digits::new(text, from, self.spec.ptime()) {
            Some(digits) => drop(self.media.said[side.index()].send_replace(said(digits, &self.spec))),
            None => self.problems.push(format!("digits: `{text}` are not 0-9 * # A-D")),
        }
    }

    fn note(&mut self, leg: usize, outcome: Result<(), CallError>) {
        if let Err(cause) = outcome {
            self.problems.push(format!("dialog {}: {cause}", leg + 1));
        }
    }
}
