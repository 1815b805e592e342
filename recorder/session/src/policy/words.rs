//! The words of a call that rules look at, from the offer of a recording session and from CTI.

use model::CallDirection;
use serde::{Deserialize, Serialize};
use signaling_core::event::Offered;

/// What is known of a call, each list without order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// DNs of the house.
    pub dns: Vec<String>,
    /// Agents.
    pub agents: Vec<String>,
    /// Queues and routing points.
    pub queues: Vec<String>,
    /// All numbers, DNs among them.
    pub numbers: Vec<String>,
    /// Which way it goes, where somebody said it.
    pub direction: Option<CallDirection>,
    /// Partitions that the switch named.
    pub partitions: Vec<String>,
    /// Profile of the client.
    pub profiles: Vec<String>,
    /// User data.
    pub user_data: Vec<(String, String)>,
    /// What sampling goes by: the CallUUID; without one the ConnID, the recording id, the Call-ID.
    pub sample_key: String,
}

/// The key that names partitions, in user data and Request-URIs alike (reference system: several between commas).
pub(crate) const PARTITIONS: &str = "GRECORD_PARTITIONS";

impl Words {
    /// What an INVITE says.
    pub fn of_offer(offered: &Offered) -> Self {
        let mut words = Self { profiles: vec![offered.profile.clone()], ..Self::default() };
        let mut names = [None, None, None, Some(offered.call_id.clone())];
        if let Some(call) = &offered.genesys {
            for dn in [&call.dn, &call.record_dn].into_iter().flatten() {
                words.dn(dn);
            }
            call.other_dn.iter().for_each(|dn| words.number(dn));
            for (key, value) in &call.other {
                words.data(key, value);
            }
            names[0].clone_from(&call.call_uuid);
            names[1].clone_from(&call.conn_id);
            names[2] = Some(call.record_id.clone());
        }
        if let Some(metadata) = &offered.metadata {
            for address in metadata.participants.iter().flat_map(|participant| &participant.aors) {
                words.dn(address);
            }
            metadata.user_data.iter().for_each(|(key, value)| words.data(key, value));
            names[2] = names[2].take().or_else(|| metadata.session_id.clone());
        }
        names[0] = names[0].take().or_else(|| offered.correlation.get("genesys_uuid").cloned());
        words.sample_key = names.into_iter().flatten().next().unwrap_or_default();
        words
    }

    /// A DN, as number, URI or `sip:` address.
    pub fn dn(&mut self, text: &str) {
        add(&mut self.dns, user_part(text));
        self.number(text);
    }

    /// A number of anybody.
    pub fn number(&mut self, text: &str) {
        add(&mut self.numbers, user_part(text));
    }

    /// A pair of user data; partitions are read from it.
    pub fn data(&mut self, key: &str, value: &str) {
        if key.eq_ignore_ascii_case(PARTITIONS) {
            value.split(',').for_each(|name| add(&mut self.partitions, name.trim()));
        }
        if !self.user_data.iter().any(|(known, same)| known == key && same == value) {
            self.user_data.push((key.to_owned(), value.to_owned()));
        }
    }

    /// What CTI says beside the offer.
    pub(crate) fn add(&mut self, other: Self) {
        for (list, more) in [
            (&mut self.dns, other.dns),
            (&mut self.agents, other.agents),
            (&mut self.queues, other.queues),
            (&mut self.numbers, other.numbers),
            (&mut self.partitions, other.partitions),
            (&mut self.profiles, other.profiles),
        ] {
            more.iter().for_each(|text| add(list, text));
        }
        other.user_data.iter().for_each(|(key, value)| self.data(key, value));
        self.direction = self.direction.or(other.direction);
        if self.sample_key.is_empty() {
            self.sample_key = other.sample_key;
        }
    }
}

fn add(list: &mut Vec<String>, text: &str) {
    if !text.is_empty() && !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

/// `7001` of `sip:7001@host;user=phone`.
fn user_part(text: &str) -> &str {
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| {
        let begin = text.get(..scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    });
    rest.unwrap_or(text).split(['@', ';']).next().unwrap_or_default().trim()
}
