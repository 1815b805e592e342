//! Clerks: set a session up over UDP, hang up, and keep book of every answer, so many times a second that any instant
//! of a crash falls into something. No sound: what is tested is that nothing is answered that is not written down.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Seed, swarm::wall_nanos};
use crate::{
    media::genesys_invite,
    sip::{Message, ack},
    vector, wait,
};

/// One session of a clerk.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its Call-ID.
    pub call_id: String,
    /// When the 200 to its INVITE was there, in nanoseconds since 1970.
    pub answered: Option<u64>,
    /// When the 200 to its BYE was there.
    pub hung_up: Option<u64>,
    /// The final status, when it was refused.
    pub refused: Option<u16>,
}

/// The clerks of a run.
#[derive(Debug)]
pub struct Clerks {
    is_over: Arc<AtomicBool>,
    clerks: Vec<JoinHandle<Vec<Entry>>>,
}

/// How long an answer may take before the request is sent again (RFC 3261 T1), and how often that is done.
const T1: Duration = Duration::from_millis(500);
const TRIES: u32 = 6;

impl Clerks {
    /// So many clerks at that SIP port, each with `pause` milliseconds between two sessions.
    pub fn start(sip: u16, seed: &Seed, count: u64, pause: (u64, u64)) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let clerk = |number: u64| {
            let (is_over, mut seed) = (Arc::clone(&is_over), seed.branch(1_000 + number));
            std::thread::spawn(move || {
                let mut book = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let name = format!("clerk{number}x{}", book.len());
                    book.push(Clerk::new(sip).session(&name, seed.millis(0, 30)));
                    wait::pass(seed.millis(pause.0, pause.1));
                }
                book
            })
        };
        Self { clerks: (0..count).map(clerk).collect(), is_over }
    }

    /// Closes the books.
    ///
    /// # Panics
    /// When a clerk failed.
    pub fn finish(self) -> Vec<Entry> {
        self.is_over.store(true, Ordering::Relaxed);
        self.clerks.into_iter().flat_map(|clerk| clerk.join().expect("a clerk that did not fail")).collect()
    }
}

/// One socket, one session.
#[derive(Debug)]
pub struct Clerk {
    socket: UdpSocket,
    to: u16,
}

impl Clerk {
    /// At that SIP port.
    ///
    /// # Panics
    /// When there is no socket.
    pub fn new(to: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(T1)).expect("a time-out");
        Self { socket, to }
    }

    /// INVITE, a moment, BYE.
    ///
    /// # Panics
    /// When the recorder sends nonsense.
    pub fn session(&self, name: &str, length: Duration) -> Entry {
        let invite = vector::fresh(&genesys_invite("UDP", name, &["40000 RTP/AVP 0"]));
        let call_id = crate::sip::header(&invite, "Call-ID").expect("a Call-ID").to_owned();
        let mut entry = Entry { call_id, answered: None, hung_up: None, refused: None };
        let Some(answer) = self.ask(&invite, "1 INVITE") else { return entry };
        self.send(&ack(&invite, &answer));
        if answer.status != 200 {
            entry.refused = Some(answer.status);
            return entry;
        }
        entry.answered = Some(wall_nanos());
        wait::pass(length);
        if self.ask(&bye(&invite, &answer), "2 BYE").is_some_and(|answer| answer.status == 200) {
            entry.hung_up = Some(wall_nanos());
        }
        entry
    }

    /// Sends a datagram; nobody may be there.
    pub fn send(&self, text: &str) {
        let _ = self.socket.send_to(text.as_bytes(), ("127.0.0.1", self.to));
    }

    /// The next response to the request of that CSeq within T1, provisional ones included.
    pub fn response(&self, cseq: &str) -> Option<Message> {
        let mut octets = [0; 16_384];
        loop {
            let length = self.socket.recv(&mut octets).ok()?;
            let message = crate::sip::split(&mut octets[..length].to_vec())?;
            if message.header("CSeq") == Some(cseq) {
                return Some(message);
            }
        }
    }

    /// The final response, the request being repeated as RFC 3261 17.1 says.
    pub fn ask(&self, request: &str, cseq: &str) -> Option<Message> {
        for _ in 0..TRIES {
            self.send(request);
            while let Some(message) = self.response(cseq) {
                if message.status >= 200 {
                    return Some(message);
                }
            }
        }
        None
    }
}

/// The BYE of the dialog that `invite` opened with `answer`.
pub fn bye(invite: &str, answer: &Message) -> String {
    let value = |name| crate::sip::header(invite, name).unwrap_or_default();
    format!(
        "BYE sip:recorder@127.0.0.1 SIP/2.0\r\nVia: {}-bye\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
        value("Via"),
        value("From"),
        answer.header("To").unwrap_or_default(),
        value("Call-ID"),
    )
}
