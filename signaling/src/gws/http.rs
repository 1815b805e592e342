//! One server over HTTP: posts what the client wants, within bounds of size and time.

use std::{error::Error, io, path::PathBuf, sync::Arc, time::Duration};

use reqwest::{Client, RequestBuilder, Response, Url, header, redirect::Policy};
use signaling_core::gws::{
    client::{Answer, Post},
    limits::{BODY_OCTETS, COOKIES},
};
use tokio_rustls::rustls::{self as tls, CertificateError, ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::{
    config::{LinkConfig, password},
    limits,
};
use crate::tlib::ConfigError;

/// The way to the server of one link. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    url: Url,
    user: Arc<str>,
    password_file: Arc<PathBuf>,
    /// As of the last handshake; a password that cannot be read any more is none.
    password: Option<Arc<str>>,
}

impl Http {
    /// Redirects are not followed: the password goes where the configuration says.
    pub(super) fn new(key: &str, link: &LinkConfig, tls: Option<&Arc<ClientConfig>>) -> Result<Self, ConfigError> {
        let url = link.address(key)?;
        let tls = match tls {
            Some(tls) => (**tls).clone(),
            None if url.scheme() == "https" => {
                return Err(ConfigError::new(format!("{key}.ca"), "no certificates were given"));
            }
            None => nobody(key)?,
        };
        let client = Client::builder()
            .redirect(Policy::none())
            .https_only(url.scheme() == "https")
            .no_proxy()
            .connect_timeout(limits::CONNECT)
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("recorder/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ConfigError::new(format!("{key}.url"), error.to_string()))?;
        Ok(Self {
            client,
            url,
            user: link.user.as_str().into(),
            password_file: Arc::new(link.password_file.clone()),
            password: None,
        })
    }

    /// Reads the password as it is now. False when there is none.
    pub(super) async fn read_password(&mut self) -> bool {
        let path = Arc::clone(&self.password_file);
        let read = tokio::task::spawn_blocking(move || password(&path)).await;
        self.password = read.ok().and_then(Result::ok).map(Into::into);
        self.password.is_some()
    }

    /// Posts, and reads the answer; one word why there is none. Nothing of an error's text is told: it names the URL.
    pub(super) async fn post(self, post: Post) -> Result<Answer, &'static str> {
        let within: Duration = post.within;
        let asked = self.request(post).ok_or("no_path")?;
        match tokio::time::timeout(within, answer(asked)).await {
            Ok(answer) => answer,
            Err(_) => Err("no_answer"),
        }
    }

    fn request(&self, post: Post) -> Option<RequestBuilder> {
        let url = self.url.join(&post.path).ok().filter(|url| url.origin() == self.url.origin())?;
        let mut request = self.client.post(url).basic_auth(&self.user, self.password.as_deref());
        if let Some(cookies) = post.cookies {
            request = request.header(header::COOKIE, cookies);
        }
        Some(request.header(header::CONTENT_TYPE, "application/json").body(post.body))
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer, &'static str> {
    let mut response: Response = request.send().await.map_err(|error| why(&error))?;
    let cookies = response.headers().get_all(header::SET_COOKIE).iter().take(COOKIES);
    let cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)).collect();
    let mut answer = Answer { status: response.status().as_u16(), cookies, body: Vec::new() };
    while let Some(piece) = response.chunk().await.map_err(|error| why(&error))? {
        if answer.body.len() + piece.len() > BODY_OCTETS {
            return Err("answer_too_long");
        }
        answer.body.extend_from_slice(&piece);
    }
    Ok(answer)
}

fn why(error: &reqwest::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "no_answer",
        error => match tls_fault(error) {
            Some(fault) => why_tls(fault),
            None if error.is_connect() => "not_connected",
            None => "connection_lost",
        },
    }
}

/// TLS faults stand below an error of input and output, whose source is that of the fault, not the fault.
fn tls_fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a tls::Error> {
    if let Some(fault) = error.downcast_ref() {
        return Some(fault);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    next.and_then(tls_fault)
}

/// What is wrong with the certificate that was shown, or with TLS as a whole.
const fn why_tls(fault: &tls::Error) -> &'static str {
    use CertificateError as Wrong;
    match fault {
        tls::Error::InvalidCertificate(Wrong::UnknownIssuer | Wrong::BadSignature) => "certificate_unknown_issuer",
        tls::Error::InvalidCertificate(
            Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. },
        ) => "certificate_not_valid_now",
        tls::Error::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) => {
            "certificate_of_another_name"
        }
        tls::Error::InvalidCertificate(_) => "certificate_refused",
        _ => "tls_failed",
    }
}

/// Over plain HTTP no certificate is shown, and none would be believed.
fn nobody(key: &str) -> Result<ClientConfig, ConfigError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| ConfigError::new(format!("{key}.url"), error.to_string()))?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}
