//! How a follower reads the ledger: piece by piece from its own cursor, away from the threads of the runtime.

use std::{
    io,
    path::{Path, PathBuf},
};

use model::{Fact, Timestamp};

use super::LedgerReader;

/// What was read at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Facts with their numbers and the times they were written, in order; none when all that is durable was read before.
    pub facts: Vec<(u64, Timestamp, Fact)>,
    /// The number of the last durable fact.
    pub durable: u64,
}

impl Batch {
    /// The number of the last fact that is known with this batch, to one who knew those up to `before`.
    pub fn reached(&self, before: u64) -> u64 {
        self.facts.last().map_or(before, |(number, ..)| *number)
    }
}

/// Reads for one follower. What it was asked for first is found in the file, not read up to: a start costs the same with
/// a thousand facts and with a hundred million.
pub struct FactReader {
    dir: PathBuf,
    /// Away in a blocking task while it reads.
    reader: Option<LedgerReader>,
}

impl FactReader {
    /// Reads the ledger in `dir/ledger`, which need not exist yet.
    pub fn open(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), reader: None }
    }

    /// At most `max` durable facts behind the fact `known`, and what `take` makes of them in the blocking task.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn read<T: Send + 'static>(
        &mut self,
        (known, max): (u64, usize),
        take: impl FnOnce(Batch) -> T + Send + 'static,
    ) -> io::Result<T> {
        let mut reader = self.reader.take().unwrap_or_else(|| LedgerReader::open(&self.dir));
        let work = move || {
            let read = reader.read_from(known.saturating_add(1), max);
            let batch = read.and_then(|facts| Ok(Batch { facts, durable: reader.durable()? }));
            (reader, batch.map(take))
        };
        let (reader, taken) = tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?;
        self.reader = Some(reader);
        taken
    }
}
