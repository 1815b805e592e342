//! `[[peer]]` and the profiles it may name: read from the configuration and from the folder of own profiles, checked, and
//! told in words.

use std::{path::Path, sync::Arc};

use signaling_core::{
    endpoint::{PeerRule, Peers, unknown},
    profile::{Catalogue, Profile, Zone},
};

use crate::{
    config::{Config, Peer},
    fault::Fault,
};

/// The rules, checked.
pub(crate) fn peers(config: &Config) -> Result<Peers, Fault> {
    let catalogue = catalogue(config)?;
    let named = |name: &str| catalogue.named(name).cloned();
    let rules =
        config.peer.iter().enumerate().map(|(at, peer)| rule(peer, &catalogue).map_err(|what| fault(at, &what)));
    Ok(Peers { rules: rules.collect::<Result<_, _>>()?, fallback: named("auto").unwrap_or_default() })
}

fn fault(at: usize, what: &str) -> Fault {
    Fault::key(&format!("peer (rule {})", at + 1), what)
}

/// The built-in profiles, and those of the folder.
fn catalogue(config: &Config) -> Result<Catalogue, Fault> {
    let Some(folder) = &config.sip.profiles else { return Ok(Catalogue::built_in().clone()) };
    let own = files(folder).map_err(|error| Fault::key("sip.profiles", format!("{}: {error}", folder.display())))?;
    Catalogue::with(&own).map_err(|error| Fault::Usage(error.to_string()))
}

/// Every `*.toml` of the folder, in the order of names.
fn files(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.display().to_string(), std::fs::read_to_string(&path)?))).collect()
}

fn rule(peer: &Peer, catalogue: &Catalogue) -> Result<PeerRule, String> {
    if peer.network.is_none() && peer.identity.is_none() && peer.called.is_none() {
        return Err("needs `match`, `identity` or `called`".to_owned());
    }
    let profile = catalogue.named(&peer.profile).ok_or_else(|| unknown(&peer.profile, catalogue))?;
    let profile: Arc<Profile> = match &peer.zone {
        Some(zone) => Arc::new(profile.in_zone(zone.parse::<Zone>().map_err(|error| format!("zone: {error}"))?)),
        None => Arc::clone(profile),
    };
    let network = peer.network.as_deref().map(str::parse).transpose()?;
    Ok(PeerRule { network, identity: peer.identity.clone(), called: peer.called.clone(), profile })
}

/// What a rule is about, in words.
pub(crate) fn words(rule: &PeerRule) -> String {
    let network = rule.network.map(|network| format!("from {network}"));
    let identity = rule.identity.as_ref().map(|identity| format!("with the certificate of {identity}"));
    let called = rule.called.as_ref().map(|called| format!("calling {called}"));
    [network, identity, called].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Every rule in words, with those that never have their turn.
pub(crate) fn told(peers: &Peers) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (at, rule) in peers.rules.iter().enumerate() {
        let Profile { name, title, times, .. } = &*rule.profile;
        lines.push(format!(
            "peer rule {}: {} -> {name} ({title}), zoneless times are {}",
            at + 1,
            words(rule),
            times.zone
        ));
        if let Some(before) = peers.rules[..at].iter().position(|earlier| earlier.covers(rule)) {
            lines.push(format!("peer rule {}: never has its turn: rule {} takes all of it", at + 1, before + 1));
        }
    }
    let among: Vec<&str> = peers.fallback.candidates.iter().map(|one| one.name.as_str()).collect();
    lines.push(format!("everybody else -> {} (recognises {})", peers.fallback.name, among.join(", ")));
    lines
}
