//! Which profile a peer is read with: by its address, first match wins.

use std::{fmt, net::IpAddr, str::FromStr};

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

/// The tolerances for one kind of peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// The default: lenient RFC 7866, and Genesys Request-URIs.
    Auto,
    /// Lenient RFC 7866 only.
    Rfc7866,
    /// RFC 7866 6.2 to the letter.
    Rfc7866Strict,
    /// Genesys Request-URIs only.
    GenesysMsr,
}

impl Profile {
    /// Reads the name that stands in the configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "rfc7866" => Some(Self::Rfc7866),
            "rfc7866-strict" => Some(Self::Rfc7866Strict),
            "genesys-msr" => Some(Self::GenesysMsr),
            _ => None,
        }
    }

    /// Whether messages are read by the letter.
    pub fn is_strict(&self) -> bool {
        *self == Self::Rfc7866Strict
    }
}

/// `[[peer]]`: a network and the profile of whoever speaks from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRule {
    /// Source addresses.
    pub network: Network,
    /// How they are read.
    pub profile: Profile,
}

impl PeerRule {
    /// Reads what stands in the configuration.
    ///
    /// # Errors
    /// One line that names the faulty text.
    pub fn new(network: &str, profile: &str) -> Result<Self, String> {
        let known = "auto, rfc7866, rfc7866-strict, genesys-msr";
        let read = Profile::from_name(profile).ok_or_else(|| format!("unknown profile {profile:?}; known: {known}"))?;
        Ok(Self { network: network.parse()?, profile: read })
    }
}

/// The profile for an address.
pub(super) fn profile_of(rules: &[PeerRule], address: IpAddr) -> Profile {
    rules.iter().find(|rule| rule.network.contains(address)).map_or(Profile::Auto, |rule| rule.profile.clone())
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

    #[test]
    fn the_first_rule_wins() {
        let rule = |network: &str, name: &str| PeerRule::new(network, name).unwrap();
        let rules = [rule("10.0.0.1", "genesys-msr"), rule("10.0.0.0/8", "rfc7866-strict")];
        assert_eq!(profile_of(&rules, "10.0.0.1".parse().unwrap()), Profile::GenesysMsr);
        assert_eq!(profile_of(&rules, "10.9.0.1".parse().unwrap()), Profile::Rfc7866Strict);
        assert_eq!(profile_of(&rules, "192.0.2.1".parse().unwrap()), Profile::Auto);
        assert!(PeerRule::new("10.0.0.1", "cisco").unwrap_err().contains("\"cisco\""));
    }
}
