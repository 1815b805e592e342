//! `recorder user add` and `recorder token create`: they work beside a running server, which reads the files again.

use std::io::IsTerminal as _;

use api::access::Store;
use custody::SystemEntropy;
use model::Role;

use crate::{config::Config, fault::Fault};

/// Prints the token alone: the output of the command is the token.
pub(crate) fn create_token(config: &Config, role: Role) -> Result<(), Fault> {
    let token = open(config)?.create_token(role).map_err(|error| Fault::Failed(error.to_string()))?;
    println!("{}", token.text);
    Ok(())
}

/// The password comes from standard input when that is a pipe; else one is made and printed. Never from argv.
pub(crate) fn add_user(config: &Config, name: &str, role: Role) -> Result<(), Fault> {
    let piped = if std::io::stdin().is_terminal() { None } else { first_line()? };
    let made = piped.is_none().then(|| hex::encode(SystemEntropy.array::<12>()));
    let password = piped.or_else(|| made.clone()).unwrap_or_default();
    open(config)?.add_user(name, role, &password).map_err(|error| Fault::Failed(error.to_string()))?;
    if let Some(password) = made {
        println!("{password}");
    }
    Ok(())
}

fn first_line() -> Result<Option<String>, Fault> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Fault::Failed(format!("standard input: {error}")))?;
    let line = line.trim_end_matches(['\r', '\n']);
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

fn open(config: &Config) -> Result<Store, Fault> {
    Store::open(&config.access_dir()).map_err(|error| Fault::Failed(error.to_string()))
}
