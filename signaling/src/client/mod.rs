//! The calling side on tokio: one connection to a recorder, any number of calls on it.
//!
//! ```no_run
//! # async fn example(target: signaling::client::Target, spec: signaling_core::client::InviteSpec) -> Result<(), signaling::client::ClientError> {
//! let connection = signaling::client::ClientHandle::connect(target, None, "replicator/1").await?;
//! let call = connection.invite(spec).await?;
//! println!("{} octets of answer", call.answer().body.len());
//! call.bye().await?;
//! # Ok(()) }
//! ```

mod again;
mod driver;

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use again::Again;
use driver::{Ask, Driver};
use signaling_core::{
    client::{CallId, ClientEvent, EndCause, InviteSpec, Kind, Question},
    event::Transport,
    flow::Flow,
    sip::{Headers, write::Body},
};
use tokio::{
    net::{TcpSocket, UdpSocket},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use crate::{
    connection::{Inbound, serve},
    limits, listen,
};

/// Where a client connects to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Address of the recorder.
    pub address: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Name that the server's certificate must carry; an address is one as well.
    pub server_name: String,
    /// Local address to call from.
    pub bind: Option<IpAddr>,
}

/// What went wrong with a connection or a call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {address}: {cause}")]
    Connect {
        /// Whereto.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// TLS without a configuration, or with a name that is none.
    #[error("tls: {0}")]
    Tls(&'static str),
    /// The peer said no. 408 also stands for no answer.
    #[error("{status} {reason}")]
    Refused {
        /// Status.
        status: u16,
        /// Reason phrase, with the Warning header if there was one.
        reason: String,
        /// Retry-After, in seconds.
        retry_after_s: Option<u32>,
    },
    /// The call or the connection is over.
    #[error("the call is over")]
    Gone,
    /// An earlier INVITE of the call has no answer yet.
    #[error("the call is busy with an earlier request")]
    Busy,
    /// Too many calls on one connection.
    #[error("too many calls")]
    Full,
}

/// A 2xx.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body: the SDP answer.
    pub body: Vec<u8>,
}

/// A connection that calls are placed on. Clones share it; it closes with the last clone and call.
#[derive(Clone)]
pub struct ClientHandle {
    asks: mpsc::Sender<Ask>,
    local: SocketAddr,
    remote: SocketAddr,
}

impl ClientHandle {
    /// Connects; `product` is the User-Agent. `tls` is needed for TLS only.
    ///
    /// # Errors
    /// [`ClientError::Connect`], [`ClientError::Tls`].
    pub async fn connect(target: Target, tls: Option<Arc<ClientConfig>>, product: &str) -> Result<Self, ClientError> {
        Self::connect_patiently(target, tls, product, Duration::ZERO).await
    }

    /// As [`Self::connect`]; a connection that is lost while calls stand is made anew for so long before they count as
    /// lost. What is asked meanwhile waits.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_patiently(
        target: Target,
        tls: Option<Arc<ClientConfig>>,
        product: &str,
        patience: Duration,
    ) -> Result<Self, ClientError> {
        let address = target.address;
        let (inbox, inbound) = mpsc::channel(limits::INBOX);
        let is_patient = !patience.is_zero() && target.transport.is_reliable();
        let again = is_patient.then(|| Again::new(target.clone(), tls.clone(), inbox.clone(), patience));
        let connecting = open(&target, tls, inbox);
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
        let link = match timeout(limits::HANDSHAKE, connecting).await {
            Ok(link) => link?,
            Err(_) => return Err(ClientError::Connect { address, cause: late() }),
        };
        let (asks, questions) = mpsc::channel(limits::ASKS);
        let handle = Self { asks, local: link.flow.local, remote: link.flow.remote };
        tokio::spawn(Driver::new(product, link, inbound, again).run(questions));
        Ok(handle)
    }

    /// Our address on this connection.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The peer's address.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Places a call and waits for its answer. Dropping the future cancels the call.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the final status, [`ClientError::Full`], [`ClientError::Gone`].
    pub async fn invite(&self, spec: InviteSpec) -> Result<Call, ClientError> {
        let (reply, answered) = oneshot::channel();
        self.asks.send(Ask::Invite { spec: Box::new(spec), reply }).await.map_err(|_| ClientError::Gone)?;
        let placed = answered.await.map_err(|_| ClientError::Gone)??;
        let driver::Placed { id, call_id, answer, ended, snapshots } = placed;
        Ok(Call { id, call_id, answer, ended, snapshots, handle: self.clone() })
    }
}

/// An established call. Dropping it does not hang up: say [`Call::bye`].
pub struct Call {
    id: CallId,
    call_id: String,
    answer: Answer,
    ended: watch::Receiver<Option<EndCause>>,
    snapshots: watch::Receiver<u32>,
    handle: ClientHandle,
}

impl Call {
    /// Call-ID header.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The 2xx to the first INVITE.
    pub const fn answer(&self) -> &Answer {
        &self.answer
    }

    /// INVITE inside the dialog; the ACK leaves by itself.
    ///
    /// # Errors
    /// As [`ClientHandle::invite`]; a refusal leaves the call as it was.
    pub async fn reinvite(&self, headers: Headers, body: Option<Body>) -> Result<Answer, ClientError> {
        self.ask(Kind::Invite, headers, body).await
    }

    /// UPDATE inside the dialog.
    ///
    /// # Errors
    /// As [`Self::reinvite`].
    pub async fn update(&self, headers: Headers, body: Option<Body>) -> Result<Answer, ClientError> {
        self.ask(Kind::Update, headers, body).await
    }

    /// INFO inside the dialog.
    ///
    /// # Errors
    /// As [`Self::reinvite`].
    pub async fn info(&self, headers: Headers, body: Option<Body>) -> Result<Answer, ClientError> {
        self.ask(Kind::Info, headers, body).await
    }

    /// Hangs up.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when BYE was not answered 2xx; the call is over all the same.
    pub async fn bye(&self) -> Result<Answer, ClientError> {
        self.bye_with(Headers::new(), None).await
    }

    /// Hangs up with further headers (`Reason`) and a body (metadata).
    ///
    /// # Errors
    /// As [`Self::bye`].
    pub async fn bye_with(&self, headers: Headers, body: Option<Body>) -> Result<Answer, ClientError> {
        self.ask(Kind::Bye, headers, body).await
    }

    /// Waits until the call is over, and says why. Independent of the call's lifetime.
    pub fn ended(&self) -> impl Future<Output = EndCause> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            let reached = ended.wait_for(Option::is_some).await;
            reached.ok().and_then(|cause| *cause).unwrap_or(EndCause::ConnectionLost)
        }
    }

    /// Changes whenever the recorder asks for a metadata snapshot, which is due at once in a request of its own (RFC 7866
    /// 9.2); closed when the call is over.
    pub fn snapshots(&self) -> watch::Receiver<u32> {
        self.snapshots.clone()
    }

    async fn ask(&self, kind: Kind, headers: Headers, body: Option<Body>) -> Result<Answer, ClientError> {
        let (reply, answered) = oneshot::channel();
        let ask = Ask::Request { call: self.id, question: Question { kind, headers, body }, reply };
        self.handle.asks.send(ask).await.map_err(|_| ClientError::Gone)?;
        answered.await.map_err(|_| ClientError::Gone)?
    }
}

/// The open way to the peer.
pub(crate) struct Link {
    pub(crate) flow: Flow,
    pub(crate) socket: Option<Arc<UdpSocket>>,
}

async fn open(
    target: &Target,
    tls: Option<Arc<ClientConfig>>,
    inbox: mpsc::Sender<Inbound>,
) -> Result<Link, ClientError> {
    let failed = |cause| ClientError::Connect { address: target.address, cause };
    let remote = target.address;
    let any: IpAddr = if remote.is_ipv4() { [0u8; 4].into() } else { [0u16; 8].into() };
    let from = SocketAddr::new(target.bind.unwrap_or(any), 0);
    let flow = |local| Flow { id: 1, transport: target.transport, local, remote, identity: None };
    if target.transport == Transport::Udp {
        let socket = Arc::new(listen::bind_udp(from).map_err(failed)?);
        socket.connect(remote).await.map_err(failed)?;
        let flow = flow(socket.local_addr().map_err(failed)?);
        tokio::spawn(driver::datagrams(Arc::clone(&socket), flow.clone(), inbox));
        return Ok(Link { flow, socket: Some(socket) });
    }
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    if target.bind.is_some() {
        socket.bind(from).map_err(failed)?;
    }
    let stream = socket.connect(remote).await.map_err(failed)?;
    let flow = flow(listen::prepare(&stream).map_err(failed)?);
    if target.transport == Transport::Tcp {
        tokio::spawn(serve(stream, flow.clone(), inbox, None));
    } else {
        let connector = TlsConnector::from(tls.ok_or(ClientError::Tls("no TLS configuration was given"))?);
        let name = ServerName::try_from(target.server_name.clone())
            .map_err(|_| ClientError::Tls("the server name is neither a host name nor an address"))?;
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        tokio::spawn(serve(stream, flow.clone(), inbox, None));
    }
    Ok(Link { flow, socket: None })
}

/// The error of a call that was not answered 2xx.
fn refused(event: ClientEvent) -> ClientError {
    match event {
        ClientEvent::Failed { status, reason, retry_after_s, warning, .. } => {
            let reason = warning.map_or(reason.clone(), |warning| format!("{reason} (Warning: {warning})"));
            ClientError::Refused { status, reason, retry_after_s }
        }
        _ => ClientError::Gone,
    }
}
