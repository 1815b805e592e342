//! `[gws]`: the section of the configuration that belongs to the links to GWS.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use reqwest::Url;
use serde::Deserialize;
use signaling_core::gws::client;

use super::limits;
use crate::tlib::{ConfigError, dns};

/// `[gws]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[[gws.link]]`: users whose calls are told.
    pub link: Vec<LinkConfig>,
}

/// `[[gws.link]]`: one user of one server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// What it is called in facts, metrics and the log, after `gws:`; its place among the links, from 0, when empty.
    #[serde(default)]
    pub name: String,
    /// `https://HOST[:PORT]`; http to this machine only.
    pub url: String,
    /// The user (basic authentication).
    pub user: String,
    /// A file whose first line is the password; read anew with every session.
    pub password_file: PathBuf,
    /// CAs of the certificate of the server (PEM).
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How recording control is asked for: `v2` or `v3`.
    #[serde(default)]
    pub api: Api,
    /// The path where CometD is spoken.
    #[serde(default = "notifications")]
    pub notifications: String,
    /// The channel of calls.
    #[serde(default = "channel")]
    pub channel: String,
    /// DNs of the user: a single one stands in for the DN that a notification does not name.
    #[serde(default)]
    pub dns: Vec<String>,
}

/// The interfaces for recording control.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `POST /api/v2/me/calls/{id}`.
    #[default]
    V2,
    /// `POST /workspace/v3/voice/calls/{id}/pause-recording`.
    V3,
}

fn notifications() -> String {
    "/api/v2/notifications".into()
}

fn channel() -> String {
    "/v2/me/calls".into()
}

impl Config {
    /// Whether there is any link.
    pub fn is_on(&self) -> bool {
        !self.link.is_empty()
    }

    /// The names of all links: `gws:desk`, `gws:0`.
    pub fn names(&self) -> Vec<String> {
        let name = |(number, link): (usize, &LinkConfig)| match link.name.as_str() {
            "" => format!("gws:{number}"),
            name => format!("gws:{name}"),
        };
        self.link.iter().enumerate().map(name).collect()
    }

    /// Says what cannot work without reaching anything; password files are read.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key at fault.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.link.len() > limits::LINKS {
            return Err(ConfigError::new("gws.link", format!("at most {} of them", limits::LINKS)));
        }
        let mut names = BTreeSet::new();
        if let Some(number) = self.names().into_iter().position(|name| !names.insert(name)) {
            return Err(ConfigError::new(format!("{}.name", key(number)), "another link has this name"));
        }
        self.link.iter().enumerate().try_for_each(|(number, link)| link.check(&key(number)))
    }
}

/// How a link is named in faults.
pub(super) fn key(number: usize) -> String {
    format!("gws.link[{number}]")
}

impl LinkConfig {
    fn check(&self, key: &str) -> Result<(), ConfigError> {
        let wrong = |name: &str, rule: &str| Err(ConfigError::new(format!("{key}.{name}"), rule));
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if self.name.len() > 64 || !self.name.chars().all(is_plain) {
            return wrong("name", "at most 64 letters, digits, - _ and .");
        }
        let url = self.address(key)?;
        match (url.scheme() == "https", self.ca.is_some()) {
            (true, false) => return wrong("ca", "the CA of the server's certificate is needed"),
            (false, true) => return wrong("ca", "a CA is given, and gws.link.url is no https"),
            _ => {}
        }
        if self.user.is_empty() || self.user.len() > 256 || self.user.contains([':', '\r', '\n']) {
            return wrong("user", "1 to 256 characters, and no colon: basic authentication has no other way");
        }
        let is_path = |path: &str| path.starts_with('/') && path.len() <= 256 && !path.contains(['?', '#', ' ']);
        if !is_path(&self.notifications) {
            return wrong("notifications", "a path that begins with /");
        }
        if !is_path(&self.channel) || self.channel.starts_with("/meta/") {
            return wrong("channel", "the name of a channel, like /v2/me/calls");
        }
        self.dn(key)?;
        let rule = |rule| ConfigError::new(format!("{key}.password_file"), rule);
        password(&self.password_file).map(drop).map_err(rule)
    }

    /// The server, without a path.
    pub(super) fn address(&self, key: &str) -> Result<Url, ConfigError> {
        let wrong = |rule: &str| ConfigError::new(format!("{key}.url"), rule);
        let url = Url::parse(&self.url).map_err(|_| wrong("is not https://HOST[:PORT]"))?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("ends with the port: paths belong to the interface"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("who comes is said by user and password_file"));
        }
        match (url.scheme(), is_loopback(&url)) {
            ("https", _) | ("http", true) => Ok(url),
            ("http", false) => Err(wrong("http to another machine would show it the password: https")),
            _ => Err(wrong("is not https://HOST[:PORT]")),
        }
    }

    fn dn(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let all = dns(&format!("{key}.dns"), &self.dns)?;
        Ok(all.into_iter().next().filter(|_| self.dns.len() == 1))
    }

    pub(super) fn client(&self, key: &str, link: u16) -> Result<client::Config, ConfigError> {
        Ok(client::Config {
            link,
            api: match self.api {
                Api::V2 => client::Api::V2,
                Api::V3 => client::Api::V3,
            },
            notifications: self.notifications.clone(),
            channel: self.channel.clone(),
            dn: self.dn(key)?,
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The first line of the file.
#[expect(clippy::disallowed_methods, reason = "a secret is read where it is used, anew with every session")]
pub(super) fn password(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limits::PASSWORD_OCTETS).read_to_string(&mut text).map_err(failed)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(format!("{}: its first line is empty", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> LinkConfig {
        LinkConfig {
            name: String::new(),
            url: "http://127.0.0.1:8080".into(),
            user: "a17".into(),
            // Any file with a first line does.
            password_file: concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into(),
            ca: None,
            api: Api::V2,
            notifications: notifications(),
            channel: channel(),
            dns: vec!["7001".into()],
        }
    }

    #[test]
    fn what_works_works() {
        let secure = LinkConfig { url: "https://gws.example.com".into(), ca: Some("ca.pem".into()), ..link() };
        let local = LinkConfig { url: "http://[::1]:80".into(), dns: Vec::new(), ..link() };
        let config = Config { link: vec![link(), secure, local] };
        assert_eq!(config.check(), Ok(()));
        assert_eq!(link().client("k", 3).map(|client| (client.link, client.dn)), Ok((3, Some("7001".into()))));
        let two = LinkConfig { dns: vec!["7001".into(), "7002".into()], ..link() };
        assert_eq!(two.client("k", 3).map(|client| client.dn), Ok(None), "which of them is not known");
        assert!(!Config::default().is_on() && config.is_on());
    }

    #[test]
    fn a_link_is_called_by_its_name_or_else_by_its_place() {
        let named = |name: &str| LinkConfig { name: name.into(), ..link() };
        let config = Config { link: vec![link(), named("desk-1"), link()] };
        assert_eq!(config.names(), ["gws:0", "gws:desk-1", "gws:2"]);
        assert_eq!(config.check(), Ok(()));
        for twice in ["0", "a"] {
            let config = Config { link: vec![link(), named("a"), named(twice)] };
            let said = config.check().unwrap_err().to_string();
            assert!(said.starts_with("gws.link[2].name: "), "{said}");
        }
    }

    #[test]
    fn a_fault_names_its_key() {
        let https = |link| LinkConfig { url: "https://gws.example.com".into(), ..link };
        for (wrong, key) in [
            (LinkConfig { url: "gws.example.com".into(), ..link() }, "url"),
            (LinkConfig { url: "http://gws.example.com".into(), ..link() }, "url"),
            (LinkConfig { url: "http://127.0.0.1:8080/api".into(), ..link() }, "url"),
            (LinkConfig { url: "http://me:secret@127.0.0.1".into(), ..link() }, "url"),
            (LinkConfig { url: "ftp://127.0.0.1".into(), ..link() }, "url"),
            (https(link()), "ca"),
            (LinkConfig { name: "my desk".into(), ..link() }, "name"),
            (LinkConfig { name: "x".repeat(65), ..link() }, "name"),
            (LinkConfig { ca: Some("ca.pem".into()), ..link() }, "ca"),
            (LinkConfig { user: "a:b".into(), ..link() }, "user"),
            (LinkConfig { notifications: "here".into(), ..link() }, "notifications"),
            (LinkConfig { channel: "/meta/connect".into(), ..link() }, "channel"),
            (LinkConfig { dns: vec![String::new()], ..link() }, "dns"),
            (LinkConfig { password_file: "/nowhere/at/all".into(), ..link() }, "password_file"),
        ] {
            let said = Config { link: vec![link(), wrong] }.check().unwrap_err().to_string();
            assert!(said.starts_with(&format!("gws.link[1].{key}: ")) && !said.contains("secret"), "{said}");
        }
        let many = Config { link: vec![link(); limits::LINKS + 1] };
        assert!(many.check().unwrap_err().to_string().starts_with("gws.link: "));
    }
}
