//! What an explanation says, as JSON and in words.

use std::collections::BTreeMap;

use model::{Confidence, SmallMap};
use serde::Serialize;
use signaling_core::sip::{Request, Response};

/// What comes of one message.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) file: String,
    pub(super) method: String,
    /// `transport:address:port`.
    pub(super) peer: String,
    /// The `[[peer]]` rule that is about it; none: the default.
    pub(super) rule: Option<RuleReport>,
    pub(super) profile: Option<String>,
    pub(super) title: Option<String>,
    /// By what the profile was chosen, where the rule left it open.
    pub(super) recognised_by: Option<String>,
    /// None where nothing is answered (ACK).
    pub(super) answer: Option<Answer>,
    pub(super) refused_because: Option<String>,
    /// Requests of ours that follow.
    pub(super) asks: Vec<Asked>,
    pub(super) lines: Vec<LineReport>,
    pub(super) record_id: Option<String>,
    pub(super) parties: Vec<PartyReport>,
    pub(super) correlation: SmallMap<String, String>,
    pub(super) user_data: SmallMap<String, String>,
    pub(super) flags: Vec<String>,
    pub(super) warnings: Vec<WarningReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleReport {
    /// From 1, in the order of the file.
    pub(super) number: usize,
    pub(super) about: String,
    pub(super) profile: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    /// Header fields that say something about the decision.
    pub(super) headers: BTreeMap<String, String>,
    /// The SDP, keys left out.
    pub(super) sdp: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) body: String,
}

#[derive(Debug, Serialize)]
pub(super) struct LineReport {
    pub(super) media: String,
    pub(super) label: Option<String>,
    pub(super) state: String,
    pub(super) codecs: Vec<String>,
    /// The chosen suite.
    pub(super) srtp: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PartyReport {
    pub(super) address: String,
    pub(super) name: Option<String>,
    pub(super) role: Option<String>,
    /// Labels of the lines on which it speaks.
    pub(super) labels: Vec<String>,
    pub(super) confidence: Option<Confidence>,
    pub(super) has_left: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct WarningReport {
    pub(super) name: String,
    pub(super) detail: Option<String>,
}

/// Fields of an answer worth showing.
const SHOWN: [&str; 9] =
    ["Accept", "Allow", "Min-SE", "Recv-Info", "Require", "Retry-After", "Session-Expires", "Unsupported", "Warning"];

impl Answer {
    pub(super) fn of(response: &Response) -> Self {
        let headers = SHOWN.iter().filter_map(|name| Some((*name, response.headers.get(name)?)));
        let sdp = String::from_utf8_lossy(&response.body);
        Self {
            status: response.status,
            reason: response.reason.clone(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            sdp: (!sdp.is_empty()).then(|| without_keys(&sdp)),
        }
    }
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let body = String::from_utf8_lossy(&request.body);
        let body = if body.contains("requestsnapshot") { "requestsnapshot" } else { "" };
        Self { method: request.method.to_string(), body: body.to_owned() }
    }
}

fn without_keys(sdp: &str) -> String {
    let line = |line: &str| match line.split_once("inline:") {
        Some((before, _)) => format!("{before}inline:..."),
        None => line.to_owned(),
    };
    sdp.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The report for people.
pub(super) fn words(report: &Report) -> String {
    let mut out = vec![format!("{}: {} from {}", report.file, report.method, report.peer)];
    let mut say = |what: &str, text: String| out.push(format!("  {what:<12} {text}"));
    match &report.rule {
        Some(rule) => say("peer rule", format!("{}: {} -> {}", rule.number, rule.about, rule.profile)),
        None => say("peer rule", "none: the default".to_owned()),
    }
    if let Some(profile) = &report.profile {
        let by = report.recognised_by.as_ref().map(|by| format!("; recognised by {by}")).unwrap_or_default();
        say("profile", format!("{profile} ({}){by}", report.title.as_deref().unwrap_or_default()));
    }
    match &report.answer {
        Some(answer) => say("answer", format!("{} {}", answer.status, answer.reason)),
        None => say("answer", "none".to_owned()),
    }
    report.refused_because.iter().for_each(|cause| say("because", cause.clone()));
    for (name, value) in report.answer.iter().flat_map(|answer| &answer.headers) {
        say("", format!("{name}: {value}"));
    }
    report.asks.iter().for_each(|asked| say("asks", format!("{} {}", asked.method, asked.body)));
    for (at, line) in report.lines.iter().enumerate() {
        let label = line.label.as_ref().map(|label| format!(" label {label}")).unwrap_or_default();
        let srtp = line.srtp.as_ref().map(|suite| format!(", {suite}")).unwrap_or_default();
        say("line", format!("{} {}{label}: {}, {}{srtp}", at + 1, line.media, line.state, line.codecs.join(" ")));
    }
    report.record_id.iter().for_each(|id| say("record id", id.clone()));
    report.parties.iter().for_each(|one| say("party", party(one)));
    report.correlation.iter().for_each(|(key, value)| say("key", format!("{key} = {value}")));
    report.user_data.iter().for_each(|(key, value)| say("data", format!("{key} = {value}")));
    report.flags.iter().for_each(|flag| say("flag", flag.clone()));
    for warning in &report.warnings {
        let detail = warning.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        say("warning", format!("{}{detail}", warning.name));
    }
    if let Some(sdp) = report.answer.as_ref().and_then(|answer| answer.sdp.as_ref()) {
        out.push("  answer SDP".to_owned());
        out.extend(sdp.lines().map(|line| format!("    {line}")));
    }
    out.join("\n")
}

fn party(party: &PartyReport) -> String {
    let name = party.name.as_ref().map(|name| format!("{name} ")).unwrap_or_default();
    let role = party.role.as_ref().map(|role| format!(", {role}")).unwrap_or_default();
    let on = match (party.labels.is_empty(), party.confidence) {
        (true, _) => ", speaks on no line".to_owned(),
        (false, sure) => {
            let sure = sure.map(|sure| format!(" (confidence {})", format!("{sure:?}").to_lowercase()));
            format!(", speaks on {}{}", party.labels.join(", "), sure.unwrap_or_default())
        }
    };
    let left = if party.has_left { ", has left" } else { "" };
    format!("{name}<{}>{role}{on}{left}", party.address)
}
