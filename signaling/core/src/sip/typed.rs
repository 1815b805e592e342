//! Typed values: `rsip` reads them once our own normalisation has run; what it cannot (IPv6 hosts, unknown methods and
//! transports, non-SIP schemes) is read here.

use std::net::IpAddr;

use rsip::headers::{ToTypedHeader, UntypedHeader};

use super::{
    Method,
    text::{Params, split},
};
use crate::event::Transport;

/// One Via element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// Host of sent-by, IPv6 without brackets.
    pub host: String,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// Branch; empty when there is none (RFC 2543).
    pub branch: String,
    /// RFC 3581: the peer asks for an answer to the source port.
    pub has_rport: bool,
}

impl Via {
    /// Reads one element in any spacing: `SIP / 2.0 / UDP host : 5060 ;branch = x`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::plain(text).or_else(|| Self::any(text))
    }

    /// What nearly every peer writes: no quotes, no odd spacing, a name or IPv4 address. A seventh of the time of a
    /// set-up was spent on reading such lines in full generality (perf, sipp at 500 calls/s).
    fn plain(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("SIP/2.0/")?;
        let rest = ["UDP ", "TCP ", "TLS "].iter().find_map(|transport| rest.strip_prefix(transport))?;
        if !rest.bytes().all(|octet| PLAIN[usize::from(octet)]) {
            return None;
        }
        let mut pieces = rest.split(';');
        let (host, port) = host_and_port(pieces.next()?)?;
        if !host.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-')) {
            return None;
        }
        let mut via = Self { host, port, branch: String::new(), has_rport: false };
        for piece in pieces {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            match name {
                "" => return None,
                _ if name.eq_ignore_ascii_case("rport") => via.has_rport = true,
                // The first one counts, as everywhere.
                _ if name.eq_ignore_ascii_case("branch") && via.branch.is_empty() => value.clone_into(&mut via.branch),
                _ => {}
            }
        }
        Some(via)
    }

    fn any(text: &str) -> Option<Self> {
        let mut pieces = split(text, ';').into_iter();
        let (head, rest) = (pieces.next()?, pieces.collect::<Vec<_>>());
        // RFC 4475 3.1.2.1: empty elements and parameters in Via are not tolerable, routing depends on it.
        if rest.iter().any(|piece| piece.is_empty()) {
            return None;
        }
        let params = Params::parse(&rest.join(";"));
        let (protocol, sent_by) = halves(head)?;
        let (host, port) = sent_by_of(&protocol, &sent_by)?;
        Some(Self {
            host,
            port,
            branch: params.get("branch").unwrap_or_default().to_owned(),
            has_rport: params.has("rport"),
        })
    }

    /// Whether the branch follows RFC 3261.
    pub fn has_cookie(&self) -> bool {
        self.branch.len() > 7 && self.branch.starts_with("z9hG4bK")
    }

    /// sent-by as an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// What stands in a plain Via.
const PLAIN: [bool; 256] = {
    let (mut plain, mut octet) = ([false; 256], 0);
    while octet < 256 {
        plain[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    let (others, mut at) = (b".-_~!*'+%=;:$", 0);
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    plain
};

/// Protocol (`SIP/2.0/UDP`, spaces gone) and sent-by of a Via element.
fn halves(head: &str) -> Option<(String, String)> {
    let mut slashes = head.match_indices('/');
    let last = slashes.nth(1)?.0;
    let transport_and_host = head[last + 1..].trim_start();
    let (transport, sent_by) = transport_and_host.split_once(char::is_whitespace)?;
    let protocol: String = head[..=last].chars().filter(|c| !c.is_whitespace()).collect();
    let sent_by = sent_by.chars().filter(|c| !c.is_whitespace()).collect();
    let is_sip = protocol.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
    is_sip.then(|| (format!("SIP/{}{}", &protocol[4..], transport.to_ascii_uppercase()), sent_by))
}

fn sent_by_of(protocol: &str, sent_by: &str) -> Option<(String, Option<u16>)> {
    if sent_by.starts_with('[') {
        return host_and_port(sent_by);
    }
    let via = rsip::headers::Via::new(format!("{protocol} {sent_by}"));
    match via.typed() {
        Ok(via) => {
            let port = via.uri.port().map(|port| *port.value());
            Some((via.uri.host().to_string(), port))
        }
        // Transports that rsip does not know are lawful (RFC 3261 20.42).
        Err(_) => host_and_port(sent_by),
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
pub fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        return Some((host.to_owned(), port));
    }
    match text.split_once(':') {
        Some((host, port)) if !host.is_empty() => Some((host.to_owned(), Some(port.parse().ok()?))),
        Some(_) => None,
        None => (!text.is_empty()).then(|| (text.to_owned(), None)),
    }
}

/// Reads CSeq: below 2^31 (RFC 3261 8.1.1.5).
pub fn cseq(text: &str) -> Option<(u32, Method)> {
    let (number, method) = text.trim().split_once(char::is_whitespace)?;
    let (number, method) = (number.trim(), method.trim());
    let number = if number.bytes().all(|digit| digit.is_ascii_digit()) {
        number.parse::<u32>().ok()?
    } else {
        let known = rsip::headers::CSeq::new(format!("{number} {method}")).typed().map(|cseq| cseq.seq);
        known.or_else(|_| number.parse::<u32>()).ok()?
    };
    (number < 1 << 31 && !method.contains(char::is_whitespace)).then(|| (number, Method::from_token(method)))
}

/// Writes CSeq.
pub fn cseq_text(number: u32, method: &Method) -> String {
    format!("{number} {method}")
}

/// Writes our own Via.
pub fn via_text(transport: Transport, sent_by: &str, branch: &str) -> String {
    format!("SIP/2.0/{} {sent_by};branch={branch};rport", transport.via())
}

/// Whether the text can stand as the Request-URI of a request line, in ours as in theirs.
pub fn is_request_uri(uri: &str) -> bool {
    scheme(uri).is_some() && !uri.contains(['<', '>', '"']) && !uri.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

/// Scheme of a URI, lower case.
pub fn scheme(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_token = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (is_token && !rest.is_empty()).then(|| scheme.to_ascii_lowercase())
}

/// A `sip:` or `sips:` URI, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    /// `sips`.
    pub is_secure: bool,
    /// User part as written, with what stands before `@`.
    pub user: Option<String>,
    /// Host, IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params,
}

impl SipUri {
    /// Reads a URI. `None` for other schemes and for URIs without a host.
    pub fn parse(uri: &str) -> Option<Self> {
        let is_secure = match scheme(uri)?.as_str() {
            "sip" => false,
            "sips" => true,
            _ => return None,
        };
        let rest = uri.split_once(':')?.1;
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        // The user part may hold ';' and '=' (Genesys record=...): the last '@' ends it.
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user.to_owned()), rest));
        let (host_port, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(host_port)?;
        Some(Self { is_secure, user, host, port, params: Params::parse(params) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn via_in_odd_spacing_ipv6_and_unknown_transport() {
        let via = Via::parse("SIP / 2.0 / UDP  192.0.2.2 : 5061 ;branch = z9hG4bKabc;rport").unwrap();
        assert_eq!((via.host.as_str(), via.port, via.has_rport), ("192.0.2.2", Some(5061), true));
        assert!(via.has_cookie());
        let six = Via::parse("SIP/2.0/TCP [2001:db8::9:1]:5060;branch=z9hG4bK1").unwrap();
        assert_eq!((six.host.as_str(), six.port), ("2001:db8::9:1", Some(5060)));
        assert_eq!(Via::parse("SIP/2.0/WEIRD t.example.org;branch=x").unwrap().host, "t.example.org");
        assert_eq!(Via::parse("SIP/2.0/UDP 192.0.2.15;;,;,,"), None);
        assert_eq!(Via::parse("SIP/2.0/UDP"), None);
    }

    #[test]
    fn the_short_way_reads_a_via_as_the_long_one_does() {
        for text in [
            "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport",
            "SIP/2.0/TLS pbx-1.example.org;rport=5062;received=192.0.2.9;branch=z9hG4bK.a~b",
            "SIP/2.0/TCP host;BRANCH=z9hG4bK2;branch=z9hG4bK3;alias",
            "SIP/2.0/UDP host",
        ] {
            assert_eq!(Via::plain(text), Via::any(text), "{text}");
            assert!(Via::plain(text).is_some(), "{text}");
        }
        for text in
            ["SIP/2.0/UDP host;;branch=x", "SIP/2.0/UDP :5060", "SIP/2.0/UDP host:x", "SIP/2.0/UDP host;branch=\"x\""]
        {
            assert_eq!(Via::plain(text), None, "{text}");
        }
    }

    #[test]
    fn cseq_bounds_and_unknown_methods() {
        assert_eq!(cseq("0009  INVITE"), Some((9, Method::Invite)));
        assert_eq!(cseq("8 NEWMETHOD"), Some((8, Method::Other("NEWMETHOD".into()))));
        assert_eq!(cseq("36893488147419103232 REGISTER"), None);
        assert_eq!(cseq("-1 INVITE"), None);
        assert_eq!(cseq("2147483648 INVITE"), None);
    }

    #[test]
    fn sip_uris_with_genesys_users_and_ipv6() {
        let uri = SipUri::parse("sips:record=AB12;x=1@[2001:db8::1]:5061;dn=7001").unwrap();
        assert!(uri.is_secure);
        assert_eq!(
            (uri.user.as_deref(), uri.host.as_str(), uri.port),
            (Some("record=AB12;x=1"), "2001:db8::1", Some(5061))
        );
        assert_eq!(SipUri::parse("tel:+4930"), None);
        assert_eq!(SipUri::parse("sip:"), None);
    }
}
