//! The state machines of RFC 3261 17 with the Accepted state of RFC 6026, timers as data.
//!
//! A machine says what to send and when it wants to be asked again ([`Server::due`], [`Client::due`]); nothing here
//! knows sockets. Retransmission happens on unreliable transports only.

use std::{sync::Arc, time::Instant};

use crate::limits::{RINGING, T1, T2, T4, TRANSACTION};

/// What a timer brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Not due yet, or nothing to do.
    Nothing,
    /// Send this again.
    Resend(Arc<[u8]>),
    /// Forget the transaction.
    Done,
    /// Client: no answer came in time (as 408). Forget it.
    TimedOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerState {
    /// No final answer yet.
    Open,
    /// Final answer sent; for INVITE it is not 2xx.
    Completed,
    /// INVITE: ACK for a non-2xx came.
    Confirmed,
    /// INVITE: 2xx sent; the dialog retransmits it, we absorb (RFC 6026 7.1).
    Accepted,
}

/// A server transaction.
#[derive(Debug)]
pub struct Server {
    is_invite: bool,
    is_reliable: bool,
    state: ServerState,
    last: Option<Arc<[u8]>>,
    resend: Option<(Instant, std::time::Duration)>,
    ends: Option<Instant>,
}

impl Server {
    /// A request has come.
    pub const fn new(is_invite: bool, is_reliable: bool) -> Self {
        Self { is_invite, is_reliable, state: ServerState::Open, last: None, resend: None, ends: None }
    }

    /// Whether a final answer may still be given.
    pub fn is_open(&self) -> bool {
        self.state == ServerState::Open
    }

    /// An answer was sent.
    pub fn respond(&mut self, status: u16, octets: Arc<[u8]>, now: Instant) {
        self.last = Some(octets);
        if status < 200 {
            return;
        }
        self.ends = Some(now + TRANSACTION);
        match (self.is_invite, status < 300) {
            (true, true) => {
                self.state = ServerState::Accepted;
                self.last = None;
            }
            (true, false) => {
                self.state = ServerState::Completed;
                self.resend = (!self.is_reliable).then(|| (now + T1, T1));
            }
            (false, _) => {
                self.state = ServerState::Completed;
                if self.is_reliable {
                    self.ends = Some(now);
                }
            }
        }
    }

    /// The request came again: what to send.
    pub fn repeat(&self) -> Option<Arc<[u8]>> {
        match self.state {
            ServerState::Open | ServerState::Completed => self.last.clone(),
            ServerState::Confirmed | ServerState::Accepted => None,
        }
    }

    /// An ACK with this transaction's branch came. True: absorbed; false: it belongs to the dialog.
    pub fn acknowledged(&mut self, now: Instant) -> bool {
        match self.state {
            ServerState::Completed => {
                self.state = ServerState::Confirmed;
                self.resend = None;
                self.ends = Some(if self.is_reliable { now } else { now + T4 });
                true
            }
            ServerState::Confirmed => true,
            ServerState::Open | ServerState::Accepted => false,
        }
    }

    /// When [`Self::expire`] must be called.
    pub fn due(&self) -> Option<Instant> {
        earliest(self.resend.map(|(at, _)| at), self.ends)
    }

    /// A timer ran.
    pub fn expire(&mut self, now: Instant) -> Expiry {
        if self.ends.is_some_and(|at| at <= now) {
            return Expiry::Done;
        }
        again(&mut self.resend, self.last.as_ref(), T2, now)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientState {
    Calling,
    Proceeding,
    Completed,
    /// INVITE: 2xx came; further ones are passed up (RFC 6026 7.2).
    Accepted,
}

/// What becomes of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it up.
    Pass,
    /// Pass it up; an ACK must be made and kept with [`Client::keep_ack`].
    PassAndAck,
    /// A repetition: absorb it, sending the ACK again if there is one.
    Absorb(Option<Arc<[u8]>>),
}

/// A client transaction.
#[derive(Debug)]
pub struct Client {
    is_invite: bool,
    is_reliable: bool,
    state: ClientState,
    request: Arc<[u8]>,
    ack: Option<Arc<[u8]>>,
    resend: Option<(Instant, std::time::Duration)>,
    ends: Instant,
}

impl Client {
    /// A request was sent.
    pub fn new(is_invite: bool, is_reliable: bool, request: Arc<[u8]>, now: Instant) -> Self {
        let resend = (!is_reliable).then(|| (now + T1, T1));
        let ends = now + TRANSACTION;
        Self { is_invite, is_reliable, state: ClientState::Calling, request, ack: None, resend, ends }
    }

    /// A response came.
    pub fn respond(&mut self, status: u16, now: Instant) -> Verdict {
        match self.state {
            ClientState::Accepted if (200..300).contains(&status) => Verdict::Pass,
            ClientState::Completed | ClientState::Accepted => Verdict::Absorb(self.ack.clone()),
            ClientState::Calling | ClientState::Proceeding if status < 200 => {
                self.state = ClientState::Proceeding;
                if self.is_invite {
                    self.resend = None;
                    self.ends = now + RINGING;
                } else if let Some((_, interval)) = &mut self.resend {
                    *interval = T2;
                }
                Verdict::Pass
            }
            ClientState::Calling | ClientState::Proceeding => self.complete(status, now),
        }
    }

    fn complete(&mut self, status: u16, now: Instant) -> Verdict {
        self.resend = None;
        if self.is_invite && status < 300 {
            self.state = ClientState::Accepted;
            self.ends = now + TRANSACTION;
            return Verdict::Pass;
        }
        self.state = ClientState::Completed;
        self.ends = match (self.is_reliable, self.is_invite) {
            (true, _) => now,
            (false, true) => now + TRANSACTION,
            (false, false) => now + T4,
        };
        if self.is_invite { Verdict::PassAndAck } else { Verdict::Pass }
    }

    /// Keeps the ACK of a non-2xx answer for repetitions.
    pub fn keep_ack(&mut self, octets: Arc<[u8]>) {
        self.ack = Some(octets);
    }

    /// Whether a final answer has come.
    pub fn is_answered(&self) -> bool {
        matches!(self.state, ClientState::Completed | ClientState::Accepted)
    }

    /// When [`Self::expire`] must be called.
    pub fn due(&self) -> Option<Instant> {
        earliest(self.resend.map(|(at, _)| at), Some(self.ends))
    }

    /// A timer ran.
    pub fn expire(&mut self, now: Instant) -> Expiry {
        if self.ends <= now {
            return if self.is_answered() { Expiry::Done } else { Expiry::TimedOut };
        }
        // Timer A doubles without bound, timer E up to T2.
        let longest = if self.is_invite { TRANSACTION } else { T2 };
        again(&mut self.resend, Some(&self.request), longest, now)
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn again(
    resend: &mut Option<(Instant, std::time::Duration)>,
    octets: Option<&Arc<[u8]>>,
    longest: std::time::Duration,
    now: Instant,
) -> Expiry {
    match (resend, octets) {
        (Some((at, interval)), Some(octets)) if *at <= now => {
            *interval = (*interval * 2).min(longest);
            *at = now + *interval;
            Expiry::Resend(octets.clone())
        }
        _ => Expiry::Nothing,
    }
}

#[cfg(test)]
#[path = "tests/transaction.rs"]
mod tests;
