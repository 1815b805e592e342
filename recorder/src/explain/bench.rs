//! The cores on a bench: a message goes in, everything that follows is played to its end, and is told.

use std::time::Instant;

use model::{Entropy, Fact, Order, Receipt, RecordingId, Report as Seen, TrackCounters, TrackId, TrackTotals};
use session::{Core, Input, Output};
use signaling_core::{
    endpoint::{Endpoint, EndpointConfig, Peers},
    event::{DialogId, Event, Line, LineState},
    flow::Flow,
    sip::{Response, message::Message, parse},
};
use storage_core::{fold, view::RecordingView};

use super::report::{Answer, Asked, LineReport, PartyReport, Report, RuleReport, WarningReport};
use crate::{config::Config, fault::Fault, life, peers, translate, wiring};

/// Everything that decides, and what came of it so far.
pub(super) struct Bench {
    endpoint: Endpoint,
    peers: Peers,
    core: Core,
    /// Of the recording that was spoken of last.
    views: std::collections::BTreeMap<RecordingId, RecordingView>,
    last: Option<RecordingId>,
    /// The tag that the last answer carried: what a later message of the same dialog must name.
    tag: Option<String>,
    now: Instant,
    entropy: Counted,
}

/// Numbers instead of randomness: the same messages have the same explanation.
struct Counted(u8);

impl Entropy for Counted {
    fn fill(&mut self, buffer: &mut [u8]) {
        for octet in buffer {
            self.0 = self.0.wrapping_add(1);
            *octet = self.0;
        }
    }
}

/// What one message led to.
#[derive(Default)]
struct Outcome {
    responses: Vec<Response>,
    asked: Vec<Asked>,
    lines: Vec<LineReport>,
    facts: Vec<Fact>,
    begun: Option<DialogId>,
    cause: Option<String>,
}

impl Bench {
    pub(super) fn new(config: &Config) -> Result<Self, Fault> {
        let peers = peers::peers(config)?;
        let endpoint = Endpoint::new(EndpointConfig {
            product: concat!("recorder/", env!("CARGO_PKG_VERSION")).into(),
            advertise: config.sip.advertise.clone(),
            peers: peers.clone(),
            // Which certificate it would be is no matter: it lives as long as a process.
            policy: wiring::policy(config, config.media.dtls.then_some([0; 32])),
            session_expires_s: (config.sip.session_expires_s > 0).then_some(config.sip.session_expires_s),
            retry_after_s: config.sip.retry_after_s,
        });
        #[expect(clippy::disallowed_methods, reason = "the clock of the bench stands still from here on")]
        let now = Instant::now();
        let core = Core::new(wiring::session_config(config));
        let entropy = Counted(0);
        Ok(Self { endpoint, peers, core, views: Default::default(), last: None, tag: None, now, entropy })
    }

    /// Plays one message to its end.
    pub(super) fn take(&mut self, file: String, flow: &Flow, octets: &[u8]) -> Result<Report, Fault> {
        let octets = self.in_dialog(octets);
        let method = match parse::parse(&octets) {
            Ok(Message::Request(request)) => request.method.to_string(),
            Ok(Message::Response(_)) => return Err(Fault::Failed(format!("{file}: is a response, not a request"))),
            Err(malformed) => match malformed.request {
                // Without a Via nobody could be answered: it is no message at all.
                Some((method, headers)) if headers.get("Via").is_some() => method.to_string(),
                _ => return Err(Fault::Failed(format!("{file}: is no SIP message: {}", malformed.rule))),
            },
        };
        let choice = self.endpoint.explain(flow, &octets);
        let mut outcome = Outcome::default();
        let entropy = &mut self.entropy;
        self.endpoint.receive(flow, &octets, self.now, &mut |out| entropy.fill(out));
        self.play(&mut outcome);
        // The ACK that would follow, so that what waits for it is shown as well.
        let is_accepted = outcome.responses.last().is_some_and(|last| (200..300).contains(&last.status));
        if let Some(dialog) = outcome.begun.filter(|_| is_accepted) {
            self.feed(Input::Signal(Event::Established { dialog }), &mut outcome);
            self.play(&mut outcome);
        }
        let rule = choice.as_ref().and_then(|choice| choice.rule);
        let rule = rule.and_then(|at| {
            let rule = self.peers.rules.get(at)?;
            Some(RuleReport { number: at + 1, about: peers::words(rule), profile: rule.profile.name.clone() })
        });
        let mut report = Report {
            file,
            method,
            peer: flow.peer().to_string(),
            rule,
            profile: choice.as_ref().map(|choice| choice.profile.name.clone()),
            title: choice.as_ref().map(|choice| choice.profile.title.clone()),
            recognised_by: choice.and_then(|choice| choice.recognised),
            answer: outcome.responses.last().map(Answer::of),
            refused_because: outcome.cause.take(),
            asks: std::mem::take(&mut outcome.asked),
            lines: std::mem::take(&mut outcome.lines),
            ..Report::default()
        };
        self.fold(outcome.facts);
        if let Some(view) = self.last.and_then(|id| self.views.get(&id)) {
            describe(&mut report, view);
        }
        Ok(report)
    }

    /// A message inside the dialog names the tag that we gave, whatever stands in the file.
    fn in_dialog(&self, octets: &[u8]) -> Vec<u8> {
        let Some(ours) = &self.tag else { return octets.to_vec() };
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(octets.len());
        let head = String::from_utf8_lossy(&octets[..end]).into_owned();
        let lines = head.split("\r\n").map(|line| {
            let is_to = line.split_once(':').is_some_and(|(name, _)| matches!(name.trim(), "To" | "t" | "TO" | "to"));
            match line.split_once(";tag=") {
                Some((before, after)) if is_to => {
                    let rest = after.find(';').map_or("", |at| &after[at..]);
                    format!("{before};tag={ours}{rest}")
                }
                _ => line.to_owned(),
            }
        });
        let head = lines.collect::<Vec<_>>().join("\r\n");
        [head.as_bytes(), &octets[end..]].concat()
    }

    /// Until nothing more follows.
    fn play(&mut self, outcome: &mut Outcome) {
        loop {
            while let Some(transmit) = self.endpoint.transmit() {
                match parse::parse(&transmit.octets) {
                    Ok(Message::Response(response)) if response.status >= 200 => {
                        self.tag = response.to.tag().map(str::to_owned).or(self.tag.take());
                        outcome.responses.push(*response);
                    }
                    Ok(Message::Request(request)) => outcome.asked.push(Asked::of(&request)),
                    Ok(Message::Response(_)) | Err(_) => {}
                }
            }
            let Some(event) = self.endpoint.event() else { return };
            match &event {
                Event::Offered(offered) => {
                    outcome.begun = Some(offered.dialog);
                    outcome.lines = offered.offer.lines.iter().map(line).collect();
                }
                Event::Reoffered { offer, .. } => outcome.lines = offer.lines.iter().map(line).collect(),
                Event::TurnedAway { cause, .. } => outcome.cause = Some(cause.clone()),
                _ => {}
            }
            self.feed(Input::Signal(event), outcome);
        }
    }

    /// One input, and what the shells would do about the orders.
    fn feed(&mut self, input: Input, outcome: &mut Outcome) {
        let mut open = vec![input];
        while let Some(input) = open.pop() {
            let mut out = Output::default();
            self.core.apply(input, life::now(), &mut self.entropy, &mut out);
            outcome.facts.append(&mut out.facts);
            for order in out.orders {
                match order {
                    Order::OpenTrack(track) => {
                        open.push(Input::Capture(Seen::TrackOpened { track: track.track }));
                    }
                    Order::CloseTrack { track } => open.extend(closed(track)),
                    order => {
                        let Ok(command) = translate::command(order) else { continue };
                        let entropy = &mut self.entropy;
                        self.endpoint.command(command, self.now, &mut |out| entropy.fill(out));
                    }
                }
            }
        }
    }

    fn fold(&mut self, facts: Vec<Fact>) {
        for fact in facts {
            let Some(id) = fact.recording() else { continue };
            let mut view = self.views.remove(&id);
            fold::apply(&mut view, &fact);
            if let Some(view) = view {
                self.views.insert(id, view);
                self.last = Some(id);
            }
        }
    }
}

fn closed(track: TrackId) -> [Input; 2] {
    let totals = TrackTotals { track, counters: TrackCounters::default(), gaps: Vec::new(), chunks: 0 };
    [
        Input::Spool(Receipt { track, chunks: 0, octets: 0, complete: true }),
        Input::Capture(Seen::TrackClosed(Box::new(totals))),
    ]
}

fn line(line: &Line) -> LineReport {
    let state = match line.state {
        LineState::Active => "active".to_owned(),
        LineState::Inactive => "inactive".to_owned(),
        LineState::Hold => "hold".to_owned(),
        LineState::Removed => "removed".to_owned(),
        LineState::Unusable(reason) => format!("not kept: {reason}"),
    };
    LineReport {
        media: line.media.clone(),
        label: line.label.clone(),
        state,
        codecs: line.payloads.iter().map(|payload| payload.encoding.clone()).collect(),
        srtp: line.sdes.as_ref().map(|sdes| sdes.suite.clone()).or(line.dtls.as_ref().map(|_| "DTLS-SRTP".to_owned())),
    }
}

/// What is known of the recording by now.
fn describe(report: &mut Report, view: &RecordingView) {
    report.record_id.clone_from(&view.record_id);
    report.flags.clone_from(&view.flags);
    report.correlation.clone_from(&view.correlation);
    report.user_data.clone_from(&view.user_data);
    let warning =
        |one: &storage_core::view::WarningView| WarningReport { name: one.name.clone(), detail: one.detail.clone() };
    report.warnings = view.warnings.iter().map(warning).collect();
    let label = |no: &model::TrackNo| {
        let track = view.tracks.iter().find(|track| track.no == *no);
        track.and_then(|track| track.label.clone()).unwrap_or_else(|| format!("track {}", no.0))
    };
    report.parties = view
        .parties
        .iter()
        .map(|party| PartyReport {
            address: party.address.reveal().clone(),
            name: party.name.as_ref().map(|name| name.reveal().clone()),
            role: party.role.clone(),
            labels: party.tracks.iter().map(label).collect(),
            confidence: party.confidence,
            has_left: party.left_at.is_some(),
        })
        .collect();
}
