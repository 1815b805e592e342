//! The switch of the scenario: who is on which call, what a step changes, and which events tell it to whom. No sockets and
//! no clock.

use std::collections::{BTreeMap, BTreeSet};

use signaling_core::tlib::{
    list::List,
    message::{Attributes, Message, Name, Time},
};

use super::scenario::{Dn, Do, Scenario, Step};

/// Everything that the switch knows.
pub(super) struct Switch {
    pub(super) dns: BTreeMap<String, Dn>,
    agents: BTreeMap<String, String>,
    pub(super) calls: BTreeMap<String, Call>,
}

/// A call of the scenario.
pub(super) struct Call {
    pub(super) call_uuid: String,
    pub(super) conn_id: String,
    kind: String,
    pub(super) ani: Option<String>,
    dnis: Option<String>,
    user_data: List,
    /// DNs on it, each with the event that says how far it is, and the other end.
    parties: BTreeMap<String, (Name, Option<String>)>,
    /// DNs that are or were on it.
    known_to: BTreeSet<String>,
}

/// An event on its way to whoever watches its DN.
pub(super) struct Told {
    pub(super) dn: String,
    pub(super) message: Message,
}

impl Switch {
    pub(super) fn new(scenario: &Scenario) -> Result<Self, String> {
        let dns = scenario.dns()?;
        let agents = dns.iter().filter_map(|(dn, of)| Some((dn.clone(), of.agent.clone()?))).collect();
        let call = |call: &super::scenario::Call| Call {
            call_uuid: call
                .call_uuid
                .clone()
                .unwrap_or_else(|| made(&call.name, 32, b"0123456789ABCDEFGHIJKLMNOPQRSTUV")),
            conn_id: call.conn_id.clone().unwrap_or_else(|| made(&call.name, 16, b"0123456789abcdef")),
            kind: call.kind.clone(),
            ani: call.ani.clone(),
            dnis: call.dnis.clone(),
            user_data: call.user_data.clone(),
            parties: BTreeMap::new(),
            known_to: BTreeSet::new(),
        };
        Ok(Self { dns, agents, calls: scenario.call.iter().map(|one| (one.name.clone(), call(one))).collect() })
    }

    /// The call of that ConnID.
    pub(super) fn by_conn_id(&self, conn_id: &str) -> Option<&str> {
        self.calls.iter().find(|(_, call)| call.conn_id.eq_ignore_ascii_case(conn_id)).map(|(name, _)| name.as_str())
    }

    /// What `EventRegistered` says of a DN: who sits there, and the calls on it now.
    pub(super) fn registered(&self, dn: &str) -> (Option<String>, Vec<Attributes>) {
        let on = self.calls.values().filter_map(|call| Some((call, call.parties.get(dn)?)));
        let calls = on.map(|(call, (state, other))| {
            let mut attributes = self.attributes(call, dn);
            attributes.state = Some(*state);
            attributes.other_dn.clone_from(other);
            attributes.user_data = Some(call.user_data.clone()).filter(|list| !list.is_empty());
            attributes
        });
        (self.agents.get(dn).cloned(), calls.collect())
    }

    /// Does a step of the call model; `at` is its time. Empty for steps that are none.
    pub(super) fn step(&mut self, step: &Step, at: Time) -> Vec<Told> {
        let mut told = match step.act {
            Do::Login | Do::Logout => self.agent(step),
            _ => self.call(step),
        };
        for one in &mut told {
            one.message.attributes.time = Some(at);
        }
        told
    }

    fn agent(&mut self, step: &Step) -> Vec<Told> {
        let Some(dn) = step.dn.clone() else { return Vec::new() };
        let (name, agent) = match (step.act, &step.agent) {
            (Do::Login, Some(agent)) => {
                self.agents.insert(dn.clone(), agent.clone());
                (Name::EventAgentLogin, Some(agent.clone()))
            }
            _ => (Name::EventAgentLogout, self.agents.remove(&dn)),
        };
        let message = Message::new(name).with(|a| (a.this_dn, a.agent_id) = (Some(dn.clone()), agent));
        vec![Told { dn, message }]
    }

    fn call(&mut self, step: &Step) -> Vec<Told> {
        let Some(name) = step.call.as_deref() else { return Vec::new() };
        let dn = step.dn.as_deref();
        match step.act {
            Do::Ring => self.enter(name, dn, step.other.as_deref(), Name::EventRinging),
            Do::Dial => self.enter(name, dn, step.other.as_deref(), Name::EventDialing),
            Do::Answer => self.turn(name, dn, Name::EventEstablished),
            Do::Hold => self.turn(name, dn, Name::EventHeld),
            Do::Retrieve => self.turn(name, dn, Name::EventRetrieved),
            Do::Release => self.leave(name, dn, Name::EventReleased),
            Do::Abandon => self.leave(name, dn, Name::EventAbandoned),
            Do::Leave => self.depart(name, dn),
            Do::Attach => self.attach(name, &step.data),
            Do::Transfer | Do::Conference => self.join(name, step),
            _ => Vec::new(),
        }
    }

    /// Attributes that every event of a call has.
    fn attributes(&self, call: &Call, dn: &str) -> Attributes {
        Attributes {
            this_dn: Some(dn.to_owned()),
            conn_id: Some(call.conn_id.clone()).filter(|id| !id.is_empty()),
            call_uuid: Some(call.call_uuid.clone()).filter(|id| !id.is_empty()),
            call_type: Some(call.kind.clone()),
            ani: call.ani.clone(),
            dnis: call.dnis.clone(),
            agent_id: self.agents.get(dn).cloned(),
            ..Attributes::default()
        }
    }

    /// An event of a call for one DN.
    pub(super) fn event(&self, call: &str, dn: &str, name: Name) -> Option<Told> {
        let call = self.calls.get(call)?;
        let mut attributes = self.attributes(call, dn);
        attributes.other_dn = call.parties.get(dn).and_then(|(_, other)| other.clone());
        let has_all = !matches!(name, Name::EventAttachedDataChanged | Name::EventPrivateInfo);
        attributes.user_data = Some(call.user_data.clone()).filter(|list| has_all && !list.is_empty());
        let message = Message { message: name, attributes: Box::new(attributes) };
        Some(Told { dn: dn.to_owned(), message })
    }

    fn enter(&mut self, name: &str, dn: Option<&str>, other: Option<&str>, event: Name) -> Vec<Told> {
        let (Some(dn), Some(call)) = (dn, self.calls.get_mut(name)) else { return Vec::new() };
        let is_caller = event == Name::EventDialing;
        let other = other.map(str::to_owned).or_else(|| if is_caller { call.dnis.clone() } else { call.ani.clone() });
        call.parties.insert(dn.to_owned(), (event, other));
        call.known_to.insert(dn.to_owned());
        let role = if is_caller { "RoleOrigination" } else { "RoleDestination" };
        let mut told: Vec<Told> = self.event(name, dn, event).into_iter().collect();
        for one in &mut told {
            one.message.attributes.this_dn_role = Some(role.to_owned());
        }
        told
    }

    /// One party of the call, or all.
    pub(super) fn parties(&self, call: &str, dn: Option<&str>) -> Vec<String> {
        let Some(call) = self.calls.get(call) else { return Vec::new() };
        call.parties.keys().filter(|party| dn.is_none_or(|dn| dn == party.as_str())).cloned().collect()
    }

    /// The same of those who were on it, too.
    pub(super) fn knew(&self, call: &str, dn: Option<&str>) -> Vec<String> {
        let Some(call) = self.calls.get(call) else { return Vec::new() };
        call.known_to.iter().filter(|party| dn.is_none_or(|dn| dn == party.as_str())).cloned().collect()
    }

    fn turn(&mut self, name: &str, dn: Option<&str>, event: Name) -> Vec<Told> {
        let parties = self.parties(name, dn);
        for party in &parties {
            if let Some((state, _)) = self.calls.get_mut(name).and_then(|call| call.parties.get_mut(party)) {
                *state = if event == Name::EventRetrieved { Name::EventEstablished } else { event };
            }
        }
        parties.iter().filter_map(|party| self.event(name, party, event)).collect()
    }

    fn leave(&mut self, name: &str, dn: Option<&str>, event: Name) -> Vec<Told> {
        let parties = self.parties(name, dn);
        let told = parties.iter().filter_map(|party| self.event(name, party, event)).collect();
        if let Some(call) = self.calls.get_mut(name) {
            call.parties.retain(|party, _| !parties.contains(party));
        }
        told
    }

    /// A party leaves a conference: the others are told.
    fn depart(&mut self, name: &str, dn: Option<&str>) -> Vec<Told> {
        let mut told = self.leave(name, dn, Name::EventReleased);
        for party in self.parties(name, None) {
            told.extend(self.event(name, &party, Name::EventPartyDeleted).map(|told| third(told, dn)));
        }
        told
    }

    /// The events that tell changed user data.
    pub(super) fn attach(&mut self, name: &str, data: &List) -> Vec<Told> {
        let Some(call) = self.calls.get_mut(name) else { return Vec::new() };
        for pair in &data.0 {
            call.user_data.0.retain(|known| known.key != pair.key);
        }
        call.user_data.0.extend(data.0.iter().cloned());
        let parties = self.parties(name, None);
        let event = |party: &String| {
            let mut told = self.event(name, party, Name::EventAttachedDataChanged)?;
            told.message.attributes.user_data = Some(data.clone());
            Some(told)
        };
        parties.iter().filter_map(event).collect()
    }

    /// `to` joins the call, coming from a consultation where one is named; in a transfer `dn` leaves it.
    fn join(&mut self, name: &str, step: &Step) -> Vec<Told> {
        let (Some(dn), Some(to)) = (step.dn.as_deref(), step.to.as_deref()) else { return Vec::new() };
        let previous = step.from.as_deref().and_then(|from| self.calls.get(from)).map(|call| call.conn_id.clone());
        let mut told = Vec::new();
        if let Some(from) = step.from.as_deref() {
            told.extend(self.event(from, dn, Name::EventReleased));
            if let Some(from) = self.calls.get_mut(from) {
                from.parties.clear();
            }
        }
        let is_transfer = step.act == Do::Transfer;
        if is_transfer {
            told.extend(self.leave(name, Some(dn), Name::EventReleased));
        }
        let others = self.parties(name, None);
        let event = if is_transfer { Name::EventPartyChanged } else { Name::EventPartyAdded };
        for party in &others {
            told.extend(self.event(name, party, event).map(|mut told| {
                if is_transfer {
                    told.message.attributes.other_dn = Some(to.to_owned());
                }
                third(told, Some(if is_transfer { dn } else { to }))
            }));
        }
        if let Some(call) = self.calls.get_mut(name) {
            let other = call.ani.clone();
            call.parties.insert(to.to_owned(), (Name::EventEstablished, other));
            call.known_to.insert(to.to_owned());
        }
        told.extend(self.event(name, to, Name::EventPartyChanged).map(|mut told| {
            told.message.attributes.previous_conn_id = previous;
            third(told, Some(dn))
        }));
        told
    }
}

fn third(mut told: Told, dn: Option<&str>) -> Told {
    told.message.attributes.third_party_dn = dn.map(str::to_owned);
    told
}

/// Letters of an alphabet that a name always gives (FNV-1a, then its own steps).
fn made(name: &str, length: usize, alphabet: &[u8]) -> String {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut state = seed;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(alphabet[(state >> 33) as usize % alphabet.len()])
    };
    (0..length).map(|_| letter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch() -> (Switch, Scenario) {
        let text = "[server]\nlisten = \"127.0.0.1:7\"\n[[dn]]\ndn = \"7001-7003\"\nagent = \"a1\"\n\
            [[call]]\nname = \"A\"\nani = \"+49\"\ndnis = \"800\"\nuser-data = { k = \"v\" }\n\
            [[call]]\nname = \"B\"\n\
            [[step]]\nat = \"0s\"\ndo = \"ring\"\ncall = \"A\"\ndn = \"7001\"\n\
            [[step]]\nat = \"1s\"\ndo = \"answer\"\ncall = \"A\"\n\
            [[step]]\nat = \"2s\"\ndo = \"attach\"\ncall = \"A\"\ndata = { k = \"w\" }\n\
            [[step]]\nat = \"3s\"\ndo = \"dial\"\ncall = \"B\"\ndn = \"7001\"\nother = \"7002\"\n\
            [[step]]\nat = \"4s\"\ndo = \"transfer\"\ncall = \"A\"\nfrom = \"B\"\ndn = \"7001\"\nto = \"7002\"\n";
        let scenario = Scenario::parse(text).unwrap();
        (Switch::new(&scenario).unwrap(), scenario)
    }

    fn names(told: &[Told]) -> Vec<(&str, Name)> {
        told.iter().map(|told| (told.dn.as_str(), told.message.message)).collect()
    }

    #[test]
    fn a_call_goes_its_way_and_a_registration_tells_where_it_is() {
        let (mut switch, scenario) = switch();
        let at = Time { sec: 1, usec: 0 };
        let ringing = switch.step(&scenario.step[0], at);
        let attributes = &ringing[0].message.attributes;
        assert_eq!(names(&ringing), [("7001", Name::EventRinging)]);
        assert_eq!((attributes.other_dn.as_deref(), attributes.agent_id.as_deref()), (Some("+49"), Some("a1")));
        assert_eq!(
            (attributes.conn_id.as_ref().unwrap().len(), attributes.call_uuid.as_ref().unwrap().len()),
            (16, 32)
        );
        switch.step(&scenario.step[1], at);
        let attached = switch.step(&scenario.step[2], at);
        assert_eq!(attached[0].message.attributes.user_data, Some(List::default().with("k", "w")), "what changed");
        let (agent, calls) = switch.registered("7001");
        assert_eq!((agent.as_deref(), calls.len(), calls[0].state), (Some("a1"), 1, Some(Name::EventEstablished)));
        assert_eq!(calls[0].user_data, Some(List::default().with("k", "w")), "it replaced the value before");
    }

    #[test]
    fn a_transfer_moves_the_call_and_names_the_consultation() {
        let (mut switch, scenario) = switch();
        for step in &scenario.step[..4] {
            switch.step(step, Time { sec: 1, usec: 0 });
        }
        let told = switch.step(&scenario.step[4], Time { sec: 1, usec: 0 });
        let expected =
            [("7001", Name::EventReleased), ("7001", Name::EventReleased), ("7002", Name::EventPartyChanged)];
        assert_eq!(names(&told), expected);
        let changed = &told[2].message.attributes;
        assert_eq!(changed.previous_conn_id.as_ref(), Some(&switch.calls["B"].conn_id));
        assert_eq!(changed.conn_id.as_ref(), Some(&switch.calls["A"].conn_id));
        assert_eq!(switch.parties("A", None), ["7002"]);
        assert!(switch.parties("B", None).is_empty());
        assert_eq!(switch.knew("A", None), ["7001", "7002"], "who left still knows of it");
        assert_eq!((switch.knew("B", None), switch.knew("A", Some("7003"))), (vec!["7001".to_owned()], Vec::new()));
    }

    #[test]
    fn made_ids_are_always_the_same_and_of_their_letters() {
        assert_eq!(made("A", 16, b"0123456789abcdef"), made("A", 16, b"0123456789abcdef"));
        assert_ne!(made("A", 16, b"0123456789abcdef"), made("B", 16, b"0123456789abcdef"));
    }
}
