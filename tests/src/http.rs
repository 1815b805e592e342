//! An HTTPS client that trusts just the certificate of one recorder.

use std::{path::Path, time::Duration};

use reqwest::{Method, Response, StatusCode, header};
use serde_json::Value;

/// The client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    token: Option<String>,
    inner: reqwest::Client,
    runtime: std::sync::Arc<tokio::runtime::Runtime>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: header::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header field, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    /// A client of `https://127.0.0.1:port` whose certificate is `certificate` (PEM).
    ///
    /// # Panics
    /// When the certificate cannot be read.
    pub fn new(port: u16, certificate: &Path, token: Option<String>) -> Self {
        let pem = std::fs::read(certificate).expect("the recorder's certificate");
        let tls = crypto::tls::client_config(crypto::tls::Trust::Roots(pem), None).expect("a client configuration");
        let inner = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = std::sync::Arc::new(runtime.expect("a runtime"));
        Self { base: format!("https://127.0.0.1:{port}"), token, inner, runtime }
    }

    /// The same client with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Any request; `path` begins with `/`.
    ///
    /// # Panics
    /// When the recorder does not answer.
    pub fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = self.inner.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let response: Response = request.send().await.expect("an answer");
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.bytes().await.expect("a body").to_vec();
            Answer { status, headers, body }
        })
    }

    /// GET below `/api/v1`.
    pub fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, &format!("/api/v1{path}"), &[], None)
    }

    /// POST below `/api/v1`.
    pub fn post(&self, path: &str) -> Answer {
        self.request(Method::POST, &format!("/api/v1{path}"), &[], None)
    }
}

/// A plain HTTP GET on loopback (metrics, health): status and body.
///
/// # Panics
/// When nobody answers.
pub fn plain_get(port: u16, path: &str) -> (u16, String) {
    try_get(port, path).expect("an answer")
}

/// The same of a process that may not listen yet, or not any more.
///
/// # Errors
/// The connection failed.
///
/// # Panics
/// When the answer is not HTTP.
pub fn try_get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}
