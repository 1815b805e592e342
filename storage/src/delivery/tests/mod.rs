//! Consolidation and delivery over real tables and a real receiver, with the facts of a ledger and a clock of the tests.

mod consolidation;
mod handing_over;
mod receiver;
mod setting;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crypto::sign::Signer;
use model::{Audit, EndCause, Fact, MediaObject, Personal, RecordingId, RecordingOpened, Timestamp};
use prometheus::Registry;
use storage_core::{
    delivery::{Delivery, Witness},
    memory::MemoryCatalog,
    ports::{BoxFuture, Catalog, MediaFormat, MediaReader, Playback, PlaybackError},
};
use tempfile::TempDir;

use super::*;
use crate::ledger::{FactReader, Ledger};

const START: u64 = 1_790_000_000_000;
const SETTLE_MS: u64 = 30_000;
/// The sound of every recording.
const SOUND: usize = 2_500_000;

/// A node as far as consolidation and delivery see it.
struct World {
    dir: TempDir,
    ledger: Ledger,
    catalog: Arc<MemoryCatalog>,
    store: DeliveryStore,
    /// Milliseconds after the start.
    now: Arc<AtomicU64>,
    witness: Arc<Witnessed>,
}

/// What was put on record.
#[derive(Default)]
struct Witnessed(Mutex<Vec<Audit>>);

impl Witness for Witnessed {
    fn witness(&self, audit: Audit) -> BoxFuture<'_, bool> {
        self.0.lock().unwrap().push(audit);
        Box::pin(std::future::ready(true))
    }
}

struct Sound;

impl MediaReader for Sound {
    fn len(&self) -> u64 {
        SOUND as u64
    }

    fn read(&self, range: std::ops::Range<u64>) -> BoxFuture<'_, Result<Vec<u8>, PlaybackError>> {
        let octets = sound()[range.start as usize..range.end as usize].to_vec();
        Box::pin(std::future::ready(Ok(octets)))
    }
}

fn sound() -> Vec<u8> {
    (0..SOUND).map(|at| (at % 251) as u8).collect()
}

struct Player;

impl Playback for Player {
    fn open(&self, _: RecordingId, _: MediaFormat) -> BoxFuture<'_, Result<Box<dyn MediaReader>, PlaybackError>> {
        Box::pin(std::future::ready(Ok(Box::new(Sound) as Box<dyn MediaReader>)))
    }
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let signer = Signer::from_seed([1; 32]);
        let (ledger, _) = Ledger::open(dir.path(), signer, Timestamp::from_millis(START)).expect("a ledger");
        let store = DeliveryStore::open(dir.path()).expect("tables");
        Self { dir, ledger, catalog: Arc::default(), store, now: Arc::default(), witness: Arc::default() }
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Arc::new(move || Timestamp::from_millis(START + now.load(Ordering::SeqCst)))
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// These facts happen now; the catalog knows them at once.
    async fn happen(&mut self, facts: &[Fact]) {
        let now = (self.clock())();
        self.ledger.commit(facts, now).expect("committed");
        self.ledger.show(now);
        let first = self.ledger.next_no() - facts.len() as u64;
        let facts: Vec<(u64, Fact)> = (first..).zip(facts.iter().cloned()).collect();
        self.catalog.follow(&facts).await.expect("followed");
    }

    fn consolidator(&self) -> Consolidator {
        let reader = FactReader::open(self.dir.path());
        let catalog = Arc::clone(&self.catalog) as Arc<dyn Catalog>;
        Consolidator::new(reader, self.store.clone(), catalog, (self.clock(), SETTLE_MS), &Registry::new())
    }

    /// Everything that can be done now is.
    async fn consolidate(&self) {
        let mut consolidator = self.consolidator();
        while consolidator.step().await.expect("a step") > 0 {}
    }

    /// Goes on until it settled.
    async fn settle(&self) {
        self.consolidate().await;
        self.pass(SETTLE_MS);
        self.consolidate().await;
    }

    fn desk(&self, subscribers: &[&str]) -> DeliveryDesk {
        DeliveryDesk {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog) as Arc<dyn Catalog>,
            subscribers: subscribers.iter().map(|name| (*name).to_owned()).collect(),
            clock: self.clock(),
        }
    }

    async fn revision(&self, id: &str) -> Option<u64> {
        self.desk(&[]).interaction(id).await.expect("an answer").map(|known| known.revision.number)
    }

    /// Kind, thing and revision of every notice, in order.
    async fn notices(&self) -> Vec<(String, String, i64)> {
        let read = |connection: &mut rusqlite::Connection| {
            let mut statement = connection.prepare("SELECT kind, thing, revision FROM notice ORDER BY number")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        self.store.with(read).await.expect("rows")
    }

    /// The couriers run as tasks until the guard is dropped.
    fn couriers(&self, config: &DeliveryConfig) -> Running {
        config.check().expect("a lawful configuration");
        let parts = CourierParts {
            config,
            node: "node-1".into(),
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog) as Arc<dyn Catalog>,
            playback: Arc::new(Player),
            witness: Arc::clone(&self.witness) as Arc<dyn Witness>,
            clock: self.clock(),
            chance: Arc::new(|| 0),
            registry: &Registry::new(),
        };
        let couriers = super::couriers(&parts).expect("couriers");
        Running(couriers.into_iter().map(|courier| tokio::spawn(courier.run())).collect())
    }
}

/// Tasks that end with it.
struct Running(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Waits until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "20 s without {what}");
}

fn id(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 16])
}

fn opened(number: u8, call_uuid: &str) -> Fact {
    Fact::RecordingOpened(RecordingOpened {
        recording: id(number),
        record_id: None,
        call_uuid: Some(call_uuid.into()),
        conn_id: None,
        profile: "genesys-msr".into(),
        at: Timestamp::from_millis(START),
    })
}

fn archived(number: u8) -> Vec<Fact> {
    let recording = id(number);
    let object = MediaObject {
        format: "wav".into(),
        name: "n".into(),
        bytes: SOUND as u64,
        sha256: crypto::digest::sha256_hex(&sound()),
        sealed_bytes: 2,
        sealed_sha256: "b".into(),
    };
    let ended_at = Timestamp::from_millis(START + 5_000);
    vec![
        Fact::RecordingEnded { recording, ended_at, duration_ms: 5_000, cause: EndCause::Bye },
        Fact::RecordingArchived {
            recording,
            objects: vec![object],
            duration_ms: 5_000,
            flags: Vec::new(),
            audio_from: None,
        },
    ]
}

/// A whole recording of that call.
fn whole(number: u8, call_uuid: &str) -> Vec<Fact> {
    let mut facts = vec![opened(number, call_uuid)];
    facts.extend(archived(number));
    facts
}

fn attached(number: u8, name: &str, value: &str) -> Fact {
    let data = [(name.to_owned(), Personal::new(value.to_owned()))].into();
    Fact::UserDataAttached { recording: id(number), data, raw: None, at: None, source: None }
}

fn learned(number: u8, name: &str, value: &str) -> Fact {
    let keys = [(name.to_owned(), Personal::new(value.to_owned()))].into();
    Fact::CorrelationLearned { recording: id(number), keys }
}
