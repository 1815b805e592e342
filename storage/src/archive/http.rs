//! The HTTP client that S3 and WebDAV share: our TLS policy, no redirects, bounded waiting.

use std::time::Duration;

use crypto::tls::{Trust, client_config};
use reqwest::{Client, redirect::Policy};

use crate::config::{ArchiveConfig, ConfigError};

/// The client of the section `[archive]`. Redirects are not followed: credentials go where the configuration says.
pub(super) fn client(config: &ArchiveConfig) -> Result<Client, ConfigError> {
    if config.timeout_s == 0 {
        return Err(ConfigError::new("archive.timeout_s", "at least 1"));
    }
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .https_only(!config.allow_http)
        .connect_timeout(Duration::from_secs(config.timeout_s.min(10)))
        .timeout(Duration::from_secs(config.timeout_s))
        .user_agent(concat!("recorder/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &config.ca {
        let bad =
            |error: &dyn std::fmt::Display| ConfigError::new("archive.ca", format!("{}: {error}", path.display()));
        let pem = std::fs::read(path).map_err(|error| bad(&error))?;
        let tls = client_config(Trust::Roots(pem), None).map_err(|error| bad(&error))?;
        builder = builder.tls_backend_preconfigured((*tls).clone());
    }
    builder.build().map_err(|error| ConfigError::new("archive", chain(&error)))
}

/// The secret of the section, from the text or the file.
pub(super) fn secret(config: &ArchiveConfig) -> Result<Option<String>, ConfigError> {
    let Some(path) = &config.secret_key_file else {
        return Ok(config.secret_key.as_ref().map(|secret| secret.reveal().to_owned()));
    };
    let key = "archive.secret_key_file";
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| ConfigError::new(key, format!("{}: {error}", path.display())))?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(Some(secret.to_owned())),
        _ => Err(ConfigError::new(key, format!("{}: its first line is empty", path.display()))),
    }
}

/// An error with its causes: the outermost alone says "error sending request".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}
