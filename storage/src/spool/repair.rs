//! Start-up repair: cuts off what an interrupted write left behind the last whole chunk (start 5).

use std::{fs::OpenOptions, io, path::Path};

use model::RecordingId;

use super::{SpoolError, SpoolReader, spool_files};
use crate::files;

/// Repairs every spool file and returns the octets that are left in all. A file that is no spool file, or of a later
/// version, is left as it is and told by name: it may be the only copy of a call.
pub(super) fn repair(dir: &Path) -> Result<u64, SpoolError> {
    let mut octets = 0;
    for (recording, path) in spool_files(dir)? {
        octets += match repair_one(dir, recording, &path) {
            Ok(octets) => octets,
            Err(error) => {
                tracing::error!(%recording, %error, "spool: file left as it is");
                0
            }
        };
    }
    files::sync_dir(dir).map_err(SpoolError::at(dir))?;
    Ok(octets)
}

fn repair_one(dir: &Path, recording: RecordingId, path: &Path) -> Result<u64, SpoolError> {
    let mut reader = match SpoolReader::open(dir, recording) {
        // Not even the header was written whole: nothing was kept.
        Err(SpoolError::Io { cause, .. }) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            files::remove(path).map_err(SpoolError::at(path))?;
            return Ok(0);
        }
        reader => reader?,
    };
    while reader.next_chunk()?.is_some() {}
    if reader.torn_octets() > 0 {
        tracing::warn!(%recording, octets = reader.torn_octets(), "spool: torn tail cut off");
        let file = OpenOptions::new().write(true).open(path).map_err(SpoolError::at(path))?;
        file.set_len(reader.offset()).and_then(|()| file.sync_all()).map_err(SpoolError::at(path))?;
    }
    Ok(reader.offset())
}
