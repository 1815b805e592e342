//! An archive in memory.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    names,
    ports::{Archive, ArchiveError, BoxFuture, ObjectSource},
};

/// Objects in a map. Its futures are ready at once.
#[derive(Default)]
pub struct MemoryArchive {
    objects: Mutex<BTreeMap<String, Arc<[u8]>>>,
}

impl MemoryArchive {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Arc<[u8]>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, name: &str) -> Result<Arc<[u8]>, ArchiveError> {
        names::check(name)?;
        self.objects().get(name).cloned().ok_or_else(|| ArchiveError::Missing(name.to_owned()))
    }

    fn create(&self, name: &str, source: &dyn ObjectSource) -> Result<(), ArchiveError> {
        names::check(name)?;
        let octets =
            source.read(0..source.len()).map_err(|error| ArchiveError::Unavailable(format!("source: {error}")))?;
        let mut objects = self.objects();
        match objects.get(name) {
            Some(there) if **there != *octets => Err(ArchiveError::Exists(name.to_owned())),
            Some(_) => Ok(()),
            None => {
                objects.insert(name.to_owned(), octets.into());
                Ok(())
            }
        }
    }
}

impl Archive for MemoryArchive {
    fn put<'a>(&'a self, name: &'a str, source: &'a dyn ObjectSource) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move { self.create(name, source) })
    }

    fn read<'a>(&'a self, name: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Vec<u8>, ArchiveError>> {
        Box::pin(async move {
            let object = self.object(name)?;
            let end = object.len().min(usize::try_from(range.end).unwrap_or(usize::MAX));
            let start = end.min(usize::try_from(range.start).unwrap_or(usize::MAX));
            Ok(object[start..end].to_vec())
        })
    }

    fn size<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<u64, ArchiveError>> {
        Box::pin(async move { self.object(name).map(|object| object.len() as u64) })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, ArchiveError>> {
        Box::pin(async move {
            names::check_prefix(prefix)?;
            Ok(self.objects().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            names::check(name)?;
            self.objects().remove(name);
            Ok(())
        })
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_conforms() {
        crate::conformance::at_once(crate::conformance::archive(&MemoryArchive::default()));
    }
}
