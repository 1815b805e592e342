//! Listeners: datagrams and new connections, each with the flow it belongs to.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crypto::tls::peer_identity;
use signaling_core::{event::Transport, flow::Flow, sip::frame::erase};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    connection::{Closed, Inbound, Inbox, serve},
    erasing::Erasing,
    limits,
    metrics::Metrics,
};

/// What all listeners share.
#[derive(Clone)]
pub(crate) struct Doorman {
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Metrics,
    pub(crate) next_flow: Arc<AtomicU64>,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) idle: Option<Duration>,
}

impl Doorman {
    pub(crate) fn flow_id(&self) -> u64 {
        self.next_flow.fetch_add(1, Ordering::Relaxed)
    }
}

/// A UDP socket with room for bursts.
pub(crate) fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    // Best effort: beyond net.core.rmem_max only for who administers the network.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, limits::UDP_KERNEL_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(limits::UDP_KERNEL_BUFFER);
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Reads datagrams until the owner is gone.
pub(crate) async fn udp(socket: Arc<UdpSocket>, id: u64, door: Doorman) {
    let Ok(bound) = socket.local_addr() else { return };
    let mut routes = Routes::new(bound);
    let mut buffer = vec![0; limits::DATAGRAM];
    loop {
        let (count, remote) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // ICMP errors of earlier answers come back here; they say nothing about the socket.
            Err(error) => {
                tracing::debug!(%error, "sip udp receive");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let octets = &buffer[..count];
        // Keep-alives: CRLFs or zeros.
        if octets.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            continue;
        }
        let flow = Flow { id, transport: Transport::Udp, local: routes.local(remote), remote, identity: None };
        if !door.inbox.send(Inbound::Message { flow, octets: octets.to_vec() }).await {
            return;
        }
        wipe(&mut buffer[..count]);
    }
}

/// An INFO may have brought a digit: nothing of it stays in a buffer, nor in memory that is given back.
pub(crate) fn wipe(octets: &mut [u8]) {
    if octets.trim_ascii_start().starts_with(b"INFO ") {
        erase(octets);
    }
}

/// Our address as a peer sees it, for sockets bound to every address.
struct Routes {
    bound: SocketAddr,
    known: HashMap<IpAddr, IpAddr>,
}

impl Routes {
    fn new(bound: SocketAddr) -> Self {
        Self { bound, known: HashMap::new() }
    }

    fn local(&mut self, remote: SocketAddr) -> SocketAddr {
        if !self.bound.ip().is_unspecified() {
            return self.bound;
        }
        if self.known.len() >= limits::ROUTES {
            self.known.clear();
        }
        let ip = *self.known.entry(remote.ip()).or_insert_with(|| route(remote).unwrap_or(self.bound.ip()));
        SocketAddr::new(ip, self.bound.port())
    }
}

/// The address from which the kernel would reach `remote`; nothing is sent.
fn route(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let probe = StdUdpSocket::bind(any)?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}

/// Takes connections until aborted; connections end with it.
pub(crate) async fn streams(listener: TcpListener, tls: Option<TlsAcceptor>, door: Doorman) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: wait for one instead of spinning.
                tracing::warn!(%error, "sip accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&door.places).try_acquire_owned() else {
            door.metrics.refused_connections.inc();
            continue;
        };
        let (door, tls) = (door.clone(), tls.clone());
        connections.spawn(async move {
            door.metrics.connections.inc();
            let closed = attend(stream, remote, tls, &door).await;
            door.metrics.connections.dec();
            if closed == Closed::Framing {
                door.metrics.broken_streams.inc();
            }
            drop(place);
        });
    }
}

async fn attend(stream: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>, door: &Doorman) -> Closed {
    let Ok(local) = prepare(&stream) else { return Closed::Quietly };
    let id = door.flow_id();
    let Some(acceptor) = tls else {
        let flow = Flow { id, transport: Transport::Tcp, local, remote, identity: None };
        return serve(stream, flow, door.inbox.clone(), door.idle).await;
    };
    let Ok(Ok(stream)) = timeout(limits::HANDSHAKE, acceptor.accept(Erasing(stream))).await else {
        door.metrics.failed_handshakes.inc();
        return Closed::Quietly;
    };
    let identity = stream.get_ref().1.peer_certificates().and_then(peer_identity);
    let flow = Flow { id, transport: Transport::Tls, local, remote, identity };
    serve(stream, flow, door.inbox.clone(), door.idle).await
}

/// Small messages leave at once; dead peers are found.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(limits::KEEPALIVE);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    stream.local_addr()
}
