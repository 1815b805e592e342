//! Many calls from one process: one connection for the signaling, one thread for the sound, packets made beforehand.
//!
//! [`run`] places calls with sound; [`set_up`] only sets up and ends them, thousands a second from part of a core.

pub mod feed;
mod run;
mod sender;
mod setup;
mod tape;

use std::collections::BTreeMap;

use serde::Serialize;
use signaling_core::sdp::dtls::Setup;

pub use self::{run::run, setup::set_up};
use crate::{
    call::spec::{Audio, CallSpec},
    error::CallError,
    limits,
};

/// A load to put on a recorder.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// What each call is like. Pauses, digits and dumps belong to single calls and are refused.
    pub call: CallSpec,
    /// How many calls.
    pub calls: u32,
    /// Calls started a second.
    pub rate: f64,
    /// Packets of a stream sent at once.
    pub burst: u32,
    /// One SSRC and SRTP key a side for all calls: each packet is made, and encrypted, once.
    pub shared_key: bool,
    /// Offer `a=rtcp-mux`: reports go where the sound goes.
    pub rtcp_mux: bool,
}

impl LoadSpec {
    /// Names the first thing that makes no sense.
    pub fn check(&self) -> Result<(), CallError> {
        self.call.check()?;
        let wrong = |what: &str| Err(CallError::Usage(what.to_owned()));
        if self.calls == 0 || self.calls > limits::LOAD_CALLS {
            return wrong("calls: 1 to 200000");
        }
        if !(self.rate > 0.0 && self.rate <= 10_000.0) {
            return wrong("rate: more than 0 and at most 10000 calls a second");
        }
        if self.burst == 0 || self.burst > limits::LOAD_BURST {
            return wrong("burst: 1 to 32 packets");
        }
        let call = &self.call;
        if call.dtls.is_some_and(|setup| setup != Setup::Active) {
            return wrong("setup: the handshakes of a load are active: its calls share the ports that it offers");
        }
        if call.dtls.is_some() && self.shared_key {
            return wrong("shared-key: a handshake gives each line a key of its own");
        }
        let single = [
            ("pause-at", call.pause.is_some()),
            ("reinvite-at", call.reinvite_at.is_some()),
            ("update-at", call.update_at.is_some()),
            ("dtmf-at", call.dtmf.is_some()),
            ("dump-sent", call.dump_sent.is_some()),
            ("leg-gap", !call.leg_gap.is_zero()),
        ];
        match single.iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => Err(CallError::Usage(format!("{name}: belongs to `replicator call`"))),
            None => Ok(()),
        }
    }

    /// The sound of both sides.
    pub(crate) fn sides(&self) -> [&Audio; 2] {
        [&self.call.left, &self.call.right]
    }
}

/// What came of a load.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// Calls that were set up and ended as planned.
    pub ok: u32,
    /// Calls that were not.
    pub failed: u32,
    /// Why, and how many of them.
    pub failures: BTreeMap<String, u32>,
    /// Half of the INVITEs had their 200 within this time.
    pub setup_p50_ms: f64,
    /// 99 of 100 had.
    pub setup_p99_ms: f64,
    /// All of them had.
    pub setup_max_ms: f64,
    /// Sessions set up a second, from the first INVITE to the last 200.
    pub setup_per_s: f64,
    /// 99 of 100 of the INVITEs had their 100 Trying within this time; told by `--setup-only` alone.
    pub trying_p99_ms: f64,
    /// Sessions refused with 503.
    pub busy: u32,
    /// Of these, how many said when to come back.
    pub busy_retry_after: u32,
    /// 99 of 100 of the 503 came within this time.
    pub busy_p99_ms: f64,
    /// All of them did.
    pub busy_max_ms: f64,
    /// RTP packets sent.
    pub packets: u64,
    /// RTP packets that the kernel did not take.
    pub send_errors: u64,
    /// The furthest the sender of sound (or of INVITEs, without sound) was behind its schedule.
    pub behind_ms: u64,
}

impl LoadReport {
    /// Fills the times of the INVITEs: microseconds until 200, microseconds until 503, seconds until the last 200.
    fn time(&mut self, mut set_up: Vec<u64>, mut busy: Vec<u64>, until_last_s: f64) {
        set_up.sort_unstable();
        busy.sort_unstable();
        (self.setup_p50_ms, self.setup_p99_ms) = (quantile_ms(&set_up, 0.5), quantile_ms(&set_up, 0.99));
        self.setup_max_ms = quantile_ms(&set_up, 1.0);
        self.setup_per_s = if until_last_s > 0.0 { set_up.len() as f64 / until_last_s } else { 0.0 };
        self.busy = busy.len() as u32;
        (self.busy_p99_ms, self.busy_max_ms) = (quantile_ms(&busy, 0.99), quantile_ms(&busy, 1.0));
    }

    /// Fills the time until 100 Trying, in microseconds.
    fn trying(&mut self, mut times: Vec<u64>) {
        times.sort_unstable();
        self.trying_p99_ms = quantile_ms(&times, 0.99);
    }
}

/// The `share` quantile of times in microseconds, as milliseconds; 0 when there are none.
fn quantile_ms(sorted: &[u64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).map_or(0.0, |micros| *micros as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spec() -> LoadSpec {
        let call = CallSpec::new("h".parse().unwrap());
        LoadSpec { call, calls: 10, rate: 5.0, burst: 5, shared_key: false, rtcp_mux: false }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(spec().check(), Ok(()));
        let gap = CallSpec { leg_gap: Duration::from_secs(1), ..spec().call };
        let dtls = |setup| CallSpec { dtls: Some(setup), ..spec().call };
        assert_eq!(LoadSpec { call: dtls(Setup::Active), ..spec() }.check(), Ok(()));
        for (wrong, name) in [
            (LoadSpec { calls: 0, ..spec() }, "calls"),
            (LoadSpec { rate: f64::NAN, ..spec() }, "rate"),
            (LoadSpec { burst: 33, ..spec() }, "burst"),
            (LoadSpec { call: gap, ..spec() }, "leg-gap"),
            (LoadSpec { call: dtls(Setup::ActPass), ..spec() }, "setup"),
            (LoadSpec { call: dtls(Setup::Active), shared_key: true, ..spec() }, "shared-key"),
        ] {
            let said = wrong.check().unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
        }
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sorted: Vec<u64> = (1..=100).map(|n| n * 1000).collect();
        assert_eq!((quantile_ms(&sorted, 0.5), quantile_ms(&sorted, 0.99)), (50.0, 99.0));
        assert_eq!((quantile_ms(&sorted[..1], 0.99), quantile_ms(&[], 0.5)), (1.0, 0.0));
    }
}
