//! The handshake thread: every DTLS association of capture, away from the packet threads. It owns no socket; what has to
//! be sent goes out by the worker that owns the track.
//!
//! ```text
//! worker --datagram--> queue --> association --flights, keys, severance--> mailbox of the worker
//!                                            `-- keyed, severed, failed --> reports
//! ```

mod line;
mod queue;

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use crypto::dtls::{Engine, Fingerprint, Role};
use model::{DtlsTerms, MediaSource, TrackId};

use self::line::{Line, Surroundings};
pub(crate) use self::queue::Queue;
use crate::{clock, mailbox::Mailbox, worker::Shared};

/// Which of the two transports of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Leg {
    /// The RTP port, and RTCP with it where they are one.
    Media,
    /// The RTCP port where it is another (RFC 5764 3).
    Control,
}

/// What the thread is told.
pub(crate) enum Word {
    /// A line waits for a handshake, the first or another one.
    Expect(Box<Expected>),
    /// A line is gone.
    Forget(TrackId),
    /// DTLS came.
    Datagram { track: TrackId, leg: Leg, from: SocketAddr, octets: Vec<u8> },
    /// No more.
    Stop,
}

/// Who is expected where.
pub(crate) struct Expected {
    pub(crate) track: TrackId,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) role: Role,
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// The offered address.
    pub(crate) host: Option<IpAddr>,
    /// Where a client begins.
    pub(crate) media: Option<SocketAddr>,
    /// The same for the RTCP port; `None` where it is the RTP port.
    pub(crate) control: Option<Option<SocketAddr>>,
}

impl Expected {
    /// From what the session agreed on. `None` when no fingerprint is one.
    pub(crate) fn new(
        track: TrackId,
        mailbox: Arc<Mailbox>,
        terms: DtlsTerms,
        (source, rtcp_mux): (&MediaSource, bool),
    ) -> Option<Box<Self>> {
        let fingerprints: Option<Vec<_>> = terms.fingerprints.into_iter().map(Fingerprint::new).collect();
        let media = source.address.map(|address| SocketAddr::new(address, source.port));
        let next = media.and_then(|media| Some(SocketAddr::new(media.ip(), media.port().checked_add(1)?)));
        Some(Box::new(Self {
            track,
            mailbox,
            role: if terms.is_client { Role::Client } else { Role::Server },
            fingerprints: fingerprints.filter(|fingerprints| !fingerprints.is_empty())?,
            host: source.address,
            media,
            control: (!rtcp_mux).then(|| source.rtcp.or(next)),
        }))
    }
}

/// The state of the thread.
pub(crate) struct Handshakes {
    engine: Engine,
    shared: Arc<Shared>,
    lines: HashMap<TrackId, Line>,
    /// When lines have to be looked at. A line may stand there too early, never too late, and only its last entry counts.
    due: BTreeSet<(Instant, TrackId)>,
}

impl Handshakes {
    /// The life of the thread: until it is told to stop.
    pub(crate) fn run(engine: Engine, shared: Arc<Shared>, queue: &Queue) {
        let mut handshakes = Self { engine, shared, lines: HashMap::new(), due: BTreeSet::new() };
        let mut words = Vec::new();
        loop {
            let until = handshakes.due.first().map(|(due, _)| *due);
            queue.wait(until, &mut words);
            for word in words.drain(..) {
                if matches!(word, Word::Stop) {
                    return;
                }
                handshakes.hear(word);
            }
            handshakes.tick();
        }
    }

    fn hear(&mut self, word: Word) {
        let now = clock::instant();
        match word {
            Word::Expect(expected) => {
                let track = expected.track;
                let mut line = Line::new(*expected);
                if let Some(before) = self.lines.remove(&track) {
                    line.follow(before);
                }
                self.with(line, now, |line, around| line.begin(around));
            }
            Word::Forget(track) => drop(self.lines.remove(&track)),
            Word::Datagram { track, leg, from, octets } => {
                if let Some(line) = self.lines.remove(&track) {
                    self.with(line, now, |line, around| line.datagram(leg, from, &octets, around));
                }
            }
            Word::Stop => {}
        }
        self.shared.metrics.dtls.lines.set(self.lines.len() as i64);
    }

    fn tick(&mut self) {
        let now = clock::instant();
        while let Some((due, track)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, track));
            if self.lines.get(&track).is_some_and(|line| line.is_listed(due))
                && let Some(line) = self.lines.remove(&track)
            {
                self.with(line, now, |line, around| line.tick(around));
            }
        }
    }

    /// Lets a line do something, and remembers when it is due next.
    fn with(&mut self, mut line: Line, now: Instant, act: impl FnOnce(&mut Line, &mut Surroundings<'_>)) {
        act(&mut line, &mut Surroundings { engine: &self.engine, shared: &self.shared, now });
        let track = line.track();
        if let Some(due) = line.due(now) {
            self.due.insert((due, track));
        }
        self.lines.insert(track, line);
    }
}
