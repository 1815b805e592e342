//! One TCP or TLS connection: octets to whole messages, whole messages to octets, with back-pressure both ways.

use std::{io, time::Duration};

use signaling_core::{
    event::Transport,
    flow::Flow,
    sip::frame::{Frame, Framer, begins_session, erase},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout,
};

use crate::{erasing::reclaim, limits};

/// What sockets tell the task that owns the core.
pub(crate) enum Inbound {
    /// A connection is open; messages for it go here.
    Opened { flow: u64, writer: mpsc::Sender<Vec<u8>> },
    /// One whole message.
    Message { flow: Flow, octets: Vec<u8> },
    /// The head of a message whose body is too large.
    TooLarge { flow: Flow, head: Vec<u8> },
    /// The connection is gone.
    Closed { flow: u64 },
}

/// The way to the task that owns the core, in two lanes: what belongs to sessions that are recorded now is taken first,
/// what asks for new ones when there is time. Within a lane nothing overtakes.
#[derive(Clone)]
pub(crate) struct Inbox {
    live: mpsc::Sender<Inbound>,
    new: mpsc::Sender<Inbound>,
}

impl From<mpsc::Sender<Inbound>> for Inbox {
    /// One lane for everything.
    fn from(lane: mpsc::Sender<Inbound>) -> Self {
        Self { live: lane.clone(), new: lane }
    }
}

impl Inbox {
    pub(crate) const fn new(live: mpsc::Sender<Inbound>, new: mpsc::Sender<Inbound>) -> Self {
        Self { live, new }
    }

    /// The lane of live sessions.
    pub(crate) fn live(&self) -> mpsc::Sender<Inbound> {
        self.live.clone()
    }

    /// Waits while the lane is full: on a stream the kernel then pushes back. False when the owner is gone.
    pub(crate) async fn send(&self, inbound: Inbound) -> bool {
        let is_new = match &inbound {
            // Known before anything that comes over it.
            Inbound::Opened { .. } => false,
            Inbound::Message { octets, .. } => begins_session(octets),
            Inbound::TooLarge { head, .. } => begins_session(head),
            // Not before what came over it.
            Inbound::Closed { .. } => true,
        };
        let lane = if is_new { &self.new } else { &self.live };
        lane.send(inbound).await.is_ok()
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// By the peer, by an error of the network, or for idleness.
    Quietly,
    /// The framing was lost.
    Framing,
    /// The task that owns the core is gone, or let the connection go.
    Ours,
}

/// Serves a connection until it ends. Whoever drops the writer closes it.
pub(crate) async fn serve<S>(stream: S, flow: Flow, inbox: impl Into<Inbox>, idle: Option<Duration>) -> Closed
where
    S: AsyncRead + AsyncWrite,
{
    let inbox = inbox.into();
    let (reader, writer) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(limits::WRITE_QUEUE);
    let id = flow.id;
    if !inbox.send(Inbound::Opened { flow: id, writer: sender.clone() }).await {
        return Closed::Ours;
    }
    // The reader holds no strong sender: when the owner lets go of the writer, the connection ends.
    let weak = sender.downgrade();
    drop(sender);
    let closed = tokio::select! {
        closed = read(reader, flow, &inbox, (weak, idle)) => closed,
        closed = write(writer, receiver) => closed,
    };
    inbox.send(Inbound::Closed { flow: id }).await;
    closed
}

async fn read<S: AsyncRead>(
    mut stream: ReadHalf<S>,
    flow: Flow,
    inbox: &Inbox,
    (writer, idle): (mpsc::WeakSender<Vec<u8>>, Option<Duration>),
) -> Closed {
    let mut framer = Framer::default();
    let mut buffer = vec![0; limits::STREAM_BUFFER];
    loop {
        let patience = if framer.is_midway() { Some(limits::MESSAGE) } else { idle };
        let count = match patience {
            Some(patience) => match timeout(patience, stream.read(&mut buffer)).await {
                Ok(count) => count,
                Err(_) => return Closed::Quietly,
            },
            None => stream.read(&mut buffer).await,
        };
        match count {
            Ok(0) | Err(_) => return Closed::Quietly,
            Ok(count) => {
                framer.push(&buffer[..count]);
                erase(&mut buffer[..count]);
                if flow.transport == Transport::Tls {
                    reclaim(count);
                }
            }
        }
        loop {
            let inbound = match framer.pull() {
                Ok(None) => break,
                Ok(Some(Frame::Message(octets))) => Inbound::Message { flow: flow.clone(), octets },
                Ok(Some(Frame::TooLarge(head))) => Inbound::TooLarge { flow: flow.clone(), head },
                Ok(Some(Frame::Ping)) => {
                    writer.upgrade().map(|writer| writer.try_send(b"\r\n".to_vec()));
                    continue;
                }
                Err(_) => return Closed::Framing,
            };
            if !inbox.send(inbound).await {
                return Closed::Ours;
            }
            // A peer that asks but does not read is not heard until it has read.
            let Some(writer) = writer.upgrade() else { return Closed::Ours };
            if writer.capacity() < limits::WRITE_QUEUE / 2
                && writer.reserve_many(limits::WRITE_QUEUE / 2).await.is_err()
            {
                return Closed::Ours;
            }
        }
    }
}

async fn write<S: AsyncWrite>(mut stream: WriteHalf<S>, mut queue: mpsc::Receiver<Vec<u8>>) -> Closed {
    let mut batch = Vec::with_capacity(limits::STREAM_BUFFER);
    while let Some(octets) = queue.recv().await {
        batch.clear();
        batch.extend_from_slice(&octets);
        while batch.len() < limits::STREAM_BUFFER
            && let Ok(more) = queue.try_recv()
        {
            batch.extend_from_slice(&more);
        }
        if flushed(&mut stream, &batch).await.is_err() {
            return Closed::Quietly;
        }
    }
    let _ = stream.shutdown().await;
    Closed::Ours
}

async fn flushed<S: AsyncWrite>(stream: &mut WriteHalf<S>, octets: &[u8]) -> io::Result<()> {
    stream.write_all(octets).await?;
    stream.flush().await
}
