//! What every archive does.

use std::ops::Range;

use crate::ports::{Archive, ArchiveError, ObjectSource};

/// Checks an empty archive. It is left empty.
pub async fn archive(archive: &dyn Archive) {
    objects_are_write_once(archive).await;
    ranges_are_cut_at_the_end(archive).await;
    large_objects_come_back_whole(archive).await;
    lists_are_below_a_folder_and_in_order(archive).await;
    missing_objects_are_named(archive).await;
    a_failing_source_leaves_nothing(archive).await;
    names_that_leave_the_root_are_refused(archive).await;
}

/// Octets in memory.
struct Octets(Vec<u8>);

impl ObjectSource for Octets {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> std::io::Result<Vec<u8>> {
        Ok(self.0[range.start as usize..range.end as usize].to_vec())
    }
}

/// A source whose disk breaks after the first half.
struct Broken;

impl ObjectSource for Broken {
    fn len(&self) -> u64 {
        40 << 20
    }

    fn read(&self, range: Range<u64>) -> std::io::Result<Vec<u8>> {
        if range.end > 20 << 20 {
            return Err(std::io::Error::other("the disk broke"));
        }
        Ok(vec![1; (range.end - range.start) as usize])
    }
}

async fn objects_are_write_once(archive: &dyn Archive) {
    let name = "2026/11/21/one/audio.wav.sealed";
    let (first, other) = (Octets(b"sealed octets".to_vec()), Octets(b"other  octets".to_vec()));
    archive.put(name, &first).await.expect("created");
    archive.put(name, &first).await.expect("the same again is success");
    assert!(matches!(archive.put(name, &other).await, Err(ArchiveError::Exists(_))), "same length, other content");
    assert!(matches!(archive.put(name, &Octets(b"longer than before".to_vec())).await, Err(ArchiveError::Exists(_))));
    assert_eq!(archive.size(name).await.expect("there"), 13);
    assert_eq!(archive.read(name, 0..13).await.expect("there"), b"sealed octets", "a refused put changes nothing");
    archive.delete(name).await.expect("removed");
    archive.delete(name).await.expect("removing what is not there is success");
    archive.put(name, &other).await.expect("the name is free again");
    archive.delete(name).await.expect("removed");
}

async fn ranges_are_cut_at_the_end(archive: &dyn Archive) {
    let name = "2026/11/21/two/peaks";
    archive.put(name, &Octets((0..100).collect())).await.expect("created");
    assert_eq!(archive.read(name, 10..15).await.expect("inside"), [10, 11, 12, 13, 14]);
    assert_eq!(archive.read(name, 95..200).await.expect("over the end"), [95, 96, 97, 98, 99]);
    assert_eq!(archive.read(name, 100..200).await.expect("behind the end"), [0_u8; 0]);
    assert_eq!(archive.read(name, 5..5).await.expect("nothing"), [0_u8; 0]);
    archive.delete(name).await.expect("removed");
    archive.put(name, &Octets(Vec::new())).await.expect("an empty object is an object");
    assert_eq!(archive.size(name).await.expect("there"), 0);
    assert_eq!(archive.read(name, 0..10).await.expect("there"), [0_u8; 0]);
    archive.delete(name).await.expect("removed");
}

/// More than one part of a multipart upload, and not a multiple of one.
async fn large_objects_come_back_whole(archive: &dyn Archive) {
    let name = "2026/11/21/three/tracks.sealed";
    let octets: Vec<u8> = (0..20_000_003_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let source = Octets(octets);
    archive.put(name, &source).await.expect("created");
    archive.put(name, &source).await.expect("the same again is success");
    assert_eq!(archive.size(name).await.expect("there"), source.len());
    for start in (0..source.len()).step_by(7 << 20) {
        let end = source.len().min(start + (7 << 20));
        let read = archive.read(name, start..end).await.expect("there");
        assert!(read == source.0[start as usize..end as usize], "octets {start}..{end} differ");
    }
    let mut other = Octets(source.0.clone());
    other.0[19_999_999] ^= 1;
    assert!(matches!(archive.put(name, &other).await, Err(ArchiveError::Exists(_))), "differs near the end");
    archive.delete(name).await.expect("removed");
}

async fn lists_are_below_a_folder_and_in_order(archive: &dyn Archive) {
    let names = ["2026/11/20/b/wav", "2026/11/21/a/mp3", "2026/11/21/a/wav", "2026/11/210/x", "keys/a.json"];
    for name in names.iter().rev() {
        archive.put(name, &Octets(name.as_bytes().to_vec())).await.expect("created");
    }
    assert_eq!(archive.list("").await.expect("all"), names);
    assert_eq!(archive.list("2026/11/21/").await.expect("some"), ["2026/11/21/a/mp3", "2026/11/21/a/wav"]);
    assert_eq!(archive.list("2027/").await.expect("none"), [""; 0]);
    for name in names {
        archive.delete(name).await.expect("removed");
    }
    assert_eq!(archive.list("").await.expect("empty"), [""; 0]);
}

async fn missing_objects_are_named(archive: &dyn Archive) {
    let name = "2026/11/21/none/wav";
    assert!(matches!(archive.size(name).await, Err(ArchiveError::Missing(text)) if text.contains(name)));
    assert!(matches!(archive.read(name, 0..1).await, Err(ArchiveError::Missing(text)) if text.contains(name)));
}

async fn a_failing_source_leaves_nothing(archive: &dyn Archive) {
    let name = "2026/11/21/four/wav";
    assert!(matches!(archive.put(name, &Broken).await, Err(ArchiveError::Unavailable(_))));
    assert!(matches!(archive.size(name).await, Err(ArchiveError::Missing(_))), "visible only when whole");
    assert_eq!(archive.list("").await.expect("empty"), [""; 0]);
}

async fn names_that_leave_the_root_are_refused(archive: &dyn Archive) {
    for name in ["../x", "/x", "a/../../x", "", "a//b", "a/.x"] {
        assert!(matches!(archive.put(name, &Octets(vec![1])).await, Err(ArchiveError::Refused(_))), "{name:?}");
        assert!(matches!(archive.read(name, 0..1).await, Err(ArchiveError::Refused(_))), "{name:?}");
    }
    assert!(matches!(archive.list("2026").await, Err(ArchiveError::Refused(_))), "no folder path");
}
