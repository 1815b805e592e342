//! What a state holds, and how its parts lie one behind the other before they are sealed.
//!
//! ```text
//! | RSTATE 01 | octets 4 | session core's part | octets 4 | dialog | octets 4 | dialog | ...      big-endian
//! ```

use std::collections::BTreeMap;

use crypto::seal::StateDraft;
use model::{RsId, Secret};
use signaling_core::endpoint::DialogState;

const MAGIC: &[u8; 8] = b"RSTATE\x00\x01";

/// The parts of one recording, as each side wrote them. They hold keys: wiped on drop.
#[derive(Default)]
pub(crate) struct Kept {
    /// What [`session::Core::state`] wrote.
    pub(crate) recording: Option<Secret>,
    /// The dialogs of its sessions, once signaling told them.
    pub(crate) dialogs: BTreeMap<RsId, Option<Secret>>,
}

impl Kept {
    /// Nothing of it is still to be told.
    pub(crate) fn is_whole(&self) -> bool {
        self.recording.is_some() && self.dialogs.values().all(Option::is_some)
    }

    /// What is sealed.
    pub(crate) fn draft(&self) -> StateDraft {
        let parts = || self.recording.iter().chain(self.dialogs.values().flatten());
        let octets: usize = parts().map(|part| part.reveal().len() + 4).sum();
        let mut draft = StateDraft::with_capacity(MAGIC.len() + octets);
        draft.push(MAGIC);
        for part in parts() {
            draft.push(&(part.reveal().len() as u32).to_be_bytes());
            draft.push(part.reveal());
        }
        draft
    }

    /// `None` when it is no state of this version.
    pub(crate) fn decode(plain: &Secret) -> Option<Self> {
        let mut rest = plain.reveal().strip_prefix(MAGIC)?;
        let mut kept = Self::default();
        while let Some((octets, behind)) = rest.split_first_chunk() {
            let (part, behind) = behind.split_at_checked(u32::from_be_bytes(*octets) as usize)?;
            rest = behind;
            let part = Secret::new(part.to_vec());
            if kept.recording.is_none() {
                kept.recording = Some(part);
                continue;
            }
            let dialog: DialogState = serde_json::from_slice(part.reveal()).ok()?;
            kept.dialogs.insert(RsId(dialog.dialog.0), Some(part));
        }
        (rest.is_empty() && kept.is_whole()).then_some(kept)
    }

    /// The dialogs, read.
    pub(crate) fn read_dialogs(&self) -> Vec<DialogState> {
        let read = |part: &Secret| serde_json::from_slice(part.reveal()).ok();
        self.dialogs.values().flatten().filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Kept {
        fn encode(&self) -> Secret {
            let key = crypto::seal::DataKey::from_entropy([1; 32]).state_key(&[2; 16]);
            Secret::new(key.open(&key.seal(self.draft(), [3; 12])).unwrap())
        }
    }

    #[test]
    fn a_state_reads_back_and_a_cut_or_foreign_one_is_none() {
        let kept = Kept { recording: Some(Secret::new(b"{}".to_vec())), dialogs: BTreeMap::new() };
        let plain = kept.encode();
        assert_eq!(Kept::decode(&plain).and_then(|kept| kept.recording), kept.recording);
        for cut in 0..plain.reveal().len() {
            let cut = Secret::new(plain.reveal()[..cut].to_vec());
            assert!(Kept::decode(&cut).is_none());
        }
        let behind = Secret::new([plain.reveal(), b"\0\0\0\x01x"].concat());
        assert!(Kept::decode(&behind).is_none(), "no dialog");
        assert!(Kept::decode(&Secret::new(b"RSTATE\x00\x02".to_vec())).is_none());
    }

    #[test]
    fn a_state_is_whole_when_every_dialog_was_told() {
        let mut kept = Kept { recording: Some(Secret::new(Vec::new())), dialogs: BTreeMap::from([(RsId(1), None)]) };
        assert!(!kept.is_whole());
        kept.dialogs.insert(RsId(1), Some(Secret::new(Vec::new())));
        assert!(kept.is_whole());
    }
}
