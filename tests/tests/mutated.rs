//! The shared vectors cut short, with headers doubled and dropped, with bits turned over, against the real recorder over
//! UDP and TCP: it lives, it answers, its memory stays, and no recording suffers.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use fuzz_targets::{
    shaken::{Shaking, opening, variants},
    vectors,
};
use recorder_tests::{
    Client, Node,
    call::{Way, place},
    heard, live,
    media::Stream,
    sip::{Message, Peer, header, reply, split},
    siprec,
    vector::{bye, invite},
    wait,
};

/// What is sent to one transport: a sample that another seed would draw elsewhere, a few thousand messages.
const SAMPLE: Shaking = Shaking { stride: 400, flips: 6, share: (0, 1) };

/// Connections that stay open after their message: whoever waits for the rest of it is to be met, too.
const OPEN: usize = 48;

/// What a message of a second round may cost in KiB: pages that the allocator keeps, and rows of bounded tables for each of
/// the recordings that a third of the messages begin. Measured: 2 to 4, falling from round to round.
const GROWTH_KIB: u64 = 8;

/// How long an INVITE that is being decided is waited for.
const DECISION: Duration = Duration::from_secs(2);

/// How often a request is repeated, five seconds apart.
const REPEATS: usize = 6;

/// More fits no datagram.
const DATAGRAM: usize = 60_000;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\nm=audio 40002 RTP/AVP 0\r\na=label:2\r\n\
                     a=sendonly\r\n";

/// How long the sound is that a bystander sends at once.
const SAID: Duration = Duration::from_secs(1);

/// A call that was there before, and goes on through it all.
struct Bystander {
    peer: Peer,
    request: String,
    answer: Message,
    streams: [Stream; 2],
    sounds: [Vec<u8>; 2],
    spoke: Instant,
}

impl Bystander {
    fn begin(node: &Node) -> Self {
        let mut peer = Peer::tcp(node.sip);
        let request = siprec::invite("TCP", "5558001", OFFER, ["1", "2"]);
        let answer = invite(&mut peer, &request);
        assert_eq!(answer.status, 200, "{}", answer.head);
        let sounds = [81, 82].map(|seed| media::speech::synth(seed, 2, media::codec::Law::Mu));
        let mut call = Self {
            peer,
            request,
            answer,
            streams: [Stream::new("127.0.0.1", 1), Stream::new("127.0.0.1", 2)],
            sounds,
            spoke: now(),
        };
        call.say(node, ..8_000);
        call
    }

    /// Sends a part of its sound, a second at once, after a silence as long as it was: what was sent before is part of it,
    /// or else the clock of the phone would run a second ahead, and a renderer that knows it for half a minute drops that.
    fn say(&mut self, node: &Node, part: impl std::slice::SliceIndex<[u8], Output = [u8]> + Clone) {
        let before = node.metric("recorder_rtp_packets_total");
        let silent = now().duration_since(std::mem::replace(&mut self.spoke, now()));
        for (at, stream) in self.streams.iter_mut().enumerate() {
            stream.rest(silent.saturating_sub(SAID).as_millis() as u32 * 8);
            stream.send(self.answer.port(at), &self.sounds[at][part.clone()]);
        }
        wait::until(10, "every packet", || node.metric("recorder_rtp_packets_total") > before + 99.5);
    }

    fn end(mut self, node: &Node, client: &Client) {
        self.say(node, 8_000..);
        bye(&mut self.peer, &self.request, &self.answer);
        let recording = node.archived(client, "dn=5558001");
        let wav = heard::wav(client, &recording);
        for (party, sound) in ["5558001", "7002"].into_iter().zip(&self.sounds) {
            let kept = wav.channel(heard::channel(&recording, party));
            for half in sound.chunks(8_000) {
                assert!(kept.windows(half.len()).any(|window| window == half), "{party}: {recording}");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of a phone")]
fn now() -> Instant {
    Instant::now()
}

/// The message with a Via branch and, outside a dialog, a Call-ID that no variant before it had: else it would be taken
/// for a repetition.
fn of_its_own(octets: &[u8], number: usize, is_inside: bool) -> Vec<u8> {
    let branch = put(octets, b"branch=z9hG4bK", &format!("m{number}x"));
    if is_inside { branch } else { put(&branch, b"Call-ID: ", &format!("m{number}-")) }
}

fn put(octets: &[u8], behind: &[u8], text: &str) -> Vec<u8> {
    let Some(at) = octets.windows(behind.len()).position(|window| window == behind) else { return octets.to_vec() };
    let (before, after) = octets.split_at(at + behind.len());
    [before, text.as_bytes(), after].concat()
}

fn replaced(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = octets.to_vec();
    let mut at = 0;
    while let Some(found) = out[at..].windows(from.len()).position(|window| window == from) {
        out.splice(at + found..at + found + from.len(), to.iter().copied());
        at += found + to.len();
    }
    out
}

/// A request of the dialog that an answer opened, made of the answer alone.
fn within(answer: &Message, method: &str, number: usize) -> String {
    let value = |name| answer.header(name).unwrap_or_default();
    let invited: u64 = value("CSeq").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(1);
    // Above whatever number a mutation may have used in the dialog.
    let cseq = if method == "ACK" { invited } else { 2_000_000_000 };
    format!(
        "{method} sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
        value("From"),
        value("To"),
        value("Call-ID")
    )
}

/// Who sends the variants and behaves otherwise: acknowledges, hangs up, answers.
struct Sender {
    /// Where answers are given, whatever way the question came.
    home: UdpSocket,
    transport: &'static str,
    sip: u16,
    open: VecDeque<TcpStream>,
    sent: usize,
    taken: usize,
}

impl Sender {
    fn new(node: &Node, transport: &'static str) -> Self {
        let home = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        home.connect(("127.0.0.1", node.sip)).expect("an address");
        home.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        Self { home, transport, sip: node.sip, open: VecDeque::new(), sent: 0, taken: 0 }
    }

    fn send(&mut self, octets: &[u8]) {
        self.sent += 1;
        if self.transport == "UDP" {
            if octets.len() < DATAGRAM {
                self.say(octets);
            }
            return self.hear();
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.sip)).expect("a listener");
        stream.write_all(octets).expect("sent");
        self.open.push_back(stream);
        self.close(OPEN);
        if self.sent.is_multiple_of(16) {
            self.hear();
        }
    }

    fn say(&self, octets: &[u8]) {
        self.home.send(octets).expect("sent");
    }

    /// The next message; `awaiting` is asked again when nothing comes, as over UDP it is to be. An answer repeats what it
    /// answers, so it may be none that this reader takes apart.
    fn heard(&self, awaiting: &str) -> Message {
        let mut octets = vec![0; 65_536];
        for _ in 0..REPEATS {
            while let Ok(length) = self.home.recv(&mut octets) {
                if let Some(message) = split(&mut octets[..length].to_vec()) {
                    return message;
                }
            }
            self.say(awaiting.as_bytes());
        }
        panic!("no answer after {} messages to {awaiting}", self.sent)
    }

    /// Waits until what nobody acknowledged or ended has ended by itself, and what is held for repetitions is forgotten
    /// (RFC 3261 13.3.1.4, 17.2): 32 seconds, and as much again for the BYE of the recorder.
    fn settle(&mut self, node: &Node) {
        wait::until(100, "nothing live but the bystander", || {
            self.drain();
            node.metric("recorder_recordings_live") < 1.5
        });
        wait::until(100, "no transaction", || {
            self.drain();
            node.metric("recorder_sip_transactions") < 0.5
        });
        wait::until(100, "an empty queue", || {
            self.drain();
            node.metric("recorder_archive_pending") < 1.5
        });
    }

    /// Reads what has come: a receive buffer that is full would drop the answer that is waited for next.
    fn drain(&mut self) {
        self.home.set_nonblocking(true).expect("a socket");
        let mut octets = vec![0; 65_536];
        while let Ok(length) = self.home.recv(&mut octets) {
            if let Some(message) = split(&mut octets[..length].to_vec()) {
                self.behave(&message);
            }
        }
        self.home.set_nonblocking(false).expect("a socket");
    }

    /// Closes the oldest connections but so many, and reads what came on them.
    fn close(&mut self, but: usize) {
        while self.open.len() > but {
            let stream = self.open.pop_front().expect("just counted");
            for message in arrived(stream) {
                self.behave(&message);
            }
        }
    }

    /// Everything that came in answer, up to the answer of a ping: the recorder lives and keeps up.
    fn hear(&mut self) {
        let number = self.sent;
        let ping = format!(
            "OPTIONS sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKping{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:ping@127.0.0.1>;tag=p{number}\r\nTo: <sip:srs@127.0.0.1>\r\n\
             Call-ID: ping-{number}\r\nCSeq: 77 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        self.say(ping.as_bytes());
        loop {
            let message = self.heard(&ping);
            if message.header("Call-ID") == Some(&*format!("ping-{number}")) {
                return assert_eq!(message.status, 200, "{}", message.head);
            }
            self.behave(&message);
        }
    }

    fn behave(&mut self, message: &Message) {
        let is_invite = message.header("CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
        match message.status {
            0 => self.say(reply(message).as_bytes()),
            200..=299 if is_invite => {
                self.taken += 1;
                for method in ["ACK", "BYE"] {
                    self.say(within(message, method, self.taken).as_bytes());
                }
            }
            _ => {}
        }
    }

    /// Every variant of every vector in the sample, those inside a dialog in one that stands.
    fn run(&mut self) {
        let all = vectors::named();
        // Half of the vectors go over each transport; every one is shaken over all three in `fuzz-targets`.
        let is_ours = |number: &usize| number.is_multiple_of(2) == (self.transport == "UDP");
        let ours: Vec<_> = all.iter().enumerate().filter(|(number, _)| is_ours(number)).collect();
        for (number, (_, octets)) in ours {
            let dialog = opening(octets, &all).map(|first| self.establish(first));
            let tag = dialog.as_ref().and_then(Message::to_tag).unwrap_or("uas-tag-placeholder").to_owned();
            let octets = replaced(octets, b"uas-tag-placeholder", tag.as_bytes());
            for variant in variants(&octets, SAMPLE, number) {
                let own = of_its_own(&variant, self.sent, dialog.is_some());
                self.send(&replaced(&own, b"SIP/2.0/TCP", format!("SIP/2.0/{}", self.transport).as_bytes()));
            }
            if let Some(answer) = dialog.filter(|answer| answer.status == 200) {
                self.say(within(&answer, "BYE", 1_000_000 + self.sent).as_bytes());
            }
        }
        self.close(0);
        self.hear();
    }

    /// Opens the dialog that a vector wants to be in.
    fn establish(&mut self, first: &[u8]) -> Message {
        let text = String::from_utf8(first.to_vec()).expect("a vector in UTF-8");
        let text = text.replacen("branch=z9hG4bK", &format!("branch=z9hG4bKe{}x", self.sent), 1);
        let text = text.replacen("SIP/2.0/TCP", "SIP/2.0/UDP", 1);
        self.say(text.as_bytes());
        let call = header(&text, "Call-ID");
        // Answers to variants may come in between.
        let answer = loop {
            let message = self.heard(&text);
            if message.status >= 200 && message.header("Call-ID") == call {
                break message;
            }
            self.behave(&message);
        };
        if answer.status == 200 {
            self.say(within(&answer, "ACK", 1_000_000 + self.sent).as_bytes());
        }
        answer
    }
}

/// The whole messages that have come on a connection; waits for more only where an INVITE is being decided.
fn arrived(mut stream: TcpStream) -> Vec<Message> {
    stream.set_nonblocking(true).expect("a socket");
    let (mut buffer, mut octets, mut messages) = (Vec::new(), [0; 4_096], Vec::new());
    loop {
        while let Ok(length @ 1..) = stream.read(&mut octets) {
            buffer.extend_from_slice(&octets[..length]);
        }
        messages.extend(std::iter::from_fn(|| split(&mut buffer)));
        if messages.last().is_none_or(|message: &Message| message.status != 100) {
            return messages;
        }
        stream.set_nonblocking(false).expect("a socket");
        stream.set_read_timeout(Some(DECISION)).expect("a time-out");
        match stream.read(&mut octets) {
            Ok(length @ 1..) => buffer.extend_from_slice(&octets[..length]),
            _ => return messages,
        }
        stream.set_nonblocking(true).expect("a socket");
    }
}

fn mutated(transport: &'static str) {
    let mut node = Node::prepare("");
    // The bystander is silent for longer than a peer may be that is still there.
    node.launch_with(&[("RECORDER__MEDIA__SILENCE_S", "3600")]);
    let client = node.client("compliance-officer");
    let bystander = Bystander::begin(&node);
    let mut sender = Sender::new(&node, transport);
    // What a recorder needs once, it has then.
    sender.run();
    sender.settle(&node);
    let before = node.process().resident();
    let (sent, taken) = (sender.sent, sender.taken);
    sender.run();
    sender.settle(&node);
    let grown = node.process().resident().saturating_sub(before) / 1024;
    println!("{transport}: {sent} messages twice, {taken} of them taken, {grown} KiB grown");
    assert!(sent > 1_500 && taken > 200, "{sent} sent, {taken} taken");
    assert!(node.process().status().is_none(), "it lives");
    bystander.end(&node, &client);
    live::none(&node, &client);
    let way = if transport == "UDP" { Way::Udp } else { Way::Tcp };
    let call = place(&node, "5558002", way, &["--duration", "1s"]);
    heard::assert_exact(&client, &node.archived(&client, "dn=5558002"), &call, "7002");
    wait::until(60, "an empty queue", || node.metric("recorder_archive_pending") < 0.5);
    let failed = client.get("/recordings?state=failed&limit=1").json();
    assert_eq!(failed["items"].as_array().map(Vec::len), Some(0), "{failed}");
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(grown < GROWTH_KIB * sent as u64, "{grown} KiB for {sent} messages more");
}

#[test]
fn mutated_vectors_over_udp_leave_the_recorder_recording() {
    mutated("UDP");
}

#[test]
fn mutated_vectors_over_tcp_leave_the_recorder_recording() {
    mutated("TCP");
}
