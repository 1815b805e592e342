//! Each shared vector cut short at every octet, with headers doubled and dropped, with bits turned over: a final answer
//! or silence, and nothing left behind.

use signaling_core::event::Transport;

use crate::{
    endpoint::Bench,
    limits,
    mutate::Dice,
    vectors::{halves, header, named},
};

/// Which variants are tried.
#[derive(Debug, Clone, Copy)]
pub struct Shaking {
    /// Every so many octets a message is cut; 1 for all. With more, a long message is cut at a hundred places at most.
    pub stride: usize,
    /// Messages with bits turned over, a vector.
    pub flips: usize,
    /// Of the vectors, only those whose number in the list leaves `share.0` when divided by `share.1`.
    pub share: (usize, usize),
}

/// Tries the variants of every vector, `tried` is told of each; returns how many there were.
pub fn all(shaking: Shaking, mut tried: impl FnMut(&str, usize)) -> usize {
    let vectors = named();
    let (share, of) = shaking.share;
    let mut count = 0;
    for (number, (name, octets)) in vectors.iter().enumerate().filter(|(number, _)| number % of == share) {
        let opening = opening(octets, &vectors);
        for variant in variants(octets, shaking, number) {
            tried(name, count);
            shake(opening, &variant, count);
            count += 1;
        }
    }
    count
}

/// The message that opens the dialog of one within it, found among all vectors.
pub fn opening<'a>(octets: &[u8], vectors: &'a [(String, Vec<u8>)]) -> Option<&'a [u8]> {
    let is_inside = octets.windows(19).any(|window| window == b"uas-tag-placeholder");
    let call = header(octets, "Call-ID", "i");
    let mut same = vectors.iter().map(|(_, other)| &other[..]).filter(|other| header(other, "Call-ID", "i") == call);
    if is_inside { same.next().filter(|first| *first != octets) } else { None }
}

/// One variant, in its dialog if it has one, over the transports in turn.
fn shake(opening: Option<&[u8]>, octets: &[u8], count: usize) {
    let transport = [Transport::Tcp, Transport::Udp, Transport::Tls][count % 3];
    let profile = ["auto", "rfc7866-strict"][count / 3 % 2];
    let mut bench = Bench::new(transport, profile);
    opening.into_iter().for_each(|opening| bench.receive(opening));
    let before = bench.answered();
    match transport {
        Transport::Udp => bench.receive(octets),
        Transport::Tcp | Transport::Tls => bench.stream(octets),
    }
    let answers = bench.answered() - before;
    assert!(answers <= u64::from(limits::ANSWERS), "{answers} answers to {}", octets.escape_ascii());
    bench.rest();
}

/// The variants of one message, the `number`th of its list: cut short, with headers doubled and dropped, bits turned over.
pub fn variants(octets: &[u8], shaking: Shaking, number: usize) -> Vec<Vec<u8>> {
    let mut variants = Vec::new();
    let stride = if shaking.stride == 1 { 1 } else { shaking.stride.max(octets.len() / 100) };
    // Another place in each vector, so that a stride misses no kind of place.
    for end in (number % stride..octets.len()).step_by(stride) {
        variants.push(octets[..end].to_vec());
        variants.extend(whole(&octets[..end]));
    }
    let (head, body) = halves(octets);
    let lines: Vec<&[u8]> = head.split_inclusive(|octet| *octet == b'\n').collect();
    for at in 1..lines.len().saturating_sub(1) {
        let (before, after) = (lines[..at].concat(), lines[at + 1..].concat());
        variants.push([&before, lines[at], lines[at], &after, body].concat());
        variants.push([&before, &after, body].concat());
    }
    let mut dice = Dice::new(number as u64);
    for _ in 0..shaking.flips {
        let mut flipped = octets.to_vec();
        for _ in 0..=dice.below(4) {
            let at = dice.below(flipped.len());
            flipped[at] ^= 1 << dice.below(8);
        }
        variants.push(flipped);
    }
    variants
}

/// A message cut short in its body, with a Content-Length that says so: what is behind the framing is reached.
fn whole(cut: &[u8]) -> Option<Vec<u8>> {
    let (head, body) = halves(cut);
    let text = std::str::from_utf8(head).ok()?;
    let stated = format!("Content-Length: {}", header(cut, "Content-Length", "l"));
    let said = format!("Content-Length: {}", body.len());
    (head.ends_with(b"\r\n\r\n") && !body.is_empty() && text.contains(&stated))
        .then(|| [text.replace(&stated, &said).as_bytes(), body].concat())
}
