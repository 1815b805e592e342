//! Many calls from one process: one connection for the signaling, one thread for the sound, packets made beforehand.

mod run;
mod sender;
mod tape;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::run::run;
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
    /// One SRTP key for all calls.
    pub shared_key: bool,
}

impl LoadSpec {
    /// Names the first thing that makes no sense.
    pub fn check(&self) -> Result<(), CallError> {
        self.call.check()?;
        let wrong = |what: &str| Err(CallError::Usage(what.to_owned()));
        if self.calls == 0 || self.calls > limits::LOAD_CALLS {
            return wrong("calls: 1 to 20000");
        }
        if !(self.rate > 0.0 && self.rate <= 10_000.0) {
            return wrong("rate: more than 0 and at most 10000 calls a second");
        }
        if self.burst == 0 || self.burst > limits::LOAD_BURST {
            return wrong("burst: 1 to 32 packets");
        }
        if self.shared_key && self.call.srtp.is_none() {
            return wrong("shared-key: needs srtp");
        }
        let call = &self.call;
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
    /// Half of the INVITEs had their final answer within this time.
    pub setup_p50_ms: f64,
    /// 99 of 100 had.
    pub setup_p99_ms: f64,
    /// RTP packets sent.
    pub packets: u64,
    /// RTP packets that the kernel did not take.
    pub send_errors: u64,
    /// The furthest the sender was behind its schedule.
    pub behind_ms: u64,
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
        LoadSpec { call, calls: 10, rate: 5.0, burst: 5, shared_key: false }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(spec().check(), Ok(()));
        let gap = CallSpec { leg_gap: Duration::from_secs(1), ..spec().call };
        for (wrong, name) in [
            (LoadSpec { calls: 0, ..spec() }, "calls"),
            (LoadSpec { rate: f64::NAN, ..spec() }, "rate"),
            (LoadSpec { burst: 33, ..spec() }, "burst"),
            (LoadSpec { shared_key: true, ..spec() }, "shared-key"),
            (LoadSpec { call: gap, ..spec() }, "leg-gap"),
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
