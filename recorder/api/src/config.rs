//! The configuration section `[http]`.

use std::path::PathBuf;

use serde::Deserialize;

/// `[http]`: the HTTPS listener of console and API, and the plain one of metrics and health.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port of console and API, or `off`.
    pub listen: String,
    /// Address and port of `/metrics`, `/healthz` and `/readyz` over plain HTTP, or `off`.
    pub metrics: String,
    /// Certificate chain (PEM); none: one is made on first start.
    pub cert: Option<PathBuf>,
    /// Private key (PEM) of `cert`.
    pub key: Option<PathBuf>,
    /// A console session ends after so many idle minutes.
    pub session_minutes: u32,
    /// Connections at once; further ones wait in the kernel's backlog.
    pub max_connections: u32,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8443".into(),
            metrics: "127.0.0.1:9464".into(),
            cert: None,
            key: None,
            session_minutes: 30,
            max_connections: 512,
        }
    }
}

impl HttpConfig {
    /// What cannot work, as one line naming the key; none when all is well.
    pub fn fault(&self) -> Option<String> {
        if self.cert.is_some() != self.key.is_some() {
            let (there, missing) = if self.cert.is_some() { ("cert", "key") } else { ("key", "cert") };
            return Some(format!("http.{missing}: missing, while http.{there} is given"));
        }
        if self.session_minutes == 0 {
            return Some("http.session_minutes: must be at least 1".into());
        }
        if self.max_connections == 0 {
            return Some("http.max_connections: must be at least 1".into());
        }
        [("listen", &self.listen), ("metrics", &self.metrics)]
            .into_iter()
            .find(|(_, address)| *address != "off" && address.parse::<std::net::SocketAddr>().is_err())
            .map(|(key, address)| format!("http.{key} = {address:?}: neither an address and port nor \"off\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_a_fault_names_its_key() {
        let config = HttpConfig::default();
        assert_eq!(config.fault(), None);
        for (config, key) in [
            (HttpConfig { listen: "here".into(), ..config.clone() }, "http.listen = \"here\""),
            (HttpConfig { cert: Some("a.pem".into()), ..config.clone() }, "http.key"),
            (HttpConfig { session_minutes: 0, ..config.clone() }, "http.session_minutes"),
        ] {
            assert!(config.fault().is_some_and(|fault| fault.starts_with(key)), "{key}");
        }
    }
}
