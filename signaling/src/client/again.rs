//! A lost connection made anew: tried again and again, for a bounded time.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::rustls::ClientConfig;

use super::{Target, open};
use crate::{connection::Inbound, limits, world};

/// How to reach the peer once more.
#[derive(Clone)]
pub(super) struct Again {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    inbox: mpsc::Sender<Inbound>,
    patience: Duration,
}

impl Again {
    pub(super) fn new(
        target: Target,
        tls: Option<Arc<ClientConfig>>,
        inbox: mpsc::Sender<Inbound>,
        patience: Duration,
    ) -> Self {
        Self { target, tls, inbox, patience }
    }

    /// Ends with a connection, which announces itself like the first one, or says that there is none.
    pub(super) async fn connect(self) {
        let until = world::now() + self.patience;
        while world::now() < until {
            let connecting = open(&self.target, self.tls.clone(), self.inbox.clone());
            if let Ok(Ok(_)) = timeout(limits::HANDSHAKE, connecting).await {
                return;
            }
            sleep(limits::AGAIN).await;
        }
        let _ = self.inbox.send(Inbound::Closed { flow: 0 }).await;
    }
}
