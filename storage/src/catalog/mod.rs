//! The catalog: a searchable index that follows the ledger and can be rebuilt from it at any time.

mod read;
mod schema;
mod search;
mod sqlite;
mod write;

use std::{path::Path, sync::Arc};

use storage_core::ports::Catalog;

pub use sqlite::SqliteCatalog;

use crate::config::{CatalogConfig, ConfigError};

/// Opens the catalog that the section `[catalog]` names.
pub fn open_catalog(config: &CatalogConfig, data_dir: &Path) -> Result<Arc<dyn Catalog>, ConfigError> {
    let url = config.url(data_dir);
    match url.split_once(':').unwrap_or((&url, "")) {
        ("sqlite", path) if !path.is_empty() => {
            // sqlite:///path and sqlite:path are both meant by somebody.
            let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
            let catalog = SqliteCatalog::open(Path::new(path));
            Ok(Arc::new(catalog.map_err(|error| ConfigError::new(URL, format!("{path}: {error}")))?))
        }
        ("sqlite", _) => Err(ConfigError::new(URL, "sqlite: without a path")),
        // The rest of such a url carries a password: it is not repeated.
        ("postgres" | "postgresql", _) => Err(ConfigError::new(URL, "postgres: is not built in yet; use sqlite:PATH")),
        (scheme, _) => Err(ConfigError::new(URL, format!("{scheme:?} is no kind of catalog: sqlite:PATH"))),
    }
}

const URL: &str = "catalog.url";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_urls_are_refused_by_the_name_of_the_key_and_without_secrets() {
        for url in ["postgres://user:hunter2@host/db", "nonsense", "sqlite:", "sqlite:/nonexistent/folder/x.db"] {
            let config = CatalogConfig { url: Some(url.into()) };
            let error = open_catalog(&config, Path::new("/")).err().expect("refused");
            assert_eq!(error.key, "catalog.url");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
