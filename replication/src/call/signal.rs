//! Signaling of a call: one connection to the recorder, dialogs on it, as little of it as a call needs.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use crypto::tls;
use signaling::client::{Call, ClientError, ClientHandle, Target};
use signaling_core::{
    client::{EndCause, InviteSpec},
    event::Transport,
    sip::{Headers, write::Body},
};
use tokio::sync::watch;

use super::spec::{CallSpec, Profile, Trust};
use crate::error::CallError;

/// An INVITE to send.
pub(crate) struct Invite {
    /// Request-URI.
    pub(crate) uri: String,
    /// Contact with `+sip.src` (RFC 7866 6.1.1).
    pub(crate) is_siprec: bool,
    /// More headers.
    pub(crate) headers: Vec<(String, String)>,
    /// Of the body.
    pub(crate) content_type: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// The connection to the recorder; any number of sessions share it.
pub(crate) struct Connection {
    handle: ClientHandle,
    from: String,
    to: String,
}

/// A session that was answered 2xx.
pub(crate) struct Accepted {
    /// Call-ID.
    pub(crate) call_id: String,
    /// Status.
    pub(crate) status: u16,
    /// The answer.
    pub(crate) body: Vec<u8>,
    /// What is said later.
    pub(crate) dialog: Dialog,
}

/// An established dialog.
pub(crate) struct Dialog {
    call: Call,
}

/// The session timer we ask for (RFC 4028 4): its default.
const SESSION_EXPIRES_S: u32 = 1800;
/// A recorder that restarts takes its calls up again; for so long a lost connection to it is made anew.
const PATIENCE: Duration = Duration::from_secs(15);
/// User-Agent.
const PRODUCT: &str = concat!("replicator/", env!("CARGO_PKG_VERSION"));

impl Connection {
    /// Connects to the recorder of the specification.
    pub(crate) async fn open(spec: &CallSpec) -> Result<Self, CallError> {
        let target = Target {
            address: resolve(spec).await?,
            transport: spec.transport,
            server_name: spec.target.host.clone(),
            bind: None,
        };
        let handle =
            ClientHandle::connect_patiently(target, tls_config(spec)?, PRODUCT, PATIENCE).await.map_err(failed)?;
        if spec.srtp.is_some() && spec.transport != Transport::Tls {
            tracing::warn!("SRTP keys leave in the clear: who reads the signaling hears the call (RFC 4568 8.3)");
        }
        let scheme = if spec.transport == Transport::Tls { "sips" } else { "sip" };
        let user = match spec.profile {
            Profile::Rfc7866 => "srs",
            Profile::GenesysMsr => "recorder",
        };
        let local = handle.local().ip();
        let local = if local.is_ipv6() { format!("[{local}]") } else { local.to_string() };
        let from = format!("<{scheme}:replicator@{local}>");
        Ok(Self { handle, from, to: format!("<{scheme}:{user}@{}>", spec.target) })
    }

    /// Where the recorder's signaling is.
    pub(crate) const fn remote(&self) -> SocketAddr {
        self.handle.remote()
    }

    /// Places a session and waits for its final answer.
    pub(crate) async fn invite(&self, invite: Invite) -> Result<Accepted, CallError> {
        let headers =
            invite.headers.iter().fold(Headers::new(), |headers, (name, value)| headers.with(name.to_owned(), value));
        let spec = InviteSpec {
            request_uri: invite.uri,
            to: self.to.clone(),
            from: self.from.clone(),
            contact_user: "replicator".to_owned(),
            contact_params: if invite.is_siprec { ";+sip.src".to_owned() } else { String::new() },
            call_id: None,
            headers,
            body: Some(Body { content_type: invite.content_type, disposition: None, content: invite.body }),
            session_expires_s: Some(SESSION_EXPIRES_S),
        };
        let call = self.handle.invite(spec).await.map_err(failed)?;
        let (call_id, answer) = (call.call_id().to_owned(), call.answer());
        let (status, body) = (answer.status, answer.body.clone());
        Ok(Accepted { call_id, status, body, dialog: Dialog { call } })
    }
}

impl Dialog {
    /// Re-INVITE with an offer; its answer.
    pub(crate) async fn reinvite(&self, offer: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let answer = self.call.reinvite(Headers::new(), Some(Body::sdp(offer))).await.map_err(failed)?;
        Ok(answer.body)
    }

    /// UPDATE with an offer; its answer.
    pub(crate) async fn update(&self, offer: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let answer = self.call.update(Headers::new(), Some(Body::sdp(offer))).await.map_err(failed)?;
        Ok(answer.body)
    }

    /// UPDATE with metadata alone (RFC 7866 9.1).
    pub(crate) async fn tell(&self, metadata: String) -> Result<(), CallError> {
        let body = Body {
            content_type: "application/rs-metadata+xml".to_owned(),
            disposition: Some("recording-session;handling=required".to_owned()),
            content: metadata.into_bytes(),
        };
        let headers = Headers::new().with("Require", "siprec");
        self.call.update(headers, Some(body)).await.map(drop).map_err(failed)
    }

    /// INFO with one pressed digit, as SIP phones and gateways send it.
    pub(crate) async fn press(&self, digit: char) -> Result<(), CallError> {
        let body = Body {
            content_type: "application/dtmf-relay".to_owned(),
            disposition: None,
            content: format!("Signal={digit}\r\nDuration=100\r\n").into_bytes(),
        };
        self.call.info(Headers::new(), Some(body)).await.map(drop).map_err(failed)
    }

    /// INFO with the MSML by which a SIP Server steers the recorder of a Media Server; its prefix really is undeclared.
    pub(crate) async fn steer(&self, state: &str) -> Result<(), CallError> {
        let recorder = format!("<gvp:recorder state=\"{state}\"/>");
        let body = Body {
            content_type: "application/vnd.radisys.msml+xml".to_owned(),
            disposition: None,
            content: format!(
                "<msml version=\"1.1\"><modifyconference id=\"conf:1\">{recorder}</modifyconference></msml>"
            )
            .into_bytes(),
        };
        self.call.info(Headers::new(), Some(body)).await.map(drop).map_err(failed)
    }

    /// Hangs up; a session that is over already is no error.
    pub(crate) async fn bye(&self) -> Result<(), CallError> {
        match self.call.bye().await {
            Ok(_) | Err(ClientError::Gone) => Ok(()),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Changes whenever the recorder asks for a metadata snapshot; closed with the session.
    pub(crate) fn snapshots(&self) -> watch::Receiver<u32> {
        self.call.snapshots()
    }

    /// Waits for the end of the session; true when it was not our BYE.
    pub(crate) fn end(&self) -> impl Future<Output = bool> + Send + 'static {
        let ended = self.call.ended();
        async move { ended.await != EndCause::HungUp }
    }
}

/// The address of the recorder.
pub(crate) async fn resolve(spec: &CallSpec) -> Result<SocketAddr, CallError> {
    let host = spec.target.host.as_str();
    let unknown = |cause: &dyn std::fmt::Display| CallError::Unreachable(format!("{host}: {cause}"));
    let mut addresses = tokio::net::lookup_host((host, spec.port())).await.map_err(|cause| unknown(&cause))?;
    addresses.next().ok_or_else(|| unknown(&"no address"))
}

/// What TLS believes; none for the other transports.
pub(crate) fn tls_config(spec: &CallSpec) -> Result<Option<Arc<rustls::ClientConfig>>, CallError> {
    if spec.transport != Transport::Tls {
        return Ok(None);
    }
    let (trust, name) = match spec.trust.as_ref() {
        Some(Trust::Ca(path)) => {
            let name = path.display().to_string();
            let pem = std::fs::read(path).map_err(|cause| CallError::Usage(format!("{name}: {cause}")))?;
            (tls::Trust::Roots(pem), name)
        }
        Some(Trust::Insecure) => {
            tracing::warn!("the recorder's certificate is not verified: --insecure");
            (tls::Trust::Insecure, "insecure".to_owned())
        }
        None => return Err(CallError::Usage("transport: TLS needs a trust".to_owned())),
    };
    tls::client_config(trust, None).map(Some).map_err(|cause| CallError::Usage(format!("{name}: {cause}")))
}

fn failed(cause: ClientError) -> CallError {
    match cause {
        ClientError::Refused { status, reason, retry_after_s } => {
            let retry_after = retry_after_s.map(|seconds| std::time::Duration::from_secs(seconds.into()));
            CallError::Refused { status, reason, retry_after }
        }
        other => CallError::Unreachable(other.to_string()),
    }
}
