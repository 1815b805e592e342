//! The bounds of a run: nothing in it can take for ever.

use std::time::Duration;

/// Until a started program answers.
pub(crate) const START: Duration = Duration::from_secs(30);

/// Until a program that was told to end is killed.
pub(crate) const STOP: Duration = Duration::from_secs(10);

/// Beyond the planned length of a load: then it counts as hung.
pub(crate) const LOAD_SLACK: Duration = Duration::from_secs(90);

/// Until every call of a load has ended at the recorder and is durable.
pub(crate) const ENDING: Duration = Duration::from_secs(90);

/// Until the sampled recordings are archived.
pub(crate) const ARCHIVING: Duration = Duration::from_secs(120);

/// Recordings whose archived tracks are compared with what was sent.
pub(crate) const SAMPLE: usize = 20;

/// After the last call was set up, before a window begins.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);
