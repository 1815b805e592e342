//! `recorder explain-policy`: which rule decides about a call of these words, and why those before it do not.

use clap::{Args, ValueEnum};
use model::CallDirection;
use serde::Serialize;
use session::{Policy, Words};

use super::json;
use crate::{
    cli::{self, Common},
    fault::Fault,
};

/// `recorder explain-policy`: what is known of the call. An INVITE is asked about with `recorder explain FILE`.
#[derive(Args)]
pub(crate) struct PolicyArguments {
    /// A DN of the house on the call; may be repeated, as the other words may.
    #[arg(long, value_name = "DN")]
    dn: Vec<String>,
    /// An agent on it.
    #[arg(long, value_name = "AGENT")]
    agent: Vec<String>,
    /// A queue that it went through.
    #[arg(long, value_name = "QUEUE")]
    queue: Vec<String>,
    /// A number on it.
    #[arg(long, value_name = "NUMBER")]
    number: Vec<String>,
    /// Which way it goes.
    #[arg(long, value_enum)]
    direction: Option<Way>,
    /// A partition that the switch names.
    #[arg(long, value_name = "PARTITION")]
    partition: Vec<String>,
    /// The profile of the recording client.
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    /// User data.
    #[arg(long, value_name = "KEY=VALUE")]
    data: Vec<String>,
    /// What sampling goes by.
    #[arg(long, value_name = "UUID", default_value = "")]
    call_uuid: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// A direction on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    Inbound,
    Outbound,
    Internal,
}

#[derive(Serialize)]
struct Explained {
    treatment: &'static str,
    /// None: no rule fits, and the default is taken.
    rule: Option<String>,
    retention: Option<String>,
    partition: Option<String>,
    /// How long after the call a provisional recording can be kept, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_grace_s: Option<u64>,
    /// In their order, up to the one that decides.
    rules: Vec<Looked>,
}

#[derive(Serialize)]
struct Looked {
    rule: String,
    decides: bool,
    /// The condition that does not hold.
    unmet: Option<&'static str>,
}

/// Prints the decision.
pub(crate) fn explain_policy(arguments: &PolicyArguments) -> Result<(), Fault> {
    let policy = cli::load(&arguments.common)?.policy()?;
    let explained = explained(&policy, &arguments.words()?);
    println!("{}", if arguments.json { json(&explained)? } else { explained.words() });
    Ok(())
}

fn explained(policy: &Policy, words: &Words) -> Explained {
    let ruling = policy.rule(words);
    let looked = policy.explain(words).into_iter();
    Explained {
        treatment: ruling.treatment.name(),
        keep_grace_s: (ruling.treatment == model::Treatment::Provisional).then_some(policy.keep_grace_ms / 1_000),
        rule: ruling.rule,
        retention: ruling.retention,
        partition: ruling.partition,
        rules: looked
            .map(|verdict| Looked {
                rule: verdict.rule.to_owned(),
                decides: verdict.unmet.is_none(),
                unmet: verdict.unmet,
            })
            .collect(),
    }
}

impl PolicyArguments {
    fn words(&self) -> Result<Words, Fault> {
        let mut words = Words { sample_key: self.call_uuid.clone(), ..Words::default() };
        self.dn.iter().for_each(|dn| words.dn(dn));
        self.number.iter().chain(&self.queue).for_each(|number| words.number(number));
        words.agents.clone_from(&self.agent);
        words.queues.clone_from(&self.queue);
        words.partitions.clone_from(&self.partition);
        words.profiles.clone_from(&self.profile);
        words.direction = self.direction.map(|way| match way {
            Way::Inbound => CallDirection::Inbound,
            Way::Outbound => CallDirection::Outbound,
            Way::Internal => CallDirection::Internal,
        });
        for pair in &self.data {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| Fault::Usage(format!("--data {pair}: is not KEY=VALUE")))?;
            words.data(key, value);
        }
        Ok(words)
    }
}

impl Explained {
    fn words(&self) -> String {
        let mut lines = Vec::new();
        for looked in &self.rules {
            let why = looked.unmet.map_or_else(|| "decides".to_owned(), |key| format!("no: {key} does not fit"));
            lines.push(format!("rule {}: {why}", looked.rule));
        }
        if self.rule.is_none() {
            lines.push("no rule fits: the default".to_owned());
        }
        let mut last = self.treatment.to_owned();
        let more = [("retention", &self.retention), ("partition", &self.partition)];
        for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            last.push_str(&format!(", {name} {value}"));
        }
        if let Some(seconds) = self.keep_grace_s {
            last.push_str(&format!(", kept if somebody asks within {seconds} s after the call"));
        }
        lines.push(last);
        lines.join("\n")
    }
}
