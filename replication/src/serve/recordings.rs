//! The recordings of a scenario: real calls towards the recorder, placed when a step or a request says so.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{report::RecordingReport, scenario::Leg};
use crate::{
    call::{self, CallReport, Profile, Wish},
    cli::{options::Options, resolve},
    error::CallError,
    limits,
};

/// All of them.
pub(super) struct Recordings {
    options: Options,
    live: BTreeMap<String, Live>,
    tasks: JoinSet<(String, Result<CallReport, CallError>)>,
    placed: u32,
}

struct Live {
    wishes: mpsc::Sender<Wish>,
    /// The pause that it is in.
    paused: Option<Leg>,
}

/// The names of a recording.
pub(super) struct Names {
    pub(super) call: String,
    pub(super) caller: Option<String>,
    pub(super) agent: String,
    pub(super) call_uuid: String,
    pub(super) conn_id: String,
    pub(super) record_id: Option<String>,
}

/// A recording that nobody ends, nor its call, ends by itself.
const LONGEST: Duration = Duration::from_secs(3600);

impl Recordings {
    pub(super) fn new(options: Options) -> Self {
        Self { options, live: BTreeMap::new(), tasks: JoinSet::new(), placed: 0 }
    }

    /// Places one, unless the call is recorded already. Its recording id.
    pub(super) fn start(&mut self, names: Names) -> Result<Option<String>, CallError> {
        if self.live.contains_key(&names.call) {
            return Ok(None);
        }
        if self.live.len() >= limits::SERVE_RECORDINGS {
            return Err(CallError::Usage("too many recordings at once".to_owned()));
        }
        self.placed += 1;
        let name = names.call.clone();
        let record_id = names.record_id.unwrap_or_else(|| format!("{}_{}", names.call_uuid, self.placed));
        let mut options = self.options.clone();
        options.profile.get_or_insert(Profile::GenesysMsr);
        options.duration.get_or_insert(LONGEST);
        options.caller = names.caller.or(options.caller);
        options.agent = Some(names.agent);
        options.call_uuid = Some(names.call_uuid).filter(|id| !id.is_empty());
        options.conn_id = Some(names.conn_id).filter(|id| !id.is_empty());
        options.record_id = Some(record_id.clone());
        options.dump_sent = options.dump_sent.map(|folder| folder.join(format!("{name}-{}", self.placed)));
        let spec = resolve::call_spec(&options)?;
        let (wishes, receiver) = mpsc::channel(limits::SERVE_WISHES);
        self.live.insert(name.clone(), Live { wishes, paused: None });
        self.tasks.spawn(async move { (name, call::run_by(spec, receiver).await) });
        Ok(Some(record_id))
    }

    /// Shows a pause, or its end, on the leg. False when the call is not recorded.
    pub(super) fn pause(&mut self, call: &str, leg: Option<Leg>) -> Result<bool, CallError> {
        let Some(live) = self.live.get_mut(call) else { return Ok(false) };
        let wishes: &[Wish] = match (leg, live.paused) {
            (Some(_), Some(_)) | (None, None) => &[],
            (Some(Leg::Inactive), None) => &[Wish::Silence, Wish::OfferInactive],
            (Some(Leg::InactiveWithSound), None) => &[Wish::OfferInactive],
            (Some(Leg::Silent), None) => &[Wish::Silence],
            (Some(Leg::Msml), None) => &[Wish::Msml("pause")],
            (None, Some(Leg::Inactive)) => &[Wish::OfferActive, Wish::Sound],
            (None, Some(Leg::InactiveWithSound)) => &[Wish::OfferActive],
            (None, Some(Leg::Silent)) => &[Wish::Sound],
            (None, Some(Leg::Msml)) => &[Wish::Msml("resume")],
            (Some(Leg::Nothing), None) | (None, Some(Leg::Nothing)) => &[],
        };
        live.paused = leg;
        wishes.iter().try_for_each(|wish| self.wish(call, wish.clone()).map(drop))?;
        Ok(true)
    }

    /// Tells the recording of a call. False when there is none.
    pub(super) fn wish(&mut self, call: &str, wish: Wish) -> Result<bool, CallError> {
        let Some(live) = self.live.get(call) else { return Ok(false) };
        if wish == Wish::End {
            let live = self.live.remove(call);
            return Ok(live.is_some_and(|live| live.wishes.try_send(wish).is_ok()));
        }
        match live.wishes.try_send(wish) {
            Ok(()) => Ok(true),
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Full(_)) => Err(CallError::Usage(format!("{call}: too much at once"))),
        }
    }

    /// The next that ended; never when none is live. May be dropped without a loss.
    pub(super) async fn next(&mut self) -> (RecordingReport, Option<String>) {
        match self.tasks.join_next().await {
            Some(Ok((of, outcome))) => {
                if self.live.get(&of).is_some_and(|live| live.wishes.is_closed()) {
                    self.live.remove(&of);
                }
                ended(of, outcome)
            }
            Some(Err(cause)) => (RecordingReport { of: String::new(), call: None }, Some(cause.to_string())),
            None => std::future::pending().await,
        }
    }

    /// Ends all, and waits for them.
    pub(super) async fn finish(&mut self) -> Vec<(RecordingReport, Option<String>)> {
        for live in std::mem::take(&mut self.live).into_values() {
            // One that has ended by itself needs no telling.
            let _ = live.wishes.try_send(Wish::End);
        }
        let until = Instant::now() + limits::SERVE_LAST_CALLS;
        let mut ended = Vec::new();
        while !self.tasks.is_empty() {
            match timeout_at(until, self.next()).await {
                Ok(one) => ended.push(one),
                Err(_) => {
                    let problem = Some("a recording did not end".to_owned());
                    ended.push((RecordingReport { of: String::new(), call: None }, problem));
                    break;
                }
            }
        }
        ended
    }
}

fn ended(of: String, outcome: Result<CallReport, CallError>) -> (RecordingReport, Option<String>) {
    match outcome {
        // What became of it is judged when all is over: whether its end was asked for may be heard later.
        Ok(report) => (RecordingReport { of, call: Some(report) }, None),
        Err(cause) => {
            let problem = format!("recording of {of}: {cause}");
            (RecordingReport { of, call: None }, Some(problem))
        }
    }
}
