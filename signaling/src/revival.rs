//! Sessions that outlive the process: where their states go, and how we reach a peer whose connection is gone.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use signaling_core::{endpoint::DialogState, event::Transport, flow::Flow};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use crate::{
    connection::{Inbound, serve},
    erasing::Erasing,
    limits,
    listen::{self, Doorman},
};

/// Where the states of sessions go that changed since it was last called. It must not block.
pub type Keep = Box<dyn Fn(Vec<DialogState>) + Send + Sync>;

/// What outlives the process. The default restores and keeps nothing.
#[derive(Default)]
pub struct Revival {
    /// Sessions of the process before.
    pub dialogs: Vec<DialogState>,
    /// Where the states of sessions go.
    pub keep: Option<Keep>,
    /// For connections of ours to a peer that came over TLS; without it such a peer has to come to us.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Connections that we make because the one of the peer is gone. One for each address, however many sessions.
pub(crate) struct Redial {
    known: HashMap<u64, SocketAddr>,
    ids: HashMap<(Transport, SocketAddr), u64>,
    waiting: HashMap<u64, Vec<Vec<u8>>>,
    inbox: mpsc::Sender<Inbound>,
    tls: Option<Arc<ClientConfig>>,
    idle: Option<Duration>,
}

impl Redial {
    pub(crate) fn new(inbox: mpsc::Sender<Inbound>, tls: Option<Arc<ClientConfig>>, idle: Option<Duration>) -> Self {
        let (known, ids, waiting) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { known, ids, waiting, inbox, tls, idle }
    }

    /// The way our requests may go in a session of the process before.
    pub(crate) fn flow_of(&mut self, state: &DialogState, udp: Option<u64>, door: &Doorman) -> Flow {
        let flow = state.flow.clone();
        if let (Transport::Udp, Some(id)) = (flow.transport, udp) {
            return Flow { id, ..flow };
        }
        let Some(to) = state.way_back().filter(|_| flow.transport.is_reliable()) else {
            return Flow { id: door.flow_id(), ..flow };
        };
        let id = *self.ids.entry((flow.transport, to)).or_insert_with(|| door.flow_id());
        self.known.insert(id, to);
        Flow { id, remote: to, ..flow }
    }

    /// Takes a message for a connection that is not there; false when none can be made.
    pub(crate) fn send(&mut self, flow: &Flow, octets: Vec<u8>) -> bool {
        let Some(to) = self.known.get(&flow.id).copied() else { return false };
        let tls = match flow.transport {
            Transport::Tls if self.tls.is_none() => return false,
            Transport::Tls => self.tls.clone(),
            Transport::Tcp | Transport::Udp => None,
        };
        if let Some(waiting) = self.waiting.get_mut(&flow.id) {
            let has_room = waiting.len() < limits::REDIAL_QUEUE;
            if has_room {
                waiting.push(octets);
            }
            return has_room;
        }
        self.waiting.insert(flow.id, vec![octets]);
        tokio::spawn(connect(flow.clone(), to, tls, (self.inbox.clone(), self.idle)));
        true
    }

    /// A connection is there: what waited leaves. How many did not.
    pub(crate) fn opened(&mut self, id: u64, writer: &mpsc::Sender<Vec<u8>>) -> u64 {
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        waiting.into_iter().map(|octets| u64::from(writer.try_send(octets).is_err())).sum()
    }

    /// A connection is gone, or was never made. How many messages were lost with it.
    pub(crate) fn closed(&mut self, id: u64) -> u64 {
        self.waiting.remove(&id).map_or(0, |waiting| waiting.len() as u64)
    }
}

async fn connect(
    flow: Flow,
    to: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    (inbox, idle): (mpsc::Sender<Inbound>, Option<Duration>),
) {
    let id = flow.id;
    if !matches!(timeout(limits::HANDSHAKE, open(flow, to, tls, (inbox.clone(), idle))).await, Ok(Some(()))) {
        // Nobody else tells the owner that what waits will not leave.
        let _ = inbox.send(Inbound::Closed { flow: id }).await;
    }
}

/// Makes the connection and lets a task of its own serve it.
async fn open(
    flow: Flow,
    to: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    (inbox, idle): (mpsc::Sender<Inbound>, Option<Duration>),
) -> Option<()> {
    let stream = TcpStream::connect(to).await.ok()?;
    listen::prepare(&stream).ok()?;
    let Some(config) = tls else {
        tokio::spawn(serve(stream, flow, inbox, idle));
        return Some(());
    };
    let stream = TlsConnector::from(config).connect(ServerName::from(to.ip()), Erasing(stream)).await.ok()?;
    tokio::spawn(serve(stream, flow, inbox, idle));
    Some(())
}
