//! The segment that is being written: begun when something is to be written, left when it is full or failed.

use std::{io, path::PathBuf, sync::Arc};

use storage_core::spoolfile::{PAGE, Segment};

use super::{Shared, index::Stored, scan::name};
use crate::disk::{Disk, Mode};

/// Where segments are.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) disk: Disk,
    pub(super) dir: PathBuf,
}

pub(super) struct Active {
    pub(super) stored: Arc<Stored>,
    /// In the index.
    pub(super) handle: u32,
    /// Where the next block goes.
    pub(super) end: u64,
}

impl Active {
    /// The segment to write `room` octets to, begun when there is none.
    pub(super) fn ready<'a>(
        active: &'a mut Option<Self>,
        place: &Place,
        next_rank: &mut u64,
        shared: &Shared,
        room: u64,
    ) -> io::Result<&'a mut Self> {
        if active.as_ref().is_some_and(|active| active.end + room > u64::from(u32::MAX)) {
            return Err(io::Error::other("the segment is full and could not be synced"));
        }
        if active.is_none() {
            *active = Some(Self::begin(place, next_rank, shared)?);
        }
        Ok(active.as_mut().expect("begun above"))
    }

    fn begin(place: &Place, next_rank: &mut u64, shared: &Shared) -> io::Result<Self> {
        let segment = Segment { rank: *next_rank, last: *next_rank, generation: 0 };
        let path = place.dir.join(name(&segment));
        let file = place.disk.open(&path, Mode::New)?;
        *next_rank += 1;
        if let Err(error) = file.write_at(&segment.encode(), 0) {
            // Nobody knows its rank: another try takes the next one.
            let _ = place.disk.remove(&path);
            return Err(error);
        }
        let stored = Arc::new(Stored::begun(segment, path, file));
        let handle = shared.with_index(|index| index.begin(Arc::clone(&stored)));
        Ok(Self { stored, handle, end: PAGE as u64 })
    }
}
