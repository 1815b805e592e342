//! What a call says to the rules of the policy.

use model::{CallDirection, Personal};

use super::calls::{Call, Datum};
use crate::policy::Words;

/// User data that names the queue: of the switch, and of its router (Universal Routing Server).
const QUEUES: [&str; 2] = ["ThisQueue", "RTargetObjectSelected"];

impl Call {
    /// Nobody has said anything of it yet but its name.
    pub(crate) fn is_mute(&self) -> bool {
        self.history.is_empty() && self.user_data.is_empty() && self.about.is_empty()
    }

    /// All that was told so far.
    pub(crate) fn words(&self) -> Words {
        let mut words = Words::default();
        for line in &self.history {
            line.dn.iter().map(Personal::reveal).for_each(|dn| words.dn(dn));
            [&line.other, &line.third].into_iter().flatten().for_each(|number| words.number(number.reveal()));
            words.agents.extend(line.agent.iter().map(|agent| agent.reveal().clone()));
        }
        words.agents.sort_unstable();
        words.agents.dedup();
        for (name, value) in self.about.iter() {
            match *name {
                "call_type" => words.direction = direction(value),
                "dnis" => {
                    words.number(value);
                    words.queues.push(value.clone());
                }
                _ => words.number(value),
            }
        }
        for (key, Datum { value, .. }) in self.user_data.iter() {
            words.data(key, value);
            if QUEUES.iter().any(|name| name.eq_ignore_ascii_case(key)) {
                words.queues.push(value.clone());
            }
        }
        words.sample_key = self.call_uuid().or_else(|| self.conn_id()).unwrap_or_default();
        words
    }
}

/// A consultation is a call inside the house.
fn direction(call_type: &str) -> Option<CallDirection> {
    if call_type.eq_ignore_ascii_case("consult") {
        return Some(CallDirection::Internal);
    }
    CallDirection::by_name(call_type)
}
