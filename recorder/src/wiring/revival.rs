//! The first moments of a start: what was live is decided, written down and receiving again, before anything else is
//! opened. The peers are sending: every moment until then is a moment of sound.

use std::sync::Arc;

use capture::{Capture, Reception};
use model::Order;
use prometheus::Registry;
use session::Core;
use storage::{Ledger, Recovered, Spool};

use super::{House, doors, parts, shells};
use crate::{
    config::Config,
    fault::Fault,
    finish::Finisher,
    keyring::Keyring,
    life,
    recover::{self, Means, Recovery},
    session_thread::Mailbox,
    states::States,
};

/// What is open by then.
pub(crate) struct Opened<'a> {
    pub(crate) config: &'a Config,
    pub(crate) spool: &'a Arc<Spool>,
    pub(crate) keyring: &'a Keyring,
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) registry: &'a Registry,
}

/// What goes on from here.
pub(crate) struct Revived {
    pub(crate) core: Core,
    pub(crate) capture: Arc<Capture>,
    pub(crate) states: States,
    pub(crate) recovery: Recovery,
}

/// Recovers, makes the facts durable, binds the ports of what goes on, and writes its states anew.
pub(crate) fn revive(
    opened: &Opened<'_>,
    reception: Reception,
    ledger: &mut Ledger,
    recovered: Recovered,
) -> Result<Revived, Fault> {
    let Opened { config, spool, keyring, mailbox, registry } = opened;
    let mut core = Core::new(doors::session_config(config));
    let mut means = Means { spool, keyring, entropy: &mut parts::Random, now: life::now() };
    let mut recovery = recover::recover(&config.node, recovered, &mut core, &mut means)
        .map_err(|error| Fault::Failed(format!("the spool cannot be read: {error}")))?;
    ledger
        .commit(&recovery.facts, life::now())
        .map_err(|error| Fault::Failed(format!("the ledger cannot be written: {error}")))?;
    let capture = doors::start_capture(config, reception, spool, mailbox, registry)?;
    for order in std::mem::take(&mut recovery.orders) {
        if let Order::OpenTrack(open) = order {
            shells::open_track(*open, &capture, keyring, mailbox);
        }
    }
    let states = States::start(spool, keyring, std::mem::take(&mut recovery.states), registry)?;
    let live = recovery.live.iter().filter_map(|id| Some((*id, Some((core.sessions_feeding(*id), core.state(*id)?)))));
    states.recordings(live.collect());
    Ok(Revived { core, capture, states, recovery })
}

/// What the last life left is finished now; where the tracks that go on were cut off is looked up beside the live calls.
pub(crate) fn take_up(house: &House<'_>, recovery: Recovery, finisher: &Finisher) -> Result<(), Fault> {
    for id in recovery.stale {
        if let Err(error) = house.spool.remove(id) {
            tracing::warn!(recording = %id, %error, "spool that is no longer needed is still there");
        }
    }
    for view in recovery.unfinished {
        tracing::info!(recording = %view.id, "taken up again");
        finisher.submit(Arc::new(view));
    }
    let (spool, mailbox, interrupted) = (Arc::clone(&house.spool), house.mailbox.clone(), recovery.interrupted);
    let survey = std::thread::Builder::new().name("survey".into());
    let survey = survey.spawn(move || recover::survey(&spool, interrupted, &mailbox));
    survey.map(drop).map_err(|error| Fault::Failed(format!("a thread cannot start: {error}")))
}
