//! Calls of the real client library, several at once for as long as the run lasts, of every kind; each remembers what
//! it was promised.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crypto::srtp::Suite;
use replication::call::{self, Audio, CallReport, CallSpec, DialogReport, Layout, Pause, Profile, Trust};
use signaling_core::event::Transport;

use super::Seed;
use crate::{Node, wait};

/// A call that is over.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its number in the swarm.
    pub number: u64,
    /// What it was, in words.
    pub what: String,
    /// It was paused for a while.
    pub pauses: bool,
    /// Wall time in nanoseconds: before its first INVITE, after its last answer.
    pub span: (u64, u64),
    /// What the client says; none when it was never set up.
    pub report: Option<CallReport>,
    /// Where what was sent lies.
    pub folder: PathBuf,
}

impl Placed {
    /// Every session of it was answered with 200.
    pub fn is_set_up(&self) -> bool {
        self.dialogs().next().is_some() && self.dialogs().all(|dialog| dialog.status == 200)
    }

    /// When all of its sessions were there, in nanoseconds since 1970. That may be seconds after its first INVITE: one that
    /// a dead process did not answer is sent again, later each time.
    pub fn set_up_by(&self) -> u64 {
        self.span.0 + self.dialogs().map(|dialog| dialog.setup_ms * 1_000_000).sum::<u64>()
    }

    /// Its sessions, in the order of their INVITEs.
    pub fn dialogs(&self) -> impl Iterator<Item = &DialogReport> {
        self.report.iter().flat_map(|report| &report.dialogs)
    }

    /// Its BYEs were answered, too, and nobody else ended it.
    pub fn is_hung_up(&self) -> bool {
        let is_end = |problem: &String| problem.starts_with("BYE") || problem.contains("ended by the recorder");
        self.is_set_up() && self.report.iter().all(|report| !report.problems.iter().any(is_end))
    }

    /// All went as planned.
    pub fn is_ok(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.ok)
    }

    /// Whether it was going on in any part of that span.
    pub const fn overlaps(&self, from: u64, to: u64) -> bool {
        self.span.0 < to && self.span.1 > from
    }

    /// Until when it has sent sound for certain, in nanoseconds since 1970: its sound began after its first INVITE.
    pub fn sends_until(&self) -> u64 {
        self.span.0 + self.sent("left").len() as u64 * 125_000
    }

    /// The octets sent by a side, on the call's timeline.
    ///
    /// # Panics
    /// When there is no dump.
    pub fn sent(&self, side: &str) -> Vec<u8> {
        let path = self.folder.join(format!("{side}.ulaw"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// How long after its sound should be over a call is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the lanes share.
#[derive(Debug)]
struct Shared {
    seed: Seed,
    sip: u16,
    sips: u16,
    certificate: PathBuf,
    folder: PathBuf,
    longest: Duration,
    next: AtomicU64,
    is_over: AtomicBool,
    placed: Mutex<Vec<Placed>>,
}

/// The swarm.
#[derive(Debug)]
pub struct Swarm {
    shared: Arc<Shared>,
    lanes: Vec<JoinHandle<()>>,
}

impl Swarm {
    /// So many calls at once to that node, each as long as `longest` at most.
    pub fn start(node: &Node, seed: &Seed, lanes: u64, longest: Duration) -> Self {
        let shared = Arc::new(Shared {
            seed: seed.clone(),
            sip: node.sip,
            sips: node.sips,
            certificate: copy_of_certificate(node),
            folder: node.folder.path().join("sent"),
            longest,
            next: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            placed: Mutex::default(),
        });
        let lane = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.lane())
        };
        Self { lanes: (0..lanes).map(lane).collect(), shared }
    }

    /// Calls placed so far.
    pub fn count(&self) -> u64 {
        self.shared.next.load(Ordering::Relaxed)
    }

    /// Calls that are over.
    pub fn over(&self) -> usize {
        self.shared.placed().len()
    }

    /// No new calls; waits for those that go on, and gives all of them.
    ///
    /// # Panics
    /// When a lane failed, or does not come to its end.
    pub fn finish(self) -> Vec<Placed> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        wait::until(90, "the last calls of the swarm", || self.lanes.iter().all(JoinHandle::is_finished));
        self.lanes.into_iter().for_each(|lane| lane.join().expect("a lane that did not fail"));
        std::mem::take(&mut *self.shared.placed())
    }
}

impl Shared {
    fn placed(&self) -> std::sync::MutexGuard<'_, Vec<Placed>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let mut spec = self.spec(number);
            let folder = self.folder.join(number.to_string());
            std::fs::create_dir_all(&folder).expect("a folder");
            spec.dump_sent = Some(folder.clone());
            let what = kind(&spec);
            let pauses = spec.pause.is_some();
            let began = wall_nanos();
            // A 100 and then nothing any more: RFC 3261 lets a client wait for ever, a person hangs up.
            let patience = spec.duration + PATIENCE;
            let outcome = runtime.block_on(async { tokio::time::timeout(patience, call::run(spec)).await });
            let outcome = outcome.ok().and_then(Result::ok);
            let span = (began, wall_nanos());
            if outcome.is_none() {
                // Nobody is there: the lanes must not eat the machine meanwhile.
                wait::pass(Duration::from_millis(50));
            }
            self.placed().push(Placed { number, what, pauses, span, report: outcome, folder });
        }
    }

    fn spec(&self, number: u64) -> CallSpec {
        let mut seed = self.seed.branch(number);
        let transport = seed.pick(&[Transport::Udp, Transport::Udp, Transport::Tcp, Transport::Tls]);
        let port = if transport == Transport::Tls { self.sips } else { self.sip };
        let (profile, layout) = seed.pick(&[
            (Profile::Rfc7866, Layout::Single),
            (Profile::GenesysMsr, Layout::PerParty),
            (Profile::GenesysMsr, Layout::Single),
        ]);
        let suites = ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"];
        let target = format!("127.0.0.1:{port}").parse().expect("a target");
        let duration = seed.millis(300, self.longest.as_millis() as u64);
        let at = |part: u64| duration.mul_f64(part as f64 / 10.0);
        let mut spec = CallSpec {
            profile,
            layout,
            transport,
            duration,
            srtp: (transport == Transport::Tls).then(|| Suite::from_name(seed.pick(&suites)).expect("a suite")),
            trust: Some(Trust::Ca(self.certificate.clone())),
            left: Audio::Speech { seed: 2 * number },
            right: Audio::Speech { seed: 2 * number + 1 },
            ..CallSpec::new(target)
        };
        spec.chosen.caller = Some(format!("82{number:06}"));
        match seed.below(6) {
            0 => spec.reinvite_at = Some(at(seed.below(9))),
            1 => spec.update_at = Some(at(seed.below(9))),
            2 => spec.pause = Some(Pause { at: at(3), length: at(3) }),
            _ => {}
        }
        spec
    }
}

/// What a call is, in words.
fn kind(spec: &CallSpec) -> String {
    let changes =
        [("re-INVITE", spec.reinvite_at), ("UPDATE", spec.update_at), ("pause", spec.pause.map(|pause| pause.at))];
    let change = changes.iter().find_map(|(name, at)| at.map(|at| format!(", {name} at {at:?}"))).unwrap_or_default();
    let (profile, layout, transport) = (spec.profile, spec.layout, spec.transport);
    format!("{profile:?} {layout:?} {transport:?} srtp {} for {:?}{change}", spec.srtp.is_some(), spec.duration)
}

/// The one in `data_dir` may be gone for a while when a disk loses its power.
fn copy_of_certificate(node: &Node) -> PathBuf {
    let copy = node.folder.path().join("trusted.pem");
    std::fs::copy(node.certificate(), &copy).expect("the recorder's certificate");
    copy
}

/// Wall time in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "compared with the times in the ledger")]
pub fn wall_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}
