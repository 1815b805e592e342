//! Who a TLS peer says it is, for choosing its profile.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The name in the peer's certificate, the first of `chain`: its first URI (RFC 5922 7.1 puts SIP identities there), else
/// its first DNS name, else its common name. The handshake must have verified the chain already.
pub fn peer_identity(chain: &[CertificateDer<'_>]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let uri = names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let dns = || {
        names.iter().find_map(|name| match name {
            GeneralName::DNSName(dns) => Some(*dns),
            _ => None,
        })
    };
    let common = || certificate.subject().iter_common_name().next()?.as_str().ok();
    uri.or_else(dns).or_else(common).map(str::to_owned)
}
