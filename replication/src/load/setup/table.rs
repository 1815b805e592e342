//! The sessions of one connection and their timers. Decides; sends nothing and asks no clock.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use super::{
    Outcome,
    script::{Heard, Peer, Script},
};

/// A session between its INVITE and its end.
pub(super) enum Session {
    /// INVITE sent, no final answer yet.
    Inviting { message: Vec<u8>, sent: Instant, pause: Option<Duration> },
    /// Answered 200.
    Up(Peer),
    /// BYE sent.
    Ending { message: Vec<u8>, since: Instant, pause: Duration },
}

/// All of them.
pub(super) struct Table {
    script: Script,
    hold: Duration,
    is_lossy: bool,
    sessions: HashMap<u32, Session>,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    outcome: Outcome,
}

/// T1 of RFC 3261 17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// T2: no request waits longer for its next repetition.
const T2: Duration = Duration::from_secs(4);
/// 64*T1: then there is no answer.
const PATIENCE: Duration = Duration::from_secs(32);

impl Table {
    /// Sessions are held for `hold`; requests on a lossy road are repeated.
    pub(super) fn new(script: Script, hold: Duration, is_lossy: bool) -> Self {
        let (sessions, timers) = (HashMap::new(), BinaryHeap::new());
        Self { script, hold, is_lossy, sessions, timers, outcome: Outcome::default() }
    }

    /// An INVITE leaves now.
    pub(super) fn begin(&mut self, number: u32, message: Vec<u8>, now: Instant) {
        let pause = self.is_lossy.then_some(T1);
        self.timers.push(Reverse((now + pause.unwrap_or(PATIENCE), number)));
        self.sessions.insert(number, Session::Inviting { message, sent: now, pause });
    }

    /// A session that never began.
    pub(super) fn fail(&mut self, cause: &str, sessions: u32) {
        self.outcome.fail(cause, sessions);
    }

    /// How late INVITEs left.
    pub(super) fn behind(&mut self, late: Duration) {
        self.outcome.behind_ms = self.outcome.behind_ms.max(late.as_millis() as u64);
    }

    /// Nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.sessions.is_empty()
    }

    /// When [`Table::due`] has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// What came of it all; what is still under way failed with `cause`.
    pub(super) fn finish(mut self, cause: &str) -> Outcome {
        let open = self.sessions.len() as u32;
        if open > 0 {
            self.outcome.fail(cause, open);
        }
        self.outcome
    }

    /// Serves the timers up to `now`: repetitions, ends, and patience at its end.
    pub(super) fn due(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        while let Some(Reverse((at, number))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            if let Some(next) = self.serve(number, at, now, send) {
                self.timers.push(Reverse((next, number)));
            }
        }
    }

    fn serve(&mut self, number: u32, at: Instant, now: Instant, send: &mut impl FnMut(&[u8])) -> Option<Instant> {
        match self.sessions.get_mut(&number)? {
            Session::Inviting { sent, .. } if at >= *sent + PATIENCE => {
                self.outcome.fail("INVITE: no answer", 1);
                self.sessions.remove(&number);
                None
            }
            Session::Inviting { message, sent, pause, .. } => Some(match pause {
                Some(pause) => {
                    send(message);
                    *pause *= 2;
                    (at + *pause).min(*sent + PATIENCE)
                }
                None => *sent + PATIENCE,
            }),
            Session::Up(peer) => {
                let message = self.script.bye(number, peer);
                send(&message);
                self.sessions.insert(number, Session::Ending { message, since: now, pause: T1 });
                Some(now + if self.is_lossy { T1 } else { PATIENCE })
            }
            Session::Ending { since, .. } if at >= *since + PATIENCE => {
                self.outcome.fail("BYE: no answer", 1);
                self.sessions.remove(&number);
                None
            }
            Session::Ending { message, since, pause } => {
                send(message);
                *pause = (*pause * 2).min(T2);
                Some((at + *pause).min(*since + PATIENCE))
            }
        }
    }

    /// A message came.
    pub(super) fn hear(&mut self, message: &[u8], now: Instant, send: &mut impl FnMut(&[u8])) {
        match super::script::read(message) {
            Some(Heard::Answer { number, status, is_invite: true, to, contact, retry_after }) => {
                let peer = Peer { contact: contact.to_owned(), to: to.to_owned() };
                self.invited(number, (status, retry_after), peer, now, send);
            }
            Some(Heard::Answer { number, status, .. }) if status >= 200 => {
                if let Some(Session::Ending { .. }) = self.sessions.get(&number) {
                    self.sessions.remove(&number);
                    match status {
                        200..300 => self.outcome.ok += 1,
                        _ => self.outcome.fail(&format!("BYE: {status}"), 1),
                    }
                }
            }
            Some(Heard::Request { number, is_bye }) => {
                send(&Script::ok(message));
                if is_bye && matches!(self.sessions.get(&number), Some(Session::Up(_))) {
                    self.sessions.remove(&number);
                    self.outcome.fail("ended by the recorder", 1);
                }
            }
            Some(Heard::Answer { .. }) | None => {}
        }
    }

    fn invited(
        &mut self,
        number: u32,
        (status, retry_after): (u16, bool),
        peer: Peer,
        now: Instant,
        send: &mut impl FnMut(&[u8]),
    ) {
        match self.sessions.get_mut(&number) {
            Some(Session::Inviting { sent, pause, message }) => {
                let took = now.saturating_duration_since(*sent).as_micros() as u64;
                match status {
                    0..200 => {
                        // RFC 3261 17.1.1.2: a provisional answer ends the repetitions.
                        if pause.take().is_some() || !self.is_lossy {
                            self.outcome.trying.push(took);
                        }
                    }
                    200..300 => {
                        send(&self.script.ack(number, &peer));
                        self.outcome.set_up.push(took);
                        self.outcome.last = Some(now);
                        self.sessions.insert(number, Session::Up(peer));
                        self.timers.push(Reverse((now + self.hold, number)));
                    }
                    _ => {
                        send(&self.script.ack_refusal(number, message, &peer.to));
                        self.sessions.remove(&number);
                        self.outcome.fail(&format!("refused: {status}"), 1);
                        if status == 503 {
                            self.outcome.busy.push(took);
                            self.outcome.retry_after += u32::from(retry_after);
                        }
                    }
                }
            }
            // The ACK was lost: the 200 comes again.
            Some(Session::Up(peer)) if (200..300).contains(&status) => send(&self.script.ack(number, peer)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::spec::CallSpec;

    fn table(is_lossy: bool) -> Table {
        let spec = CallSpec::new("127.0.0.1".parse().unwrap());
        let script = Script::new(&spec, ([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 5060).into(), "r");
        Table::new(script, Duration::from_secs(3), is_lossy)
    }

    fn answer(number: u32, status: &str, cseq: &str) -> Vec<u8> {
        format!(
            "SIP/2.0 {status}\r\nTo: <sip:srs@h>;tag=b\r\nCall-ID: {number}.r@replicator.invalid\r\nCSeq: {cseq}\r\n\
             Contact: <sip:recorder@h>\r\nRetry-After: 5\r\n\r\n"
        )
        .into_bytes()
    }

    fn methods(sent: &[Vec<u8>]) -> Vec<String> {
        sent.iter().map(|message| String::from_utf8_lossy(message).split(' ').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_session_is_acknowledged_held_and_ended() {
        let (mut table, start, mut sent) = (table(true), crate::world::now(), Vec::new());
        let at = |ms| start + Duration::from_millis(ms);
        table.begin(1, b"INVITE x".to_vec(), at(0));
        table.due(at(500), &mut |message| sent.push(message.to_vec()));
        table.hear(&answer(1, "100 Trying", "1 INVITE"), at(600), &mut |_| panic!());
        table.due(at(1600), &mut |_| panic!("repeated after a provisional answer"));
        table.hear(&answer(1, "200 OK", "1 INVITE"), at(2000), &mut |message| sent.push(message.to_vec()));
        table.hear(&answer(1, "200 OK", "1 INVITE"), at(2500), &mut |message| sent.push(message.to_vec()));
        for ms in [5000, 5500] {
            table.due(at(ms), &mut |message| sent.push(message.to_vec()));
        }
        table.hear(&answer(1, "200 OK", "2 BYE"), at(5600), &mut |_| panic!());
        assert_eq!(methods(&sent), ["INVITE", "ACK", "ACK", "BYE", "BYE"]);
        assert!(table.is_idle());
        let outcome = table.finish("");
        assert_eq!((outcome.ok, outcome.set_up, outcome.trying), (1, vec![2_000_000], vec![600_000]));
    }

    #[test]
    fn refusals_and_silence_are_failures_by_name() {
        let (mut table, start) = (table(false), crate::world::now());
        let mut sent = Vec::new();
        for number in 1..=3 {
            table.begin(number, b"INVITE x".to_vec(), start);
        }
        let soon = start + Duration::from_millis(20);
        table.hear(&answer(1, "503 Full", "1 INVITE"), soon, &mut |message| sent.push(message.to_vec()));
        table.hear(&answer(2, "488 No", "1 INVITE"), soon, &mut |message| sent.push(message.to_vec()));
        table.due(start + PATIENCE, &mut |_| panic!("repeated on a safe road"));
        assert_eq!(methods(&sent), ["ACK", "ACK"]);
        let outcome = table.finish("");
        assert_eq!((outcome.ok, outcome.busy, outcome.retry_after), (0, vec![20_000], 1));
        let names: Vec<&str> = outcome.failures.keys().map(String::as_str).collect();
        assert_eq!(names, ["INVITE: no answer", "refused: 488", "refused: 503"]);
    }

    #[test]
    fn a_bye_of_the_recorder_is_answered_and_told() {
        let (mut table, start) = (table(false), crate::world::now());
        table.begin(1, b"INVITE x".to_vec(), start);
        table.hear(&answer(1, "200 OK", "1 INVITE"), start, &mut |_| {});
        let mut sent = Vec::new();
        let bye = b"BYE sip:x SIP/2.0\r\nCall-ID: 1.r@h\r\nCSeq: 9 BYE\r\n\r\n";
        table.hear(bye, start, &mut |message| sent.push(message.to_vec()));
        assert_eq!(methods(&sent), ["SIP/2.0"]);
        assert_eq!(table.finish("").failures["ended by the recorder"], 1);
    }
}
