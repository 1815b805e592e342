//! The calls of a load: started at their rate, streamed by the sender thread, ended when their sound is over.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, SyncSender},
    },
    time::{Duration, Instant},
};

use crypto::{dtls::Engine, srtp::Outbound};
use signaling_core::{negotiate::AnsweredLine, sdp::build::OfferDtls};
use tokio::{
    net::UdpSocket,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::{
    LoadReport, LoadSpec,
    sender::{Pace, Personal, Sender, Stream, Totals},
    tape::PacketTape,
};
use crate::{
    call::{
        legs::{self, LegOffer, Port, Side},
        metadata::Narrator,
        session::{invite, read_answer, remote},
        signal::{Accepted, Connection, Dialog},
        spec::CallSpec,
    },
    error::CallError,
    identity::Identity,
    limits,
    stream::{
        dtls::{self, Handshake},
        packets::{Beginning, Packetiser},
        ports::{self, PortPair},
        schedule::Schedule,
    },
    tape::{OCTETS_PER_MS, Tape},
    world,
};

/// What all calls of a load share.
struct Common {
    spec: LoadSpec,
    connection: Connection,
    address: IpAddr,
    ports: Vec<u16>,
    tapes: [Arc<PacketTape>; 2],
    ssrcs: [u32; 2],
    shared: Option<[Vec<u8>; 2]>,
    /// Our certificate, on a DTLS-SRTP load.
    engine: Option<Engine>,
    streams: SyncSender<Stream>,
    pending: Semaphore,
    times: Arc<Mutex<Times>>,
}

/// How long INVITEs took, in microseconds.
#[derive(Default)]
struct Times {
    set_up: Vec<u64>,
    busy: Vec<u64>,
    retry_after: u32,
    last: Option<Instant>,
}

/// Puts the load on the recorder and waits for its last call.
///
/// # Errors
/// [`CallError`] when nothing could be sent at all; what went wrong with single calls is in the report.
pub async fn run(spec: LoadSpec) -> Result<LoadReport, CallError> {
    spec.check()?;
    let connection = Connection::open(&spec.call).await?;
    let address = match spec.call.media_source {
        Some(address) => address,
        None => ports::local_address(connection.remote())?,
    };
    let pairs = open_pairs(address)?;
    let ports = pairs.iter().map(|pair| pair.port).collect();
    let shared = shared_keys(&spec)?;
    let beginnings = [Beginning::new(world::entropy()?), Beginning::new(world::entropy()?)];
    let tapes = tapes(&spec, &beginnings, shared.as_ref())?;
    let pace = Pace { ptime_ms: spec.call.ptime_ms, burst: spec.burst };
    let sender = Sender::new(pairs, pace, shared_outbounds(&spec, shared.as_ref())?)?;
    let (streams, inbox) = mpsc::sync_channel(limits::LOAD_SENDER_QUEUE);
    let thread = std::thread::Builder::new()
        .name("sender".to_owned())
        .spawn(move || sender.run(&inbox))
        .map_err(|cause| CallError::Media(format!("sender thread: {cause}")))?;
    let pending = Semaphore::new(limits::LOAD_PENDING);
    let ssrcs = beginnings.map(|beginning| beginning.ssrc);
    let (times, engine) = (Arc::default(), spec.call.dtls.map(|_| dtls::engine()).transpose()?);
    let common = Common { spec, connection, address, ports, tapes, ssrcs, shared, engine, streams, pending, times };
    let mut report = place_all(common).await;
    let totals = tokio::task::spawn_blocking(move || thread.join())
        .await
        .map_err(|cause| CallError::Media(format!("sender thread: {cause}")))?
        .map_err(|_| CallError::Media("the sender thread panicked".to_owned()))?;
    add(&mut report, totals);
    Ok(report)
}

async fn place_all(common: Common) -> LoadReport {
    let common = Arc::new(common);
    let interval = Duration::from_secs_f64(1.0 / common.spec.rate);
    let start = world::now();
    let mut calls = JoinSet::new();
    let mut outcomes = Vec::new();
    for number in 0..common.spec.calls {
        sleep_until((start + interval.mul_f64(f64::from(number))).into()).await;
        calls.spawn(one_call(Arc::clone(&common), number as usize));
        while let Some(outcome) = calls.try_join_next() {
            outcomes.push(outcome);
        }
    }
    let times = Arc::clone(&common.times);
    drop(common);
    while let Some(outcome) = calls.join_next().await {
        outcomes.push(outcome);
    }
    let mut report = LoadReport::default();
    for outcome in outcomes {
        match outcome.unwrap_or_else(|cause| Err(CallError::Media(cause.to_string()))) {
            Ok(()) => report.ok += 1,
            Err(cause) => {
                report.failed += 1;
                *report.failures.entry(cause.to_string()).or_default() += 1;
            }
        }
    }
    let times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    let until_last = times.last.map_or(0.0, |last| last.saturating_duration_since(start).as_secs_f64());
    report.time(times.set_up, times.busy, until_last);
    report.busy_retry_after = times.retry_after;
    report
}

/// One call from INVITE to BYE.
async fn one_call(common: Arc<Common>, number: usize) -> Result<(), CallError> {
    let spec = &common.spec.call;
    let identity = Identity::new(&personal_names(spec, number), world::entropy()?, world::utc());
    let is_alive = Arc::new(AtomicBool::new(true));
    let mut dialogs = Vec::new();
    for sides in legs::sides(spec) {
        match place(&common, number, (&identity, &sides), &is_alive).await {
            Ok(dialog) => dialogs.push(dialog),
            Err(cause) => {
                is_alive.store(false, Ordering::Relaxed);
                for dialog in &dialogs {
                    // The refusal is what the report tells.
                    drop(dialog.bye().await);
                }
                return Err(cause);
            }
        }
    }
    // One turn of the wheel more than the sound lasts: the last burst has left by then.
    let turn = Duration::from_millis(u64::from(spec.ptime_ms * common.spec.burst));
    let ended = match wait_for_end(&dialogs, spec.duration + turn).await {
        Ok(()) => wait_for_sound(&dialogs, &is_alive, turn).await,
        ended => ended,
    };
    is_alive.store(false, Ordering::Relaxed);
    for dialog in &dialogs {
        dialog.bye().await?;
    }
    ended
}

/// The sender may be late, on a machine that stood still: a call is over when its sound is, not in the middle of it. The
/// sender lets go of a stream that has come to its end.
async fn wait_for_sound(dialogs: &[Dialog], is_alive: &Arc<AtomicBool>, turn: Duration) -> Result<(), CallError> {
    let mut left = limits::LOAD_LATE;
    while Arc::strong_count(is_alive) > 1 && !left.is_zero() {
        wait_for_end(dialogs, turn).await?;
        left = left.saturating_sub(turn);
    }
    Ok(())
}

async fn wait_for_end(dialogs: &[Dialog], time: Duration) -> Result<(), CallError> {
    let over = sleep(time);
    tokio::pin!(over);
    let mut ends = JoinSet::new();
    for dialog in dialogs {
        ends.spawn(dialog.end());
    }
    loop {
        tokio::select! {
            () = &mut over => return Ok(()),
            joined = ends.join_next(), if !ends.is_empty() => if let Some(Ok(true)) = joined {
                return Err(CallError::BadAnswer("ended by the recorder".to_owned()));
            },
        }
    }
}

/// One session: INVITE, answer, and its streams handed to the sender.
async fn place(
    common: &Common,
    number: usize,
    leg: (&Identity, &[Side]),
    is_alive: &Arc<AtomicBool>,
) -> Result<Dialog, CallError> {
    let (identity, sides) = leg;
    let spec = &common.spec.call;
    let port = |side: &Side| Port { side: *side, port: common.ports[common.pair(number, *side)] };
    let ports: Vec<Port> = sides.iter().map(port).collect();
    let offer = common.offer(&ports)?;
    let narrator = Narrator::new(identity)?;
    let place = common.pending.acquire().await.map_err(|cause| CallError::Media(cause.to_string()))?;
    let began = world::now();
    let answer = common.connection.invite(invite(spec, identity, &offer, &narrator)).await;
    common.time(began, &answer);
    let accepted = answer?;
    drop(place);
    let answers = match read_answer(&offer, &accepted.body) {
        Ok(answers) => answers,
        Err(cause) => {
            drop(accepted.dialog.bye().await);
            return Err(cause);
        }
    };
    match common.begin(number, sides, (&offer, &answers), is_alive).await {
        Ok(()) => Ok(accepted.dialog),
        Err(cause) => {
            drop(accepted.dialog.bye().await);
            Err(cause)
        }
    }
}

impl Common {
    /// Hands the streams of a session to the sender.
    async fn begin(
        &self,
        number: usize,
        sides: &[Side],
        (offer, answers): (&LegOffer, &[AnsweredLine]),
        is_alive: &Arc<AtomicBool>,
    ) -> Result<(), CallError> {
        for (line, (side, answer)) in sides.iter().zip(answers).enumerate().filter(|(_, (_, answer))| answer.accepted) {
            let (remote, remote_rtcp) = remote(answer, self.connection.remote().ip());
            let personal = match self.shaken(answer, remote).await? {
                Some(outbound) => Some(Personal { outbound: Some(outbound) }),
                None => self.personal(offer.key(line))?,
            };
            let ssrc = match personal {
                Some(_) => u32::from_be_bytes(world::entropy()?),
                None => self.ssrcs[side.index()],
            };
            self.send(Stream {
                tape: Arc::clone(&self.tapes[side.index()]),
                personal,
                ssrc,
                remote,
                remote_rtcp,
                pair: self.pair(number, *side),
                side: side.index(),
                is_alive: Arc::clone(is_alive),
            })?;
        }
        Ok(())
    }

    /// The port pair that a side of a call leaves from.
    fn pair(&self, number: usize, side: Side) -> usize {
        (2 * number + side.index()) % self.ports.len()
    }

    /// What a session offers. With DTLS-SRTP reports go where the sound goes: one handshake a line is enough.
    fn offer(&self, ports: &[Port]) -> Result<LegOffer, CallError> {
        let mut offer = LegOffer::new(&self.spec.call, ports, self.address, self.shared.as_ref())?;
        let rtcp_mux = self.spec.rtcp_mux || self.engine.is_some();
        offer.offer.lines.iter_mut().for_each(|line| line.rtcp_mux = rtcp_mux);
        if let Some((engine, setup)) = self.engine.as_ref().zip(self.spec.call.dtls) {
            offer.shake_hands(OfferDtls { own: engine.fingerprint(), setup });
        }
        Ok(offer)
    }

    /// The keys of a DTLS-SRTP line. The handshake leaves from a port of its own, since the sound of many calls shares
    /// one; the recorder believes the certificate, not the port.
    async fn shaken(&self, answer: &AnsweredLine, remote: SocketAddr) -> Result<Option<Outbound>, CallError> {
        let Some((engine, agreed)) = self.engine.as_ref().zip(answer.dtls.as_ref()) else { return Ok(None) };
        let failed = |cause: &dyn std::fmt::Display| CallError::Media(cause.to_string());
        let socket = UdpSocket::bind((self.address, 0)).await.map_err(|cause| failed(&cause))?;
        let keys = Handshake::new(engine, agreed, remote)?.keys(&socket).await?;
        Outbound::new(keys.suite, &keys.local).map(Some).map_err(|cause| failed(&cause))
    }

    /// A stream of its own, unless all calls share one key.
    fn personal(&self, key: Option<&[u8]>) -> Result<Option<Personal>, CallError> {
        if self.spec.shared_key {
            return Ok(None);
        }
        let outbound = self.spec.call.srtp.zip(key).map(|(suite, key)| Outbound::new(suite, key)).transpose();
        Ok(Some(Personal { outbound: outbound.map_err(|cause| CallError::Media(cause.to_string()))? }))
    }

    /// Notes how long an INVITE took.
    fn time(&self, began: Instant, answer: &Result<Accepted, CallError>) {
        let now = world::now();
        let took = now.saturating_duration_since(began).as_micros() as u64;
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(_) => {
                times.set_up.push(took);
                times.last = Some(now);
            }
            Err(CallError::Refused { status: 503, retry_after, .. }) => {
                times.busy.push(took);
                times.retry_after += u32::from(retry_after.is_some());
            }
            Err(_) => {}
        }
    }

    fn send(&self, stream: Stream) -> Result<(), CallError> {
        self.streams.try_send(stream).map_err(|cause| CallError::Media(format!("sender thread: {cause}")))
    }
}

/// Ids that name one call cannot be shared by many: the number of the call is appended.
pub(super) fn personal_names(spec: &CallSpec, number: usize) -> crate::identity::Chosen {
    let numbered = |name: &Option<String>| name.as_ref().map(|name| format!("{name}-{number}"));
    let mut chosen = spec.chosen.clone();
    chosen.call_uuid = numbered(&chosen.call_uuid);
    chosen.record_id = numbered(&chosen.record_id);
    chosen.conn_id = numbered(&chosen.conn_id);
    chosen
}

fn shared_keys(spec: &LoadSpec) -> Result<Option<[Vec<u8>; 2]>, CallError> {
    let Some(suite) = spec.call.srtp.filter(|_| spec.shared_key) else { return Ok(None) };
    Ok(Some([world::fresh_key(suite.key_salt_len())?, world::fresh_key(suite.key_salt_len())?]))
}

fn shared_outbounds(spec: &LoadSpec, keys: Option<&[Vec<u8>; 2]>) -> Result<[Option<Outbound>; 2], CallError> {
    let outbound = |side: usize| {
        let parts = spec.call.srtp.zip(keys);
        let made = parts.map(|(suite, keys)| Outbound::new(suite, &keys[side])).transpose();
        made.map_err(|cause| CallError::Media(cause.to_string()))
    };
    Ok([outbound(0)?, outbound(1)?])
}

fn tapes(
    spec: &LoadSpec,
    beginnings: &[Beginning; 2],
    keys: Option<&[Vec<u8>; 2]>,
) -> Result<[Arc<PacketTape>; 2], CallError> {
    let call = &spec.call;
    let packets = Schedule::new(world::now(), call.ptime()).packets(call.duration) as u32;
    let seconds = call.duration.as_secs().saturating_add(1).min(u64::from(limits::SPEECH_SECONDS)) as u32;
    let samples = call.ptime_ms * OCTETS_PER_MS as u32;
    let [left, right] = shared_outbounds(spec, keys)?;
    let tape = |side: usize, outbound| {
        let sound = Tape::load(spec.sides()[side], call.law, side, seconds)?;
        let packetiser = Packetiser::new(beginnings[side], call.law.payload_type(), samples);
        PacketTape::new(&sound, packetiser, packets, outbound).map(Arc::new)
    };
    Ok([tape(0, left)?, tape(1, right)?])
}

/// The sockets that all calls share.
pub(super) fn open_pairs(address: IpAddr) -> Result<Vec<PortPair>, CallError> {
    (0..limits::LOAD_PORT_PAIRS).map(|_| PortPair::open(address)).collect()
}

/// Adds what the sender sent.
pub(super) fn add(report: &mut LoadReport, totals: Totals) {
    report.packets = totals.packets;
    report.send_errors = totals.errors;
    report.behind_ms = totals.behind_ms;
}
