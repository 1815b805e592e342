//! Opens the parts that keep things: keys, ledger, spool, archive, catalog.

use std::sync::Arc;

use crypto::sign::Signer;
use custody::{FileCustodian, SystemEntropy};
use model::{Entropy, Receipt};
use prometheus::Registry;
use session::Input;
use storage::{Disk, FactReader, KeyStore, Ledger, LedgerError, Recovered, Spool};
use storage_core::ports::{Archive, Catalog, ReceiptSink};

use super::House;
use crate::{config::Config, fault::Fault, keyring::Keyring, life, session_thread::Mailbox};

/// The entropy of the session core.
pub(crate) struct Random;

impl Entropy for Random {
    fn fill(&mut self, buffer: &mut [u8]) {
        SystemEntropy.fill(buffer);
    }
}

/// Makes the data folder and opens the master key.
pub(crate) fn custodian(config: &Config) -> Result<(FileCustodian, bool), Fault> {
    use std::os::unix::fs::DirBuilderExt as _;
    let place = |error| Fault::key("data_dir", format!("{}: {error}", config.data_dir.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir).map_err(place)?;
    let path = config.master_key();
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(place)?;
    }
    FileCustodian::open_or_create(&path).map_err(|error| Fault::key("keys.master", error))
}

/// The node's signing key.
pub(crate) fn signer(custodian: &FileCustodian) -> Signer {
    Signer::from_seed(custodian.derive("ledger"))
}

/// The keyring for commands that only read.
pub(crate) fn keyring(config: &Config) -> Result<Keyring, Fault> {
    let (custodian, _) = custodian(config)?;
    Ok(Keyring::reading(Arc::new(custodian)))
}

pub(crate) fn keys(config: &Config, disk: &Disk) -> Result<(FileCustodian, Keyring), Fault> {
    let (custodian, is_new) = custodian(config)?;
    if is_new {
        tracing::warn!(path = %config.master_key().display(), "a master key was made: keep a copy of it apart, without it nothing can be heard");
    }
    let (for_wraps, _) = self::custodian(config)?;
    let store = KeyStore::open_on(disk, &config.data_dir).map_err(|error| Fault::key("data_dir", error))?;
    Ok((custodian, Keyring::new(Arc::new(for_wraps), store)))
}

pub(crate) fn ledger(config: &Config, custodian: &FileCustodian, disk: &Disk) -> Result<(Ledger, Recovered), Fault> {
    let opened = Ledger::open_on(disk, &config.data_dir, signer(custodian), life::now());
    let (ledger, recovered) = opened.map_err(|error| match error {
        LedgerError::InUse(_) => Fault::key("data_dir", error),
        error => Fault::Failed(error.to_string()),
    })?;
    if recovered.torn_octets > 0 {
        tracing::warn!(octets = recovered.torn_octets, "the ledger's last line was torn and is kept aside");
    }
    if recovered.damaged_lines > 0 || recovered.is_disputed {
        tracing::error!("the ledger was altered while nobody wrote it: run `recorder verify`");
    }
    Ok((ledger, recovered))
}

/// Receipts of the spool go to the session thread.
struct Receipts(Mailbox);

impl ReceiptSink for Receipts {
    fn receipt(&self, receipt: Receipt) {
        self.0.send(Input::Spool(receipt));
    }
}

pub(crate) fn spool(config: &Config, mailbox: &Mailbox, registry: &Registry, disk: &Disk) -> Result<Arc<Spool>, Fault> {
    let receipts = Arc::new(Receipts(mailbox.clone()));
    let spool = Spool::open_on(disk, &config.spool.dir(&config.data_dir), &config.spool, receipts, registry);
    spool.map(Arc::new).map_err(|error| Fault::Usage(error.to_string()))
}

pub(crate) fn archive(config: &Config) -> Result<Arc<dyn Archive>, Fault> {
    storage::open_archive(&config.archive, &config.data_dir).map_err(|error| Fault::Usage(error.to_string()))
}

pub(crate) fn catalog(config: &Config) -> Result<Arc<dyn Catalog>, Fault> {
    storage::open_catalog(&config.catalog, &config.data_dir).map_err(|error| Fault::Usage(error.to_string()))
}

/// The follower takes the facts from the ledger to the catalog.
pub(crate) fn follow(house: &House<'_>) {
    let reader = FactReader::open(&house.config.data_dir);
    let follower = storage::Follower::new(reader, Arc::clone(&house.catalog), &house.registry);
    house.background.spawn(follower.run(Arc::clone(&house.committed)));
}

/// What a section can say of itself without being started.
pub(crate) fn check_sections(config: &Config) -> Result<(), Fault> {
    crate::peers::peers(config)?;
    config.sip.check().map_err(|error| Fault::Usage(error.to_string()))?;
    config.delivery.check().map_err(|error| Fault::Usage(error.to_string()))?;
    super::cti::check(config)
}
