//! What a recording sounds like, compared with what was sent: octet for octet in WAV, by energy in MP3.

use std::path::Path;

use serde_json::Value;

use crate::{Client, call::Sent, process::run, wav::Wav};

/// The WAV of a recording, checked against the digest that the recording states.
///
/// # Panics
/// When it does not come or is not what is stated.
pub fn wav(client: &Client, recording: &Value) -> Wav {
    let answer = client.get(&format!("/recordings/{}/audio?format=wav", id(recording)));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let media = recording["media"].as_array().expect("media");
    let stated = media.iter().find(|object| object["format"] == "wav").expect("a WAV object");
    assert_eq!(stated["bytes"], answer.body.len());
    assert_eq!(stated["sha256"], crypto::digest::sha256_hex(&answer.body));
    Wav::read(&answer.body)
}

/// The id.
///
/// # Panics
/// When there is none.
pub fn id(recording: &Value) -> &str {
    recording["id"].as_str().unwrap_or_else(|| panic!("no id: {recording}"))
}

/// Which channel carries a side, by the party of its track.
///
/// # Panics
/// When no track names the party.
pub fn channel(recording: &Value, number: &str) -> usize {
    let tracks = recording["tracks"].as_array().expect("tracks");
    let is_it = |track: &Value| track["party"].as_str().is_some_and(|party| party.contains(number));
    tracks.iter().position(is_it).unwrap_or_else(|| panic!("no track of {number}: {recording}"))
}

/// Both sides of a call are in the recording, each in its channel, octet for octet and with nothing but silence around.
///
/// # Panics
/// When they are not.
pub fn assert_exact(client: &Client, recording: &Value, sent: &Sent, agent: &str) -> Wav {
    let wav = wav(client, recording);
    assert_eq!((wav.channels, wav.rate, wav.width), (2, 8000, 1), "{recording}");
    let sides = [("left", channel(recording, &sent.caller)), ("right", channel(recording, agent))];
    let mut first = usize::MAX;
    for (side, channel) in sides {
        first = first.min(assert_side(&wav, channel, &sent.octets(side), side));
    }
    assert_eq!(first, 0, "the recording begins with its first packet");
    wav
}

/// The octets stand in the channel with silence around them; returns where.
///
/// # Panics
/// When they do not.
pub fn assert_side(wav: &Wav, channel: usize, sent: &[u8], side: &str) -> usize {
    let silence = if wav.tag == 6 { 0xd5 } else { 0xff };
    let kept = wav.channel(channel);
    let Some(at) = wav.find(channel, sent) else {
        let best = kept.iter().zip(sent).position(|(kept, sent)| kept != sent);
        panic!(
            "{side}: {} octets sent are not in the {} of channel {channel}; first difference {best:?}",
            sent.len(),
            kept.len()
        );
    };
    assert!(kept[..at].iter().all(|octet| *octet == silence), "{side}: sound before the first packet");
    let after = &kept[at + sent.len()..];
    assert!(after.iter().all(|octet| *octet == silence), "{side}: sound after the last packet");
    at
}

/// Both sides are in the MP3, each in its own channel.
///
/// # Panics
/// When they are not.
pub fn assert_mp3(client: &Client, recording: &Value, folder: &Path, wav: &Wav) {
    let sides = mp3(client, recording, folder);
    for (channel, side) in sides.iter().enumerate() {
        let own = likeness(side, &samples(wav, channel));
        let other = likeness(side, &samples(wav, 1 - channel));
        assert!(
            own > 0.8 && own > other + 0.2,
            "channel {channel}: {own:.2} like its own side, {other:.2} like the other"
        );
    }
}

/// Both channels of the MP3 as linear samples of 8 kHz.
///
/// # Panics
/// When it does not come, or is none.
pub fn mp3(client: &Client, recording: &Value, folder: &Path) -> [Vec<i16>; 2] {
    let answer = client.get(&format!("/recordings/{}/audio?format=mp3&rate=32", id(recording)));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let (from, to) = (folder.join("heard.mp3"), folder.join("heard.raw"));
    std::fs::write(&from, &answer.body).expect("a file");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i"]).arg(&from).args(["-f", "s16le", "-ar", "8000"]).arg(&to);
    let (code, _, errors) = run(&mut ffmpeg);
    assert_eq!((code, errors.trim()), (0, ""), "ffmpeg");
    let raw = std::fs::read(&to).expect("decoded sound");
    let decoded: Vec<i16> = raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    [0, 1].map(|channel| decoded.iter().skip(channel).step_by(2).copied().collect())
}

/// A channel of a G.711 WAV as linear samples.
pub fn samples(wav: &Wav, channel: usize) -> Vec<i16> {
    let law = if wav.tag == 6 { media::codec::Law::A } else { media::codec::Law::Mu };
    wav.channel(channel).into_iter().map(|octet| law.decode(octet)).collect()
}

/// Correlation of the loudness of 20 ms frames, best of a few shifts (the encoder's delay).
fn likeness(a: &[i16], b: &[i16]) -> f64 {
    let shifts = (0..=60).map(|step| step * 40);
    shifts.map(|shift| correlation(&energy(a.get(shift..).unwrap_or_default()), &energy(b))).fold(-1.0, f64::max)
}

fn energy(samples: &[i16]) -> Vec<f64> {
    let frames = samples.chunks_exact(160);
    frames.map(|frame| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>().sqrt()).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().min(b.len());
    let mean = |values: &[f64]| values[..count].iter().sum::<f64>() / count.max(1) as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut own_a, mut own_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        own_a += (a - mean_a).powi(2);
        own_b += (b - mean_b).powi(2);
    }
    both / (own_a * own_b).sqrt().max(1e-9)
}
