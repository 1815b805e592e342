//! The recording side is replaced by another process in the middle of a call: real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use signaling::{
    Config, Revival, Signaling, SignalingParts,
    client::{Call, ClientHandle, Target},
};
use signaling_core::{
    client::{EndCause, InviteSpec},
    endpoint::DialogState,
    event::{Command, DialogId, Ended, Event, Grant, Transport},
    negotiate::{Policy, SdesOverClear},
    sip::{Headers, write::Body},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n";
const SOON: Duration = Duration::from_secs(10);

/// One life of a recorder, and the states it has written.
struct Life {
    signaling: Signaling,
    told: mpsc::Receiver<Event>,
    commands: mpsc::Sender<Vec<Command>>,
    states: Arc<Mutex<Vec<DialogState>>>,
}

impl Life {
    async fn begin(address: &str, dialogs: Vec<DialogState>) -> Self {
        let (events, told) = mpsc::channel(64);
        let (commands, receiver) = mpsc::channel(64);
        let states = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&states);
        let keep = Box::new(move |states: Vec<_>| kept.lock().unwrap().extend(states));
        let (udp, tcp) = (address.to_owned(), address.to_owned());
        let signaling = Signaling::start(SignalingParts {
            config: Config { udp, tcp, tls: "off".into(), ..Config::default() },
            tls: None,
            policy: Policy {
                media_address: "127.0.0.1".parse().unwrap(),
                srtp_required: false,
                sdes_over_clear: SdesOverClear::Refuse,
                best_effort_srtp: false,
                dtls: None,
            },
            peers: Default::default(),
            events: Box::new(events),
            commands: receiver,
            revival: Revival { dialogs, keep: Some(keep), tls: None },
            registry: prometheus::Registry::new(),
        });
        Self { signaling: signaling.await.unwrap(), told, commands, states }
    }

    async fn next(&mut self) -> Event {
        let event = timeout(SOON, self.told.recv()).await.expect("in time").expect("an event");
        if let Event::Offered(offered) = &event {
            let lines = vec![Grant::Accept { port: 30_000, key_salt: None }];
            self.commands.send(vec![Command::Accept { dialog: offered.dialog, lines }]).await.unwrap();
        }
        event
    }

    /// The dialog of the next call, once it stands.
    async fn established(&mut self) -> DialogId {
        loop {
            if let Event::Established { dialog } = self.next().await {
                return dialog;
            }
        }
    }

    /// Ends without a word to the peers, as a crash would; the next life begins on the same addresses.
    async fn crash(self, transport: Transport) -> Self {
        let addresses = self.signaling.addresses();
        let address = if transport == Transport::Udp { addresses.udp } else { addresses.tcp };
        self.signaling.stop().await;
        let states = std::mem::take(&mut *self.states.lock().unwrap());
        Self::begin(&address.unwrap().to_string(), states).await
    }
}

async fn connect(life: &Life, transport: Transport) -> ClientHandle {
    let addresses = life.signaling.addresses();
    let address = if transport == Transport::Udp { addresses.udp } else { addresses.tcp };
    let target = Target { address: address.unwrap(), transport, server_name: "127.0.0.1".into(), bind: None };
    ClientHandle::connect_patiently(target, None, "test", SOON).await.unwrap()
}

async fn placed(life: &mut Life, connection: &ClientHandle) -> (Call, DialogId) {
    let spec = InviteSpec {
        request_uri: "sip:srs@127.0.0.1".into(),
        from: "<sip:src@127.0.0.1>".into(),
        contact_user: "src".into(),
        contact_params: ";+sip.src".into(),
        headers: Headers::new().with("Require", "siprec"),
        body: Some(Body::sdp(SDP.into())),
        ..InviteSpec::default()
    };
    let (call, dialog) = tokio::join!(connection.invite(spec), life.established());
    (call.unwrap(), dialog)
}

#[tokio::test]
async fn a_patient_client_goes_on_with_the_next_process() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut life = Life::begin("127.0.0.1:0", Vec::new()).await;
        let connection = connect(&life, transport).await;
        let (call, dialog) = placed(&mut life, &connection).await;
        let mut life = life.crash(transport).await;
        assert_eq!(call.update(Headers::new(), None).await.unwrap().status, 200);
        assert_eq!(life.established().await, dialog, "it shows life");
        assert_eq!(call.bye().await.unwrap().status, 200);
        let Event::Ended { dialog: ended, cause, .. } = life.next().await else { panic!("not ended") };
        assert_eq!((ended, cause), (dialog, Ended::Bye));
        // A call placed afterwards has a handle of its own.
        let (_, other) = placed(&mut life, &connection).await;
        assert!(other > dialog);
    }
}

#[tokio::test]
async fn patience_ends_when_nobody_comes_back() {
    let mut life = Life::begin("127.0.0.1:0", Vec::new()).await;
    let address = life.signaling.addresses().tcp.unwrap();
    let target = Target { address, transport: Transport::Tcp, server_name: "127.0.0.1".into(), bind: None };
    let brief = Duration::from_millis(300);
    let connection = ClientHandle::connect_patiently(target, None, "test", brief).await.unwrap();
    let (call, _) = placed(&mut life, &connection).await;
    life.signaling.stop().await;
    assert_eq!(timeout(SOON, call.ended()).await.unwrap(), EndCause::ConnectionLost);
}

/// An INVITE over a connection of its own, whose Contact is elsewhere; the peer is gone with the process.
async fn invite_from(recorder: SocketAddr, contact: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(recorder).await.unwrap();
    let head = |method: &str, cseq: &str, tag: &str| {
        format!(
            "{method} sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK-{method}\r\n\
             From: <sip:src@127.0.0.1>;tag=f\r\nTo: <sip:srs@127.0.0.1>{tag}\r\nCall-ID: away\r\nCSeq: {cseq}\r\n\
             Contact: <sip:src@{contact};transport=tcp>;+sip.src\r\nRequire: siprec\r\nMax-Forwards: 70\r\n"
        )
    };
    let sdp = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
    stream.write_all((head("INVITE", "1 INVITE", "") + &sdp).as_bytes()).await.unwrap();
    let (mut heard, mut buffer) = (String::new(), [0; 4096]);
    let tag = loop {
        let count = timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let ok = heard.find("SIP/2.0 200").map(|at| heard[at..].to_owned());
        if let Some(tag) = ok.and_then(|ok| Some(ok.split_once("To: ")?.1.split_once(";tag=")?.1.to_owned())) {
            break tag.split("\r\n").next().unwrap().to_owned();
        }
    };
    let ack = head("ACK", "1 ACK", &format!(";tag={tag}")) + "Content-Length: 0\r\n\r\n";
    stream.write_all(ack.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn our_bye_goes_to_the_contact_when_the_connection_is_gone() {
    let mut life = Life::begin("127.0.0.1:0", Vec::new()).await;
    let ear = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recorder = life.signaling.addresses().tcp.unwrap();
    let (stream, dialog) = tokio::join!(invite_from(recorder, ear.local_addr().unwrap()), life.established());
    drop(stream);
    let life = life.crash(Transport::Tcp).await;
    life.commands.send(vec![Command::HangUp { dialog }]).await.unwrap();
    let (mut called, _) = timeout(SOON, ear.accept()).await.expect("in time").unwrap();
    let (mut heard, mut buffer) = (String::new(), [0; 4096]);
    while !heard.contains("\r\n\r\n") {
        let count = timeout(SOON, called.read(&mut buffer)).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(heard.starts_with("BYE sip:src@") && heard.contains("Call-ID: away\r\n"), "{heard}");
}
