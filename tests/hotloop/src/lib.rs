//! One prepared line for those who measure the packet path by itself: its order, its datagrams, and a spool that costs
//! nothing.

use std::{
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use crypto::srtp::{Outbound, SrtpError, Suite};
use media::rtp::RtpHeader;
use model::{Codec, CodecKind, MediaSource, OpenTrack, RecordingId, Secret, SrtpKeys, TrackId, TrackNo};
use storage_core::ports::{SealedChunk, SpoolSink};

/// G.711, 20 ms.
pub const PAYLOAD: [u8; 160] = [0xd5; 160];
/// Time between packets, nanoseconds.
pub const PTIME_NANOS: u64 = 20_000_000;
/// When the first packet arrives, nanoseconds since 1970.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;

/// Gives the memory of every chunk back, as the spool does.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Vec<u8>>>);

impl SpoolSink for Pool {
    fn offer(&self, chunk: SealedChunk) -> Result<(), SealedChunk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.octets);
        Ok(())
    }

    fn recycle(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn close(&self, _track: TrackId, _chunks: u32) {}
}

/// A track that takes PCMU from loopback, on any free port.
pub fn order(suite: Option<Suite>, number: u16) -> OpenTrack {
    let keys = |suite: Suite| SrtpKeys { suite: suite.name().into(), key_salt: Secret::new(key(suite)), mki: None };
    OpenTrack {
        track: TrackId { recording: RecordingId::from_bytes([7; 16]), no: TrackNo(number) },
        port: 0,
        source: MediaSource { address: Some(Ipv4Addr::LOCALHOST.into()), port: 6000, rtcp: None },
        rtcp_mux: true,
        srtp_remote: suite.map(keys),
        srtp_local: None,
        dtls: None,
        codecs: vec![Codec { payload_type: 0, kind: CodecKind::Pcmu, clock_hz: 8_000 }],
        paused: None,
        joins_late: false,
    }
}

/// The master key and salt of the line.
pub fn key(suite: Suite) -> Vec<u8> {
    vec![0x11; suite.key_salt_len()]
}

/// When packet `number` arrives.
pub fn arrival(number: usize) -> u64 {
    EPOCH + number as u64 * PTIME_NANOS
}

/// The first `count` packets of the line, protected if it is.
///
/// # Errors
/// [`SrtpError`] when they are too many for one key.
pub fn packets(suite: Option<Suite>, count: usize) -> Result<Vec<Vec<u8>>, SrtpError> {
    let mut outbound = suite.map(|suite| Outbound::new(suite, &key(suite))).transpose()?;
    let packet = |number: usize| {
        let (sequence, timestamp) = (number as u16, (number * PAYLOAD.len()) as u32);
        let mut packet = Vec::new();
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 5 }.write(&mut packet);
        packet.extend(PAYLOAD);
        outbound.as_mut().map_or(Ok(()), |outbound| outbound.protect_rtp(&mut packet))?;
        Ok(packet)
    };
    (0..count).map(packet).collect()
}
