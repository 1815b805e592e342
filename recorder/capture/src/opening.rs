//! Making a track out of an order: ports, keys and counters. Runs on the thread that asks, never on a worker.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crypto::seal::ChunkKey;
use media::{chunk::ChunkWriter, count::StreamCounter};
use model::{Codec, CodecKind, OpenTrack};

use crate::{
    cadence::Cadence,
    clock,
    config::Config,
    dtls::Handshaking,
    gaps::Gaps,
    keeping::{Gate, Keeping},
    progress::Progress,
    receive::Strategy,
    rtcp::{Protection, Reporter, Seed},
    socket::Socket,
    source::Source,
    srtp::{self, Unprotector},
    track::{Track, payload_types},
};

/// Binds the ports and puts the track together; the error names what stands in the way.
pub(crate) fn open(
    order: &OpenTrack,
    key: Arc<ChunkKey>,
    gate: Arc<Gate>,
    config: &Config,
    strategy: Strategy,
) -> Result<Track, String> {
    let inbound = order.srtp_remote.as_ref().map(|keys| srtp::inbound(keys, order.joins_late)).transpose()?;
    let protection = match (&order.srtp_remote, &order.srtp_local) {
        (None, _) if order.dtls.is_some() => Protection::Mute,
        (None, _) => Protection::Clear,
        (Some(_), Some(keys)) if order.joins_late => Protection::Srtcp(srtp::outbound_again(keys, clock::now_nanos())?),
        (Some(_), Some(keys)) => Protection::Srtcp(srtp::outbound(keys)?),
        (Some(_), None) => Protection::Mute,
    };
    let control_port = order.port.checked_add(1).ok_or("no RTCP port above 65535")?;
    let media = bind(config.bind, order.port, config)?;
    if strategy.takes_messages() {
        media.coalesce();
    }
    let control = if order.rtcp_mux { None } else { Some(bind(config.bind, control_port, config)?) };
    let mut entropy = [0; Seed::OCTETS];
    getrandom::fill(&mut entropy).map_err(|error| format!("no randomness: {error}"))?;
    let (now, wall) = (clock::instant(), clock::now_nanos());
    let (mut keeping, mut gaps) = (Keeping::new(Arc::clone(&gate)), Gaps::default());
    if let Some(cause) = order.paused {
        gate.shut(wall);
        keeping.pause(wall, cause, &mut gaps);
    }
    let mut reporter = Reporter::new(Seed::new(entropy), protection, config.rtcp_interval, now);
    reporter.offer(order.source.rtcp, false);
    Ok(Track {
        id: order.track,
        key,
        media,
        control,
        is_swept: true,
        source: Source::new(order.source),
        srtp: inbound.map(Unprotector::new),
        dtls: order.dtls.as_ref().map(|_| Box::new(Handshaking::new(now))),
        payload_types: payload_types(&order.codecs),
        counter: StreamCounter::new(clock_hz(&order.codecs)),
        keeping,
        gaps,
        reporter,
        chunk: ChunkWriter::new(config.chunk_capacity()),
        progress: Progress::new(wall, now),
        cadence: Cadence::default(),
    })
}

fn bind(address: IpAddr, port: u16, config: &Config) -> Result<Socket, String> {
    let address = SocketAddr::new(address, port);
    Socket::bind(address, config.receive_buffer()).map_err(|error| format!("UDP {address}: {error}"))
}

/// The clock jitter is told in: that of the first codec that is sound.
fn clock_hz(codecs: &[Codec]) -> u32 {
    let is_sound = |codec: &&Codec| !matches!(codec.kind, CodecKind::TelephoneEvent | CodecKind::ComfortNoise);
    codecs.iter().find(is_sound).map_or(8_000, |codec| codec.clock_hz)
}
