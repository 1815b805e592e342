//! What makes no sense in a scenario, named by step or key, and its DNs with ranges written out.

use std::collections::{BTreeMap, BTreeSet};

use signaling_core::tlib::{limits::DNS_PER_LINK, list::Charset};

use super::{Dn, Do, Scenario, Server, Step};
use crate::limits;

impl Scenario {
    pub(super) fn check(&self) -> Result<(), String> {
        let Server { listen, standby, connect, cert, key, ca, charset, .. } = &self.server;
        match (listen, connect) {
            (None, None) | (Some(_), Some(_)) => return Err("server: listen or connect, one of them".into()),
            (None, Some(_)) if standby.is_some() => return Err("server.standby: belongs to listen".into()),
            _ => {}
        }
        if cert.is_some() != key.is_some() {
            return Err("server: cert and key, both or none".into());
        }
        if ca.is_some() && cert.is_none() && listen.is_some() {
            return Err("server.ca: needs cert and key".into());
        }
        if cert.is_some() && ca.is_none() && connect.is_some() {
            return Err("server.ca: is needed to believe the recorder's certificate".into());
        }
        if charset.as_deref().is_some_and(|name| Charset::by_name(name).is_none()) {
            return Err("server.charset: unknown".into());
        }
        if self.step.len() > limits::SERVE_STEPS || self.call.len() > limits::SERVE_CALLS {
            return Err("too many steps or calls".into());
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.call.iter().find(|call| !names.insert(call.name.as_str())) {
            return Err(format!("call `{}` is there twice", twice.name));
        }
        self.dns()?;
        self.step.iter().enumerate().try_for_each(|(number, step)| self.check_step(number + 1, step))
    }

    fn check_step(&self, number: usize, step: &Step) -> Result<(), String> {
        if let Some(key) = step.missing() {
            return Err(format!("step {number}: {:?} needs `{key}`", step.act));
        }
        for name in [&step.call, &step.from].into_iter().flatten() {
            if !self.call.iter().any(|call| call.name == *name) {
                return Err(format!("step {number}: there is no call `{name}`"));
            }
        }
        if step.act == Do::Record && self.recorder.to.is_none() {
            return Err(format!("step {number}: [recorder] to is missing: where the recording goes"));
        }
        if step.act == Do::Switch && self.server.standby.is_none() {
            return Err(format!("step {number}: there is no standby to switch to"));
        }
        Ok(())
    }

    /// Every DN, ranges written out.
    ///
    /// # Errors
    /// The DN that is none.
    pub fn dns(&self) -> Result<BTreeMap<String, Dn>, String> {
        let mut dns = BTreeMap::new();
        for one in &self.dn {
            let ends = one.dn.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
            match ends {
                Some((from, to)) if to >= from && to - from < DNS_PER_LINK as u64 => {
                    let width = one.dn.find('-').unwrap_or(0);
                    dns.extend((from..=to).map(|number: u64| (format!("{number:0width$}"), one.clone())));
                }
                Some(_) => return Err(format!("dn `{}`: not a range", one.dn)),
                None => drop(dns.insert(one.dn.clone(), one.clone())),
            }
            if dns.len() > DNS_PER_LINK {
                return Err(format!("dn: more than {DNS_PER_LINK}"));
            }
        }
        Ok(dns)
    }
}
