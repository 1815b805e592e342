//! Connections of the server side: listeners, dialling, and the octets of each; every decision is made by the hub.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crypto::tls::{self, TlsMaterial, Trust};
use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use signaling_core::tlib::lines::Lines;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::scenario::Server;
use crate::{error::CallError, limits};

/// What connections tell the hub.
pub(super) enum Heard {
    Opened { link: u64, server: usize, out: mpsc::Sender<String> },
    Line { link: u64, line: Vec<u8> },
    Closed { link: u64 },
    Problem(String),
}

/// How connections are made.
#[derive(Clone)]
pub(super) enum Way {
    Listen(SocketAddr, Option<Arc<ServerConfig>>),
    Dial(String, Option<(Arc<ClientConfig>, ServerName<'static>)>),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A TLS handshake, or connecting, that takes longer is given up.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(200);

/// The ways of a scenario: one for each server of the pair.
pub(super) fn ways(server: &Server) -> Result<Vec<Way>, CallError> {
    let material = server.cert.as_ref().zip(server.key.as_ref());
    let material = material.map(|(cert, key)| {
        let client_ca_pem =
            server.ca.as_ref().filter(|_| server.listen.is_some()).map(|path| read(path)).transpose()?;
        Ok(TlsMaterial { cert_chain_pem: read(cert)?, key_pem: read(key)?.into(), client_ca_pem })
    });
    let material: Option<TlsMaterial> = material.transpose()?;
    let wrong = |cause: &dyn std::fmt::Display| CallError::Usage(format!("server: {cause}"));
    if let Some(address) = &server.connect {
        let roots = server.ca.as_deref().map(read).transpose()?;
        let tls = roots.map(|roots| tls::client_config(Trust::Roots(roots), material)).transpose();
        let name = ServerName::try_from(server.server_name.clone()).map_err(|cause| wrong(&cause))?;
        return Ok(vec![Way::Dial(address.clone(), tls.map_err(|cause| wrong(&cause))?.map(|tls| (tls, name)))]);
    }
    let tls = material.map(|material| tls::server_config(material, &[])).transpose().map_err(|cause| wrong(&cause))?;
    Ok(server.listen.into_iter().chain(server.standby).map(|address| Way::Listen(address, tls.clone())).collect())
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, CallError> {
    std::fs::read(path).map_err(|cause| CallError::Usage(format!("{}: {cause}", path.display())))
}

/// One server of the pair: where its connections go.
#[derive(Clone)]
pub(super) struct Door {
    /// 0, or 1 for the standby.
    pub(super) server: usize,
    pub(super) inbox: mpsc::Sender<Heard>,
    /// The number of the next connection.
    pub(super) next: Arc<AtomicU64>,
}

/// Makes connections until it is aborted; they end with it.
pub(super) async fn run(way: Way, door: Door) {
    let failed = match way {
        Way::Listen(address, tls) => listen(address, tls.map(TlsAcceptor::from), &door).await,
        Way::Dial(address, tls) => dial(&address, tls, &door).await,
    };
    if let Err(cause) = failed {
        // The hub may be done.
        let _ = door.inbox.send(Heard::Problem(format!("server {}: {cause}", door.server))).await;
    }
}

async fn listen(address: SocketAddr, tls: Option<TlsAcceptor>, door: &Door) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                if links.len() >= limits::SERVE_LINKS {
                    continue;
                }
                let (tls, door) = (tls.clone(), door.clone());
                links.spawn(async move {
                    if let Ok(stream) = accept(stream, tls, &door.inbox).await {
                        serve(stream, door).await;
                    }
                });
            }
            Some(_) = links.join_next() => {}
        }
    }
}

async fn accept(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    inbox: &mpsc::Sender<Heard>,
) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    match timeout(CONNECT, tls.accept(stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(cause)) => {
            let _ = inbox.send(Heard::Problem(format!("handshake: {cause}"))).await;
            Err(cause)
        }
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn dial(address: &str, tls: Option<(Arc<ClientConfig>, ServerName<'static>)>, door: &Door) -> io::Result<()> {
    loop {
        if let Ok(Ok(stream)) = timeout(CONNECT, open(address, tls.clone())).await {
            serve(stream, door.clone()).await;
        }
        sleep(AGAIN).await;
    }
}

async fn open(address: &str, tls: Option<(Arc<ClientConfig>, ServerName<'static>)>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(match tls {
        Some((tls, name)) => Box::new(TlsConnector::from(tls).connect(name, stream).await?),
        None => Box::new(stream),
    })
}

/// One connection to its end: by the recorder, or when the hub drops the way to it.
async fn serve(stream: Box<dyn Stream>, door: Door) {
    let Door { server, inbox, next } = door;
    let link = next.fetch_add(1, Ordering::Relaxed);
    let (reader, mut writer) = tokio::io::split(stream);
    let (out, mut lines) = mpsc::channel::<String>(limits::SERVE_LINES);
    if inbox.send(Heard::Opened { link, server, out }).await.is_err() {
        return;
    }
    let write = async {
        while let Some(line) = lines.recv().await {
            if writer.write_all(line.as_bytes()).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    tokio::select! {
        () = write => {}
        () = hear(reader, link, &inbox) => {}
    }
    let _ = inbox.send(Heard::Closed { link }).await;
}

async fn hear(mut reader: impl AsyncRead + Unpin, link: u64, inbox: &mpsc::Sender<Heard>) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        lines.push(&buffer[..count]);
        loop {
            match lines.pull() {
                Ok(Some(line)) => {
                    let line = line.to_vec();
                    if inbox.send(Heard::Line { link, line }).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}
