//! Certificate and key files, as configured or as made at the first start.

use std::path::{Path, PathBuf};

use crypto::tls::TlsMaterial;
use zeroize::Zeroizing;

use crate::{
    FileError,
    file::{self, Privacy},
    limits::PEM_FILE_OCTETS,
};

/// Where TLS material is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// PEM: the certificate, then its CAs.
    pub cert: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
    /// PEM: the CAs whose certificates clients must show, if they must.
    pub client_ca: Option<PathBuf>,
}

impl TlsPaths {
    /// Reads the files. Fails naming the file that is missing, too open or holds nothing of the kind.
    pub fn load(&self) -> Result<TlsMaterial, FileError> {
        let key_pem = file::read(&self.key, PEM_FILE_OCTETS, Privacy::Secret)?;
        if !key_pem.windows(PRIVATE_KEY.len()).any(|window| window == PRIVATE_KEY) {
            return Err(FileError::malformed(&self.key, "holds no private key in PEM"));
        }
        let client_ca_pem = self.client_ca.as_deref().map(read_certificates).transpose()?;
        Ok(TlsMaterial { cert_chain_pem: read_certificates(&self.cert)?, key_pem, client_ca_pem })
    }
}

const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Reads a file of certificates in PEM.
pub fn read_certificates(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut pem: Zeroizing<Vec<u8>> = file::read(path, PEM_FILE_OCTETS, Privacy::Public)?;
    if !pem.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE) {
        return Err(FileError::malformed(path, "holds no certificate in PEM"));
    }
    Ok(std::mem::take(&mut *pem))
}
