//! One connection at work: INVITEs when they are due, answers when they come.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{Outcome, script::Script, table::Table, template::Template, wire::Wire};
use crate::{limits, load::LoadSpec, world};

/// The share of one connection: sessions `first`, `first + step`, ...
pub(super) struct Lane {
    pub(super) spec: Arc<LoadSpec>,
    pub(super) script: Script,
    pub(super) template: Template,
    pub(super) start: Instant,
    pub(super) first: u32,
    pub(super) step: u32,
}

impl Lane {
    /// Runs all sessions of the connection to their end.
    pub(super) async fn run(self, mut wire: Wire) -> Outcome {
        let Self { spec, script, template, start, first, step } = self;
        let mut table = Table::new(script, spec.call.duration, wire.is_lossy());
        let mut starter = Starter { spec, template, start, next: first, step };
        match starter.drive(&mut table, &mut wire).await {
            Ok(()) => {}
            Err(cause) => {
                let never = starter.left();
                if never > 0 {
                    table.fail(&format!("connection: {cause}"), never);
                }
                return table.finish(&format!("connection: {cause}"));
            }
        }
        table.finish("")
    }
}

/// Which session begins when.
struct Starter {
    spec: Arc<LoadSpec>,
    template: Template,
    start: Instant,
    next: u32,
    step: u32,
}

impl Starter {
    async fn drive(&mut self, table: &mut Table, wire: &mut Wire) -> io::Result<()> {
        while self.next < self.spec.calls || !table.is_idle() {
            let now = world::now();
            self.begin(table, wire, now);
            table.due(now, &mut |message| wire.send(message));
            wire.flush().await?;
            let mut heard = Vec::new();
            let until = self.due().into_iter().chain(table.next()).min().unwrap_or(now + limits::SETUP_IDLE);
            let received = timeout_at(until.into(), wire.receive(|message| heard.push(message.to_vec()))).await;
            let now = world::now();
            for message in &heard {
                table.hear(message, now, &mut |answer| wire.send(answer));
            }
            if let Ok(Err(cause)) = received {
                // Over UDP this is the echo of an earlier datagram that nobody took: its repetition may fare better.
                if !wire.is_lossy() {
                    return Err(cause);
                }
            }
            wire.flush().await?;
        }
        Ok(())
    }

    /// When the next session begins.
    fn due(&self) -> Option<Instant> {
        let after = Duration::from_secs_f64(f64::from(self.next) / self.spec.rate);
        (self.next < self.spec.calls).then(|| self.start + after)
    }

    /// Sessions that never began.
    fn left(&self) -> u32 {
        self.spec.calls.saturating_sub(self.next).div_ceil(self.step)
    }

    /// Sends the INVITEs that are due.
    fn begin(&mut self, table: &mut Table, wire: &mut Wire, now: Instant) {
        while let Some(due) = self.due().filter(|due| *due <= now) {
            table.behind(now.saturating_duration_since(due));
            let message = self.template.number(self.next);
            wire.send(&message);
            table.begin(self.next, message, now);
            self.next += self.step;
        }
    }
}
