//! The one task that owns a scenario: what is due, what connections say, what recordings come to.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use signaling_core::tlib::message::{Message, Time};
use tokio::{sync::mpsc, task::JoinSet, time::sleep_until};

use super::{
    link::{self, Door, Heard, Way},
    model::{Switch, Told},
    peers::Peers,
    recordings::Recordings,
    report::Report,
    requests::Carry,
    scenario::{Scenario, Start},
};
use crate::{error::CallError, limits, world};

/// What will happen.
pub(super) enum Due {
    /// That step of the scenario.
    Step(usize),
    /// The answer to a request, and what comes of it.
    Answer { link: u64, message: Message, carry: Option<Carry> },
    /// An event that is late.
    Tell(Told),
    /// Some of many events.
    Flood { call: String, left: u64, each: u64 },
    /// A heart-beat to everybody.
    Beat,
    /// The servers are there again.
    Return,
}

/// Everything.
pub(super) struct Hub {
    pub(super) scenario: Scenario,
    pub(super) switch: Switch,
    pub(super) peers: Peers,
    pub(super) recordings: Recordings,
    pub(super) report: Report,
    /// Time 0.
    pub(super) zero: Option<(Instant, Duration)>,
    began: Instant,
    due: BTreeMap<(Instant, u64), Due>,
    next_due: u64,
    /// Steps and answers to come.
    ahead: usize,
    ways: Vec<Way>,
    servers: JoinSet<()>,
    inbox: (mpsc::Sender<Heard>, mpsc::Receiver<Heard>),
    next_link: Arc<AtomicU64>,
}

impl Hub {
    pub(super) fn new(scenario: Scenario) -> Result<Self, CallError> {
        let ways = link::ways(&scenario.server)?;
        let switch = Switch::new(&scenario).map_err(CallError::Usage)?;
        let began = world::now();
        let report = Report { name: scenario.name.clone(), ..Report::default() };
        let mut hub = Self {
            peers: Peers::new(&scenario.server, began),
            recordings: Recordings::new(scenario.recorder.clone()),
            scenario,
            switch,
            report,
            zero: None,
            began,
            due: BTreeMap::new(),
            next_due: 0,
            ahead: 0,
            ways,
            servers: JoinSet::new(),
            inbox: mpsc::channel(limits::SERVE_INBOX),
            next_link: Arc::default(),
        };
        hub.after(hub.scenario.server.heartbeat.0, Due::Beat);
        Ok(hub)
    }

    /// To the end.
    pub(super) async fn play(mut self) -> Report {
        self.open();
        if self.scenario.server.start == Start::Now {
            self.begin();
        }
        while !self.is_done() {
            let next = self.due.first_key_value().map_or_else(|| self.end(), |((at, _), _)| (*at).min(self.end()));
            tokio::select! {
                Some(heard) = self.inbox.1.recv() => self.hear(heard),
                (report, problem) = self.recordings.next() => {
                    self.report.recordings.push(report);
                    self.report.problems.extend(problem);
                }
                () = sleep_until(next.into()) => {}
            }
            self.do_due();
        }
        self.finish().await
    }

    /// When it is over at the earliest; before time 0, when nobody waits any longer.
    fn end(&self) -> Instant {
        match self.zero {
            Some((zero, _)) => zero + self.scenario.server.length.0,
            None => self.began + self.scenario.server.patience.0,
        }
    }

    fn is_done(&self) -> bool {
        world::now() >= self.end() && (self.zero.is_none() || self.ahead == 0)
    }

    async fn finish(mut self) -> Report {
        if self.zero.is_none() {
            self.problem("the recorder did not come, or did not register every DN");
        }
        for (report, problem) in self.recordings.finish().await {
            self.report.recordings.push(report);
            self.report.problems.extend(problem);
        }
        self.peers.close_all(world::now());
        self.servers.shutdown().await;
        let Peers { links, sent, .. } = self.peers;
        (self.report.links, self.report.sent) = (links, sent);
        self.report.close();
        self.report
    }

    pub(super) fn problem(&mut self, what: impl Into<String>) {
        self.report.problems.push(what.into());
    }

    /// Lets connections come.
    pub(super) fn open(&mut self) {
        for (server, way) in self.ways.iter().enumerate() {
            let door = Door { server, inbox: self.inbox.0.clone(), next: Arc::clone(&self.next_link) };
            self.servers.spawn(link::run(way.clone(), door));
        }
    }

    /// Nobody is there any more.
    pub(super) fn vanish(&mut self) {
        self.servers.abort_all();
        self.peers.close_all(world::now());
    }

    /// Time 0 is now.
    pub(super) fn begin(&mut self) {
        if self.zero.is_some() {
            return;
        }
        let zero = world::now();
        self.zero = Some((zero, world::since_1970()));
        for number in 0..self.scenario.step.len() {
            let step = &self.scenario.step[number];
            let late = step.late.unwrap_or(self.scenario.server.late);
            let late = if step.act.is_of_calls() { late.0 } else { Duration::ZERO };
            self.at(zero + step.at.0 + late, Due::Step(number));
        }
    }

    /// The wall clock at a time of the scenario.
    pub(super) fn wall(&self, at: Duration) -> Time {
        let since = self.zero.map_or_else(world::since_1970, |(_, wall)| wall + at);
        Time::from_nanos(since.as_nanos() as u64)
    }

    /// How long ago time 0 was.
    pub(super) fn elapsed(&self) -> Duration {
        self.zero.map_or(Duration::ZERO, |(zero, _)| world::now().saturating_duration_since(zero))
    }

    pub(super) fn after(&mut self, time: Duration, due: Due) {
        self.at(world::now() + time, due);
    }

    fn at(&mut self, time: Instant, due: Due) {
        self.ahead += usize::from(!matches!(due, Due::Beat));
        self.due.insert((time, self.next_due), due);
        self.next_due += 1;
    }

    fn do_due(&mut self) {
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= world::now()) {
            let due = first.remove();
            self.ahead -= usize::from(!matches!(due, Due::Beat));
            match due {
                Due::Step(number) => {
                    let step = self.scenario.step[number].clone();
                    self.report.steps += 1;
                    self.step(&step);
                }
                Due::Answer { link, message, carry } => {
                    self.peers.send(link, message);
                    if let Some(carry) = carry {
                        self.carry(carry);
                    }
                }
                Due::Tell(told) => self.peers.tell(told, None),
                Due::Flood { call, left, each } => self.flood(call, left, each),
                Due::Beat => {
                    self.peers.beat(world::now());
                    self.after(self.scenario.server.heartbeat.0, Due::Beat);
                }
                Due::Return => self.open(),
            }
        }
        let problems = std::mem::take(&mut self.peers.problems);
        self.report.problems.extend(problems);
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Opened { link, server, out } => self.peers.opened(link, server, out, world::now()),
            Heard::Line { link, line } => self.line(link, &line),
            Heard::Closed { link } => self.peers.close(link, world::now()),
            Heard::Problem(problem) => self.report.problems.push(problem),
        }
    }
}
