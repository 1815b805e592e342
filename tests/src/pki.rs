//! Certificates of a test: an authority of its own, and who it vouches for.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    name: String,
}

/// Certificate chain and private key, both PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The chain.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, whose files are in `folder`.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("test authority {name}"));
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned(), name: name.to_owned() }
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate for `127.0.0.1` and `localhost`.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub fn vouch(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |kind: &str| self.folder.join(format!("{name}.{kind}.pem"));
        std::fs::write(path("cert"), certificate.pem()).expect("a file");
        std::fs::write(path("key"), key.serialize_pem()).expect("a file");
        // A key that others can read is refused by the recorder.
        std::fs::set_permissions(path("key"), Permissions::from_mode(0o600)).expect("a mode");
        Identity { cert: path("cert"), key: path("key") }
    }
}
