//! Consolidation and delivery in the house: started beside the catalog's follower, asked by the API and the command line.

use std::sync::Arc;

use clap::Subcommand;
use custody::SystemEntropy;
use model::{Audit, Fact};
use storage::{
    FactReader,
    delivery::{Chance, Clock, Consolidator, CourierParts, DeliveryDesk, DeliveryStore, couriers},
};
use storage_core::{
    delivery::{Delivery, Witness},
    ports::{BoxFuture, CatalogError},
};
use tokio::sync::oneshot;

use crate::{
    background,
    cli::Common,
    config::Config,
    fault::Fault,
    life,
    playback::ArchivePlayback,
    session_thread::{Mail, Mailbox},
    wiring::House,
};

/// Dead letters that the command line shows.
const SHOWN: u32 = 1_000;

/// `recorder delivery ...`
#[derive(Subcommand)]
pub(crate) enum DeliveryCommand {
    /// Says how each subscriber is doing, and what could not be handed over.
    List(Common),
    /// Tries what could not be handed over again, and asks a subscriber again that wanted nothing any more.
    Retry {
        /// One of this subscriber.
        #[arg(long, value_name = "NAME")]
        subscriber: Option<String>,
        /// The one of this number.
        #[arg(long, value_name = "NUMBER")]
        number: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
}

/// Threads that wait for files, names and tables: four requests of each subscriber may wait for DNS, and the tables must not
/// wait behind them.
fn threads(config: &Config) -> usize {
    storage_core::limits::PARCELS_AT_ONCE * config.delivery.subscriber.len() + 8
}

/// Starts it on a thread of its own, the last in line for the processor, and gives the way to ask about it.
pub(crate) fn start(house: &House<'_>) -> Result<Arc<dyn Delivery>, Fault> {
    let store = open(house.config)?;
    let config = &house.config.delivery;
    let reader = FactReader::open(&house.config.data_dir);
    let settling = (clock(), config.settle_ms);
    let consolidator = Consolidator::new(reader, store.clone(), Arc::clone(&house.catalog), settling, &house.registry);
    let playback = ArchivePlayback {
        archive: Arc::clone(&house.archive),
        catalog: Arc::clone(&house.catalog),
        keyring: house.keyring.clone(),
    };
    let parts = CourierParts {
        config,
        node: house.config.node.clone(),
        store: store.clone(),
        catalog: Arc::clone(&house.catalog),
        playback: Arc::new(playback),
        witness: Arc::new(OnRecord(house.mailbox.clone())),
        clock: clock(),
        chance: chance(),
        registry: &house.registry,
    };
    let couriers = couriers(&parts).map_err(|error| Fault::Usage(error.to_string()))?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.max_blocking_threads(threads(house.config)).thread_name("delivery").enable_all();
    runtime.on_thread_start(background::yield_to_calls);
    // Nobody waits for its end: what is under way when the process leaves is handed over again.
    let work = move || {
        background::yield_to_calls();
        let work = async {
            for courier in couriers {
                tokio::spawn(courier.run());
            }
            consolidator.run().await;
        };
        match runtime.build() {
            Ok(runtime) => runtime.block_on(work),
            Err(error) => tracing::error!(%error, "nothing is handed over: the runtime cannot start"),
        }
    };
    let thread = std::thread::Builder::new().name("delivery".into()).spawn(work);
    thread.map_err(|error| Fault::Failed(format!("a thread cannot start: {error}")))?;
    Ok(Arc::new(desk(house.config, store, Arc::clone(&house.catalog))))
}

/// Runs a command, beside a running server or without one.
pub(crate) fn run(command: DeliveryCommand) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::Failed(format!("the runtime cannot start: {error}")))?;
    let (DeliveryCommand::List(common) | DeliveryCommand::Retry { common, .. }) = &command;
    let config = crate::cli::load(common)?;
    let desk = desk(&config, open(&config)?, crate::wiring::catalog(&config)?);
    match command {
        DeliveryCommand::List(_) => runtime.block_on(list(&desk)),
        DeliveryCommand::Retry { subscriber, number, .. } => {
            if let Some(name) = subscriber.as_ref().filter(|name| !desk.subscribers.contains(name)) {
                return Err(Fault::key("--subscriber", format!("no subscriber {name:?} is configured")));
            }
            let retried = runtime.block_on(desk.retry(subscriber, number)).map_err(failed)?;
            println!("{retried} to be tried again");
            Ok(())
        }
    }
}

async fn list(desk: &DeliveryDesk) -> Result<(), Fault> {
    for view in desk.subscribers().await.map_err(failed)? {
        let disabled = view.disabled_at.map(|at| format!(", wants nothing since {at}")).unwrap_or_default();
        let oldest = view.oldest.map(|at| format!(", oldest of {at}")).unwrap_or_default();
        println!(
            "{}: {} delivered, {} waiting, {} behind, {} dead{oldest}{disabled}",
            view.name, view.delivered, view.waiting, view.behind, view.dead
        );
    }
    for letter in desk.dead_letters(0, SHOWN).await.map_err(failed)? {
        let notice = &letter.notice;
        println!(
            "{} {} {} {} revision {} of {}: {} after {} attempts",
            letter.subscriber,
            letter.number,
            notice.kind,
            notice.thing,
            notice.revision,
            notice.at,
            letter.error,
            letter.attempts
        );
    }
    Ok(())
}

fn open(config: &Config) -> Result<DeliveryStore, Fault> {
    DeliveryStore::open(&config.data_dir).map_err(|error| Fault::key("data_dir", error))
}

fn desk(config: &Config, store: DeliveryStore, catalog: Arc<dyn storage_core::ports::Catalog>) -> DeliveryDesk {
    let subscribers = config.delivery.subscriber.iter().map(|subscriber| subscriber.name.clone()).collect();
    DeliveryDesk { store, catalog, subscribers, clock: clock() }
}

fn failed(error: CatalogError) -> Fault {
    Fault::Failed(error.to_string())
}

fn clock() -> Clock {
    Arc::new(life::now)
}

fn chance() -> Chance {
    Arc::new(|| u64::from_le_bytes(SystemEntropy.array()))
}

/// The ledger, by way of the session thread.
struct OnRecord(Mailbox);

impl Witness for OnRecord {
    fn witness(&self, audit: Audit) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let (confirm, confirmed) = oneshot::channel();
            let is_sent = self.0.try_send(Mail::Note(Box::new(Fact::Audited(audit)), confirm));
            is_sent && matches!(confirmed.await, Ok(Some(_)))
        })
    }
}
