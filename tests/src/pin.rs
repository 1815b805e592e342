//! A PIN that must be found nowhere: what it sounds like, what it looks like on the wire, and the search for either.

use std::{
    f64::consts::TAU,
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use media::codec::Law;

/// Sixteen digits.
pub const PIN: &str = "8317405926314708";
/// Octets of sound of one digit: 100 ms.
const DIGIT: usize = 800;
/// Octets of a packet of sound.
const PACKET: usize = 160;
/// Octets of a packet that are looked for: no other sound has them.
const NEEDLE: usize = 24;
/// Frequencies of the rows and columns of the keypad (ITU-T Q.23), in hertz.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 3] = [1209.0, 1336.0, 1477.0];
/// The payload type under which the client side of the tests sends telephone-event.
const EVENT: u8 = 101;

/// The two frequencies of a digit.
fn frequencies(digit: u8) -> (f64, f64) {
    match digit {
        b'0' => (ROWS[3], COLUMNS[1]),
        _ => (ROWS[usize::from((digit - b'1') / 3)], COLUMNS[usize::from((digit - b'1') % 3)]),
    }
}

/// A digit as `replicator` speaks it, in mu-law.
fn tone(digit: u8) -> Vec<u8> {
    let (row, column) = frequencies(digit);
    let wave = |hertz: f64, number: usize| (TAU * hertz * number as f64 / 8_000.0).sin();
    let sample = |number| Law::Mu.encode(((wave(row, number) + wave(column, number)) * 8_000.0) as i16);
    (0..DIGIT).map(sample).collect()
}

/// Every digit that is heard in linear sound of 8 kHz, one for each time that it begins.
pub fn heard(samples: &[i16]) -> String {
    let mut digits = String::new();
    let mut before = None;
    // Half a digit at a time: a pause of 60 ms between two digits always has a frame of its own.
    for frame in samples.chunks_exact(PACKET * 2) {
        let now = digit(frame);
        if now.is_some() && now != before {
            digits.extend(now.map(char::from));
        }
        before = now;
    }
    digits
}

/// The digit whose two frequencies are nearly all that there is.
fn digit(frame: &[i16]) -> Option<u8> {
    let energy: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let share = |hertz: f64| power(frame, hertz) / (energy.max(1.0) * frame.len() as f64 / 2.0);
    let is_it = |digit: &u8| {
        let (row, column) = frequencies(*digit);
        energy > 1e6 * frame.len() as f64 && share(row) > 0.3 && share(column) > 0.3
    };
    (b'0'..=b'9').find(is_it)
}

/// How strongly a frequency is in it (Goertzel).
fn power(samples: &[i16], hertz: f64) -> f64 {
    let factor = 2.0 * (TAU * hertz / 8_000.0).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        (one, two) = (f64::from(*sample) + factor * one - two, one);
    }
    one * one + two * two - factor * one * two
}

/// Digits of telephone-event packets among the packets of unsealed chunks, in their order.
pub fn events(chunks: &[u8]) -> String {
    let mut digits = Vec::new();
    // Length of the packet, then an RTP header without extras, then four octets of RFC 4733.
    for window in chunks.windows(18) {
        let is_event = window[..3] == [0, 16, 0x80] && window[3] & 0x7f == EVENT && window[14] < 10;
        // All packets of a digit have the time at which it began.
        let digit = ([window[6], window[7], window[8], window[9]], window[14]);
        if is_event && digits.last() != Some(&digit) {
            digits.push(digit);
        }
    }
    digits.into_iter().map(|(_, digit)| char::from(b'0' + digit)).collect()
}

/// What betrays the PIN in any file: its digits in a row, packets of its sound, a digit of an INFO.
pub fn traces() -> Vec<Vec<u8>> {
    let mut digits: Vec<u8> = PIN.bytes().collect();
    digits.sort_unstable();
    digits.dedup();
    let tones: Vec<Vec<u8>> = digits.iter().map(|digit| tone(*digit)).collect();
    let packets = tones.iter().flat_map(|tone| tone.chunks_exact(PACKET));
    // The search reads lines.
    let is_clean = |octets: &&[u8]| !octets.iter().any(|octet| matches!(octet, b'\n' | 0));
    let sound = packets.filter_map(|packet| packet.windows(NEEDLE).find(is_clean)).map(<[u8]>::to_vec);
    let infos = digits.iter().map(|digit| format!("Signal={}", char::from(*digit)).into_bytes());
    std::iter::once(PIN.as_bytes().to_vec()).chain(infos).chain(sound).collect()
}

/// Which of the traces are in a file or below a folder, and where: `path:trace`.
///
/// # Panics
/// When `grep` cannot be run.
pub fn found(place: &Path, traces: &[Vec<u8>]) -> Vec<String> {
    let mut hits = Vec::new();
    let patterns = tempfile::NamedTempFile::new().expect("a file");
    let grep = |traces: &[Vec<u8>]| {
        std::fs::write(patterns.path(), traces.join(&b'\n')).expect("patterns");
        let mut command = Command::new("grep");
        command.env("LC_ALL", "C").args(["-r", "-a", "-l", "-F", "-f"]).arg(patterns.path()).arg(place);
        let output = command.output().expect("grep");
        assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    if grep(traces).is_empty() {
        return hits;
    }
    for trace in traces {
        let name = std::str::from_utf8(trace).map_or_else(|_| "sound".to_owned(), str::to_owned);
        hits.extend(grep(std::slice::from_ref(trace)).into_iter().map(|path| format!("{path}:{name}")));
    }
    hits
}

/// The memory of a process as a core dump would have it. `None` when the kernel lets nobody have it, as it is with a
/// process that is not dumpable and a reader that is not root.
///
/// # Panics
/// When it is neither of the two.
pub fn memory(pid: u32, to: &Path) -> Option<PathBuf> {
    let memory = match File::options().read(true).open(format!("/proc/{pid}/mem")) {
        Ok(memory) => memory,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
        Err(error) => panic!("{error}"),
    };
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let mut dump = File::options().create(true).truncate(true).write(true).open(to).expect("a file");
    let mut buffer = vec![0; 1 << 20];
    for line in maps.lines() {
        let mut words = line.split(' ');
        let (range, rights) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let ends = range.split_once('-').map(|(a, b)| (u64::from_str_radix(a, 16), u64::from_str_radix(b, 16)));
        let (Some((Ok(mut at), Ok(end))), true) = (ends, rights.starts_with("rw")) else { continue };
        while at < end {
            let piece = (end - at).min(buffer.len() as u64) as usize;
            // A map may go away meanwhile.
            let Ok(count) = memory.read_at(&mut buffer[..piece], at) else { break };
            dump.write_all(&buffer[..count]).expect("written");
            at += count.max(1) as u64;
        }
    }
    Some(to.to_owned())
}
