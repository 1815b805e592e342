//! One call, replicated in real time: [`run`] places it, streams it, hangs up and reports.

mod dump;
pub mod legs;
pub(crate) mod metadata;
pub mod report;
mod script;
pub(crate) mod session;
pub(crate) mod signal;
pub mod spec;
mod wish;

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::sleep,
};

pub(crate) use self::script::ENDED_BY_RECORDER;
pub use self::wish::Wish;
pub use self::{
    report::{CallReport, DialogReport, LineReport, Span},
    spec::{Audio, CallSpec, Law, Layout, Pause, Profile, Target, Trust},
};
use self::{
    session::{Established, Media},
    signal::Connection,
};
pub use crate::error::CallError;
use crate::{
    identity::Identity,
    limits,
    stream::{
        line::{self, Gate, Sent},
        schedule::Schedule,
    },
    tape::Tape,
    world,
};

/// A leg that is up, and its streams once they run.
struct Leg {
    session: Established,
    gate: watch::Sender<Gate>,
    streams: Vec<(usize, JoinHandle<Result<Sent, CallError>>)>,
}

/// Places one call and stays with it to its end.
///
/// # Errors
/// [`CallError`] when it could not be placed at all; what went wrong later is in [`CallReport::problems`].
pub async fn run(spec: CallSpec) -> Result<CallReport, CallError> {
    let (_, none) = mpsc::channel(1);
    run_by(spec, none).await
}

/// The same, where somebody decides in the middle of the call what happens in it.
///
/// # Errors
/// As [`run`].
pub async fn run_by(spec: CallSpec, wishes: mpsc::Receiver<Wish>) -> Result<CallReport, CallError> {
    spec.check()?;
    let seconds = spec.duration.as_secs().saturating_add(1).min(u64::from(limits::SPEECH_SECONDS)) as u32;
    let tapes = [Tape::load(&spec.left, spec.law, 0, seconds)?, Tape::load(&spec.right, spec.law, 1, seconds)?];
    let identity = Identity::new(&spec.chosen, world::entropy()?, world::utc());
    let connection = Connection::open(&spec).await?;
    let media = Media::new(&spec, &connection, tapes)?;
    let mut call = Call { spec, identity, media, legs: Vec::new(), schedule: None, problems: Vec::new() };
    let placed = call.place(&connection).await;
    if let Err(cause) = placed {
        call.hang_up().await;
        return Err(cause);
    }
    call.follow_script(wishes).await?;
    call.finish().await
}

/// A call in progress.
struct Call {
    spec: CallSpec,
    identity: Identity,
    media: Media,
    legs: Vec<Leg>,
    schedule: Option<Schedule>,
    problems: Vec<String>,
}

impl Call {
    /// All INVITEs. Without a gap the streams start together when every leg is up, so that nobody's first words are lost.
    async fn place(&mut self, connection: &Connection) -> Result<(), CallError> {
        let has_gap = !self.spec.leg_gap.is_zero();
        for (index, sides) in legs::sides(&self.spec).into_iter().enumerate() {
            if has_gap && index > 0 {
                sleep(self.spec.leg_gap).await;
            }
            let session = Established::place(&self.spec, &self.identity, connection, &self.media, &sides).await?;
            self.problems.extend(session.problems.iter().cloned());
            self.legs.push(Leg { session, gate: watch::Sender::new(Gate::Open), streams: Vec::new() });
            self.legs[index].session.shake_hands(&self.media).await?;
            if has_gap {
                self.start_streams(index)?;
            }
        }
        if !has_gap {
            (0..self.legs.len()).try_for_each(|index| self.start_streams(index))?;
        }
        Ok(())
    }

    fn start_streams(&mut self, index: usize) -> Result<(), CallError> {
        let ptime = self.spec.ptime();
        let schedule = *self.schedule.get_or_insert_with(|| Schedule::new(world::now() + ptime, ptime));
        // Taken before the tasks start: how long the machine takes to run them must not cost the first packets.
        let packets = schedule.next_index(world::now())..schedule.packets(self.spec.duration);
        let leg = &mut self.legs[index];
        for (number, (line, ports)) in leg.session.take_streams(&self.spec, &self.media)? {
            let stream = line::stream(line, ports, schedule, packets.clone(), leg.gate.subscribe());
            leg.streams.push((number, tokio::spawn(stream)));
        }
        Ok(())
    }

    fn schedule(&self) -> Schedule {
        self.schedule.expect("follow_script and finish run after place")
    }

    async fn finish(mut self) -> Result<CallReport, CallError> {
        let mut dialogs = Vec::new();
        for mut leg in std::mem::take(&mut self.legs) {
            // The streams end by themselves after their last packet, however late; the gate of a leg that the recorder
            // has ended is closed already.
            let mut dialog = leg.session.report();
            for (number, stream) in leg.streams.drain(..) {
                match stream.await {
                    Ok(Ok(sent)) => fill(&mut dialog.lines[number], sent),
                    Ok(Err(cause)) => self.problems.push(cause.to_string()),
                    Err(cause) => self.problems.push(format!("stream: {cause}")),
                }
            }
            if let Err(cause) = leg.session.dialog.bye().await {
                self.problems.push(format!("BYE: {cause}"));
            }
            dialogs.push(dialog);
        }
        self.dump(&dialogs)?;
        let lines = || dialogs.iter().flat_map(|dialog| &dialog.lines);
        Ok(CallReport {
            ok: self.problems.is_empty() && lines().all(|line| line.accepted && line.send_errors == 0),
            record_id: self.identity.record_id,
            call_uuid: self.identity.call_uuid,
            conn_id: self.identity.conn_id,
            dialogs,
            problems: self.problems,
        })
    }

    fn dump(&self, dialogs: &[DialogReport]) -> Result<(), CallError> {
        let Some(folder) = &self.spec.dump_sent else { return Ok(()) };
        let packets = self.schedule().packets(self.spec.duration);
        let duration_ms = packets * u64::from(self.spec.ptime_ms);
        for line in dialogs.iter().flat_map(|dialog| &dialog.lines) {
            let side = if line.side == legs::Side::Left.name() { legs::Side::Left } else { legs::Side::Right };
            let sound = &self.media.tapes[side.index()];
            dump::write(folder, side, sound, self.spec.law, (&line.sent, duration_ms))?;
        }
        Ok(())
    }

    /// Ends what is already up when the rest could not be placed.
    async fn hang_up(self) {
        for leg in self.legs {
            leg.gate.send_replace(Gate::Closed);
            // The reason for hanging up is told to the caller; a BYE that fails adds nothing to it.
            drop(tokio::time::timeout(Duration::from_secs(5), leg.session.dialog.bye()).await);
        }
    }
}

fn fill(line: &mut LineReport, sent: Sent) {
    line.packets = sent.packets;
    line.octets = sent.octets;
    line.send_errors = sent.send_errors;
    line.receiver_reports = sent.receiver_reports;
    line.lost = sent.lost;
    line.sent = sent.spans;
}
