//! Files by which a command and the running server speak: each is there whole or not at all.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Writes such a file, for nobody but its owner; it is durable before it has its name.
pub(crate) fn whole(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}
