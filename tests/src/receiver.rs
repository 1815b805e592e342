//! A receiver of webhooks, as a subscriber runs one: HTTPS or HTTP on loopback, answers as the test says, checks signatures.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::{
    digest::{hmac_sha256, sha256},
    tls::{TlsMaterial, server_config},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use crate::{Slot, pki::Authority, wait};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Got {
    /// Header fields, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// With what it was answered.
    pub status: u16,
}

/// The status for a request.
type Answer = dyn Fn(&Got) -> u16 + Send + Sync;

#[derive(Clone)]
struct State {
    got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

/// A running receiver.
pub struct Receiver {
    state: State,
    folder: tempfile::TempDir,
    authority: Option<PathBuf>,
    port: u16,
    key: [u8; 32],
    _runtime: Runtime,
}

impl Got {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// A header field, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Receiver {
    /// A receiver over plain HTTP, with a secret of its own.
    pub fn plain(slot: &mut Slot, key: u8) -> Self {
        Self::start(slot, key, false)
    }

    /// A receiver over TLS, with an authority and a secret of its own.
    pub fn secure(slot: &mut Slot, key: u8) -> Self {
        Self::start(slot, key, true)
    }

    fn start(slot: &mut Slot, key: u8, is_secure: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, key) = (slot.port(), [key; 32]);
        std::fs::write(folder.path().join("secret"), format!("whsec_{}\n", STANDARD.encode(key))).expect("a file");
        let answer: Arc<Answer> = Arc::new(|_| 204);
        let state = State { got: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let (mut authority, mut tls) = (None, None);
        if is_secure {
            let vouches = Authority::new(folder.path(), "ca");
            let identity = vouches.vouch("receiver");
            let read = |path: &PathBuf| std::fs::read(path).expect("a file of ours");
            let (cert_chain_pem, key_pem) = (read(&identity.cert), read(&identity.key).into());
            let material = TlsMaterial { cert_chain_pem, key_pem, client_ca_pem: None };
            tls = Some(TlsAcceptor::from(server_config(material, &[b"http/1.1"]).expect("a server configuration")));
            authority = Some(vouches.certificate());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("a free port");
        runtime.spawn(serve(listener, tls, state.clone()));
        Self { state, folder, authority, port, key, _runtime: runtime }
    }

    /// `[[delivery.subscriber]]` of that name, without further keys.
    pub fn section(&self, name: &str) -> String {
        self.section_at(name, self.port)
    }

    /// The same at another port, where nobody listens.
    pub fn section_at(&self, name: &str, port: u16) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        let ca = self.authority.as_ref().map(|path| format!("ca = {path:?}\n")).unwrap_or_default();
        format!(
            "[[delivery.subscriber]]\nname = {name:?}\nurl = \"{scheme}://127.0.0.1:{port}/hook\"\nsecret_files = [{:?}]\n{ca}",
            self.folder.path().join("secret")
        )
    }

    /// Answers like this from now on.
    ///
    /// # Panics
    /// When an answer panicked.
    pub fn answers(&self, answer: impl Fn(&Got) -> u16 + Send + Sync + 'static) {
        *self.state.answer.lock().expect("no answer panics") = Arc::new(answer);
    }

    /// All requests so far.
    ///
    /// # Panics
    /// When an answer panicked.
    pub fn all(&self) -> Vec<Got> {
        self.state.got.lock().expect("no answer panics").clone()
    }

    /// Waits for so many requests in all.
    pub fn wait(&self, count: usize) -> Vec<Got> {
        wait::until(60, &format!("{count} requests"), || self.all().len() >= count);
        self.all()
    }

    /// Whether it is signed with the secret of this receiver: the body, or of sound the digest, which must be right.
    pub fn is_signed(&self, got: &Got) -> bool {
        let digest = got.header("content-digest");
        let content = if digest.is_empty() { got.body.as_slice() } else { digest.as_bytes() };
        let is_whole = digest.is_empty() || digest == format!("sha-256=:{}:", STANDARD.encode(sha256(&got.body)));
        let mut signed = format!("{}.{}.", got.header("webhook-id"), got.header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(content);
        let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&self.key, &signed)));
        is_whole && got.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, state: State) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            match tls {
                None => answer(stream, &state).await,
                // Whoever does not trust us goes away again.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => answer(stream, &state).await,
                    Err(_) => None,
                },
            }
        });
    }
}

/// One request on one connection; `None` when it broke off.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) -> Option<()> {
    let mut octets = Vec::new();
    let head = loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        more(&mut stream, &mut octets).await?;
    };
    let text = String::from_utf8(octets[..head].to_vec()).ok()?;
    let lines = text.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    while octets.len() < head + 4 + length {
        more(&mut stream, &mut octets).await?;
    }
    let mut got = Got { headers, body: octets.split_off(head + 4), status: 0 };
    let answer = Arc::clone(&*state.answer.lock().ok()?);
    got.status = answer(&got);
    let line = format!("HTTP/1.1 {} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", got.status);
    state.got.lock().ok()?.push(got);
    stream.write_all(line.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn more(stream: &mut (impl AsyncRead + Unpin), octets: &mut Vec<u8>) -> Option<()> {
    matches!(stream.read_buf(octets).await, Ok(read) if read > 0).then_some(())
}
