//! Custodians that touch the world: the master key file, certificates on disk and of the moment, the kernel's randomness.

pub mod dtls;
mod entropy;
mod file;
mod key_file;
pub mod limits;
pub mod self_signed;
mod tls_files;

pub use entropy::SystemEntropy;
pub use file::FileError;
pub use key_file::FileCustodian;
pub use tls_files::{TlsPaths, read_certificates};
