//! TLS material for a first start: an ECDSA P-256 key and a certificate that vouches for itself.

use std::path::Path;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::{
    FileError, TlsPaths,
    file::{self, Privacy},
    limits::PEM_FILE_OCTETS,
};

/// The names under which every node knows itself, beside its host name.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Finds `cert.pem` and `key.pem` (0600) in `folder`, or makes them for `names`, the host name, localhost and the loopback
/// addresses; true when they were made. A key alone gets a new certificate; a certificate alone is refused.
pub fn ensure(folder: impl AsRef<Path>, names: &[String]) -> Result<(TlsPaths, bool), FileError> {
    let folder = folder.as_ref();
    let paths = TlsPaths { cert: folder.join("cert.pem"), key: folder.join("key.pem"), client_ca: None };
    let found = [&paths.cert, &paths.key].map(|path| path.try_exists().map_err(FileError::io(path, "look for")));
    let [has_cert, has_key] = found;
    if has_cert? {
        if !has_key? {
            return Err(FileError::malformed(&paths.key, "missing, but its certificate is there"));
        }
        return Ok((paths, false));
    }
    let key = ensure_key(&paths.key, has_key?)?;
    let pem = certificate(&key, names).map_err(|error| FileError::malformed(&paths.cert, error.to_string()))?;
    file::create(&paths.cert, pem.as_bytes(), Privacy::Public)?;
    Ok((paths, true))
}

/// The key comes first: a certificate that is there has its key.
fn ensure_key(path: &Path, exists: bool) -> Result<KeyPair, FileError> {
    if !exists {
        let fresh = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
        let fresh = fresh.map_err(|error| FileError::malformed(path, error.to_string()))?;
        file::create(path, Zeroizing::new(fresh.serialize_pem()).as_bytes(), Privacy::Secret)?;
    }
    let pem = file::read(path, PEM_FILE_OCTETS, Privacy::Secret)?;
    let text = std::str::from_utf8(&pem).map_err(|_| FileError::malformed(path, "not PEM"))?;
    KeyPair::from_pem(text).map_err(|error| FileError::malformed(path, error.to_string()))
}

/// Valid until 2049 without asking any clock: who wants certificates that end configures their own.
fn certificate(key: &KeyPair, names: &[String]) -> Result<String, rcgen::Error> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut all: Vec<String> = OWN_NAMES.iter().map(|name| (*name).to_owned()).collect();
    for name in names.iter().chain([&host]) {
        if !name.is_empty() && !all.contains(name) {
            all.push(name.clone());
        }
    }
    let mut params = CertificateParams::new(all)?;
    params.distinguished_name.push(DnType::CommonName, "recorder");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params.self_signed(key)?.pem())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt, sync::Arc};

    use crypto::tls::{Trust, client_config, peer_identity, server_config};
    use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
    use rustls_pki_types::ServerName;

    use super::*;

    fn made(folder: &Path) -> TlsPaths {
        ensure(folder, &["pbx.example".into()]).unwrap().0
    }

    /// A handshake in memory, and whom the server sees.
    fn handshake(
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
        name: &str,
    ) -> Result<Option<String>, rustls::Error> {
        let mut client = ClientConnection::new(client, ServerName::try_from(name.to_owned()).unwrap())?;
        let mut server = ServerConnection::new(server)?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut unread = &wire[..];
            while !unread.is_empty() {
                server.read_tls(&mut unread).unwrap();
                server.process_new_packets()?;
            }
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut unread = &wire[..];
            while !unread.is_empty() {
                client.read_tls(&mut unread).unwrap();
                client.process_new_packets()?;
            }
        }
        Ok(server.peer_certificates().and_then(peer_identity))
    }

    #[test]
    fn a_client_that_trusts_the_certificate_reaches_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let paths = made(folder.path());
        let server = server_config(paths.load().unwrap(), &[b"h2", b"http/1.1"]).unwrap();
        let roots = || Trust::Roots(fs::read(&paths.cert).unwrap());
        for name in ["localhost", "127.0.0.1", "::1", "pbx.example"] {
            let client = client_config(roots(), None).unwrap();
            assert_eq!(handshake(Arc::clone(&server), client, name), Ok(None), "{name}");
        }
        let client = client_config(roots(), None).unwrap();
        assert!(handshake(Arc::clone(&server), client, "other.example").is_err());
        let stranger = made(tempfile::tempdir().unwrap().path());
        assert!(stranger.load().is_err_and(|error| error.is_missing()));
        let insecure = client_config(Trust::Insecure, None).unwrap();
        assert_eq!(handshake(server, insecure, "other.example"), Ok(None));
    }

    #[test]
    fn a_server_with_client_cas_lets_only_theirs_in() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ours, theirs) = (made(ours.path()).load().unwrap(), made(theirs.path()).load().unwrap());
        let mut guarded = ours.clone();
        guarded.client_ca_pem = Some(theirs.cert_chain_pem.clone());
        let server = server_config(guarded, &[]).unwrap();
        let client = |identity| client_config(Trust::Roots(ours.cert_chain_pem.clone()), identity).unwrap();
        assert_eq!(
            handshake(Arc::clone(&server), client(Some(theirs.clone())), "localhost"),
            Ok(Some("localhost".into()))
        );
        assert!(handshake(Arc::clone(&server), client(None), "localhost").is_err());
        assert!(handshake(server, client(Some(ours.clone())), "localhost").is_err());
    }

    #[test]
    fn what_was_made_is_found_again_and_the_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, made) = ensure(folder.path().join("tls"), &[]).unwrap();
        assert!(made);
        assert_eq!(fs::metadata(&paths.key).unwrap().mode() & 0o7777, 0o600);
        let before = fs::read(&paths.cert).unwrap();
        assert_eq!(ensure(folder.path().join("tls"), &[]).unwrap(), (paths.clone(), false));
        assert_eq!(fs::read(&paths.cert).unwrap(), before);
    }

    #[test]
    fn half_a_pair_is_completed_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let paths = made(folder.path());
        fs::remove_file(&paths.cert).unwrap();
        let (paths, made) = ensure(folder.path(), &[]).unwrap();
        assert!(made && server_config(paths.load().unwrap(), &[]).is_ok());
        fs::remove_file(&paths.key).unwrap();
        let refused = ensure(folder.path(), &[]).unwrap_err().to_string();
        assert_eq!(refused, format!("{}: missing, but its certificate is there", paths.key.display()));
    }

    #[test]
    fn a_file_without_what_it_should_hold_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = made(folder.path());
        let wrong = |cert: &Path, key: &Path| {
            let wrong = TlsPaths { cert: cert.into(), key: key.into(), client_ca: None };
            wrong.load().err().unwrap().to_string()
        };
        assert!(wrong(&paths.key, &paths.key).ends_with("key.pem: holds no certificate in PEM"));
        assert!(wrong(&paths.cert, &paths.cert).contains("cert.pem: mode 0644"));
        let absent = folder.path().join("absent.pem");
        assert!(wrong(&absent, &paths.key).contains("absent.pem: cannot open"));
    }
}
