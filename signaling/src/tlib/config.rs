//! `[tlib]`: the section of the configuration that belongs to the T-Library link.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use signaling_core::tlib::{limits::DNS_PER_LINK, list::Charset};

use super::limits;

/// `[tlib]`. Every key is optional.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address where servers (sidecars) connect to us, or `off`.
    pub listen: String,
    /// TLS on that address; plain TCP only when this says `false`.
    pub tls: bool,
    /// Our certificate chain for those that come (PEM).
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub key: Option<PathBuf>,
    /// CAs whose certificates those that come must show.
    pub client_ca: Option<PathBuf>,
    /// Servers that come to us, at once; a further one is closed at once.
    pub max_links: u16,
    /// Charset of texts of those that come, where they do not say.
    pub charset: String,
    /// DNs to watch over those that come: `"7001"`, `"7010-7019"`.
    pub dns: Vec<String>,
    /// `[[tlib.link]]`: servers that we connect to.
    pub link: Vec<LinkConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "off".into(),
            tls: true,
            cert: None,
            key: None,
            client_ca: None,
            max_links: 4,
            charset: "utf-8".into(),
            dns: Vec::new(),
            link: Vec::new(),
        }
    }
}

/// `[[tlib.link]]`: one server, or a warm-standby pair of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// `host:port` of the server, the primary of a pair.
    pub address: String,
    /// `host:port` of the other one of the pair.
    #[serde(default)]
    pub standby: Option<String>,
    /// Plain TCP only when this says `false`.
    #[serde(default = "yes")]
    pub tls: bool,
    /// CAs of the certificates of the servers (PEM).
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Our certificate chain (PEM).
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name in the certificates of the servers; the host of each address when absent.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Charset of texts, where the server does not say.
    #[serde(default = "utf_8")]
    pub charset: String,
    /// DNs to watch: `"7001"`, `"7010-7019"`.
    #[serde(default)]
    pub dns: Vec<String>,
}

const fn yes() -> bool {
    true
}

fn utf_8() -> String {
    "utf-8".into()
}

/// A key of `[tlib]` that cannot work, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {rule}")]
pub struct ConfigError {
    /// `tlib.link[0].address`.
    pub key: String,
    /// What is wrong with it.
    pub rule: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { key: key.into(), rule: rule.into() }
    }
}

impl Config {
    /// Whether there is any link, coming or going.
    pub fn is_on(&self) -> bool {
        self.listen != "off" || !self.link.is_empty()
    }

    /// How facts call the links, by their numbers: those of `[[tlib.link]]` first, then those that come to us.
    pub fn names(&self) -> Vec<String> {
        let coming = if self.listen == "off" { 0 } else { usize::from(self.max_links) };
        (0..self.link.len() + coming).map(|number| format!("tlib:{number}")).collect()
    }

    /// Says what cannot work without opening anything.
    ///
    /// # Errors
    /// [`ConfigError`] naming the key at fault.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.link.len() > limits::LINKS {
            return Err(ConfigError::new("tlib.link", format!("at most {} of them", limits::LINKS)));
        }
        for (number, link) in self.link.iter().enumerate() {
            link.check(&format!("tlib.link[{number}]"))?;
        }
        let has_listener = self.listener()?.is_some();
        if !(1..=limits::COMING_LINKS).contains(&self.max_links) {
            return Err(ConfigError::new("tlib.max_links", format!("1 to {}", limits::COMING_LINKS)));
        }
        charset("tlib.charset", &self.charset)?;
        dns("tlib.dns", &self.dns)?;
        let has_pair = pair("tlib", self.cert.is_some(), self.key.is_some())?;
        match (has_listener && self.tls, has_pair) {
            (true, false) => Err(ConfigError::new(
                "tlib.cert",
                "a TLS listener needs tlib.cert and tlib.key; tlib.tls = false is plain TCP",
            )),
            (false, _) if self.client_ca.is_some() && has_listener => {
                Err(ConfigError::new("tlib.client_ca", "no certificate is shown over plain TCP: tlib.tls is false"))
            }
            _ => Ok(()),
        }
    }

    /// The address of the listener, `None` when it is off.
    pub(super) fn listener(&self) -> Result<Option<SocketAddr>, ConfigError> {
        if self.listen == "off" {
            return Ok(None);
        }
        let rule = || format!("{:?} is neither an address like \"127.0.0.1:7007\" nor \"off\"", self.listen);
        self.listen.parse().map(Some).map_err(|_| ConfigError::new("tlib.listen", rule()))
    }
}

impl LinkConfig {
    fn check(&self, key: &str) -> Result<(), ConfigError> {
        self.servers(key)?;
        charset(&format!("{key}.charset"), &self.charset)?;
        dns(&format!("{key}.dns"), &self.dns)?;
        pair(key, self.cert.is_some(), self.key.is_some())?;
        if self.tls && self.ca.is_none() {
            let rule = "the CA of the server's certificate is needed; tls = false is plain TCP";
            return Err(ConfigError::new(format!("{key}.ca"), rule));
        }
        if !self.tls && (self.ca.is_some() || self.cert.is_some()) {
            return Err(ConfigError::new(format!("{key}.tls"), "certificates are given, and tls is false"));
        }
        Ok(())
    }

    /// The servers of the link, the primary first.
    pub(super) fn servers(&self, key: &str) -> Result<Vec<Address>, ConfigError> {
        let mut servers = vec![Address::parse(&format!("{key}.address"), &self.address)?];
        if let Some(standby) = &self.standby {
            servers.push(Address::parse(&format!("{key}.standby"), standby)?);
        }
        Ok(servers)
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    fn parse(key: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::new(key, format!("{text:?} is not host:port"));
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(address) => address,
            None if host.contains([':', '[', ']']) => return Err(wrong()),
            None => host,
        };
        let port: u16 = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || port == 0 || host.contains(|letter: char| letter.is_whitespace() || letter == '/') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

pub(super) fn charset(key: &str, name: &str) -> Result<Charset, ConfigError> {
    Charset::by_name(name)
        .ok_or_else(|| ConfigError::new(key, format!("{name:?} is no charset of the WHATWG encoding standard")))
}

/// Certificate and key: both, or none.
fn pair(key: &str, has_cert: bool, has_key: bool) -> Result<bool, ConfigError> {
    match (has_cert, has_key) {
        (true, false) => Err(ConfigError::new(format!("{key}.key"), "the private key of the certificate is missing")),
        (false, true) => Err(ConfigError::new(format!("{key}.cert"), "the certificate of the key is missing")),
        _ => Ok(has_cert),
    }
}

/// Single DNs and ranges of numbers of one length.
pub(crate) fn dns(key: &str, written: &[String]) -> Result<BTreeSet<String>, ConfigError> {
    let mut dns = BTreeSet::new();
    for text in written {
        let is_number = |text: &str| !text.is_empty() && text.len() <= 18 && text.bytes().all(|o| o.is_ascii_digit());
        match text.split_once('-').filter(|(first, last)| is_number(first) && is_number(last)) {
            Some(ends) => range(key, ends, &mut dns)?,
            None if text.is_empty() || text.len() > 64 || text.contains(char::is_control) => {
                return Err(ConfigError::new(key, "a DN has 1 to 64 characters"));
            }
            None => drop(dns.insert(text.clone())),
        }
        if dns.len() > DNS_PER_LINK {
            return Err(too_many(key));
        }
    }
    Ok(dns)
}

fn range(key: &str, (first, last): (&str, &str), dns: &mut BTreeSet<String>) -> Result<(), ConfigError> {
    let wrong = || ConfigError::new(key, "a range has two numbers of the same length, the smaller one first");
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let (from, to) = (number(first)?, number(last)?);
    if first.len() != last.len() || from > to {
        return Err(wrong());
    }
    if to - from >= DNS_PER_LINK as u64 {
        return Err(too_many(key));
    }
    let width = first.len();
    dns.extend((from..=to).map(|number| format!("{number:0width$}")));
    Ok(())
}

fn too_many(key: &str) -> ConfigError {
    ConfigError::new(key, format!("at most {DNS_PER_LINK} DNs a link"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(address: &str) -> LinkConfig {
        LinkConfig {
            address: address.into(),
            standby: None,
            tls: false,
            ca: None,
            cert: None,
            key: None,
            server_name: None,
            charset: utf_8(),
            dns: Vec::new(),
        }
    }

    fn fault(config: &Config) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn what_works_works() {
        let tls = LinkConfig { tls: true, ca: Some("ca.pem".into()), ..link("host:7007") };
        let pair = LinkConfig { standby: Some("[::1]:7008".into()), dns: vec!["7001".into()], ..link("10.0.0.1:7007") };
        let config = Config { link: vec![tls, pair.clone()], ..Config::default() };
        assert_eq!(config.check(), Ok(()));
        assert_eq!(pair.servers("k").unwrap()[1], Address { host: "::1".into(), port: 7008 });
        let listener = Config { listen: "127.0.0.1:0".into(), tls: false, ..Config::default() };
        assert_eq!(listener.check(), Ok(()));
    }

    #[test]
    fn a_fault_names_its_key() {
        let with = |link| Config { link: vec![link], ..Config::default() };
        for address in ["host", "host:", ":1", "host:0", "::1:5", "a b:5", "tcp://host:5"] {
            assert!(fault(&with(link(address))).starts_with("tlib.link[0].address: "), "{address}");
        }
        for (wrong, key) in [
            (LinkConfig { standby: Some("x".into()), ..link("h:1") }, "tlib.link[0].standby"),
            (LinkConfig { tls: true, ..link("h:1") }, "tlib.link[0].ca"),
            (LinkConfig { cert: Some("c".into()), ..link("h:1") }, "tlib.link[0].key"),
            (LinkConfig { key: Some("c".into()), ..link("h:1") }, "tlib.link[0].cert"),
            (LinkConfig { ca: Some("c".into()), ..link("h:1") }, "tlib.link[0].tls"),
            (LinkConfig { charset: "klingon".into(), ..link("h:1") }, "tlib.link[0].charset"),
            (LinkConfig { dns: vec![String::new()], ..link("h:1") }, "tlib.link[0].dns"),
        ] {
            let said = fault(&with(wrong));
            assert!(said.starts_with(&format!("{key}: ")), "{said}");
        }
        for (wrong, key) in [
            (Config { listen: "here".into(), ..Config::default() }, "tlib.listen"),
            (Config { listen: "127.0.0.1:1".into(), ..Config::default() }, "tlib.cert"),
            (Config { max_links: 0, ..Config::default() }, "tlib.max_links"),
            (Config { dns: vec!["1-99999999".into()], ..Config::default() }, "tlib.dns"),
            (Config { link: vec![link("h:1"); limits::LINKS + 1], ..Config::default() }, "tlib.link"),
        ] {
            let said = fault(&wrong);
            assert!(said.starts_with(&format!("{key}: ")), "{said}");
        }
    }

    #[test]
    fn a_range_keeps_its_zeros_and_a_dash_elsewhere_is_a_letter() {
        let read = |text: &str| dns("k", &[text.to_owned()]).map(|dns| dns.into_iter().collect::<Vec<_>>());
        assert_eq!(read("0098-0101").unwrap(), ["0098", "0099", "0100", "0101"]);
        assert_eq!(read("trunk-7").unwrap(), ["trunk-7"]);
        for wrong in ["98-101", "7019-7010", "000000-099999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
