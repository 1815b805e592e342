//! How packets will come, and what takes a capability to have: made before anything else of the process runs, so that the
//! capability can be given up before the first thread begins.

use crate::{
    config::{Config, Receive},
    intake::Intake,
    metrics::Metrics,
    receive::Strategy,
};

/// The way to receive, chosen and prepared for every worker. Making it may need `CAP_BPF`; using it does not.
pub struct Reception {
    pub(crate) strategy: Strategy,
    /// What comes past the sockets of each worker, where that is the way.
    intakes: Vec<Option<Box<Intake>>>,
    /// How often something else was wanted than could be had.
    fell_back: u64,
}

impl Reception {
    /// Chooses by `config.receive` and by what the kernel allows now. What cannot be had is swept, and the log says why.
    pub fn prepare(config: &Config) -> Self {
        let (strategy, refused) = Strategy::choose(config.receive);
        let mut reception = Self { strategy, intakes: Vec::new(), fell_back: 0 };
        match refused {
            Some(error) if config.receive == Receive::Auto => {
                tracing::info!(%error, "no ring without CAP_BPF and Linux 5.8: sweeping, at about twice the processor time");
            }
            Some(error) => {
                reception.fell_back += 1;
                tracing::warn!(%error, wanted = ?config.receive, "the kernel refuses this way to receive: sweeping instead");
            }
            None => {}
        }
        tracing::info!(strategy = strategy.name(), workers = config.workers, "capture receives");
        reception.intakes = (0..config.workers).map(|worker| reception.intake(worker, config)).collect();
        reception
    }

    /// A worker that cannot have its ring sweeps: a worker less would be worse.
    fn intake(&mut self, worker: usize, config: &Config) -> Option<Box<Intake>> {
        if self.strategy != Strategy::Bpf {
            return None;
        }
        let intake = Intake::new(config.ring_octets(), self.strategy.slices(config.sweep) as u32);
        let intake = intake.inspect_err(|error| {
            tracing::warn!(worker, %error, strategy = self.strategy.name(), "capture worker sweeps instead");
            self.fell_back += 1;
        });
        intake.ok().map(Box::new)
    }

    /// What the workers get, in their order.
    pub(crate) fn take_intakes(&mut self) -> Vec<Option<Box<Intake>>> {
        std::mem::take(&mut self.intakes)
    }

    pub(crate) fn tell(&self, metrics: &Metrics) {
        (0..self.fell_back).for_each(|_| metrics.fell_back());
        metrics.receives_by(self.strategy);
    }
}
