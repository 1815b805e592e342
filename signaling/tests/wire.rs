//! Real sockets on loopback: calls over every transport, noise, framing, draining, and start-up errors.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::{sync::Arc, time::Duration};

use prometheus::Registry;
use signaling::{
    Config, Signaling, SignalingParts, StartError,
    client::{Call, ClientError, ClientHandle, Target},
};
use signaling_core::{
    client::{EndCause, InviteSpec},
    event::{Command, DialogId, Ended, Event, Grant, Transport},
    negotiate::{Policy, SdesOverClear},
    sip::{Headers, write::Body},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    sync::mpsc,
    time::timeout,
};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n";

/// A recorder whose session core accepts everything, or nothing.
struct Recorder {
    signaling: Signaling,
    told: mpsc::Receiver<Event>,
    commands: mpsc::Sender<Vec<Command>>,
    registry: Registry,
    roots: Vec<u8>,
}

fn config() -> Config {
    let free = || "127.0.0.1:0".to_owned();
    Config { udp: free(), tcp: free(), tls: free(), ..Config::default() }
}

async fn start(
    config: Config,
) -> Result<(Signaling, mpsc::Receiver<Event>, mpsc::Sender<Vec<Command>>, Registry, Vec<u8>), StartError> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let roots = made.cert.pem().into_bytes();
    let material = crypto::tls::TlsMaterial {
        cert_chain_pem: roots.clone(),
        key_pem: made.signing_key.serialize_pem().into_bytes().into(),
        client_ca_pem: None,
    };
    let (events, told) = mpsc::channel(64);
    let (commands, receiver) = mpsc::channel(64);
    let registry = Registry::new();
    let signaling = Signaling::start(SignalingParts {
        config,
        tls: Some(crypto::tls::server_config(material, &[]).unwrap()),
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
        revival: signaling::Revival::default(),
        registry: registry.clone(),
    })
    .await?;
    Ok((signaling, told, commands, registry, roots))
}

impl Recorder {
    async fn new(config: Config) -> Self {
        let (signaling, told, commands, registry, roots) = start(config).await.unwrap();
        Self { signaling, told, commands, registry, roots }
    }

    /// The next event; offers are accepted.
    async fn next(&mut self) -> Event {
        let event = timeout(Duration::from_secs(10), self.told.recv()).await.expect("in time").expect("an event");
        let offered = match &event {
            Event::Offered(offered) => Some((offered.dialog, offered.offer.lines.len())),
            Event::Reoffered { dialog, offer, .. } => Some((*dialog, offer.lines.len())),
            _ => None,
        };
        if let Some((dialog, count)) = offered {
            self.accept(dialog, count).await;
        }
        event
    }

    async fn accept(&self, dialog: DialogId, count: usize) {
        let lines = vec![Grant::Accept { port: 30_000, key_salt: None }; count];
        self.commands.send(vec![Command::Accept { dialog, lines }]).await.unwrap();
    }

    async fn connect(&self, transport: Transport) -> ClientHandle {
        let addresses = self.signaling.addresses();
        let (address, tls) = match transport {
            Transport::Udp => (addresses.udp, None),
            Transport::Tcp => (addresses.tcp, None),
            Transport::Tls => {
                let trust = crypto::tls::Trust::Roots(self.roots.clone());
                (addresses.tls, Some(crypto::tls::client_config(trust, None).unwrap()))
            }
        };
        let target = Target { address: address.unwrap(), transport, server_name: "127.0.0.1".into(), bind: None };
        ClientHandle::connect(target, tls, "test").await.unwrap()
    }

    /// Value of `recorder_sip_requests_total`.
    fn counted(&self, method: &str, code: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "recorder_sip_requests_total");
        let matches = |metric: &&prometheus::proto::Metric| {
            let value = |name| metric.get_label().iter().find(|label| label.name() == name).map(|label| label.value());
            value("method") == Some(method) && value("code") == Some(code)
        };
        let metric = family.and_then(|family| family.get_metric().iter().find(matches).cloned());
        metric.map_or(0.0, |metric| metric.get_counter().get_value())
    }
}

fn spec() -> InviteSpec {
    InviteSpec {
        request_uri: "sip:srs@127.0.0.1".into(),
        from: "<sip:src@127.0.0.1>".into(),
        contact_user: "src".into(),
        contact_params: ";+sip.src".into(),
        headers: Headers::new().with("Require", "siprec"),
        body: Some(Body::sdp(SDP.into())),
        session_expires_s: Some(1800),
        ..InviteSpec::default()
    }
}

async fn placed(recorder: &mut Recorder, connection: &ClientHandle) -> Call {
    let (call, event) = tokio::join!(connection.invite(spec()), recorder.next());
    assert!(matches!(event, Event::Offered(_)), "{event:?}");
    call.unwrap()
}

#[tokio::test]
async fn calls_come_and_go_over_every_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut recorder = Recorder::new(config()).await;
        let connection = recorder.connect(transport).await;
        let call = placed(&mut recorder, &connection).await;
        assert!(String::from_utf8_lossy(&call.answer().body).contains("a=label:1"));
        assert!(matches!(recorder.next().await, Event::Established { .. }));
        let body = || Some(Body::sdp(SDP.into()));
        let (again, _) = tokio::join!(call.reinvite(Headers::new(), body()), recorder.next());
        assert_eq!(again.unwrap().status, 200);
        let (update, _) = tokio::join!(call.update(Headers::new(), body()), recorder.next());
        assert_eq!(update.unwrap().status, 200);
        assert_eq!(call.info(Headers::new(), None).await.unwrap().status, 200);
        let ended = call.ended();
        call.bye_with(Headers::new().with("Reason", "Q.850;cause=16"), None).await.unwrap();
        assert_eq!(ended.await, EndCause::HungUp);
        let event = recorder.next().await;
        assert!(matches!(event, Event::Ended { cause: Ended::Bye, reason: Some(_), .. }), "{event:?}");
        assert_eq!((recorder.counted("INVITE", "200"), recorder.counted("BYE", "200")), (2.0, 1.0));
        timeout(Duration::from_secs(5), recorder.signaling.stop()).await.expect("stops in time");
    }
}

#[tokio::test]
async fn a_recorder_that_hangs_up_ends_the_call() {
    let mut recorder = Recorder::new(config()).await;
    let connection = recorder.connect(Transport::Tls).await;
    let call = placed(&mut recorder, &connection).await;
    let Event::Established { dialog } = recorder.next().await else { panic!("not established") };
    recorder.commands.send(vec![Command::HangUp { dialog }]).await.unwrap();
    assert_eq!(call.ended().await, EndCause::PeerHungUp);
    assert!(matches!(call.bye().await, Err(ClientError::Gone)));
}

#[tokio::test]
async fn draining_refuses_with_retry_after_and_stop_ends_connections() {
    let mut recorder = Recorder::new(config()).await;
    let connection = recorder.connect(Transport::Tcp).await;
    let call = placed(&mut recorder, &connection).await;
    recorder.next().await;
    recorder.signaling.drain();
    let refused = connection.invite(spec()).await.err().expect("refused");
    assert!(matches!(refused, ClientError::Refused { status: 503, retry_after_s: Some(10), .. }), "{refused:?}");
    recorder.signaling.stop().await;
    assert_eq!(call.ended().await, EndCause::ConnectionLost);
    assert!(matches!(connection.invite(spec()).await, Err(ClientError::Gone)));
}

#[tokio::test]
async fn an_abandoned_invite_is_cancelled() {
    let mut recorder = Recorder::new(config()).await;
    let connection = recorder.connect(Transport::Udp).await;
    let calling = tokio::spawn(async move {
        let _ = timeout(Duration::from_millis(200), connection.invite(spec())).await;
        connection
    });
    let Some(Event::Offered(offered)) = recorder.told.recv().await else { panic!("not offered") };
    let ended = timeout(Duration::from_secs(10), recorder.told.recv()).await.unwrap();
    assert!(
        matches!(ended, Some(Event::Ended { dialog, cause: Ended::NotEstablished, .. }) if dialog == offered.dialog)
    );
    drop(calling.await);
}

/// Reads until the text ends with what is awaited.
async fn read_until(stream: &mut TcpStream, awaited: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(awaited) {
        let count = timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.expect("in time").unwrap();
        assert!(count > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

fn options(number: u32, body: usize) -> Vec<u8> {
    let head = format!(
        "OPTIONS sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{number}\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:c@d>\r\nCall-ID: o{number}\r\nCSeq: {number} OPTIONS\r\nContent-Length: {body}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'x'; body]].concat()
}

#[tokio::test]
async fn a_stream_survives_pings_pieces_and_bodies_too_large() {
    let recorder = Recorder::new(config()).await;
    let mut stream = TcpStream::connect(recorder.signaling.addresses().tcp.unwrap()).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n").await, "\r\n");
    for piece in options(1, 3).chunks(7) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("SIP/2.0 200 OK"));
    stream.write_all(&options(2, 300_000)).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("SIP/2.0 413 "));
    stream.write_all(&options(3, 0)).await.unwrap();
    assert!(read_until(&mut stream, "CSeq: 3").await.starts_with("SIP/2.0 200 OK"));
    assert_eq!(recorder.counted("OPTIONS", "413"), 1.0);
    stream.write_all(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("closed").unwrap();
}

#[tokio::test]
async fn noise_over_udp_is_silence_and_the_socket_lives() {
    let recorder = Recorder::new(config()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = recorder.signaling.addresses().udp.unwrap();
    for noise in [&b""[..], b"\r\n\r\n", b"\x80\x00\x00\x01", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 2000]] {
        socket.send_to(noise, address).await.unwrap();
    }
    socket.send_to(&options(1, 0), address).await.unwrap();
    let mut buffer = [0; 4096];
    let (count, _) = timeout(Duration::from_secs(10), socket.recv_from(&mut buffer)).await.expect("answered").unwrap();
    assert!(buffer[..count].starts_with(b"SIP/2.0 200 OK"));
    let families = recorder.registry.gather();
    let malformed = families.iter().find(|family| family.name() == "recorder_sip_malformed_total").unwrap();
    assert_eq!(malformed.get_metric()[0].get_counter().get_value(), 3.0);
}

#[tokio::test]
async fn too_many_connections_are_closed_at_once() {
    let recorder = Recorder::new(Config { max_connections: 1, ..config() }).await;
    let address = recorder.signaling.addresses().tcp.unwrap();
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(&options(1, 0)).await.unwrap();
    read_until(&mut first, "200 OK").await;
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut nothing = Vec::new();
    timeout(Duration::from_secs(10), second.read_to_end(&mut nothing)).await.expect("closed").ok();
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (config, named) in [
        (Config { tcp: address.clone(), ..config() }, format!("sip.tcp: cannot listen on {address}")),
        (Config { udp: "5060".into(), ..config() }, "sip.udp: \"5060\" is neither".into()),
        (Config { session_expires_s: 30, ..config() }, "sip.session_expires_s".into()),
        (Config { max_connections: 0, ..config() }, "sip.max_connections".into()),
    ] {
        let error = start(config).await.err().expect("not started").to_string();
        assert!(error.starts_with(&named), "{error}");
    }
    let off = Config { udp: "off".into(), tcp: "off".into(), tls: "off".into(), ..Config::default() };
    let (signaling, ..) = start(off).await.unwrap();
    assert_eq!(signaling.addresses(), signaling::Addresses::default());
}

#[tokio::test]
async fn an_untrusted_certificate_and_a_dead_port_are_errors() {
    let recorder = Recorder::new(config()).await;
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let trust = crypto::tls::Trust::Roots(other.cert.pem().into_bytes());
    let tls: Option<Arc<_>> = Some(crypto::tls::client_config(trust, None).unwrap());
    let address = recorder.signaling.addresses().tls.unwrap();
    let target = Target { address, transport: Transport::Tls, server_name: "127.0.0.1".into(), bind: None };
    let refused = ClientHandle::connect(target.clone(), tls, "test").await;
    assert!(matches!(refused, Err(ClientError::Connect { .. })));
    let none = ClientHandle::connect(target, None, "test").await;
    assert!(matches!(none, Err(ClientError::Tls(_))));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target { address: free, transport: Transport::Tcp, server_name: String::new(), bind: None };
    assert!(
        ClientHandle::connect(target, None, "test").await.err().unwrap().to_string().starts_with("cannot connect to ")
    );
}
