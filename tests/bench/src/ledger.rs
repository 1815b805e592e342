//! What the ledger of a recorder says it kept: the sums of its `track_closed` facts, read as the plain JSON lines they are.

use std::{fs, path::Path};

use serde_json::Value;

use crate::failure::{Failure, Outcome};

/// Sums over all tracks that are closed, which means durable in the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) tracks: u64,
    /// Packets received, repetitions included.
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) duplicate: u64,
    pub(crate) kernel_drops: u64,
    /// Gaps of any cause.
    pub(crate) gaps: u64,
    pub(crate) ended: u64,
    /// Tracks that lack something, and the counters of the one that lacks most.
    pub(crate) lacking: u64,
    pub(crate) worst: Value,
}

impl Kept {
    /// Reads every file of the ledger folder.
    pub(crate) fn read(data: &Path) -> Outcome<Self> {
        let mut kept = Self::default();
        for path in files(&data.join("ledger")) {
            let octets = fs::read(&path).map_err(|cause| Failure::file(&path, &cause))?;
            octets.split(|octet| *octet == b'\n').for_each(|line| kept.line(line));
        }
        Ok(kept)
    }

    fn line(&mut self, line: &[u8]) {
        let is_about = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
        if is_about(br#""fact":"recording_ended""#) {
            self.ended += 1;
        }
        if !is_about(br#""fact":"track_closed""#) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Value>(line) else { return };
        let counters = &line["fact"]["counters"];
        let count = |name: &str| counters[name].as_u64().unwrap_or_default();
        self.tracks += 1;
        self.packets += count("received");
        self.lost += count("lost");
        self.lacking += u64::from(count("lost") > 0);
        if count("lost") > self.worst["counters"]["lost"].as_u64().unwrap_or_default() {
            self.worst = line["fact"].clone();
        }
        self.duplicate += count("duplicate");
        self.kernel_drops += count("kernel_drops");
        self.gaps += line["fact"]["gaps"].as_array().map_or(0, |gaps| gaps.len() as u64);
    }
}

/// The media ports of all tracks that were ever opened.
pub(crate) fn ports(data: &Path) -> Outcome<Vec<u16>> {
    let mut ports = Vec::new();
    for path in files(&data.join("ledger")) {
        let octets = fs::read(&path).map_err(|cause| Failure::file(&path, &cause))?;
        let lines = octets.split(|octet| *octet == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let opened = lines.filter(|line| line["fact"]["fact"] == "track_opened");
        ports.extend(opened.filter_map(|line| u16::try_from(line["fact"]["port"].as_u64()?).ok()));
    }
    Ok(ports)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_tracks_are_summed_and_other_lines_are_not() {
        let mut kept = Kept::default();
        for line in [
            r#"{"n":1,"fact":{"fact":"track_closed","counters":{"received":10,"lost":2},"gaps":[{}]}}"#,
            r#"{"n":2,"fact":{"fact":"track_closed","counters":{"received":5,"lost":0},"gaps":[]}}"#,
            r#"{"n":3,"fact":{"fact":"recording_ended"}}"#,
            r#"{"n":4,"fact":{"fact":"track_cl"#,
        ] {
            kept.line(line.as_bytes());
        }
        assert_eq!((kept.tracks, kept.packets, kept.lost, kept.gaps, kept.ended), (2, 15, 2, 1, 1));
    }
}
