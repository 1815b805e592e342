//! Which profile a peer is read with: by its address, its certificate or the address it calls, first match wins.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use crate::{
    flow::Flow,
    profile::{Catalogue, Profile},
};

/// A network in CIDR notation, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |octets: &[u8]| octets.iter().fold(0u128, |all, &octet| all << 8 | u128::from(octet));
        let same = |a: u128, b: u128, width: u8| {
            let shift = u32::from(width - self.prefix);
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(bits(&a.octets()), bits(&b.octets()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(bits(&a.octets()), bits(&b.octets()), 128),
            _ => false,
        }
    }
}

impl Network {
    /// Whether every address of `other` lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4() && self.prefix <= other.prefix && self.contains(other.address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr =
            address.trim().parse().map_err(|_| format!("{text:?} is not an address or CIDR network"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(prefix) => prefix
                .trim()
                .parse()
                .ok()
                .filter(|prefix| *prefix <= width)
                .ok_or_else(|| format!("{text:?}: prefix is not 0-{width}"))?,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// `[[peer]]`: who is meant, and the profile of whoever that is. All conditions that are set must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRule {
    /// Source addresses.
    pub network: Option<Network>,
    /// Subject name of the client certificate; `*.example.com` stands for one label more.
    pub identity: Option<String>,
    /// User part of the Request-URI, the address that is called.
    pub called: Option<String>,
    /// How they are read.
    pub profile: Arc<Profile>,
}

impl PeerRule {
    /// A rule by address with a built-in profile.
    ///
    /// # Errors
    /// One line that names the faulty text.
    pub fn new(network: &str, profile: &str) -> Result<Self, String> {
        let catalogue = Catalogue::built_in();
        let profile = catalogue.named(profile).ok_or_else(|| unknown(profile, catalogue))?;
        Ok(Self { network: Some(network.parse()?), identity: None, called: None, profile: Arc::clone(profile) })
    }

    /// Whether a request that came this way is meant.
    fn is_about(&self, flow: &Flow, uri: &str) -> bool {
        self.network.is_none_or(|network| network.contains(flow.remote.ip()))
            && self
                .identity
                .as_ref()
                .is_none_or(|wanted| flow.identity.as_ref().is_some_and(|shown| is_identity(wanted, shown)))
            && self.called.as_ref().is_none_or(|wanted| user_part(uri).eq_ignore_ascii_case(wanted))
    }

    /// Whether whoever `other` is about is meant here as well: behind this one it never has its turn.
    pub fn covers(&self, other: &Self) -> bool {
        let is_wider = |own: &Option<String>, its: &Option<String>| own.is_none() || own == its;
        let network = match (self.network, other.network) {
            (None, _) => true,
            (Some(own), Some(its)) => own.covers(&its),
            (Some(_), None) => false,
        };
        network && is_wider(&self.identity, &other.identity) && is_wider(&self.called, &other.called)
    }
}

/// The fault of a profile name that nobody knows.
pub fn unknown(name: &str, catalogue: &Catalogue) -> String {
    let known: Vec<&str> = catalogue.all().map(|profile| profile.name.as_str()).collect();
    format!("unknown profile {name:?}; known: {}", known.join(", "))
}

fn is_identity(wanted: &str, shown: &str) -> bool {
    match wanted.strip_prefix("*.") {
        Some(domain) => shown.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => wanted.eq_ignore_ascii_case(shown),
    }
}

fn user_part(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user).split(';').next().unwrap_or_default()
}

/// Every rule, and the profile of whoever none of them is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Peers {
    /// First match wins.
    pub rules: Vec<PeerRule>,
    /// For the rest.
    pub fallback: Arc<Profile>,
}

impl Default for Peers {
    fn default() -> Self {
        let auto = Catalogue::built_in().named("auto").expect("a built-in profile");
        Self { rules: Vec::new(), fallback: Arc::clone(auto) }
    }
}

impl From<Vec<PeerRule>> for Peers {
    fn from(rules: Vec<PeerRule>) -> Self {
        Self { rules, ..Self::default() }
    }
}

impl Peers {
    /// The profile for a request, and the number of the rule that names it, from 0.
    pub fn profile_of(&self, flow: &Flow, uri: &str) -> (&Arc<Profile>, Option<usize>) {
        match self.rules.iter().position(|rule| rule.is_about(flow, uri)) {
            Some(at) => (&self.rules[at].profile, Some(at)),
            None => (&self.fallback, None),
        }
    }

    /// The profile that a dialog was begun with, by its name: what a changed configuration no longer knows falls back.
    pub(super) fn again(&self, name: &str) -> Arc<Profile> {
        let rules = self.rules.iter().map(|rule| &rule.profile);
        let known = rules.chain([&self.fallback]).find_map(|profile| profile.again(name));
        let built_in = || Catalogue::built_in().named(name).unwrap_or(&self.fallback);
        Arc::clone(known.unwrap_or_else(built_in))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_match_by_prefix_and_say_what_is_wrong() {
        let network: Network = "192.0.2.0/24".parse().unwrap();
        assert!(network.contains("192.0.2.255".parse().unwrap()));
        assert!(network.contains("::ffff:192.0.2.1".parse().unwrap()), "mapped addresses of a dual-stack socket");
        assert!(!network.contains("192.0.3.1".parse().unwrap()));
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Network>().unwrap_err().contains("0-32"));
        assert!("host".parse::<Network>().is_err());
    }

    fn flow(address: &str, identity: Option<&str>) -> Flow {
        let (local, remote) = ("198.51.100.1:5060".parse().unwrap(), format!("{address}:5060").parse().unwrap());
        let transport = crate::event::Transport::Tls;
        Flow { id: 1, transport, local, remote, identity: identity.map(str::to_owned) }
    }

    #[test]
    fn the_first_rule_wins() {
        let rule = |network: &str, name: &str| PeerRule::new(network, name).unwrap();
        let peers: Peers = vec![rule("10.0.0.1", "genesys-msr"), rule("10.0.0.0/8", "strict")].into();
        let name = |address: &str| {
            let flow = flow(address, None);
            let (profile, rule) = peers.profile_of(&flow, "sip:srs@x");
            (profile.name.clone(), rule)
        };
        assert_eq!(name("10.0.0.1"), ("genesys-msr".into(), Some(0)));
        assert_eq!(name("10.9.0.1"), ("rfc7866-strict".into(), Some(1)));
        assert_eq!(name("192.0.2.1"), ("auto".into(), None));
        let fault = PeerRule::new("10.0.0.1", "nobody").unwrap_err();
        assert!(fault.contains("\"nobody\"") && fault.contains("cisco-nbr"), "{fault}");
        assert!(peers.rules[1].covers(&peers.rules[0]) && !peers.rules[0].covers(&peers.rules[1]));
    }

    #[test]
    fn certificates_and_called_addresses_choose_too_and_all_conditions_must_hold() {
        let base = PeerRule::new("0.0.0.0/0", "avaya").unwrap();
        let by_name = PeerRule { identity: Some("*.sbc.example.com".into()), called: Some("Rec".into()), ..base };
        let peers: Peers = vec![by_name].into();
        let is_avaya =
            |identity: Option<&str>, uri: &str| peers.profile_of(&flow("192.0.2.1", identity), uri).1.is_some();
        assert!(is_avaya(Some("A.SBC.example.com"), "sip:rec;x=1@host"));
        assert!(!is_avaya(Some("a.b.sbc.example.com"), "sip:rec@host") && !is_avaya(None, "sip:rec@host"));
        assert!(
            !is_avaya(Some("a.sbc.example.com"), "sip:srs@host") && !is_avaya(Some("a.sbc.example.com"), "sip:host")
        );
    }
}
