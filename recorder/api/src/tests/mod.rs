//! The router driven as a whole, with storage in memory and ports that remember what was asked of them.

mod assurance;
mod audio;
mod console;
mod console_assurance;
mod contract;
mod interactions;
mod lists;
mod over_tls;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt;
use model::{
    Actor, Audit, AuditResult, CallCommand, Command, CommandError, Contributor, EndCause, Fact, Gap, GapCause,
    HistoryLine, MediaObject, Party, RecordingId, Role, RsId, SmallMap, Timestamp, TrackCounters, TrackNo,
};
use serde_json::Value;
use storage_core::{
    delivery::{DeadLetter, Delivery, Kind, Known, Notice, SubscriberView},
    interaction::{Revision, gather, key},
    memory::MemoryCatalog,
    ports::{BoxFuture, Catalog, CatalogError, MediaFormat, MediaReader, Playback, PlaybackError},
    view::{AttachmentView, RecordingView, SessionView, State, TrackView, WarningView},
};
use tower::ServiceExt;

use crate::{
    access::Store,
    app::{App, Metrics, Source, logins, strangers},
    limits,
    ports::{AuditError, AuditLog, Control, Mark, MarkError},
    session::Sessions,
};

/// Everything around the router.
struct World {
    catalog: Arc<MemoryCatalog>,
    ports: Arc<Ports>,
    access: Arc<Store>,
    registry: prometheus::Registry,
    router: Router,
    _dir: tempfile::TempDir,
}

/// Control, audit and playback, as the root would fill them.
#[derive(Default)]
struct Ports {
    catalog: Arc<MemoryCatalog>,
    commands: Mutex<Vec<Command>>,
    marks: Mutex<Vec<(RecordingId, Mark, Option<String>)>>,
    call_commands: Mutex<Vec<CallCommand>>,
    retries: Mutex<Vec<(Option<String>, Option<u64>)>>,
    command_error: Mutex<Option<CommandError>>,
    mark_error: Mutex<Option<MarkError>>,
    audits: Mutex<Vec<Audit>>,
    files: Mutex<Vec<(String, usize)>>,
    notes: Mutex<Vec<model::IncidentNote>>,
    is_audit_broken: AtomicBool,
    is_media_damaged: AtomicBool,
    numbers: AtomicU64,
    largest_read: AtomicU64,
}

impl Control for Ports {
    fn call_command(&self, command: CallCommand) -> BoxFuture<'_, Result<(), CommandError>> {
        self.call_commands.lock().unwrap().push(command);
        let answer = self.command_error.lock().unwrap().map_or(Ok(()), Err);
        Box::pin(std::future::ready(answer))
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<(), CommandError>> {
        self.commands.lock().unwrap().push(command);
        let answer = self.command_error.lock().unwrap().map_or(Ok(()), Err);
        Box::pin(std::future::ready(answer))
    }

    fn mark<'a>(
        &'a self,
        recording: RecordingId,
        mark: Mark,
        _: &'a Actor,
        reason: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), MarkError>> {
        self.marks.lock().unwrap().push((recording, mark, reason.map(str::to_owned)));
        let answer = self.mark_error.lock().unwrap().map_or(Ok(()), Err);
        Box::pin(std::future::ready(answer))
    }
}

impl Delivery for Ports {
    fn interaction<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Known>, CatalogError>> {
        Box::pin(async move {
            let gathered = gather(&*self.catalog, id).await?;
            let Some(id) = gathered.views.first().map(key) else { return Ok(None) };
            Ok(Some(Known { id, gathered, revision: Revision { number: 2, is_settled: true }, merged_into: None }))
        })
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<SubscriberView>, CatalogError>> {
        let oldest = Some(Timestamp::from_millis(START));
        let view = SubscriberView {
            name: "lake".into(),
            disabled_at: None,
            delivered: 7,
            waiting: 1,
            behind: 0,
            dead: 1,
            oldest,
        };
        Box::pin(std::future::ready(Ok(vec![view])))
    }

    fn dead_letters(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, CatalogError>> {
        let letter = |number| DeadLetter {
            subscriber: "lake".into(),
            number,
            notice: Notice {
                kind: Kind::Interaction,
                subject: "U1".into(),
                thing: "U1".into(),
                revision: 1,
                fact: 9,
                at: Timestamp::from_millis(START),
            },
            attempts: 3,
            error: "status 422".into(),
        };
        Box::pin(std::future::ready(Ok((after + 1..4).take(limit as usize).map(letter).collect())))
    }

    fn retry(&self, subscriber: Option<String>, number: Option<u64>) -> BoxFuture<'_, Result<u64, CatalogError>> {
        self.retries.lock().unwrap().push((subscriber, number));
        Box::pin(std::future::ready(Ok(1)))
    }
}

impl AuditLog for Ports {
    fn record(&self, audit: Audit) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(async move {
            if self.is_audit_broken.load(SeqCst) {
                return Err(AuditError("disk full".into()));
            }
            self.audits.lock().unwrap().push(audit.clone());
            let number = self.numbers.fetch_add(1, SeqCst) + 1;
            self.catalog.follow(&[(number, Fact::Audited(audit))]).await.unwrap();
            Ok(())
        })
    }
}

/// Octets `0, 1, 2, ... 250, 0, ...`, so that every range is recognisable.
struct Sound(Arc<Ports>, u64);

const SOUND_OCTETS: u64 = 2_500_000;
const PEAKS: &str =
    r#"{"version":1,"channels":2,"sample_rate":8000,"ms_per_point":100,"points":[[[-3,4],[0,0]],[[-90,100],[-1,1]]]}"#;

impl MediaReader for Sound {
    fn len(&self) -> u64 {
        self.1
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Vec<u8>, PlaybackError>> {
        self.0.largest_read.fetch_max(range.end - range.start, SeqCst);
        let answer = match self.0.is_media_damaged.load(SeqCst) {
            true => Err(PlaybackError::Damaged("frame 0".into())),
            false => Ok(range.map(octet).collect()),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn octet(at: u64) -> u8 {
    (at % 251) as u8
}

struct Waveform;

impl MediaReader for Waveform {
    fn len(&self) -> u64 {
        PEAKS.len() as u64
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Vec<u8>, PlaybackError>> {
        let part = PEAKS.as_bytes()[range.start as usize..range.end as usize].to_vec();
        Box::pin(std::future::ready(Ok(part)))
    }
}

struct Player(Arc<Ports>);

impl Playback for Player {
    fn open(&self, id: RecordingId, format: MediaFormat) -> BoxFuture<'_, Result<Box<dyn MediaReader>, PlaybackError>> {
        Box::pin(async move {
            match self.0.catalog.recording(id).await.unwrap() {
                Some(view) if view.state == State::Archived => Ok(match format {
                    MediaFormat::Peaks => Box::new(Waveform) as Box<dyn MediaReader>,
                    MediaFormat::Wav => Box::new(Sound(Arc::clone(&self.0), SOUND_OCTETS)),
                    MediaFormat::Mp3(_) => Box::new(Sound(Arc::clone(&self.0), 1000)),
                }),
                Some(_) => Err(PlaybackError::NotReady("not archived yet".into())),
                None => Err(PlaybackError::Missing),
            }
        })
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Arc::new(MemoryCatalog::default());
        let ports = Arc::new(Ports { catalog: Arc::clone(&catalog), ..Ports::default() });
        let access = Arc::new(Store::open(dir.path()).unwrap());
        let registry = prometheus::Registry::new();
        let app = App {
            catalog: Arc::clone(&catalog) as Arc<dyn Catalog>,
            playback: Arc::new(Player(Arc::clone(&ports))),
            delivery: Arc::clone(&ports) as Arc<dyn Delivery>,
            assurance: Arc::clone(&ports) as Arc<dyn crate::ports::Assurance>,
            imports: tokio::sync::Semaphore::new(limits::IMPORTS),
            control: Arc::clone(&ports) as Arc<dyn Control>,
            audit: Arc::clone(&ports) as Arc<dyn AuditLog>,
            access: Arc::clone(&access),
            sessions: Sessions::new(30),
            strangers: strangers(),
            logins: logins(),
            password_checks: tokio::sync::Semaphore::new(limits::PASSWORD_CHECKS),
            requests: tokio::sync::Semaphore::new(limits::REQUESTS),
            metrics: Metrics::register(&registry).unwrap(),
        };
        Self { catalog, ports, access, registry, router: crate::server::router(Arc::new(app)), _dir: dir }
    }

    async fn with(views: &[RecordingView]) -> Self {
        let world = Self::new();
        for view in views {
            world.catalog.restore(view).await.unwrap();
        }
        world
    }

    fn token(&self, role: Role) -> String {
        self.access.create_token(role).unwrap().text
    }

    async fn send(&self, mut request: Request<Body>) -> Response {
        request.extensions_mut().insert(Source("192.0.2.7:4711".parse().unwrap()));
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, token: &str, method: Method, path: &str) -> Response {
        self.send(request(token, method, path, "")).await
    }

    async fn get(&self, token: &str, path: &str) -> (StatusCode, Value) {
        json(self.ask(token, Method::GET, path).await).await
    }

    /// The audit facts so far: action, result.
    fn audited(&self) -> Vec<(String, AuditResult)> {
        self.ports.audits.lock().unwrap().iter().map(|audit| (audit.action.clone(), audit.result)).collect()
    }

    fn last_audit(&self) -> Audit {
        self.ports.audits.lock().unwrap().last().cloned().expect("an audit fact")
    }
}

fn request(token: &str, method: Method, path: &str, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn octets(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn text(response: Response) -> String {
    String::from_utf8(octets(response).await).unwrap()
}

async fn json(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let octets = octets(response).await;
    let body = serde_json::from_slice(&octets).unwrap_or_else(|_| panic!("{status}: {octets:?} is not JSON"));
    (status, body)
}

fn id(number: u8) -> RecordingId {
    RecordingId::from_bytes([1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, number])
}

const START: u64 = 1_790_000_000_000;

/// Recording `number`, archived, ten seconds after the one before.
fn archived(number: u8) -> RecordingView {
    let at = Timestamp::from_millis(START + u64::from(number) * 10_000);
    let gap = Gap { from: at.plus_nanos(1_000_000_000), to: at.plus_nanos(2_500_000_000), cause: GapCause::Paused };
    RecordingView {
        id: id(number),
        record_id: Some(format!("R{number}")),
        call_uuid: Some("UUID-1".into()),
        conn_id: Some("006302a5c3d9e001".into()),
        profile: "genesys-msr".into(),
        state: State::Archived,
        started_at: at,
        ended_at: Some(at.plus_nanos(5_000_000_000)),
        duration_ms: Some(5_000),
        parties: vec![party("+4930123456", Some("Jürgen <script>"), "caller", 0), party("7001", None, "agent", 1)],
        tracks: vec![track(0, at, vec![gap]), track(1, at, Vec::new())],
        media: vec![MediaObject {
            format: "wav".into(),
            name: "2026/x.wav.sealed".into(),
            bytes: SOUND_OCTETS,
            sha256: "ab".repeat(32),
            sealed_bytes: SOUND_OCTETS + 100,
            sealed_sha256: "cd".repeat(32),
        }],
        flags: vec!["paused".into()],
        sessions: vec![session(at)],
        attachments: vec![AttachmentView { content_type: "application/gtd".into(), disposition: None, bytes: 12 }],
        end_cause: Some(EndCause::Bye),
        warnings: vec![WarningView { name: "no_sip_src".into(), detail: None }],
        correlation: SmallMap::from([("queue".to_owned(), "sales".to_owned())]),
        user_data_told: Vec::new(),
        history: vec![HistoryLine {
            at,
            event: "established".into(),
            dn: Some("7001".to_owned().into()),
            agent: Some("a17".to_owned().into()),
            source: "tlib:0".into(),
            ..HistoryLine::default()
        }],
        user_data: SmallMap::from([("customer".to_owned(), "4711".to_owned())]),
        labels: Vec::new(),
        audio_from: None,
        is_held: false,
        is_paused: false,
        is_provisional: false,
    }
}

fn live(number: u8) -> RecordingView {
    RecordingView { state: State::Live, ended_at: None, duration_ms: None, media: Vec::new(), ..archived(number) }
}

fn party(address: &str, name: Option<&str>, role: &str, track: u16) -> Party {
    Party {
        address: address.to_owned().into(),
        name: name.map(|name| name.to_owned().into()),
        role: Some(role.into()),
        also: Vec::new(),
        tracks: vec![TrackNo(track)],
        confidence: Some(model::Confidence::High),
        joined_at: Some(Timestamp::from_millis(START)),
        left_at: None,
    }
}

fn session(at: Timestamp) -> SessionView {
    let header = "Q.850;cause=16;text=\"Normal call clearing\"";
    SessionView {
        session: RsId(1),
        call_id: "call-1@192.0.2.10".into(),
        peer: "tcp:192.0.2.10:5060".into(),
        profile: "genesys-msr".into(),
        grouped_at: None,
        started_at: Some(at),
        stopped_at: Some(at.plus_nanos(4_000_000_000)),
        communication: Vec::new(),
        metadata: storage_core::view::MetadataState::Complete,
        ended: Some(EndCause::Bye),
        reason: Some(header.into()),
        reasons: storage_core::reason::read(header),
    }
}

fn track(number: u16, opened_at: Timestamp, gaps: Vec<Gap>) -> TrackView {
    TrackView {
        no: TrackNo(number),
        channel: number as u8,
        label: Some(number.to_string()),
        party: None,
        codec: "PCMU".into(),
        payloads: vec![(0, "PCMU".into(), 8000, 1)],
        srtp: true,
        port: 20_000,
        opened_at,
        stream_from: None,
        stream_to: Some(opened_at.plus_nanos(4_000_000_000)),
        counters: Some(TrackCounters { received: 250, lost: 3, ..TrackCounters::default() }),
        gaps,
        contributors: vec![Contributor {
            csrc: 7,
            packets: 9,
            spans: vec![(opened_at, opened_at.plus_nanos(1_000_000_000))],
        }],
        chunks: Some(2),
    }
}
