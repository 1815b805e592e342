//! The listener itself: TLS, both HTTP versions, a port in use, and the end.

use std::net::SocketAddr;

use crypto::tls::{TlsMaterial, Trust, client_config, server_config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls};

use super::*;
use crate::{Api, ApiError, ApiParts, HttpConfig};

struct Running {
    api: Api,
    certificate: Vec<u8>,
    _world: World,
}

async fn running(world: World, listen: &str) -> Result<Running, ApiError> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.pem().into_bytes();
    let material = TlsMaterial {
        cert_chain_pem: certificate.clone(),
        key_pem: made.signing_key.serialize_pem().into_bytes().into(),
        client_ca_pem: None,
    };
    let config = HttpConfig { listen: listen.into(), ..HttpConfig::default() };
    let api = Api::start(ApiParts {
        config: &config,
        tls: server_config(material, &[b"h2", b"http/1.1"]).unwrap(),
        catalog: Arc::clone(&world.catalog) as Arc<dyn Catalog>,
        playback: Arc::new(Player(Arc::clone(&world.ports))),
        delivery: Arc::clone(&world.ports) as Arc<dyn Delivery>,
        assurance: Arc::clone(&world.ports) as Arc<dyn crate::ports::Assurance>,
        control: Arc::clone(&world.ports) as Arc<dyn Control>,
        audit: Arc::clone(&world.ports) as Arc<dyn AuditLog>,
        access: Arc::clone(&world.access),
        registry: &prometheus::Registry::new(),
    })
    .await?;
    Ok(Running { api, certificate, _world: world })
}

async fn connect(running: &Running, alpn: &[u8]) -> TlsStream<TcpStream> {
    let config = client_config(Trust::Roots(running.certificate.clone()), None).unwrap();
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(running.api.local_addr()).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn a_question_over_tls_is_answered_and_its_source_is_on_record() {
    let world = World::with(&[archived(1)]).await;
    let token = world.token(Role::Auditor);
    let ports = Arc::clone(&world.ports);
    let running = running(world, "127.0.0.1:0").await.unwrap();
    let mut stream = connect(&running, b"http/1.1").await;
    let request = format!(
        "GET /api/v1/recordings HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(&id(1).to_string()), "{answer}");
    assert_eq!(ports.audits.lock().unwrap()[0].source.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_asked_for() {
    let running = running(World::new(), "127.0.0.1:0").await.unwrap();
    let mut stream = connect(&running, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the first frame is SETTINGS");
}

#[tokio::test]
async fn what_is_no_tls_is_dropped_without_harm() {
    let running = running(World::new(), "127.0.0.1:0").await.unwrap();
    let mut stream = TcpStream::connect(running.api.local_addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    connect(&running, b"http/1.1").await;
}

#[tokio::test]
async fn a_port_in_use_names_the_key_and_stopping_frees_it() {
    let first = running(World::new(), "127.0.0.1:0").await.unwrap();
    let taken: SocketAddr = first.api.local_addr();
    for listen in [taken.to_string(), "everywhere".into()] {
        let Err(error) = running(World::new(), &listen).await else { panic!("{listen} was taken") };
        assert!(error.to_string().starts_with(&format!("http.listen = \"{listen}\": ")), "{error}");
    }
    let mut idle = connect(&first, b"http/1.1").await;
    first.api.stop().await;
    let mut octets = Vec::new();
    let _ = idle.read_to_end(&mut octets).await;
    assert!(octets.is_empty(), "an idle connection is closed");
    assert!(TcpStream::connect(taken).await.is_err());
}
