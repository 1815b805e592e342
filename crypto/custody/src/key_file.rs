//! The master key in a file: one line of text, mode 0600.
//!
//! ```text
//! recorder-master-key-v1 <64 hex digits>\n
//! ```

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use crypto::{
    keys::{Custodian, CustodyError, MasterKey, WrappedKey},
    seal::DataKey,
};
use zeroize::Zeroizing;

use crate::{
    FileError, SystemEntropy,
    file::{self, Privacy},
    limits::KEY_FILE_OCTETS,
};

const WORD: &str = "recorder-master-key-v1";

/// The custodian whose master key is a file on this node. Whoever loses the file loses every recording.
pub struct FileCustodian {
    key: MasterKey,
    path: PathBuf,
}

impl FileCustodian {
    /// Opens the key file, or creates one with a fresh key when there is none; true when it was created. A file that
    /// others can read is refused.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<(Self, bool), FileError> {
        let path = path.as_ref();
        match Self::open(path) {
            Err(error) if error.is_missing() => {}
            opened => return opened.map(|custodian| (custodian, false)),
        }
        let fresh = Zeroizing::new(SystemEntropy.array::<32>());
        let created = file::create(path, line(&fresh).as_bytes(), Privacy::Secret)?;
        Self::open(path).map(|custodian| (custodian, created))
    }

    /// Opens the key file; fails when there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let text = file::read(path, KEY_FILE_OCTETS, Privacy::Secret)?;
        let octets = parse(&text).ok_or_else(|| {
            FileError::malformed(path, format!("not a master key: one line `{WORD}` and 64 hex digits"))
        })?;
        Ok(Self { key: MasterKey::new(octets), path: path.into() })
    }

    /// A secret of this node bound to `label`, such as the seed of the ledger's signatures.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        self.key.derive(label)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Custodian for FileCustodian {
    fn id(&self) -> String {
        format!("file:{}", self.key.id())
    }

    fn wrap(&self, recording: &[u8; 16], key: &DataKey, entropy: [u8; 12]) -> Result<WrappedKey, CustodyError> {
        Ok(self.key.wrap(self.id(), recording, key, entropy))
    }

    fn unwrap_key(&self, recording: &[u8; 16], wrapped: &WrappedKey) -> Result<DataKey, CustodyError> {
        self.key.unwrap_key(&self.id(), recording, wrapped)
    }
}

fn line(key: &[u8; 32]) -> Zeroizing<String> {
    // Room for all of it at once: growing would leave parts of the key behind.
    let mut line = Zeroizing::new(String::with_capacity(KEY_FILE_OCTETS as usize));
    line.push_str(WORD);
    line.push(' ');
    for octet in key {
        write!(line, "{octet:02x}").expect("writing to a String succeeds");
    }
    line.push('\n');
    line
}

fn parse(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.strip_prefix(WORD.as_bytes())?.strip_prefix(b" ")?;
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits.trim_ascii_end(), &mut *key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };

    use super::*;

    fn refusal(path: &Path) -> String {
        FileCustodian::open_or_create(path).err().unwrap().to_string()
    }

    #[test]
    fn the_first_start_creates_a_private_key_and_the_next_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/master.key");
        let (first, created) = FileCustodian::open_or_create(&path).unwrap();
        assert!(created);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        let (second, created) = FileCustodian::open_or_create(&path).unwrap();
        assert!(!created);
        assert_eq!((first.id(), first.derive("ledger")), (second.id(), second.derive("ledger")));
        let wrapped = first.wrap(&[1; 16], &DataKey::from_entropy([2; 32]), SystemEntropy.array()).unwrap();
        assert!(second.unwrap_key(&[1; 16], &wrapped).is_ok());
        assert!(second.unwrap_key(&[9; 16], &wrapped).is_err());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        FileCustodian::open_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(refusal(&path), format!("{}: mode 0640 lets others use it; set it to 0600", path.display()));
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        for text in ["", "recorder-master-key-v1 00", "recorder-master-key-v2 00", &"x".repeat(2000)] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(refusal(&path).starts_with(&path.display().to_string()));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(refusal(folder.path()).starts_with(&folder.path().display().to_string()));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = refusal(&file.join("master.key"));
        assert!(refused.contains(&file.display().to_string()), "{refused}");
    }
}
