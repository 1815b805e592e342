//! The courier of one subscriber: a task of its own, so that none waits for another.

use std::{sync::Arc, time::Duration};

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use storage_core::{
    delivery::{Kind, Outcome, Parcel, Queue, SubscriberView, Verdict, Witness},
    ports::{Catalog, CatalogError, Playback},
};
use tokio::task::JoinSet;

use super::{
    Chance, Clock, DeliveryConfig, DeliveryStore,
    attempt::Attempts,
    parcels::{self, Wish},
    send::Sender,
};
use crate::{
    config::ConfigError,
    limits::{FOLLOW_IDLE, FOLLOW_RETRY_LAST},
};

/// What couriers need of the house.
pub struct CourierParts<'a> {
    /// `[delivery]`.
    pub config: &'a DeliveryConfig,
    /// The name of this node: the source of its events.
    pub node: String,
    /// The tables.
    pub store: DeliveryStore,
    /// What is known of recordings.
    pub catalog: Arc<dyn Catalog>,
    /// Their sound.
    pub playback: Arc<dyn Playback>,
    /// Where it is put on record.
    pub witness: Arc<dyn Witness>,
    /// The time of facts.
    pub clock: Clock,
    /// Random numbers.
    pub chance: Chance,
    /// Where the metrics are registered.
    pub registry: &'a Registry,
}

/// One subscriber's courier.
pub struct Courier {
    wish: Wish,
    attempts: Arc<Attempts>,
    queue: Queue,
    chance: Chance,
    metrics: Metrics,
}

#[derive(Clone)]
struct Metrics {
    pending: IntGaugeVec,
    dead: IntGaugeVec,
    disabled: IntGaugeVec,
    oldest: IntGaugeVec,
    delivered: IntCounterVec,
    failed: IntCounterVec,
}

/// A courier for each subscriber of the configuration, which was checked.
///
/// # Errors
/// A subscriber cannot be reached as it is configured.
pub fn couriers(parts: &CourierParts<'_>) -> Result<Vec<Courier>, ConfigError> {
    let metrics = Metrics::register(parts.registry);
    let schedule = parts.config.schedule();
    let mut couriers = Vec::new();
    for config in &parts.config.subscriber {
        let wish = Wish {
            name: config.name.clone(),
            kinds: config.kinds()?,
            since: config.since()?,
            patience_ms: schedule.patience_ms,
        };
        let attempts = Arc::new(Attempts {
            name: config.name.clone(),
            node: parts.node.clone(),
            partitions: config.partitions.clone(),
            sender: Sender::new(config)?,
            store: parts.store.clone(),
            catalog: Arc::clone(&parts.catalog),
            playback: Arc::clone(&parts.playback),
            witness: Arc::clone(&parts.witness),
            clock: Arc::clone(&parts.clock),
        });
        let queue = Queue::new(schedule, false);
        couriers.push(Courier { wish, attempts, queue, chance: Arc::clone(&parts.chance), metrics: metrics.clone() });
    }
    Ok(couriers)
}

type Made = (Parcel, Option<Kind>, Outcome);

impl Courier {
    /// Goes on until the task is dropped; what is under way then is handed over again after the next start.
    pub async fn run(mut self) {
        let mut patience = FOLLOW_IDLE;
        while let Err(error) = self.begin().await {
            tracing::warn!(subscriber = %self.wish.name, %error, "delivery: cannot begin");
            tokio::time::sleep(patience).await;
            patience = (patience * 2).min(FOLLOW_RETRY_LAST);
        }
        let mut under_way = JoinSet::new();
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(subscriber = %self.wish.name, %error, "delivery: cannot go on");
            }
            while let Some(parcel) = self.queue.next((self.attempts.clock)()) {
                let attempts = Arc::clone(&self.attempts);
                under_way.spawn(async move {
                    let (kind, outcome) = attempts.make(&parcel).await;
                    (parcel, kind, outcome)
                });
            }
            tokio::select! {
                Some(made) = under_way.join_next() => match made {
                    Ok(made) => self.settle(made).await,
                    Err(error) => tracing::error!(%error, "delivery: an attempt broke off"),
                },
                () = tokio::time::sleep(self.idle()) => {}
            }
        }
    }

    async fn begin(&mut self) -> Result<(), CatalogError> {
        let (name, now) = (self.wish.name.clone(), (self.attempts.clock)());
        let begun = self.attempts.store.with(move |connection| parcels::begin(connection, &name, now)).await?;
        self.queue = Queue::new(self.queue.schedule(), begun.is_disabled);
        begun.parcels.into_iter().for_each(|parcel| self.queue.admit(parcel));
        Ok(())
    }

    /// What is new, what is too old, and how things stand.
    async fn look(&mut self) -> Result<(), CatalogError> {
        // Most of what there is may be for others: on until something is owed, or all was seen.
        let status = loop {
            let (wish, room) = (self.wish.clone(), self.queue.room());
            let work = move |connection: &mut rusqlite::Connection| {
                let admitted = parcels::admit(connection, &wish, room)?;
                Ok((admitted, parcels::status(connection, &wish.name)?))
            };
            let (admitted, status) = self.attempts.store.with(work).await?;
            if self.queue.is_disabled() && !admitted.is_disabled {
                self.queue.enable();
            }
            admitted.parcels.into_iter().for_each(|parcel| self.queue.admit(parcel));
            if !admitted.has_more || !self.queue.is_empty() {
                break status;
            }
        };
        for (number, verdict) in self.queue.expire((self.attempts.clock)()) {
            self.write(number, false, verdict).await;
        }
        self.metrics.observe(&status, (self.attempts.clock)());
        Ok(())
    }

    async fn settle(&mut self, (parcel, kind, outcome): Made) {
        let name = self.wish.name.as_str();
        let is_delivered = outcome == Outcome::Accepted;
        match (&outcome, kind) {
            (Outcome::Accepted, Some(kind)) => {
                self.metrics.delivered.with_label_values(&[name, kind.name()]).inc();
            }
            (Outcome::Failed { cause, .. } | Outcome::Refused { cause }, _) => {
                self.metrics.failed.with_label_values(&[name]).inc();
                tracing::warn!(subscriber = %name, number = parcel.number, attempts = parcel.attempts + 1, %cause, "delivery: not taken");
            }
            (Outcome::Gone, _) => {
                self.metrics.failed.with_label_values(&[name]).inc();
                tracing::error!(subscriber = %name, "delivery: the subscriber wants nothing any more (410); `recorder delivery retry` asks it again");
            }
            _ => {}
        }
        let verdict = self.queue.settle(parcel.number, outcome, (self.attempts.clock)(), (self.chance)());
        self.write(parcel.number, is_delivered, verdict).await;
    }

    /// What cannot be written is handed over again after the next start: at least once.
    async fn write(&self, number: u64, is_delivered: bool, verdict: Verdict) {
        let (name, now) = (self.wish.name.clone(), (self.attempts.clock)());
        if matches!(verdict, Verdict::Dead { .. }) {
            tracing::error!(subscriber = %name, number, "delivery: given up; it is a dead letter");
        }
        let work = move |connection: &mut rusqlite::Connection| {
            parcels::settle(connection, (&name, number, is_delivered), &verdict, now)
        };
        match self.attempts.store.with(work).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::error!(forgotten, "delivery: too many dead letters; the oldest are forgotten"),
            Err(error) => tracing::warn!(%error, "delivery: not written down"),
        }
    }

    fn idle(&self) -> Duration {
        let now = (self.attempts.clock)();
        let wait = self.queue.wake_at().map_or(FOLLOW_IDLE, |at| Duration::from_millis(at.millis_since(now) + 1));
        // What goes on at once is bounded: without a free place there is nothing to do but to wait for an answer.
        wait.clamp(Duration::from_millis(20), FOLLOW_IDLE)
    }
}

impl Metrics {
    fn register(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["subscriber"]).expect("a constant of ours");
            registry.register(Box::new(gauge.clone())).expect("each metric is registered once in a registry");
            gauge
        };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("a constant of ours");
            registry.register(Box::new(counter.clone())).expect("each metric is registered once in a registry");
            counter
        };
        let oldest = "Age of the oldest item that the subscriber has not got, dead letters aside.";
        let delivered = "Items that the subscriber has taken.";
        Self {
            pending: gauge("recorder_delivery_pending", "Items owed to the subscriber or not looked at yet."),
            dead: gauge("recorder_delivery_dead", "Items given up: `recorder delivery list` shows them."),
            disabled: gauge(
                "recorder_delivery_disabled",
                "1 when the subscriber answered 410 and is not asked any more.",
            ),
            oldest: gauge("recorder_delivery_oldest_seconds", oldest),
            delivered: counter("recorder_delivery_delivered_total", delivered, &["subscriber", "event"]),
            failed: counter("recorder_delivery_failed_total", "Attempts that failed.", &["subscriber"]),
        }
    }

    fn observe(&self, status: &SubscriberView, now: model::Timestamp) {
        let name = [status.name.as_str()];
        self.pending.with_label_values(&name).set((status.waiting + status.behind).cast_signed());
        self.dead.with_label_values(&name).set(status.dead.cast_signed());
        self.disabled.with_label_values(&name).set(status.disabled_at.is_some().into());
        let age = status.oldest.map_or(0, |oldest| now.millis_since(oldest) / 1_000);
        self.oldest.with_label_values(&name).set(age.cast_signed());
    }
}
