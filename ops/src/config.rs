//! Configuration: a TOML file, then the environment over it, then a checked type; an unknown key is an error that
//! names the key and where it stands.
//!
//! `PREFIX__SECTION__KEY=value` wins over the file. The value is read as TOML where that fits the type asked for
//! (`true`, `5`, `["a"]`, `[{match = "..."}]`) and as plain text otherwise, so `RECORDER__SIP__UDP=127.0.0.1:5060`
//! needs no quotes.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::{Table, Value};

use crate::limits;

/// Why there is no configuration. Every variant prints as one line that names the file, key or variable at fault.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is read but wrong.
    #[error("{place}: {detail}")]
    File {
        /// File, line and key.
        place: Place,
        /// What is wrong there.
        detail: String,
    },
    /// A variable of the environment is wrong.
    #[error("{variable} (environment): {detail}")]
    Variable {
        /// Its name; the value may be a secret and is not shown.
        variable: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Where in a file something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file; none when the defaults themselves do not fit the type.
    pub path: Option<PathBuf>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// The key on that line.
    pub key: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}", path.display())?,
            None => f.write_str("configuration")?,
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match &self.key {
            Some(key) => write!(f, ": `{key}`"),
            None => Ok(()),
        }
    }
}

/// The process environment without what is not UTF-8 (`std::env::vars` would panic on it).
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Reads the file (none: every key at its default), lays the variables that begin with `prefix` (`RECORDER__`) over
/// it and turns the whole into `T`.
///
/// # Errors
/// The first thing that is wrong, by name: file and line, or variable.
pub fn load<T: DeserializeOwned>(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    prefix: &str,
) -> Result<T, ConfigError> {
    let text = path.map(read).transpose()?.unwrap_or_default();
    let mut loaded: T = toml::from_str(&text).map_err(|error| wrong_file(path, &text, &error))?;
    let mut table: Table = toml::from_str(&text).map_err(|error| wrong_file(path, &text, &error))?;
    let mut variables: Vec<_> = environment.filter(|(name, _)| name.starts_with(prefix)).collect();
    variables.sort();
    for (variable, text) in variables {
        let keys: Vec<String> = variable[prefix.len()..].split("__").map(str::to_ascii_lowercase).collect();
        (loaded, table) = overlay(&table, &keys, &text).map_err(|detail| ConfigError::Variable { variable, detail })?;
    }
    Ok(loaded)
}

/// One variable over the table: as TOML if the type takes it, else as text.
fn overlay<T: DeserializeOwned>(table: &Table, keys: &[String], text: &str) -> Result<(T, Table), String> {
    let typed = toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| {
        let value = table.remove("value");
        table.is_empty().then_some(value).flatten()
    });
    let mut complaint = None;
    for value in typed.into_iter().chain([Value::String(text.to_owned())]) {
        let mut candidate = table.clone();
        set(&mut candidate, keys, value)?;
        match candidate.clone().try_into() {
            Ok(loaded) => return Ok((loaded, candidate)),
            Err(error) => complaint = complaint.or(Some(one_line(error.message()))),
        }
    }
    Err(complaint.unwrap_or_default())
}

fn set(table: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
    let (last, sections) = keys.split_last().ok_or("names no key")?;
    if keys.iter().any(String::is_empty) {
        return Err("names no key".into());
    }
    let mut at = table;
    for section in sections {
        let inner = at.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
        at = inner.as_table_mut().ok_or_else(|| format!("`{section}` is not a section"))?;
    }
    at.insert(last.clone(), value);
    Ok(())
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > limits::CONFIG_OCTETS {
        return Err(unreadable(std::io::Error::other("larger than a configuration file can be")));
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn wrong_file(path: Option<&Path>, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map(|span| span.start.min(text.len()));
    let line = start.map(|at| text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1);
    let key = line
        .and_then(|line| text.lines().nth(line - 1))
        .and_then(|line| line.split_once('='))
        .map(|(key, _)| key.trim().to_owned())
        .filter(|key| !key.is_empty() && !key.starts_with('#'));
    ConfigError::File { place: Place { path: path.map(Path::to_owned), line, key }, detail: one_line(error.message()) }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        data_dir: String,
        sip: Sip,
        peer: Vec<Peer>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sip {
        udp: String,
        limit: u32,
        strict: bool,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Peer {
        profile: String,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { data_dir: "./data".into(), sip: Sip::default(), peer: Vec::new() }
        }
    }

    impl Default for Sip {
        fn default() -> Self {
            Self { udp: "off".into(), limit: 5, strict: false }
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = file(text);
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(Some(file.path()), variables, "RECORDER__")
    }

    #[test]
    fn nothing_at_all_is_the_defaults() {
        assert_eq!(load::<Config>(None, std::iter::empty(), "RECORDER__").unwrap(), Config::default());
    }

    #[test]
    fn the_environment_wins_over_the_file_and_is_typed_by_what_is_asked() {
        let config = with(
            "data_dir = \"/a\"\n[sip]\nudp = \"127.0.0.1:1\"\nlimit = 7\n",
            &[
                ("RECORDER__SIP__UDP", "127.0.0.1:5060"),
                ("RECORDER__SIP__LIMIT", "9"),
                ("RECORDER__SIP__STRICT", "true"),
                ("RECORDER__DATA_DIR", "2026"),
                ("RECORDER__PEER", "[{profile = \"genesys-msr\"}]"),
                ("OTHER__SIP__UDP", "x"),
            ],
        )
        .unwrap();
        assert_eq!(config.sip, Sip { udp: "127.0.0.1:5060".into(), limit: 9, strict: true });
        assert_eq!(config.data_dir, "2026", "a number stays text where text is asked");
        assert_eq!(config.peer, [Peer { profile: "genesys-msr".into() }]);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file_and_line() {
        let error = with("data_dir = \"/a\"\n[sip]\nudpp = \"x\"\n", &[]).unwrap_err().to_string();
        assert!(error.contains(":3: `udpp`: unknown field `udpp`"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn an_unknown_section_a_wrong_type_and_broken_toml_are_named_too() {
        for (text, expected) in [
            ("[sipp]\nudp = \"x\"\n", "unknown field `sipp`"),
            ("[sip]\nlimit = \"many\"\n", "`limit`: invalid type"),
            ("[sip\n", ":1"),
        ] {
            let error = with(text, &[]).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_wrong_variable_is_named_without_its_value() {
        for (name, value) in [
            ("RECORDER__SIP__UDPP", "sesame"),
            ("RECORDER__SIP__LIMIT", "sesame"),
            ("RECORDER__DATA_DIR__X", "sesame"),
            ("RECORDER__", "sesame"),
        ] {
            let error = with("data_dir = \"/a\"\n", &[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} (environment): ")), "{error}");
        }
        let error = with("", &[("RECORDER__SIP__UDPP", "sesame")]).unwrap_err().to_string();
        assert!(error.contains("udpp") && !error.contains("sesame"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<Config>(Some(Path::new("/nowhere/recorder.toml")), std::iter::empty(), "R__").unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/recorder.toml: "), "{error}");
    }
}
